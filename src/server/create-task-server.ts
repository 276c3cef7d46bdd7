/**
 * Puts a server with tasks together: store over a backend, queue, endpoint and worker. The composition for
 * hosts of one process; a host that separates them takes `createTaskEndpoint` and `createTaskWorker`.
 */

import type { StorageBackend } from '../backends/backend.ts';
import { type RandomBytes, systemClock, systemRandom } from '../clock.ts';
import type { TaskRef } from '../domain/task.ts';
import { describeError, type Logger } from '../runtime/logger.ts';
import { InProcessQueue } from '../runtime/queues/in-process-queue.ts';
import { LONGEST_PAUSE_MS, type LookOptions } from '../runtime/queues/looker.ts';
import type { QueueConsumer, TaskQueue } from '../runtime/queues/queue.ts';
import { DEFAULT_LEASE_TIMES } from '../runtime/running/held-task.ts';
import type { RunReport } from '../runtime/running/runner.ts';
import type { MaxActiveTasks } from '../store/active-limit.ts';
import { GenericTaskStore } from '../store/generic-task-store.ts';
import type { TaskStore } from '../store/task-store.ts';
import { createTaskEndpoint, type EndpointSettings, type TaskEndpoint } from './create-task-endpoint.ts';
import { createTaskWorker, type WorkerSettings } from './create-task-worker.ts';
import { createLineLogger } from './line-logger.ts';

/** Less than `LOCAL_LOOK_TIMES.aheadMs`, so that what is due is enqueued for its very time. */
const LOOK_EVERY_MS = 5_000;

export interface TaskServerOptions extends EndpointSettings, WorkerSettings {
  /** Where tasks live. The caller opened it and closes it. */
  readonly backend: StorageBackend;
  /** Where due tasks go. @default in this process */
  readonly queue?: TaskQueue;
  /**
   * What brings the tasks of `queue` to this process, from `start()` to `drain()`. Without it, a process with a queue of the
   * host's answers requests, and runs what `runTask` is called for. @default the queue of this process
   */
  readonly consumer?: QueueConsumer;
  /** Tasks that this process runs at the same time, with its own queue, in turns between owners; from 1 to 1000. @default 16 */
  readonly concurrency?: number | undefined;
  /** `null`: no limit. A function gives each owner its own. @default 100 */
  readonly maxActiveTasksPerOwner?: MaxActiveTasks;
  readonly random?: RandomBytes;
  /** @default readable lines from `info` on, on standard error */
  readonly logger?: Logger;
}

export interface TaskServer extends Omit<TaskEndpoint, 'close'> {
  /** The worker: runs a task if it is due. For hosts with a queue of their own; `notBefore` is what it was enqueued for. */
  runTask(ref: TaskRef, notBefore?: number): Promise<RunReport>;
  readonly store: TaskStore;
  /** From now on, looks at the agenda every few seconds and runs what is due. */
  start(): Promise<void>;
  /** No new work; running handlers get their signal and give their tasks back; open streams end. */
  drain(): Promise<void>;
}

/** Throws `invalid_definition` for tools or settings that cannot work. */
export function createTaskServer(options: TaskServerOptions): TaskServer {
  const { backend, maxActiveTasksPerOwner, concurrency } = options;
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? createLineLogger('info', clock, (line) => process.stderr.write(line));
  const store = new GenericTaskStore({
    backend,
    clock,
    random: options.random ?? systemRandom,
    maxActiveTasksPerOwner,
  });
  const local = new InProcessQueue({ clock, logger, concurrency });
  const queue = options.queue ?? local;
  const consumer = options.consumer ?? local;
  const endpoint = createTaskEndpoint({ ...options, logger, store, queue });
  const worker = createTaskWorker({ ...options, logger, store, queue });

  const { leaseMs } = options.leaseTimes ?? DEFAULT_LEASE_TIMES;
  let draining = false;
  const cancels = new Map<string, () => void>();
  /** Again and again until the server drains; what fails is tried again the next time. */
  const repeat = async (what: string, everyMs: number, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      logger.error(`${what} failed`, describeError(error));
    }
    if (!draining)
      cancels.set(
        what,
        clock.after(everyMs, () => void repeat(what, everyMs, work)),
      );
  };
  // The first look sees as far as a lease goes: whose process has died on this machine is taken over at once. A queue of
  // this process is empty yet, so it also sees as far as the longest pause: what was in the line of a process before this
  // one goes on.
  let first: LookOptions = { takeOverMs: Math.max(2 * leaseMs, queue === local ? LONGEST_PAUSE_MS : 0) };
  const look = async () => {
    await worker.look(first);
    first = {};
  };

  return {
    fetch: endpoint.fetch,
    extension: endpoint.extension,
    completeCallback: (token, outcome) => endpoint.completeCallback(token, outcome),
    store,
    runTask: (ref, notBefore) => worker.runTask(ref, notBefore),
    start: async () => {
      await repeat('Looking at the agenda', LOOK_EVERY_MS, look);
      void repeat('Removing what has expired', leaseMs / 2, () => backend.cleanupExpired(clock.now()));
      consumer.start((ref, notBefore) => worker.runTask(ref, notBefore));
    },
    drain: async () => {
      draining = true;
      for (const cancel of cancels.values()) cancel();
      // First, so that no run begins after the runs have been stopped.
      const consumed = consumer.drain();
      worker.stop();
      await Promise.all([consumed, endpoint.close()]);
    },
  };
}
