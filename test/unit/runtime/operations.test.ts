/** The fold of a checkpoint log: every transition, what the clock alone makes due, and what is still waited for. */

import type { OperationUpdate } from '@aws/durable-execution-sdk-js';
import { describe, expect, test } from '@jest/globals';
import {
  applyEntry,
  nextDueAt,
  type Operations,
  outstandingCallbacks,
  settleDue,
  UnsupportedOperationError,
} from '../../../src/runtime/operations.ts';

const AT = 1_000_000;

/** The operations after these updates, one entry each, a second apart from `AT` on. */
function fold(...updates: readonly OperationUpdate[]): Operations {
  const operations: Operations = new Map();
  for (const [index, update] of updates.entries()) applyEntry(operations, { at: AT + index * 1000, updates: [update] });
  return operations;
}

const step = (
  Action: NonNullable<OperationUpdate['Action']>,
  more: Partial<OperationUpdate> = {},
): OperationUpdate => ({
  Id: 's',
  Type: 'STEP',
  SubType: 'Step',
  Name: 'work',
  Action,
  ...more,
});
const context = (
  Action: NonNullable<OperationUpdate['Action']>,
  more: Partial<OperationUpdate> = {},
): OperationUpdate => ({
  Id: 'c',
  Type: 'CONTEXT',
  Action,
  ...more,
});
const callback = (Id: string, more: Partial<OperationUpdate> = {}): OperationUpdate => ({
  Id,
  Type: 'CALLBACK',
  Action: 'START',
  ...more,
});

describe('a step', () => {
  test.each<[string, readonly OperationUpdate[], object]>([
    ['that started is STARTED', [step('START')], { Status: 'STARTED', StepDetails: {} }],
    [
      'that succeeded keeps its result and its number of tries',
      [step('START'), step('SUCCEED', { Payload: '7' })],
      { Status: 'SUCCEEDED', StepDetails: { Attempt: 1, Result: '7' }, EndTimestamp: new Date(AT + 1000) },
    ],
    [
      'that failed keeps its error',
      [step('START'), step('FAIL', { Error: { ErrorType: 'E' } })],
      { Status: 'FAILED', StepDetails: { Attempt: 1, Error: { ErrorType: 'E' } } },
    ],
    [
      'that is to be tried again is PENDING until its delay has passed',
      [step('START'), step('RETRY', { StepOptions: { NextAttemptDelaySeconds: 5 } })],
      { Status: 'PENDING', StepDetails: { Attempt: 1, NextAttemptTimestamp: new Date(AT + 6000) } },
    ],
    [
      'counts its tries over its retries',
      [step('START'), step('RETRY'), step('START'), step('RETRY'), step('START'), step('SUCCEED', { Payload: '1' })],
      { Status: 'SUCCEEDED', StepDetails: { Attempt: 3, Result: '1' } },
    ],
    [
      'keeps the state that a condition check handed to its next try',
      [step('START'), step('RETRY', { Payload: '{"n":1}' }), step('START')],
      { Status: 'STARTED', StepDetails: { Attempt: 1, Result: '{"n":1}' } },
    ],
  ])('%s [EXEC-2]', (_name, updates, expected) => {
    expect(fold(...updates).get('s')?.wire).toMatchObject({ Name: 'work', Type: 'STEP', ...expected });
  });

  test('that is to be tried again becomes READY at its time, not before, once [EXEC-2]', () => {
    const operations = fold(step('RETRY', { StepOptions: { NextAttemptDelaySeconds: 5 } }));

    expect(nextDueAt(operations)).toBe(AT + 5000);
    expect(settleDue(operations, AT + 4999)).toEqual([]);
    expect(settleDue(operations, AT + 5000)).toEqual(['s']);
    expect(operations.get('s')?.wire.Status).toBe('READY');
    expect(settleDue(operations, AT + 9000)).toEqual([]);
    expect(nextDueAt(operations)).toBeNull();
  });
});

describe('a wait', () => {
  const wait = (more: Partial<OperationUpdate> = {}): OperationUpdate => ({
    Id: 'w',
    Type: 'WAIT',
    Action: 'START',
    WaitOptions: { WaitSeconds: 60 },
    ...more,
  });

  test('ends when its time has come, with that time, however late it is noticed [EXEC-2]', () => {
    const operations = fold(wait());

    expect(settleDue(operations, AT + 59_999)).toEqual([]);
    expect(settleDue(operations, AT + 3_600_000)).toEqual(['w']);
    expect(operations.get('w')?.wire).toMatchObject({ Status: 'SUCCEEDED', EndTimestamp: new Date(AT + 60_000) });
  });

  test('that was cancelled is due no more [EXEC-2]', () => {
    const operations = fold(wait(), wait({ Action: 'CANCEL' }));

    expect(operations.get('w')?.wire.Status).toBe('CANCELLED');
    expect(nextDueAt(operations)).toBeNull();
    expect(settleDue(operations, AT + 60_000)).toEqual([]);
  });

  test('in a branch that is over is not what the task waits for [EXEC-2]', () => {
    const operations = fold(context('START'), wait({ ParentId: 'c' }), context('SUCCEED'));

    expect(nextDueAt(operations)).toBeNull();
  });

  test('of several the earliest decides [EXEC-2]', () => {
    const operations = fold(wait({ Id: 'long', WaitOptions: { WaitSeconds: 90 } }), wait({ Id: 'short' }));

    expect(nextDueAt(operations)).toBe(AT + 61_000);
  });
});

