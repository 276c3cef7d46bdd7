/**
 * Puts a server with tasks together: store over a backend, queue, runner and MCP endpoint. The composition for
 * hosts of one process, and the parts for hosts that are not ours.
 */
import { type Clock, type RandomBytes, systemClock, systemRandom } from '../clock.ts';
import type { StorageBackend } from '../backends/backend.ts';
import type { JsonValue } from '../domain/json.ts';
import { DEFAULT_LIFETIME, type LifetimePolicy } from '../domain/lifetime.ts';
import type { Owner } from '../domain/owner.ts';
import { acceptAnswers, type Answer, type TaskRef } from '../domain/task.ts';
import { createEndpoint, type FetchHandler } from '../protocol/endpoint.ts';
import type { AuthInfo, McpServerFactory } from '../protocol/sdk.ts';
import { TasksExtension } from '../protocol/tasks-extension.ts';
import { type AnyTool, isTaskTool, toRunnable } from '../protocol/tool.ts';
import { decodeCallbackToken } from '../runtime/callback-token.ts';
import { DEFAULT_LEASE_TIMES, type LeaseTimes } from '../runtime/held-task.ts';
import { InProcessQueue } from '../runtime/in-process-queue.ts';
import { describeError, type Logger, silentLogger } from '../runtime/logger.ts';
import type { TaskQueue } from '../runtime/queue.ts';
import { enqueueUnfinished } from '../runtime/recovery.ts';
import { Runner, type RunReport } from '../runtime/runner.ts';
import { GenericTaskStore } from '../store/generic-task-store.ts';
import type { TaskStore } from '../store/task-store.ts';
import { assertTools } from './define-task-tool.ts';
import { ownerOfAuthInfo } from './owner-of-auth-info.ts';

export interface TaskServerOptions {
  readonly name: string;
  readonly version: string;
  /** Shown to the client's model. */
  readonly instructions?: string;
  readonly tools: readonly AnyTool[];
  /** Where tasks live. Closed by whoever opened it. */
  readonly backend: StorageBackend;
  /** Where due tasks go. @default in this process; `start()` then runs them */
  readonly queue?: TaskQueue;
  /** Tasks that this process runs at the same time, with its own queue. @default 16 */
  readonly concurrency?: number;
  /** Makes the MCP server of a request, for one that offers more than these tools. */
  readonly createServer?: McpServerFactory;
  /** The owner of what a request does. @default from `authInfo`: issuer, tenant, subject or client id */
  readonly resolveOwner?: (authInfo: AuthInfo | undefined) => Owner | undefined;
  /** Whether callers without credentials may use tasks, all as one owner. @default false */
  readonly allowAnonymous?: boolean;
  /** @default 100 */
  readonly maxActiveTasksPerOwner?: number;
  /** @default 24 h to run, 24 h readable */
  readonly lifetime?: LifetimePolicy;
  /** @default a lease of 30 s, a heartbeat every 5 s */
  readonly leaseTimes?: LeaseTimes;
  /** How long a call by a client without task support is kept open, in milliseconds. @default 25000 */
  readonly plainCallWaitMs?: number;
  /** @default silent */
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: RandomBytes;
}

export interface TaskServer {
  /** The MCP endpoint, web-standard. `authInfo` must rest on verified credentials. */
  readonly fetch: FetchHandler;
  /** The worker: runs a task if it is due. For hosts with a queue of their own; `scheduledFor` is what they enqueued it for. */
  runTask(ref: TaskRef, scheduledFor?: number): Promise<RunReport>;
  /** Attach it to MCP servers that the host serves itself. */
  readonly extension: TasksExtension;
  readonly store: TaskStore;
  /** Completes a `waitForCallback` by the token that its handler gave away. Unknown or repeated: nothing happens. */
  completeCallback(token: string, outcome: CallbackCompletion): Promise<void>;
  /** With the queue of this process: takes up unfinished tasks and runs what is due, from now on. */
  start(): Promise<void>;
  /** Running handlers get their signal and give their tasks back, for another process or invocation to go on with. */
  handOver(): void;
  /** No new work; running handlers get their signal and give their tasks back; open streams end. */
  drain(): Promise<void>;
}

export type CallbackCompletion = { readonly value: JsonValue } | { readonly failure: string };

/** Throws `invalid_definition` for tools or settings that cannot work. */
export function createTaskServer(options: TaskServerOptions): TaskServer {
  assertTools(options.tools);
  const { backend, tools, allowAnonymous = false } = options;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const logger = options.logger ?? silentLogger;
  const times = options.leaseTimes ?? DEFAULT_LEASE_TIMES;
  const store = new GenericTaskStore({
    backend,
    clock,
    random,
    ...(options.maxActiveTasksPerOwner === undefined ? {} : { maxActiveTasksPerOwner: options.maxActiveTasksPerOwner }),
  });
  const local =
    options.queue === undefined
      ? new InProcessQueue({ clock, logger, ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }) })
      : undefined;
  const queue = options.queue ?? (local as InProcessQueue);
  const runner = new Runner({
    store,
    queue,
    tools: new Map(tools.filter(isTaskTool).map((tool) => [tool.name, toRunnable(tool)])),
    holder: Buffer.from(random(12)).toString('hex'),
    clock,
    times,
    logger,
  });
  const extension = new TasksExtension({
    tools,
    store,
    queue,
    clock,
    logger,
    lifetime: options.lifetime ?? DEFAULT_LIFETIME,
    resolveOwner: options.resolveOwner ?? ((authInfo) => ownerOfAuthInfo(authInfo, { allowAnonymous })),
    ...(options.plainCallWaitMs === undefined ? {} : { plainCallWaitMs: options.plainCallWaitMs }),
  });
  const { name, version, instructions, createServer } = options;
  const endpoint = createEndpoint({
    name,
    version,
    extension,
    store,
    clock,
    logger,
    ...(instructions === undefined ? {} : { instructions }),
    ...(createServer === undefined ? {} : { createServer }),
  });

  let draining = false;
  let stopSweeping = () => {};
  const sweep = async () => {
    try {
      await enqueueUnfinished(store, queue);
      await backend.cleanupExpired(clock.now());
    } catch (error) {
      logger.error('Looking for unfinished tasks failed', describeError(error));
    }
    if (!draining) stopSweeping = clock.after(times.leaseMs / 2, () => void sweep());
  };

  return {
    fetch: endpoint.fetch,
    runTask: (ref, scheduledFor) => runner.runTask(ref, scheduledFor),
    extension,
    store,
    completeCallback: async (token, outcome) => {
      const { ref, key } = decodeCallbackToken(token);
      const known = await store.get(ref);
      const answer: Answer =
        'failure' in outcome
          ? { outcome: 'failed', message: outcome.failure }
          : { outcome: 'answered', value: await store.keep(known.task, 'answer', outcome.value) };
      const { task } = await store.update(ref, (now, at) => acceptAnswers(now, { [key]: answer }, at), known);
      if (task.run.dueAt !== null) await queue.enqueue(task, { notBefore: task.run.dueAt });
    },
    start: async () => {
      await sweep();
      local?.start((ref) => runner.runTask(ref));
    },
    handOver: () => runner.stop(),
    drain: async () => {
      draining = true;
      stopSweeping();
      runner.stop();
      await Promise.all([local?.drain(), endpoint.close()]);
    },
  };
}
