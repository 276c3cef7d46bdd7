/** Tasks that have begun to wait for a day, put into a store as they would be then: quicker than to run them. */
import { ANONYMOUS, type GenericTaskStore, type Task } from '../src/index.ts';

const HOUR_MS = 3_600_000;

/** Of a tool of this name. Its age is that of the store's clock, its wait ends in a day. */
export async function createWaitingTask(store: GenericTaskStore, tool: string, pollIntervalMs: number): Promise<Task> {
  const { stored } = await store.create({
    owner: ANONYMOUS,
    tool,
    arguments: {},
    lifetime: { runDeadlineMs: 48 * HOUR_MS, retentionMs: 48 * HOUR_MS },
    pollIntervalMs,
    maxAttempts: 3,
  });
  const dueAt = Date.now() + 24 * HOUR_MS;
  const { task } = await store.update(stored.task, (now) => ({ ...now, run: { ...now.run, dueAt } }), stored);
  // As whoever looks would have moved it.
  await store.agenda.note(stored.task, dueAt);
  await store.agenda.forgetNew(stored.task, stored.task.createdAt);
  return task;
}
