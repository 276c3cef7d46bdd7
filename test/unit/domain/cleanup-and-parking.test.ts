/** A task that has ended and is cleaned up after, and one that the code at hand cannot run. */
import { describe, expect, test } from '@jest/globals';
import {
  acquireLease,
  beginCleanup,
  finishCleanup,
  type LeaseClaim,
  park,
  renewLease,
  type Suspension,
  setStatusMessage,
  suspendTask,
} from '../../../src/domain/run.ts';
import { cancelTask, completeTask, enforceDeadline, shownStatusMessage } from '../../../src/domain/task.ts';
import { NOW, RUN_DEADLINE_MS, sampleTask } from './sample-task.ts';

const LEASE_MS = 1000;
const claim: LeaseClaim = { holder: 'one', epoch: 1 };
const held = acquireLease(sampleTask(), 'one', LEASE_MS, NOW);
const finished = completeTask(held, { json: {} }, NOW);
const nothing: Suspension = { inputs: {}, imported: new Set(), dueAt: null, turns: 1 };
const renewal = { leaseMs: LEASE_MS, progressed: false };

describe('cleaning up', () => {
  const cancelled = cancelTask(held, undefined, NOW + 1);

  test('is for handlers that have begun: a task that never ran has nothing to clean up [EXEC-15]', () => {
    expect(cancelTask(sampleTask(), undefined, NOW).run).toEqual({ epoch: 0, dueAt: null, crashes: 0 });
    expect(cancelled.run).toMatchObject({ dueAt: NOW + 1, cleanup: { cause: 'cancelled' }, lease: { holder: 'one' } });
    expect(enforceDeadline(held, NOW + RUN_DEADLINE_MS).run.cleanup).toEqual({ cause: 'deadline' });
    expect(finished.run.cleanup).toBeUndefined();
  });

  test('goes on under the lease and a new one, and changes nothing of the outcome [EXEC-15 I2 I7]', () => {
    const renewed = renewLease(cancelled, claim, renewal, NOW + 5);
    expect(() => acquireLease(renewed, 'two', LEASE_MS, NOW + 6)).toThrow(
      expect.objectContaining({ code: 'lease_held' }),
    );
    const taken = acquireLease(renewed, 'two', LEASE_MS, NOW + 5 + LEASE_MS);
    const cleaned = finishCleanup(taken, { holder: 'two', epoch: 2 }, NOW + 9e5);

    expect(() => finishCleanup(taken, claim, NOW + 9e5)).toThrow(expect.objectContaining({ code: 'lease_lost' }));
    expect(cleaned.run).toEqual({ epoch: 2, dueAt: null, crashes: 1 });
    const { run: _run, ...outcome } = cleaned;
    const { run: _other, ...before } = cancelled;
    expect(outcome).toEqual(before);
    expect(() => acquireLease(cleaned, 'two', LEASE_MS, NOW + 9e6)).toThrow(
      expect.objectContaining({ code: 'invalid_transition' }),
    );
  });

  test('has its time from the first run that begins it, and no more crashes than the task had [EXEC-7 EXEC-15]', () => {
    const begun = beginCleanup(cancelled, claim, 60_000, NOW + 10);
    expect(begun.run.cleanup).toEqual({ cause: 'cancelled', until: NOW + 60_010 });
    expect(beginCleanup(begun, claim, 60_000, NOW + 500)).toBe(begun);

    let crashing = begun;
    let now = NOW;
    for (let crash = 1; crash <= begun.maxAttempts; crash += 1) {
      now += LEASE_MS;
      crashing = acquireLease(crashing, 'two', LEASE_MS, now);
    }
    expect(crashing.run).toMatchObject({ dueAt: null });
    expect(crashing.run.cleanup).toBeUndefined();
  });
});

describe('a run that has lost its task', () => {
  const other: LeaseClaim = { holder: 'two', epoch: 2 };

  test.each([
    ['park it', () => park(held, other, 'No such tool.', NOW)],
    ['begin to clean up after it', () => beginCleanup(cancelTask(held, undefined, NOW), other, 1, NOW)],
    ['renew its lease', () => renewLease(held, other, renewal, NOW)],
  ])('cannot %s [I7]', (_what, change) => {
    expect(change).toThrow(expect.objectContaining({ code: 'lease_lost', detail: {} }));
  });

  test('because it has ended is told which end that was [I7]', () => {
    expect(() => renewLease(finished, claim, renewal, NOW)).toThrow(
      expect.objectContaining({ code: 'lease_lost', detail: { status: 'completed' } }),
    );
  });
});

test('a task that has not ended is given no time to clean up [EXEC-15]', () => {
  expect(beginCleanup(held, claim, 60_000, NOW)).toBe(held);
});

test('a task that is cleaned up after knows what its handler had logged before [EXEC-15]', () => {
  const waiting = suspendTask(held, claim, { ...nothing, turns: 7 }, NOW);

  expect(cancelTask(waiting, undefined, NOW).run.turns).toBe(7);
});

describe('a parked task', () => {
  test('is looked at again after pauses that double from 5 seconds to 5 minutes, and counts no crash [EXEC-17]', () => {
    let task = held;
    const pauses: number[] = [];
    let now = NOW;
    for (let look = 1; look <= 9; look += 1) {
      const parked = park(task, { holder: 'one', epoch: look }, 'No such tool.', now);
      pauses.push((parked.run.dueAt ?? 0) - now);
      now = parked.run.dueAt ?? 0;
      task = acquireLease(parked, 'one', LEASE_MS, now);
    }

    expect(pauses).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300].map((seconds) => seconds * 1000));
    expect(task.run.crashes).toBe(0);
  });

  test('shows why instead of its newest message, until it runs again [EXEC-17]', () => {
    const told = setStatusMessage(held, claim, 'Half way.', NOW);
    const parked = park(told, claim, 'No such tool.', NOW);
    const taken = acquireLease(parked, 'one', LEASE_MS, NOW + 5_000);
    const again = suspendTask(taken, { holder: 'one', epoch: 2 }, nothing, NOW + 5_000);

    expect([told, parked, taken, again].map(shownStatusMessage)).toEqual([
      'Half way.',
      'No such tool.',
      'Half way.',
      'Half way.',
    ]);
    expect(again.run.parked).toBeUndefined();
  });

  test('that has ended, and waits for code to clean up after it, looks as it did at its end [EXEC-15 EXEC-17 I2]', () => {
    const waiting = suspendTask(held, claim, nothing, NOW);
    const cleaning = acquireLease(cancelTask(waiting, undefined, NOW), 'two', LEASE_MS, NOW);

    const parked = park(cleaning, { holder: 'two', epoch: 2 }, 'No such tool.', NOW + 5);

    expect([parked.status, shownStatusMessage(parked), parked.updatedAt]).toEqual(['cancelled', 'Cancelled.', NOW]);
  });
});
