/**
 * Where "run this task, now or soon" goes. Deliveries may repeat, come late or be lost: the task's head says when it is
 * due, and the agenda brings back what no delivery does. So a queue makes things quick, and nothing depends on it.
 */
import type { TaskRef } from '../../domain/task.ts';

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/** How long after so many failures in a row, not counting the last, a task is tried again: doubling up to a minute. */
export function retryDelayMs(failures: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS);
}

export interface TaskQueue {
  /** The longest time ahead for which a delivery can be enqueued, in milliseconds. @default any */
  readonly maxDelayMs?: number;
  /**
   * Delivers the task to a runner, with `notBefore`, at that time (milliseconds since the epoch) or soon after; at
   * most `maxDelayMs` ahead.
   */
  enqueue(ref: TaskRef, options: { readonly notBefore: number }): Promise<void>;
}

/**
 * Brings due tasks to this process. What it delivers may come twice, late, or to several processes at once: `run` finds
 * out whether the task is due. A delivery that `run` rejects comes again, after `retryDelayMs` of the failures before
 * it.
 */
export interface QueueConsumer {
  /**
   * From now on due tasks are given to `run`, each with the time that it was enqueued for; without that time where the
   * delivery has been given out before, to a process that may have died with it.
   */
  start(run: RunDelivery): void;
  /** Takes no more deliveries, from the moment of the call, and waits for those that run. */
  drain(): Promise<void>;
}

export type RunDelivery = (ref: TaskRef, notBefore?: number) => Promise<unknown>;
