/** Keys of callbacks in a task that has made very many of them. */
import type { OperationUpdate } from '@aws/durable-execution-sdk-js';
import { expect, test } from '@jest/globals';
import { applyEntry, type Operations, outstandingCallbacks } from '../../../src/runtime/operations.ts';

test('the answer to a callback reaches it, also past the 9,999th, and where an id has a dash [EXEC-3 I4]', () => {
  const operations: Operations = new Map();
  const create = (Id: string): OperationUpdate => ({ Id, Type: 'CALLBACK', Action: 'START' });
  const ids = Array.from({ length: 10_001 }, (_, index) => `a-${index + 1}`);
  applyEntry(operations, { at: 1, updates: ids.map(create) });

  const keys = outstandingCallbacks(operations).map(({ key }) => key);

  expect(new Set(keys).size).toBe(10_001);
  expect([keys[0], ...keys.slice(9998)]).toEqual(['0001-a-1', '9999-a-9999', '10000-a-10000', '10001-a-10001']);
  for (const callback of keys) {
    const [id] = applyEntry(operations, {
      at: 2,
      outcomes: [{ callback, outcome: 'answered', result: `"${callback}"` }],
    });
    expect(operations.get(id ?? '')?.wire).toMatchObject({
      Status: 'SUCCEEDED',
      CallbackDetails: { CallbackId: callback, Result: `"${callback}"` },
    });
  }
  expect(outstandingCallbacks(operations)).toEqual([]);
});
