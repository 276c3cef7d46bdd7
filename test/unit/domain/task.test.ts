/** What may happen to a task outside a run: its ends, its deadline, and the answers it accepts. */
import { describe, expect, test } from '@jest/globals';
import { isTaskError } from '../../../src/domain/errors.ts';
import {
  acquireLease,
  claimOf,
  closeOverdueInputs,
  extendDeadline,
  finishCleanup,
  giveBack,
  renewLease,
  setStatusMessage,
  showInputs,
  suspendTask,
} from '../../../src/domain/run.ts';
import {
  type AnswerOutcome,
  acceptAnswers,
  cancelTask,
  completeTask,
  createTask,
  enforceDeadline,
  failTask,
  isExpired,
  isOverdue,
  keptUntil,
  replaceVariables,
  runtimeFailure,
  type Task,
  withInputs,
} from '../../../src/domain/task.ts';
import { ANSWER, NOW, newTask, REQUEST, RETENTION_MS, RUN_DEADLINE_MS, sampleTask } from './sample-task.ts';

const RESULT = { json: { content: [] } };
const FAILURE = { code: -32000, message: 'The target is gone.', data: { target: 'x' } };

const ENDS: readonly (readonly [status: string, end: (task: Task, now: number) => Task])[] = [
  ['completed', (task, now) => completeTask(task, RESULT, now)],
  ['failed', (task, now) => failTask(task, FAILURE, now)],
  ['cancelled', (task, now) => cleanedUp(cancelTask(task, undefined, now))],
];

/** As it is when the handler, if it had begun, has done its cleaning up. */
function cleanedUp(task: Task): Task {
  const claim = claimOf(task);
  return claim === undefined ? task : finishCleanup(task, claim, task.updatedAt);
}

describe('a new task', () => {
  test('is working, due at once, and promised until its deadline and retention are over [LIFE-1 LIFE-3]', () => {
    const { lifetime: _lifetime, ...given } = newTask();

    expect(sampleTask()).toEqual({
      ...given,
      status: 'working',
      createdAt: NOW,
      updatedAt: NOW,
      deadlineAt: NOW + RUN_DEADLINE_MS,
      retentionMs: RETENTION_MS,
      promisedUntil: NOW + RUN_DEADLINE_MS + RETENTION_MS,
      inputs: {},
      answers: {},
      run: { epoch: 0, dueAt: NOW, crashes: 0 },
    });
  });

  test('without a retention is promised for ever [LIFE-7]', () => {
    const task = createTask(newTask({ lifetime: { runDeadlineMs: 5, retentionMs: null } }), NOW);

    expect([task.promisedUntil, isExpired(task, Number.MAX_SAFE_INTEGER)]).toEqual([null, false]);
  });
});

