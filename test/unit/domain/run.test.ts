/** What a run may do to a task: leases and their fence, crashes, suspension, the deadline. */
import { describe, expect, test } from '@jest/globals';
import {
  acquireLease,
  assertLease,
  boundLease,
  claimOf,
  closeOverdueInputs,
  endLease,
  extendDeadline,
  giveBack,
  heal,
  isForgotten,
  type LeaseClaim,
  nextRunAt,
  renewLease,
  type Suspension,
  setStatusMessage,
  showInputs,
  suspendTask,
} from '../../../src/domain/run.ts';
import { acceptAnswers, cancelTask, completeTask, type Task, withInputs } from '../../../src/domain/task.ts';
import { ANSWER, NOW, REQUEST, RETENTION_MS, RUN_DEADLINE_MS, sampleTask } from './sample-task.ts';

const LEASE_MS = 1000;
const claim: LeaseClaim = { holder: 'one', epoch: 1 };
const held = acquireLease(sampleTask(), 'one', LEASE_MS, NOW);
const nothing: Suspension = { inputs: {}, imported: new Set(), dueAt: null, turns: 1 };
const renewal = { leaseMs: LEASE_MS, progressed: false };
const finished = completeTask(held, { json: {} }, NOW);

describe('a lease', () => {
  test('is taken with a new epoch and a time to end [I7]', () => {
    expect(held.run).toEqual({
      epoch: 1,
      lease: { holder: 'one', until: NOW + LEASE_MS },
      dueAt: NOW,
      crashes: 0,
    });
    expect(claimOf(held)).toEqual(claim);
    expect(claimOf(sampleTask())).toBeUndefined();
  });

  test('is held until its last millisecond, by whoever asks [I7]', () => {
    for (const holder of ['one', 'two']) {
      expect(() => acquireLease(held, holder, LEASE_MS, NOW + LEASE_MS - 1)).toThrow(
        expect.objectContaining({ code: 'lease_held', detail: { until: NOW + LEASE_MS } }),
      );
    }
  });

  test('that ran out is taken over, as a crash, and fences the old run off [EXEC-4 I7]', () => {
    const taken = acquireLease(held, 'two', LEASE_MS, NOW + LEASE_MS);

    expect(taken.run).toMatchObject({ epoch: 2, lease: { holder: 'two' }, crashes: 1 });
    expect(() => assertLease(taken, claim)).toThrow(expect.objectContaining({ code: 'lease_lost' }));
    expect(() => assertLease(taken, { holder: 'one', epoch: 2 })).toThrow(
      expect.objectContaining({ code: 'lease_lost' }),
    );
    expect(() => assertLease(taken, { holder: 'two', epoch: 2 })).not.toThrow();
  });

  test('of the same holder is a new one each time, so that its earlier run is fenced off too [I7]', () => {
    const again = acquireLease(giveBack(held, claim, NOW, false, NOW), 'one', LEASE_MS, NOW);

    expect(again.run.epoch).toBe(2);
    expect(() => renewLease(again, claim, renewal, NOW)).toThrow(expect.objectContaining({ code: 'lease_lost' }));
  });

  test('that ran out may be renewed while nobody took the task [I7]', () => {
    expect(renewLease(held, claim, renewal, NOW + 5000).run.lease).toEqual({
      holder: 'one',
      until: NOW + 5000 + LEASE_MS,
    });
  });

  test('that ends later than one taken now could, by as much again, was taken by a wrong clock and is cut [EXEC-4 I5]', () => {
    expect(boundLease(held, LEASE_MS, NOW - LEASE_MS)).toBe(held);

    expect(boundLease(held, LEASE_MS, NOW - LEASE_MS - 1).run).toEqual({
      ...held.run,
      lease: { holder: 'one', until: NOW - 1 },
    });
  });

  test('that is none, or of a task that has ended, is never cut [EXEC-4]', () => {
    const ended = cancelTask(held, undefined, NOW);

    for (const task of [sampleTask(), ended]) expect(boundLease(task, LEASE_MS, 0)).toBe(task);
  });

  test('that was given back is no lease any more [I7]', () => {
    const suspended = suspendTask(held, claim, nothing, NOW);

    expect(() => renewLease(suspended, claim, renewal, NOW)).toThrow(expect.objectContaining({ code: 'lease_lost' }));
  });

  const changes: readonly (readonly [string, (task: Task, claim: LeaseClaim) => Task])[] = [
    ['renewLease', (task, by) => renewLease(task, by, renewal, NOW)],
    ['closeOverdueInputs', (task, by) => closeOverdueInputs(task, by, NOW)],
    ['showInputs', (task, by) => showInputs(task, by, { a: REQUEST }, NOW)],
    ['suspendTask', (task, by) => suspendTask(task, by, nothing, NOW)],
    ['giveBack', (task, by) => giveBack(task, by, NOW, false, NOW)],
    ['setStatusMessage', (task, by) => setStatusMessage(task, by, 'x', NOW)],
    ['extendDeadline', (task, by) => extendDeadline(task, by, RUN_DEADLINE_MS * 2, NOW)],
  ];

  test.each(changes)('is asked for by %s: only the current claim passes [I7]', (_name, change) => {
    expect(() => change(held, claim)).not.toThrow();
    for (const wrong of [
      { holder: 'two', epoch: 1 },
      { holder: 'one', epoch: 0 },
      { holder: 'one', epoch: 2 },
    ]) {
      expect(() => change(held, wrong)).toThrow(expect.objectContaining({ code: 'lease_lost' }));
    }
    expect(() => change(sampleTask(), { holder: 'one', epoch: 0 })).toThrow(
      expect.objectContaining({ code: 'lease_lost' }),
    );
  });

  test('lost to the end of the task says which end it was', () => {
    expect(() => assertLease(cancelTask(held, undefined, NOW), claim)).toThrow(
      expect.objectContaining({ code: 'lease_lost', detail: { status: 'cancelled' } }),
    );
  });
});

