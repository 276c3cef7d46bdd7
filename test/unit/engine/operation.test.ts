/** The names under which heads and clients know what a task waits for: they are stored, and must stay as they are. */
import { expect, test } from '@jest/globals';
import { keyOf, numberOfKey } from '../../../src/engine/operation.ts';

test.each([
  [0, 'input-000000'],
  [7, 'input-000007'],
  [123_456, 'input-123456'],
  [1_234_567, 'input-1234567'],
])('operation %d has the key %s, and back; up to a million they sort as they were asked [EXEC-3]', (number, key) => {
  expect(keyOf(number)).toBe(key);
  expect(numberOfKey(key)).toBe(number);
});

test('what is no key has no number [EXEC-3]', () => {
  expect(numberOfKey('other')).toBeNaN();
});