describe('the end of a task', () => {
  test('brings status and result together [LIFE-4]', () => {
    const task = completeTask(sampleTask(), RESULT, NOW + 5);

    expect([task.status, task.result, task.updatedAt]).toEqual(['completed', RESULT, NOW + 5]);
    expect(task).not.toHaveProperty('error');
  });

  test('brings status, error and message together [LIFE-4]', () => {
    const task = failTask(sampleTask(), FAILURE, NOW + 5);

    expect([task.status, task.error, task.statusMessage]).toEqual(['failed', { json: FAILURE }, FAILURE.message]);
    expect(task).not.toHaveProperty('result');
  });

  test('by cancelling has a message, neither result nor error [LIFE-4]', () => {
    expect(cancelTask(sampleTask(), undefined, NOW)).toMatchObject({
      status: 'cancelled',
      statusMessage: 'Cancelled.',
    });
    expect(cancelTask(sampleTask(), 'No longer needed.', NOW).statusMessage).toBe('No longer needed.');
    expect(Object.keys(cancelTask(sampleTask(), undefined, NOW))).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(result|error)$/)]),
    );
  });

  test('keeps the last progress of a completed task as its message [LIFE-4]', () => {
    const held = acquireLease(sampleTask(), 'w', 1000, NOW);
    const told = setStatusMessage(held, { holder: 'w', epoch: 1 }, 'Half way.', NOW);

    expect(completeTask(told, RESULT, NOW).statusMessage).toBe('Half way.');
  });

  test.each(ENDS)('as %s ends lease, inputs and answers, and no run is due [LIFE-1]', (status, end) => {
    const held = acquireLease(sampleTask(), 'w', 1000, NOW);
    const asking = withInputs({ ...held, answers: { b: { ...ANSWER, at: NOW } } }, { a: REQUEST }, NOW);

    expect(end(asking, NOW + 1)).toMatchObject({
      status,
      inputs: {},
      answers: {},
      run: { epoch: 1, dueAt: null, crashes: 0 },
    });
    expect(end(asking, NOW + 1).run).not.toHaveProperty('lease');
  });

  test.each(ENDS)('as %s never shortens what was promised [LIFE-3 I1]', (_status, end) => {
    expect(end(sampleTask(), NOW + 1).promisedUntil).toBe(NOW + RUN_DEADLINE_MS + RETENTION_MS);
    expect(end(sampleTask(), NOW + RUN_DEADLINE_MS + 7).promisedUntil).toBe(NOW + RUN_DEADLINE_MS + 7 + RETENTION_MS);
  });

  describe('where its retention counts from there', () => {
    const lifetime = { runDeadlineMs: RUN_DEADLINE_MS, retentionMs: RETENTION_MS, retentionFromEnd: true } as const;
    const LEAST = NOW + 5 + RETENTION_MS;
    const LONGEST = NOW + RUN_DEADLINE_MS + RETENTION_MS;

    test('promises no more than it may take, to begin with [LIFE-3]', () => {
      expect(sampleTask({ lifetime }).promisedUntil).toBe(LONGEST);
    });

    test.each(ENDS)('as %s shortens the promise to it [LIFE-3 I1]', (_status, end) => {
      expect(end(sampleTask({ lifetime }), NOW + 5).promisedUntil).toBe(LEAST);
    });

    test('by its deadline leaves the promise as it is, whenever that is found out [LIFE-3 I1]', () => {
      expect(enforceDeadline(sampleTask({ lifetime }), NOW + RUN_DEADLINE_MS + 77).promisedUntil).toBe(LONGEST);
    });

    test('never makes a promise longer, nor one that has no end shorter [LIFE-3 I1]', () => {
      const extended = extendDeadline(
        acquireLease(sampleTask({ lifetime }), 'w', 1000, NOW),
        { holder: 'w', epoch: 1 },
        3 * RUN_DEADLINE_MS,
        NOW,
      );
      const eternal = sampleTask({ lifetime: { ...lifetime, retentionMs: null } });

      expect(completeTask(extended, RESULT, NOW + 5).promisedUntil).toBe(LEAST);
      expect(completeTask(eternal, RESULT, NOW + 5).promisedUntil).toBeNull();
    });

    test('leaves the promise as it is until the handler has cleaned up, and counts from then [LIFE-3 EXEC-15 I1]', () => {
      const held = acquireLease(sampleTask({ lifetime }), 'w', 1000, NOW);
      const cancelled = cancelTask(held, undefined, NOW + 1);
      const cleaned = finishCleanup(cancelled, { holder: 'w', epoch: 1 }, NOW + 5);
      const crashed = { ...cancelled, run: { ...cancelled.run, crashes: 2 } };

      expect(cancelled.promisedUntil).toBe(LONGEST);
      expect(cleaned.promisedUntil).toBe(LEAST);
      expect(giveBack(crashed, { holder: 'w', epoch: 1 }, NOW + 9, true, NOW + 5).promisedUntil).toBe(LEAST);
      expect(acquireLease(crashed, 'v', 1000, NOW + 1000).promisedUntil).toBe(NOW + 1000 + RETENTION_MS);
    });
  });

  const claim = { holder: 'w', epoch: 1 };
  const nothing = { inputs: {}, imported: new Set<string>(), dueAt: null, turns: 1 };
  const renewal = { leaseMs: 1000, progressed: true };

  /** Every function of the domain that changes a task, and what it does to one that has ended. */
  const CHANGES: readonly (readonly [name: string, code: string, change: (task: Task, now: number) => Task])[] = [
    ['completeTask', 'invalid_transition', (task, now) => completeTask(task, RESULT, now)],
    ['failTask', 'invalid_transition', (task, now) => failTask(task, FAILURE, now)],
    ['cancelTask', 'invalid_transition', (task, now) => cancelTask(task, 'again', now)],
    ['withInputs', 'invalid_transition', (task, now) => withInputs(task, { a: REQUEST }, now)],
    ['replaceVariables', 'invalid_transition', (task, now) => replaceVariables(task, { json: {} }, now)],
    ['acquireLease', 'invalid_transition', (task, now) => acquireLease(task, 'v', 1000, now)],
    ['renewLease', 'lease_lost', (task, now) => renewLease(task, claim, renewal, now)],
    ['closeOverdueInputs', 'lease_lost', (task, now) => closeOverdueInputs(task, claim, now)],
    ['showInputs', 'lease_lost', (task, now) => showInputs(task, claim, { a: REQUEST }, now)],
    ['suspendTask', 'lease_lost', (task, now) => suspendTask(task, claim, nothing, now)],
    ['giveBack', 'lease_lost', (task, now) => giveBack(task, claim, now, true, now)],
    ['setStatusMessage', 'lease_lost', (task, now) => setStatusMessage(task, claim, 'late', now)],
    ['extendDeadline', 'lease_lost', (task, now) => extendDeadline(task, claim, 9_999_999, now)],
    ['acceptAnswers', 'unchanged', (task, now) => acceptAnswers(task, { a: ANSWER }, now)],
    ['enforceDeadline', 'unchanged', (task, now) => enforceDeadline(task, now)],
  ];

  test.each(
    ENDS.flatMap(([status, end]) => CHANGES.map(([name, code, change]) => ({ status, name, code, end, change }))),
  )('as $status is final for $name: $code [LIFE-1 I2 I3]', ({ code, end, change }) => {
    const held = acquireLease(withInputs(sampleTask(), { a: REQUEST }, NOW), 'w', 1000, NOW);
    const ended = end(held, NOW + 1);
    const attempt = () => change(ended, NOW + RUN_DEADLINE_MS + 1);

    if (code === 'unchanged') expect(attempt()).toBe(ended);
    else expect(attempt).toThrow(expect.objectContaining({ code }));
  });
});

