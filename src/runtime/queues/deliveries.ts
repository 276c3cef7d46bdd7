/**
 * Bringing tasks to runners quickly: what clients say, and what a poll finds forgotten. That a task is run at all is the
 * agenda's business (looker.ts), so no delivery need be certain, and one too many does no harm.
 */
import { heal, isForgotten } from '../../domain/run.ts';
import { isTerminal } from '../../domain/status.ts';
import { type AnswerOutcome, acceptAnswers, cancelTask, type Task, type TaskRef } from '../../domain/task.ts';
import { isOutage } from '../../store/errors.ts';
import type { StoredTask, TaskStore } from '../../store/task-store.ts';
import { describeError, type Logger } from '../logger.ts';
import type { TaskQueue } from './queue.ts';

/** How long past its due time a task must be before a client's look takes its delivery for lost, unless told otherwise. */
export const HEALING_GRACE_MS = 10_000;

export interface Deliveries {
  readonly store: TaskStore;
  readonly queue: TaskQueue;
  readonly logger: Logger;
}

/**
 * Enqueues a task that is due. What its head says is durable already, so a queue that does not answer is no reason to
 * refuse a client: it is on the agenda.
 */
export async function nudge({ queue, logger }: Deliveries, task: Task): Promise<void> {
  try {
    await queue.enqueue(task, { notBefore: task.run.dueAt ?? 0 });
  } catch (error) {
    logger.warn('A task could not be enqueued', { task: task.id, ...describeError(error) });
  }
}

/** The same for a task that has changed; a run that holds it finds out by itself. */
export async function nudgeIfDue(deliveries: Deliveries, task: Task): Promise<void> {
  if (task.run.dueAt !== null && task.run.lease === undefined) await nudge(deliveries, task);
}

/** Accepts answers, and has the task run with them. A run that is going on finds them by itself. */
export async function deliverAnswers(
  deliveries: Deliveries,
  known: StoredTask,
  answers: Readonly<Record<string, AnswerOutcome>>,
): Promise<void> {
  const { task, changed } = await deliveries.store.update(
    known.task,
    (current, now) => acceptAnswers(current, answers, now),
    known,
  );
  if (changed) await nudgeIfDue(deliveries, task);
}

/** Cancels a task that has not ended, and has its handler clean up. */
export async function cancel(deliveries: Deliveries, ref: TaskRef, message: string): Promise<Task> {
  const { task } = await deliveries.store.update(ref, (current, now) =>
    isTerminal(current.status) ? current : cancelTask(current, message, now),
  );
  await nudgeIfDue(deliveries, task);
  return task;
}

/**
 * Enqueues a task that should have run more than `graceMs` ago; of many who notice, one does. Storage that does not
 * write for now is no reason to refuse a client what it reads.
 */
export async function healForgotten(
  deliveries: Deliveries,
  stored: StoredTask,
  now: number,
  graceMs = HEALING_GRACE_MS,
): Promise<void> {
  if (!isForgotten(stored.task, graceMs, now)) return;
  try {
    const { task, changed } = await deliveries.store.update(
      stored.task,
      (current, at) => (isForgotten(current, graceMs, at) ? heal(current, at) : current),
      stored,
    );
    if (changed) await nudge(deliveries, task);
  } catch (error) {
    if (!isOutage(error)) throw error;
    deliveries.logger.warn('A task could not be enqueued', { task: stored.task.id, ...describeError(error) });
  }
}