describe('crashed runs', () => {
  test('are counted until they are too many, which fails the task with the reason [EXEC-4]', () => {
    let task = sampleTask({ maxAttempts: 3 });
    for (let crash = 0; crash < 3; crash += 1) task = acquireLease(task, 'w', 10, NOW + crash * 10);
    expect(task.run).toMatchObject({ epoch: 3, crashes: 2 });

    const failed = acquireLease(task, 'w', 10, NOW + 30);

    expect(failed).toMatchObject({
      status: 'failed',
      statusMessage: 'The task’s runs ended unexpectedly 3 times in a row; it is not tried again.'.replace('’', "'"),
      error: { json: { data: { reason: 'attempts_exhausted' } } },
    });
  });

  test('are counted when a run hands back as crashed, and only then [EXEC-4]', () => {
    expect(giveBack(held, claim, NOW + 50, true, NOW).run).toEqual({
      epoch: 1,
      dueAt: NOW + 50,
      crashes: 1,
    });
    expect(giveBack(held, claim, NOW + 50, false, NOW).run).toEqual({
      epoch: 1,
      dueAt: NOW + 50,
      crashes: 0,
    });
    const last = acquireLease(sampleTask({ maxAttempts: 1 }), 'one', LEASE_MS, NOW);
    expect(giveBack(last, claim, NOW + 50, true, NOW).status).toBe('failed');
  });

  test('are forgotten once a run suspends as it should [EXEC-4]', () => {
    const crashed = acquireLease(held, 'two', LEASE_MS, NOW + LEASE_MS);

    expect(suspendTask(crashed, { holder: 'two', epoch: 2 }, nothing, NOW).run.crashes).toBe(0);
  });
});

describe('a renewal', () => {
  test('of a run that recorded something forgets the crashes before it, and only then [EXEC-4]', () => {
    const crashed = acquireLease(held, 'two', LEASE_MS, NOW + LEASE_MS);
    const by = { holder: 'two', epoch: 2 };

    expect(renewLease(crashed, by, { leaseMs: LEASE_MS, progressed: false }, NOW).run.crashes).toBe(1);
    expect(renewLease(crashed, by, { leaseMs: LEASE_MS, progressed: true }, NOW).run.crashes).toBe(0);
  });
});