describe('the run deadline', () => {
  test('fails a task from its instant on, saying why [LIFE-3]', () => {
    const task = sampleTask();

    expect(enforceDeadline(task, NOW + RUN_DEADLINE_MS - 1)).toBe(task);
    expect(isOverdue(task, NOW + RUN_DEADLINE_MS)).toBe(true);
    expect(enforceDeadline(task, NOW + RUN_DEADLINE_MS)).toMatchObject({
      status: 'failed',
      statusMessage: 'The task did not finish within its run deadline of 60 s.',
      error: { json: { code: -32603, data: { reason: 'deadline_exceeded' } } },
    });
  });

  test('fails a task that waits for its client too [LIFE-3]', () => {
    const asking = withInputs(sampleTask(), { a: REQUEST }, NOW);

    expect(enforceDeadline(asking, NOW + RUN_DEADLINE_MS)).toMatchObject({ status: 'failed', inputs: {} });
  });

  test('names one of the closed list of reasons [LIFE-3]', () => {
    expect(runtimeFailure('stray_error', 'm')).toEqual({
      code: -32603,
      message: 'm',
      data: { reason: 'stray_error' },
    });
  });
});

describe('the promised lifetime', () => {
  test('is over at its very instant [LIFE-3]', () => {
    const task = sampleTask();
    const until = NOW + RUN_DEADLINE_MS + RETENTION_MS;

    expect([isExpired(task, until - 1), isExpired(task, until)]).toEqual([false, true]);
  });
});

describe('what belongs to a task', () => {
  test.each([
    [660_000, 1_048_576],
    [1_048_576, 1_048_576],
    [1_048_577, 2_097_152],
    [1, 1],
    [null, null],
  ])('of a promised lifetime of %j ms is kept for %j, a power of two [LIFE-3]', (promisedMs, keptMs) => {
    const task = { ...sampleTask(), promisedUntil: promisedMs === null ? null : NOW + promisedMs };

    expect(keptUntil(task)).toBe(keptMs === null ? null : NOW + keptMs);
  });
});

