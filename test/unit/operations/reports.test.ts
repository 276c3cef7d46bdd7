/** Looking into tasks as an operator: lists, reports with their timeline, exports and watching. */
import { describe, expect, test } from '@jest/globals';
import { listTasks } from '../../../src/operations/task-listing.ts';
import { exportOf, reportOf } from '../../../src/operations/task-report.ts';
import { timelineOf } from '../../../src/operations/timeline.ts';
import { watchTask } from '../../../src/operations/watching.ts';
import { OWNER } from '../runtime/runtime-under-test.ts';
import { OperationsUnderTest } from './operations-under-test.ts';

describe('a list', () => {
  test('is of one owner, newest first, by tool and status, and says whether there are more [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const first = await runtime.made('adds', { a: 1, b: 2 });
    await runtime.clock.advance(1_000);
    const second = await runtime.made('asks');
    await runtime.clock.advance(1_000);
    const third = await runtime.made('adds', { a: 3, b: 4 });
    const ids = async (filter: object, limit = 10) =>
      (await listTasks(runtime.store, OWNER, { limit, ...filter })).tasks.map(({ id }) => id);

    expect(await ids({})).toEqual([third.id, second.id, first.id]);
    expect(await ids({ tool: 'adds' })).toEqual([third.id, first.id]);
    expect(await ids({ statuses: ['input_required', 'failed'] })).toEqual([second.id]);
    expect((await listTasks(runtime.store, OWNER, { limit: 2 })).hasMore).toBe(true);
    expect((await listTasks(runtime.store, OWNER, { limit: 3 })).hasMore).toBe(false);
    expect(await listTasks(runtime.store, { issuer: 'test', subject: 'other' }, { limit: 9 })).toEqual({
      tasks: [],
      hasMore: false,
    });
  });

  test('goes on behind a page of tasks that do not fit [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const oldest = await runtime.create('waits');
    for (let count = 0; count < 120; count += 1) {
      await runtime.clock.advance(1);
      await runtime.cancel(await runtime.create('adds'));
    }
    await runtime.clock.advance(1);

    const { tasks } = await listTasks(runtime.store, OWNER, { tool: 'waits', limit: 1 });

    expect(tasks.map(({ id }) => id)).toEqual([oldest.id]);
  });
});

describe('a report', () => {
  test('has arguments, timeline, variables and result of a task that has ended [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const task = await runtime.made('adds', { a: 1, b: 2 });

    const report = await reportOf(runtime.store, task);

    expect(report).toMatchObject({
      id: task.id,
      owner: OWNER,
      tool: 'adds',
      status: 'completed',
      nextRunAt: null,
      arguments: { a: 1, b: 2 },
      waitsFor: [],
      variables: { sum: 3 },
      result: { sum: 3 },
      faults: [],
    });
    expect(report.timeline[0]).toMatchObject({ kind: 'step', name: 'sum', state: 'done', attempts: 1, bytes: 1 });
  });

  test('has the question that a task waits for, and the wait that ends by itself [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const asking = await runtime.made('asks');
    const waiting = await runtime.made('waits');

    const asked = await reportOf(runtime.store, asking);
    const waited = await reportOf(runtime.store, waiting);

    expect(asked.waitsFor).toMatchObject([
      { kind: 'question', request: { method: 'elicitation/create', params: { message: 'Who?' } } },
    ]);
    expect(asked.timeline).toMatchObject([{ kind: 'question', state: 'open' }]);
    expect(waited.timeline).toMatchObject([
      { kind: 'wait', name: 'pause', state: 'open', dueAt: runtime.clock.now() + 3_600_000 },
    ]);
    expect(waited.nextRunAt).toBe(new Date(runtime.clock.now() + 3_600_000).toISOString());
  });

  test('counts the tries of a step that is tried again, and says when the next comes [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const task = await runtime.made('falters');

    const { timeline } = await reportOf(runtime.store, task);

    expect(timeline).toMatchObject([{ kind: 'step', name: 'reach', state: 'retrying', attempts: 1 }]);
    expect(timeline[0]?.dueAt).toBeGreaterThan(runtime.clock.now());
  });

  test('has the error of a task that failed, and is refused for another owner’s [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const task = await runtime.made('fails');

    expect((await reportOf(runtime.store, task)).error).toEqual({ code: -32000, message: 'broken' });
    await expect(reportOf(runtime.store, { owner: { issuer: 'x', subject: 'y' }, id: task.id })).rejects.toMatchObject({
      code: 'task_not_found',
    });
  });

  test('an export has the journal and answers that no run has taken yet as well [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const task = await runtime.made('asks');
    const [key = ''] = await runtime.asked(task);
    await runtime.answer(task, { [key]: { action: 'accept', content: { name: 'Ann' } } });

    const exported = await exportOf(runtime.store, task);

    expect(exported.journal).toMatchObject([{ epoch: 1, asks: [{ kind: 'question' }] }]);
    expect(exported.answers[key]).toMatchObject({ outcome: 'answered', value: { json: { action: 'accept' } } });
  });
});