describe('suspending', () => {
  test('shows what the run waits for, and is due at the earliest end of a wait [EXEC-3]', () => {
    const inputs = { a: { ...REQUEST, timeoutAt: NOW + 500 }, b: { timeoutAt: NOW + 300 } };

    const suspended = suspendTask(
      held,
      claim,
      { ...nothing, inputs, dueAt: NOW + 400, statusMessage: 'Waiting.' },
      NOW,
    );

    expect(suspended).toMatchObject({ status: 'input_required', inputs, statusMessage: 'Waiting.' });
    expect(suspended.run).toEqual({ epoch: 1, dueAt: NOW + 300, crashes: 0, turns: 1 });
    expect(suspendTask(held, claim, { ...nothing, inputs: { a: REQUEST } }, NOW).run.dueAt).toBeNull();
    expect(suspendTask(held, claim, { ...nothing, dueAt: NOW + 400 }, NOW).run.dueAt).toBe(NOW + 400);
  });

  test('keeps the answers that came meanwhile, is due at once, and does not ask again [I4]', () => {
    const asking = showInputs(held, claim, { a: REQUEST, b: REQUEST, c: REQUEST }, NOW);
    const answered = acceptAnswers(asking, { a: ANSWER, b: ANSWER }, NOW);

    const suspended = suspendTask(
      answered,
      claim,
      { ...nothing, inputs: { a: REQUEST, b: REQUEST, c: REQUEST }, imported: new Set(['a']), dueAt: NOW + 400 },
      NOW + 7,
    );

    expect([suspended.inputs, suspended.answers, suspended.run.dueAt]).toEqual([
      { c: REQUEST },
      { b: { ...ANSWER, at: NOW } },
      NOW + 7,
    ]);
  });

  test('drops exactly the answers that are in the checkpoint log now [I4]', () => {
    const answered = { ...held, answers: { a: { ...ANSWER, at: NOW }, b: { ...ANSWER, at: NOW } } };

    const suspended = suspendTask(answered, claim, { ...nothing, imported: new Set(['a', 'b', 'z']) }, NOW);

    expect([suspended.answers, suspended.run.dueAt]).toEqual([{}, null]);
  });

  test('that changes nothing a client can see leaves the time of change alone', () => {
    expect(suspendTask(held, claim, { ...nothing, dueAt: NOW + 9 }, NOW + 5).updatedAt).toBe(NOW);
    expect(suspendTask(held, claim, { ...nothing, statusMessage: 'x' }, NOW + 5).updatedAt).toBe(NOW + 5);
    expect(suspendTask(held, claim, { ...nothing, inputs: { a: {} } }, NOW + 5).updatedAt).toBe(NOW + 5);
  });
});

describe('inputs of a run that goes on', () => {
  test('are shown beside those already open, each once [EXEC-3]', () => {
    const one = showInputs(held, claim, { a: REQUEST }, NOW);
    const two = showInputs(one, claim, { a: { ...REQUEST, timeoutAt: 5 }, b: REQUEST }, NOW);

    expect(two.inputs).toEqual({ a: REQUEST, b: REQUEST });
    expect(showInputs(two, claim, { a: REQUEST, b: REQUEST }, NOW + 1)).toBe(two);
    expect(showInputs(two, claim, { b: REQUEST }, NOW).inputs).toEqual({ b: REQUEST });
    expect(showInputs(one, claim, { c: REQUEST }, NOW).inputs).toEqual({ c: REQUEST });
  });

  test('that were answered meanwhile stay answered [I4]', () => {
    const answered = acceptAnswers(showInputs(held, claim, { a: REQUEST }, NOW), { a: ANSWER }, NOW);

    expect(showInputs(answered, claim, { a: REQUEST }, NOW)).toBe(answered);
  });

  test('may be called like something that every object has', () => {
    expect(Object.keys(showInputs(held, claim, { toString: REQUEST, valueOf: {} }, NOW).inputs)).toEqual([
      'toString',
      'valueOf',
    ]);
  });

  test('whose time is over are answered as timed out, so that no late answer counts [I4]', () => {
    const timed = showInputs(held, claim, { a: { ...REQUEST, timeoutAt: NOW + 100 }, b: REQUEST }, NOW);
    expect(closeOverdueInputs(timed, claim, NOW + 99)).toBe(timed);

    const closed = closeOverdueInputs(timed, claim, NOW + 100);

    expect([closed.inputs, closed.answers]).toEqual([{ b: REQUEST }, { a: { outcome: 'timed_out', at: NOW + 100 } }]);
    expect(acceptAnswers(closed, { a: ANSWER }, NOW + 100)).toBe(closed);
  });

  test('whose time was over while nobody ran are timed out by the next run [I4]', () => {
    const waiting = suspendTask(held, claim, { ...nothing, inputs: { a: { ...REQUEST, timeoutAt: NOW + 100 } } }, NOW);

    const next = acquireLease(waiting, 'two', LEASE_MS, NOW + 100);

    expect(next).toMatchObject({ status: 'working', inputs: {}, answers: { a: { outcome: 'timed_out' } } });
  });
});

describe('progress', () => {
  test('that says what was said changes nothing [EXEC-7]', () => {
    const told = setStatusMessage(held, claim, 'Half way.', NOW + 5);

    expect([told.statusMessage, told.updatedAt]).toEqual(['Half way.', NOW + 5]);
    expect(setStatusMessage(told, claim, 'Half way.', NOW + 9)).toBe(told);
  });
});

