/** After how long a task is tried again whose deliveries or runs fail. */
import { expect, test } from '@jest/globals';
import { retryDelayMs } from '../../../../src/runtime/queues/queue.ts';

test('a task whose runs fail is tried again after a second, then after twice as long each time, up to a minute [EXEC-8]', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7, 5_000].map(retryDelayMs)).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000,
  ]);
});
