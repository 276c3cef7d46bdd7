/**
 * Work that no delivery will bring back: at start, and every so often, a local server looks through its
 * own store for unfinished tasks and enqueues them for when they are due. On shared engines,
 * which cannot be walked, a client's poll does the same for the task it asks about.
 */
import { nextRunAt } from '../domain/run.ts';
import type { Task } from '../domain/task.ts';
import type { TaskStore } from '../store/task-store.ts';
import type { TaskQueue } from './queue.ts';

/** How long past its due time a task must be before a poll takes its delivery for lost, unless told otherwise. */
export const HEALING_GRACE_MS = 10_000;

/** Resolves to how many tasks were enqueued. */
export async function enqueueUnfinished(store: TaskStore, queue: TaskQueue): Promise<number> {
  let count = 0;
  for await (const task of store.unfinished()) {
    await queue.enqueue(task, { notBefore: Math.min(nextRunAt(task) ?? task.deadlineAt, task.deadlineAt) });
    count += 1;
  }
  return count;
}

/** Enqueues a task that should have run more than `graceMs` ago. */
export async function healOverdue(task: Task, queue: TaskQueue, now: number, graceMs = HEALING_GRACE_MS): Promise<void> {
  const due = nextRunAt(task);
  if (due !== null && due + graceMs < now) await queue.enqueue(task, { notBefore: now });
}