describe('the run deadline', () => {
  test('is extended, and the promise with it [LIFE-3]', () => {
    const extended = extendDeadline(held, claim, 3 * RUN_DEADLINE_MS, NOW + 5);

    expect(extended.deadlineAt).toBe(NOW + 5 + 3 * RUN_DEADLINE_MS);
    expect(extended.promisedUntil).toBe(NOW + 5 + 3 * RUN_DEADLINE_MS + RETENTION_MS);
  });

  test('is never brought forward [LIFE-3]', () => {
    expect(extendDeadline(held, claim, RUN_DEADLINE_MS, NOW)).toBe(held);
    expect(extendDeadline(held, claim, -5, NOW)).toBe(held);
  });

  test('of a task that is kept for ever is extended without ending that [LIFE-3 LIFE-7]', () => {
    const eternal = sampleTask({ lifetime: { runDeadlineMs: 10, retentionMs: null } });

    expect(extendDeadline(acquireLease(eternal, 'one', 5, NOW), claim, 100, NOW).promisedUntil).toBeNull();
  });
});

describe('the next run', () => {
  test.each<[string, Task, number | null]>([
    ['of a new task is due at once', sampleTask(), NOW],
    ['of a task that is held is when its lease runs out', held, NOW + LEASE_MS],
    [
      'of a suspended one is when its wait ends',
      suspendTask(held, claim, { ...nothing, dueAt: NOW + 9 }, NOW),
      NOW + 9,
    ],
    [
      'of one that waits for an answer is not planned',
      suspendTask(held, claim, { ...nothing, inputs: { a: REQUEST } }, NOW),
      null,
    ],
    [
      'of an answered one is at once',
      acceptAnswers(withInputs(sampleTask(), { a: REQUEST }, NOW), { a: ANSWER }, NOW + 3),
      NOW + 3,
    ],
    ['of one handed back is when that says', giveBack(held, claim, NOW + 77, false, NOW), NOW + 77],
    ['of a finished one never comes', finished, null],
    ['of a cancelled one, to clean up, comes when its lease is over', cancelTask(held, undefined, NOW), NOW + LEASE_MS],
  ])('%s [EXEC-4]', (_what, task, at) => {
    expect(nextRunAt(task)).toBe(at);
  });
});

describe('a task that should have run', () => {
  const far = suspendTask(held, claim, { ...nothing, dueAt: NOW + 9e6 }, NOW);
  const healed = heal(sampleTask(), NOW + 500);

  test.each<[string, Task, number, boolean]>([
    ['due, within its grace', sampleTask(), NOW + 10, false],
    ['due for longer', sampleTask(), NOW + 11, true],
    ['held, while its lease holds and a grace after', held, NOW + LEASE_MS + 10, false],
    ['held by a lease that ran out longer ago', held, NOW + LEASE_MS + 11, true],
    ['enqueued anew, for as long as it had waited by then', healed, NOW + 1000, false],
    ['enqueued anew, for longer than that', healed, NOW + 1001, true],
    ['waiting for a far time', far, NOW + 9e6, false],
    ['waiting for an answer', suspendTask(held, claim, { ...nothing, inputs: { a: REQUEST } }, NOW), NOW + 9e9, false],
    ['finished', finished, NOW + 9e9, false],
    ['cancelled and not cleaned up after', cancelTask(held, undefined, NOW), NOW + 9e9, true],
  ])('is forgotten or not when it is %s [EXEC-4 I5]', (_what, task, now, forgotten) => {
    expect(isForgotten(task, 10, now)).toBe(forgotten);
  });

  test('is not taken for healed once it has run [EXEC-4]', () => {
    expect(acquireLease(healed, 'x', LEASE_MS, NOW + 501).run).not.toHaveProperty('healedAt');
  });
});

describe('the lease', () => {
  test('of a process that has died ends at once, and counts as a crash [EXEC-23 EXEC-7]', () => {
    const ended = endLease(held, claim.holder, NOW + 5);

    expect(ended.run.lease).toEqual({ holder: claim.holder, until: NOW + 5 });
    expect(acquireLease(ended, 'another', LEASE_MS, NOW + 5).run).toMatchObject({ crashes: held.run.crashes + 1 });
  });

  test('of another process, or one that has run out, stays as it is [EXEC-4]', () => {
    expect(endLease(held, 'somebody else', NOW + 5)).toBe(held);
    expect(endLease(held, claim.holder, NOW + LEASE_MS)).toBe(held);
    expect(endLease(sampleTask(), claim.holder, NOW)).toEqual(sampleTask());
  });
});
