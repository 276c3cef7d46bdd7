/** The side of a task server that runs tasks, over a store and a queue. Answers no requests. */
import { type Clock, type RandomBytes, systemClock, systemRandom } from '../clock.ts';
import { type AnyTool, isTaskTool, toRunnable } from '../protocol/tool.ts';
import { DEFAULT_LEASE_TIMES, type LeaseTimes } from '../runtime/held-task.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import type { TaskQueue } from '../runtime/queue.ts';
import { Runner } from '../runtime/runner.ts';
import type { TaskStore } from '../store/task-store.ts';

export interface WorkerSettings {
  readonly tools: readonly AnyTool[];
  /** @default a lease of 30 s, a heartbeat every 5 s */
  readonly leaseTimes?: LeaseTimes;
  /** @default silent */
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: RandomBytes;
}

export interface TaskWorkerOptions extends WorkerSettings {
  readonly store: TaskStore;
  /** Where runs that are due later go. */
  readonly queue: TaskQueue;
}

/** `runTask` is safe for any task, at any time, any number of times, on any number of machines. */
export function createTaskWorker(options: TaskWorkerOptions): Runner {
  const random = options.random ?? systemRandom;
  return new Runner({
    store: options.store,
    queue: options.queue,
    tools: new Map(options.tools.filter(isTaskTool).map((tool) => [tool.name, toRunnable(tool)])),
    holder: Buffer.from(random(12)).toString('hex'),
    clock: options.clock ?? systemClock,
    times: options.leaseTimes ?? DEFAULT_LEASE_TIMES,
    logger: options.logger ?? silentLogger,
  });
}