describe('answers', () => {
  const asking = withInputs(
    { ...sampleTask(), run: { epoch: 1, dueAt: null, crashes: 0 } },
    { a: REQUEST, b: REQUEST },
    NOW,
  );

  test('to an outstanding input are accepted and make the task due [I4]', () => {
    expect(acceptAnswers(asking, { a: ANSWER }, NOW + 5)).toMatchObject({
      status: 'input_required',
      inputs: { b: REQUEST },
      answers: { a: ANSWER },
      run: { epoch: 1, dueAt: NOW + 5 },
      updatedAt: NOW + 5,
    });
  });

  test('to the last outstanding input let the task work again [LIFE-1 I4]', () => {
    const task = acceptAnswers(asking, { a: ANSWER, b: ANSWER }, NOW);

    expect([task.status, Object.keys(task.inputs), Object.keys(task.answers)]).toEqual(['working', [], ['a', 'b']]);
  });

  test.each<[string, Task, Readonly<Record<string, AnswerOutcome>>]>([
    ['to nothing', asking, {}],
    ['to an unknown key', asking, { z: ANSWER }],
    ['to a key that every object has', asking, { toString: ANSWER, constructor: ANSWER }],
    [
      'of a prototype key',
      asking,
      JSON.parse('{"__proto__":{"outcome":"timed_out"}}') as Record<string, AnswerOutcome>,
    ],
    ['to one answered before', acceptAnswers(asking, { a: ANSWER }, NOW), { a: { outcome: 'failed', message: 'no' } }],
  ])('%s change nothing at all [I4]', (_what, task, answers) => {
    expect(acceptAnswers(task, answers, NOW + 5)).toBe(task);
  });

  test('that come partly too late count for the rest [I4]', () => {
    const task = acceptAnswers(asking, { a: ANSWER, z: ANSWER }, NOW);

    expect(Object.keys(task.answers)).toEqual(['a']);
  });

  test('are accepted until the last millisecond before the input’s time is over [I4]', () => {
    const timed = withInputs(sampleTask(), { a: { ...REQUEST, timeoutAt: NOW + 100 } }, NOW);

    expect(Object.keys(acceptAnswers(timed, { a: ANSWER }, NOW + 99).answers)).toEqual(['a']);
    expect(acceptAnswers(timed, { a: ANSWER }, NOW + 100)).toBe(timed);
  });

  test('leave the lease of a running task alone [I7]', () => {
    const held = acquireLease(asking, 'w', 1000, NOW);

    expect(acceptAnswers(held, { a: ANSWER }, NOW + 1).run).toEqual({ ...held.run, dueAt: NOW + 1 });
  });
});

describe('outstanding inputs', () => {
  test('ask for the client’s input only where one has a request [LIFE-1]', () => {
    expect(withInputs(sampleTask(), { a: REQUEST }, NOW).status).toBe('input_required');
    expect(withInputs(sampleTask(), { a: {} }, NOW).status).toBe('working');
    expect(withInputs(withInputs(sampleTask(), { a: REQUEST }, NOW), { b: {} }, NOW).status).toBe('working');
  });
});

describe('variables of a task', () => {
  test('are replaced while it has not ended [LIFE-5]', () => {
    const task = replaceVariables(sampleTask(), { json: { a: 1 } }, NOW + 3);

    expect([task.variables, task.updatedAt]).toEqual([{ json: { a: 1 } }, NOW + 3]);
  });
});

describe('errors of the domain', () => {
  test('log their code and detail, and are recognised by code [LIFE-1]', () => {
    let caught: unknown;
    try {
      completeTask(completeTask(sampleTask(), RESULT, NOW), RESULT, NOW);
    } catch (error) {
      caught = error;
    }

    expect(isTaskError(caught, 'invalid_transition')).toBe(true);
    expect(isTaskError(caught, 'lease_lost')).toBe(false);
    expect(JSON.parse(JSON.stringify(caught))).toEqual({
      name: 'TaskError',
      code: 'invalid_transition',
      message: 'Cannot make the task completed: the task is already completed, which is final.',
      detail: { from: 'completed', to: 'completed' },
    });
  });
});
