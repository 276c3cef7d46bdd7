/** Tasks to start a domain test from, at a time that is easy to add to. */
import { createTask, type NewTask, type Task } from '../../../src/domain/task.ts';
import { newTaskId } from '../../../src/domain/task-id.ts';
import { manualRandom } from '../../../src/testing/manual-clock.ts';

export const NOW = 1_000_000;
export const RUN_DEADLINE_MS = 60_000;
export const RETENTION_MS = 600_000;

export function newTask(changes: Partial<NewTask> = {}): NewTask {
  return {
    owner: { issuer: 'test', subject: 'ada' },
    id: newTaskId(NOW, manualRandom(1)),
    tool: 'greet',
    arguments: { json: { name: 'Ada' } },
    lifetime: { runDeadlineMs: RUN_DEADLINE_MS, retentionMs: RETENTION_MS },
    pollIntervalMs: 1000,
    maxAttempts: 3,
    ...changes,
  };
}

/** Working, due, created at {@link NOW}. */
export function sampleTask(changes: Partial<NewTask> = {}): Task {
  return createTask(newTask(changes), NOW);
}

/** An input that is shown to the client. */
export const REQUEST = { request: { json: { method: 'elicitation/create', params: { message: 'Go on?' } } } } as const;

export const ANSWER = { outcome: 'answered', value: { json: { action: 'accept' } } } as const;

/** Further than any wait of these tests. */
export const MAX_DELAY_MS = 900_000;
