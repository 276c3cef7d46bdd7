/**
 * Puts a server with tasks together: store over a backend, queue, endpoint and worker. The composition for
 * hosts of one process; a host that separates them takes `createTaskEndpoint` and `createTaskWorker`.
 */

import type { StorageBackend } from '../backends/backend.ts';
import { type RandomBytes, systemClock, systemRandom } from '../clock.ts';
import type { TaskRef } from '../domain/task.ts';
import { enqueueUnfinished } from '../runtime/deliveries.ts';
import { DEFAULT_LEASE_TIMES } from '../runtime/held-task.ts';
import { InProcessQueue } from '../runtime/in-process-queue.ts';
import { describeError, type Logger } from '../runtime/logger.ts';
import type { QueueConsumer, TaskQueue } from '../runtime/queue.ts';
import type { RunReport } from '../runtime/runner.ts';
import { GenericTaskStore } from '../store/generic-task-store.ts';
import type { TaskStore } from '../store/task-store.ts';
import { createTaskEndpoint, type EndpointSettings, type TaskEndpoint } from './create-task-endpoint.ts';
import { createTaskWorker, type WorkerSettings } from './create-task-worker.ts';
import { createLineLogger } from './line-logger.ts';

export interface TaskServerOptions extends EndpointSettings, WorkerSettings {
  /** Where tasks live. Closed by whoever opened it. */
  readonly backend: StorageBackend;
  /** Where due tasks go. @default in this process */
  readonly queue?: TaskQueue;
  /**
   * What brings the tasks of `queue` to this process, from `start()` to `drain()`. Without it, a process with a queue of the
   * host's answers requests, and runs what `runTask` is called for. @default the queue of this process
   */
  readonly consumer?: QueueConsumer;
  /** Tasks that this process runs at the same time, with its own queue. @default 16 */
  readonly concurrency?: number;
  /** @default 100 */
  readonly maxActiveTasksPerOwner?: number;
  readonly random?: RandomBytes;
  /** @default readable lines from `info` on, on standard error */
  readonly logger?: Logger;
}

export interface TaskServer extends Omit<TaskEndpoint, 'close'> {
  /** The worker: runs a task if it is due. For hosts with a queue of their own; `scheduledFor` is what they enqueued it for. */
  runTask(ref: TaskRef, scheduledFor?: number): Promise<RunReport>;
  readonly store: TaskStore;
  /** Takes up unfinished tasks and runs what is due, from now on. */
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
    ...(maxActiveTasksPerOwner === undefined ? {} : { maxActiveTasksPerOwner }),
  });
  const local = new InProcessQueue({ clock, logger, ...(concurrency === undefined ? {} : { concurrency }) });
  const queue = options.queue ?? local;
  const consumer = options.consumer ?? local;
  const endpoint = createTaskEndpoint({ ...options, logger, store, queue });
  const worker = createTaskWorker({ ...options, logger, store, queue });

  let draining = false;
  let stopSweeping = () => {};
  const { leaseMs } = options.leaseTimes ?? DEFAULT_LEASE_TIMES;
  const sweep = async () => {
    try {
      await enqueueUnfinished(store, queue, { leaseMs, now: clock.now() });
      await backend.cleanupExpired(clock.now());
    } catch (error) {
      logger.error('Looking for unfinished tasks failed', describeError(error));
    }
    if (!draining) stopSweeping = clock.after(leaseMs / 2, () => void sweep());
  };

  return {
    fetch: endpoint.fetch,
    extension: endpoint.extension,
    completeCallback: (token, outcome) => endpoint.completeCallback(token, outcome),
    store,
    runTask: (ref, scheduledFor) => worker.runTask(ref, scheduledFor),
    start: async () => {
      await sweep();
      consumer.start((ref, scheduledFor) => worker.runTask(ref, scheduledFor));
    },
    drain: async () => {
      draining = true;
      stopSweeping();
      // First, so that nothing begins any more that nobody would stop.
      const consumed = consumer.drain();
      worker.stop();
      await Promise.all([consumed, endpoint.close()]);
    },
  };
}
