/** Corners of the wire shape that no request of the other tests reaches. */
import { beforeEach, expect, test } from '@jest/globals';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { completeTask, failTask, type Task } from '../../../src/domain/task.ts';
import {
  baseTask,
  createTaskResult,
  detailedTask,
  IDEMPOTENCY_META_KEY,
  VARIABLES_META_KEY,
} from '../../../src/protocol/wire.ts';
import { GenericTaskStore } from '../../../src/store/generic-task-store.ts';
import { ManualClock, manualRandom } from '../../../src/testing/manual-clock.ts';

const NOW = Date.UTC(2026, 10, 22, 10, 30, 0, 5);

let clock: ManualClock;
let store: GenericTaskStore;
let task: Task;

beforeEach(async () => {
  clock = new ManualClock(NOW);
  store = new GenericTaskStore({ backend: new MemoryBackend({ clock }), clock, random: manualRandom(1) });
  const { stored } = await store.create({
    owner: { issuer: 'test', subject: 'alice' },
    tool: 'greet',
    arguments: {},
    lifetime: { runDeadlineMs: 1500, retentionMs: 500 },
    pollIntervalMs: 1000,
    maxAttempts: 5,
  });
  task = stored.task;
});

test('names of keys in _meta are a promise [MOD-1]', () => {
  expect([VARIABLES_META_KEY, IDEMPOTENCY_META_KEY]).toEqual([
    'mcp-durable-tasks/variables',
    'mcp-durable-tasks/idempotency-key',
  ]);
});

test('times are ISO 8601 with milliseconds, and ttlMs is a whole number from creation on [MOD-1]', () => {
  expect(baseTask(task, NOW)).toEqual({
    taskId: task.id,
    status: 'working',
    createdAt: '2026-11-22T10:30:00.005Z',
    lastUpdatedAt: '2026-11-22T10:30:00.005Z',
    ttlMs: 2000,
    pollIntervalMs: 1000,
  });
});

test('a task that is kept for ever has a ttlMs of null, not none [MOD-1 LIFE-7]', () => {
  expect(createTaskResult({ ...task, promisedUntil: null }, NOW)).toMatchObject({ resultType: 'task', ttlMs: null });
});

test('ttlMs grows with a promise that was extended, and never shrinks when the task ends early [MOD-1 LIFE-3]', async () => {
  const extended = { ...task, promisedUntil: task.createdAt + 9000 };
  const early = completeTask(task, { json: { content: [] } }, task.createdAt + 1);

  expect(baseTask(extended, NOW)['ttlMs']).toBe(9000);
  expect(baseTask(early, NOW)['ttlMs']).toBe(2000);
});

test('progress is shown as the status message [MOD-1 EXEC-6]', () => {
  expect(baseTask({ ...task, statusMessage: 'Half way.' }, NOW)).toMatchObject({ statusMessage: 'Half way.' });
});

test('nothing internal is shown: owner, tool, arguments, leases, answers, trace [MOD-1 I6]', async () => {
  const full: Task = {
    ...task,
    trace: { traceparent: 'trace' },
    admission: { json: 'admission' },
    answers: { key: { outcome: 'failed', message: 'answer', at: 1 } },
  };

  expect(Object.keys(await detailedTask(store, full, NOW, [])).sort()).toEqual(Object.keys(baseTask(task, NOW)).sort());
});

test('external callbacks are not shown as input requests [MOD-1]', async () => {
  const asking: Task = {
    ...task,
    status: 'input_required',
    inputs: { callback: {}, roots: { request: { json: { method: 'roots/list' } } } },
  };

  expect((await detailedTask(store, asking, NOW, []))['inputRequests']).toEqual({ roots: { method: 'roots/list' } });
});

test('a tool cannot make its result anything but complete by leaving that out, and an error is shown as kept [MOD-1]', async () => {
  const completed = completeTask(task, { json: { content: [], isError: false } }, 1);
  const failed = failTask(task, { code: -1, message: 'No.' }, 1);

  expect((await detailedTask(store, completed, NOW, []))['result']).toEqual({
    resultType: 'complete',
    content: [],
    isError: false,
  });
  expect((await detailedTask(store, failed, NOW, []))['error']).toEqual({ code: -1, message: 'No.' });
});
