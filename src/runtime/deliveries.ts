/**
 * Bringing tasks to runners: what is accepted from outside, and what no delivery will bring back. For a task at most one
 * delivery counts, the one that its head names (`run.wakeAt`); all others are left-overs, which a runner drops.
 */
import { isTaskError } from '../domain/errors.ts';
import { boundLease, isForgotten, nextRunAt, rewake } from '../domain/run.ts';
import { isTerminal } from '../domain/status.ts';
import { type AnswerOutcome, acceptAnswers, cancelTask, type Task, type TaskRef } from '../domain/task.ts';
import type { StoredTask, TaskStore } from '../store/task-store.ts';
import { describeError, type Logger } from './logger.ts';
import type { TaskQueue } from './queue.ts';

/** How long past its due time a task must be before a poll takes its delivery for lost, unless told otherwise. */
export const HEALING_GRACE_MS = 10_000;

export interface Deliveries {
  readonly store: TaskStore;
  readonly queue: TaskQueue;
  readonly logger: Logger;
}

export function maxDelayOf(queue: TaskQueue): number {
  return queue.maxDelayMs ?? Number.MAX_SAFE_INTEGER / 2;
}

/**
 * Enqueues the delivery that the task's head names. What its head says is durable already, so a queue that does
 * not answer is no reason to refuse a client: a later poll finds the task forgotten.
 */
export async function nudge({ queue, logger }: Deliveries, task: Task): Promise<void> {
  try {
    await queue.enqueue(task, { notBefore: task.run.wakeAt });
  } catch (error) {
    logger.warn('A task could not be enqueued', { task: task.id, ...describeError(error) });
  }
}

/** Accepts answers, and has the task run with them. A run that is going on finds them by itself. */
export async function deliverAnswers(
  deliveries: Deliveries,
  known: StoredTask,
  answers: Readonly<Record<string, AnswerOutcome>>,
): Promise<void> {
  // Whether it was this call that changed the task: who comes second to a race finds another version as well.
  let accepted = false;
  const { task: after } = await deliveries.store.update(
    known.task,
    (task, now) => {
      const next = acceptAnswers(task, answers, now);
      accepted = next !== task;
      return next;
    },
    known,
  );
  if (accepted && after.run.dueAt !== null && after.run.lease === undefined) await nudge(deliveries, after);
}

/** Cancels a task that has not ended, and has its handler clean up. */
export async function cancel(deliveries: Deliveries, ref: TaskRef, message: string): Promise<Task> {
  const { task } = await deliveries.store.update(ref, (current, now) =>
    isTerminal(current.status) ? current : cancelTask(current, message, now),
  );
  // A run that holds the task finds out by itself.
  if (task.run.cleanup !== undefined && task.run.lease === undefined) await nudge(deliveries, task);
  return task;
}

/** Enqueues a task that should have run more than `graceMs` ago; of many who notice, one does. */
export async function healForgotten(
  deliveries: Deliveries,
  stored: StoredTask,
  now: number,
  graceMs = HEALING_GRACE_MS,
): Promise<void> {
  if (!isForgotten(stored.task, graceMs, now)) return;
  let woken = false;
  const { task: after } = await deliveries.store.update(
    stored.task,
    (task, at) => {
      woken = isForgotten(task, graceMs, at);
      return woken ? rewake(task, 0, at) : task;
    },
    stored,
  );
  if (woken) await nudge(deliveries, after);
}

/**
 * At start, and every so often, a local server looks through its own store for unfinished tasks and enqueues them for when
 * they are due. Shared engines cannot be walked; there a client's poll heals the task it asks about. A lease that ends too far
 * ahead to be believed is shortened to `lease.leaseMs` first. Resolves to how many were enqueued.
 */
export async function enqueueUnfinished(
  store: TaskStore,
  queue: TaskQueue,
  lease: { readonly leaseMs: number; readonly now: number },
): Promise<number> {
  let count = 0;
  for await (const found of store.unfinished()) {
    const task = await withBelievableLease(store, found, lease);
    await queue.enqueue(task, { notBefore: Math.min(nextRunAt(task) ?? task.deadlineAt, task.deadlineAt) });
    count += 1;
  }
  return count;
}

async function withBelievableLease(
  store: TaskStore,
  task: Task,
  { leaseMs, now }: { readonly leaseMs: number; readonly now: number },
): Promise<Task> {
  if (boundLease(task, leaseMs, now) === task) return task;
  try {
    return (await store.update(task, (current, at) => boundLease(current, leaseMs, at))).task;
  } catch (error) {
    // Changed by many at the same time, or gone: the next look finds what has become of it.
    if (isTaskError(error, 'contention') || isTaskError(error, 'task_not_found')) return task;
    throw error;
  }
}
