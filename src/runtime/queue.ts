/**
 * Where "run this task, now or later" goes. Deliveries may repeat, come late or be lost: the task's
 * head says when it is due, and whoever finds it overdue enqueues it again.
 */
import type { TaskRef } from '../domain/task.ts';

export interface TaskQueue {
  /** Delivers the task to a runner at `notBefore` (milliseconds since the epoch) or soon after. */
  enqueue(ref: TaskRef, options: { readonly notBefore: number }): Promise<void>;
}