describe('a timeline', () => {
  test('takes the time of what was handed over before for the beginning of an operation [OPS-1]', () => {
    const rows = timelineOf(1_000, [
      { at: 1_400, asks: [{ kind: 'step', name: 'a' }], outcomes: [{ kind: 'ok', of: 0, value: 'ä' }] },
      {
        at: 2_000,
        asks: [{ kind: 'step', name: 'b', turn: 1 }],
        outcomes: [{ kind: 'retry', of: 1, attempt: 1, dueAt: 3_000, afterMs: 1_000 }],
      },
      { at: 3_500, outcomes: [{ kind: 'failed', of: 1, error: { name: 'Error', message: 'no' } }] },
    ]);

    expect(rows).toEqual([
      {
        number: 0,
        kind: 'step',
        name: 'a',
        state: 'done',
        askedAt: 1_000,
        endedAt: 1_400,
        durationMs: 400,
        attempts: 1,
        bytes: 4,
      },
      {
        number: 1,
        kind: 'step',
        name: 'b',
        state: 'failed',
        askedAt: 1_400,
        endedAt: 3_500,
        durationMs: 2_100,
        attempts: 2,
        error: { name: 'Error', message: 'no' },
      },
    ]);
  });

  test('tells of withdrawals and aborts with what they end, and of what outlives neither [OPS-1]', () => {
    const rows = timelineOf(0, [
      {
        at: 10,
        asks: [
          { kind: 'wait', name: 'long', dueAt: 99, afterMs: 89 },
          { kind: 'callback', name: 'hook', timeoutAt: 50 },
          { kind: 'value', name: 'random', value: 5 },
        ],
      },
      { at: 20, asks: [{ kind: 'withdraw', name: 'long', target: 0 }] },
      { at: 30, outcomes: [{ kind: 'aborted', cause: 'cancelled' }] },
    ]);

    expect(rows.map(({ number, state, endedAt }) => [number, state, endedAt])).toEqual([
      [0, 'withdrawn', 20],
      [1, 'aborted', 30],
      [2, 'done', undefined],
    ]);
  });
});

test('watching gives one sight for each change, with what is new, and ends with the task [OPS-1]', async () => {
  const runtime = new OperationsUnderTest();
  const task = await runtime.made('asks');
  const sights: string[] = [];
  const watch = (async () => {
    for await (const { stored, news } of watchTask(runtime.otherStore(), task, {
      clock: runtime.clock,
      everyMs: 1_000,
    })) {
      sights.push([stored.task.status, ...news.map(({ kind, state }) => `${kind} ${state}`)].join(', '));
    }
  })();
  await runtime.clock.advance(3_000);

  const [key = ''] = await runtime.asked(task);
  await runtime.answer(task, { [key]: { action: 'accept', content: { name: 'Ann' } } });
  await runtime.run(task);
  await runtime.clock.advance(1_000);
  await watch;

  expect(sights).toEqual(['input_required, question open', 'completed, question done']);
});