describe('a branch', () => {
  test('keeps its result, and whether a replay must visit its children [EXEC-2]', () => {
    const operations = fold(
      context('START'),
      context('SUCCEED', { Payload: '1', ContextOptions: { ReplayChildren: true } }),
    );

    expect(operations.get('c')?.wire).toMatchObject({
      Status: 'SUCCEEDED',
      ContextDetails: { Result: '1', ReplayChildren: true },
    });
  });

  test('that failed keeps its error [EXEC-2]', () => {
    const operations = fold(context('START'), context('FAIL', { Error: { ErrorMessage: 'no' } }));

    expect(operations.get('c')?.wire).toMatchObject({
      Status: 'FAILED',
      ContextDetails: { Error: { ErrorMessage: 'no' } },
    });
  });
});

describe('a callback', () => {
  test('gets a key in order of creation that a replay of the log gives it again [EXEC-3]', () => {
    const updates = [callback('x'), callback('y')];

    const keys = outstandingCallbacks(fold(...updates)).map(({ key }) => key);

    expect(keys).toEqual(['0001-x', '0002-y']);
    expect(outstandingCallbacks(fold(...updates)).map(({ key }) => key)).toEqual(keys);
  });

  test.each([
    ['answered', 'SUCCEEDED', { Result: '"yes"' }],
    ['failed', 'FAILED', { Error: { ErrorMessage: 'broken' } }],
    ['timed_out', 'TIMED_OUT', { Error: { ErrorMessage: 'broken' } }],
  ] as const)('that was %s is %s and outstanding no more [EXEC-3]', (outcome, status, details) => {
    const operations = fold(callback('x'));
    const given = outcome === 'answered' ? { result: '"yes"' } : { message: 'broken' };

    const changed = applyEntry(operations, { at: AT, outcomes: [{ callback: '0001-x', outcome, ...given }] });

    expect(changed).toEqual(['x']);
    expect(operations.get('x')?.wire).toMatchObject({
      Status: status,
      CallbackDetails: { CallbackId: '0001-x', ...details },
    });
    expect(outstandingCallbacks(operations)).toEqual([]);
  });

  test('keeps its first outcome [EXEC-3 I3 I4]', () => {
    const operations = fold(callback('x'));
    applyEntry(operations, { at: AT, outcomes: [{ callback: '0001-x', outcome: 'answered', result: '1' }] });

    const changed = applyEntry(operations, {
      at: AT,
      outcomes: [{ callback: '0001-x', outcome: 'answered', result: '2' }],
    });

    expect(changed).toEqual([]);
    expect(operations.get('x')?.wire.CallbackDetails?.Result).toBe('1');
  });

  test('with a timeout says until when it can be answered [EXEC-3]', () => {
    expect(outstandingCallbacks(fold(callback('x', { CallbackOptions: { TimeoutSeconds: 30 } })))).toEqual([
      { key: '0001-x', timeoutAt: AT + 30_000 },
    ]);
  });

  test.each([
    ['over', [context('SUCCEED')]],
    ['over with an error', [context('FAIL')]],
  ] as const)('in a branch that is %s is outstanding no more, however deep it is [EXEC-2 EXEC-3]', (_name, end) => {
    const inner = context('START', { Id: 'inner', ParentId: 'c' });
    const operations = fold(context('START'), inner, callback('x', { ParentId: 'inner' }));
    expect(outstandingCallbacks(operations)).toHaveLength(1);

    applyEntry(operations, { at: AT, updates: end });

    expect(outstandingCallbacks(operations)).toEqual([]);
  });

  test('whose outcome is in the log and whose start is not changes nothing', () => {
    expect(
      applyEntry(new Map(), { at: AT, outcomes: [{ callback: '0001-x', outcome: 'answered', result: '1' }] }),
    ).toEqual([]);
  });
});

test('an operation of a kind that is not offered is refused by name', () => {
  expect(() => fold({ Id: 'i', Type: 'CHAINED_INVOKE', Action: 'START', Name: 'other function' })).toThrow(
    new UnsupportedOperationError('CHAINED_INVOKE operations (other function) are not available here.'),
  );
});
