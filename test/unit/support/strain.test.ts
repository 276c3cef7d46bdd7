/** The measure of strain itself: it sees work that holds the event loop, and what is kept of it. */
import { expect, test } from '@jest/globals';
import { processorMs, strainOf } from '../../support/strain.ts';

const kept: unknown[] = [];

test('strain shows work that holds the event loop [SEC-8]', async () => {
  const busy = async () => {
    const end = processorMs() + 300;
    while (processorMs() < end) kept.length = 0;
  };

  expect((await strainOf([busy])).longestHoldMs).toBeGreaterThan(250);
});

test('strain is none of those who keep this process from the processor [SEC-8]', async () => {
  const starved = async () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);

  expect((await strainOf([starved])).longestHoldMs).toBeLessThan(250);
});

test('strain shows what is kept of the work [SEC-8]', async () => {
  const keeping = async () => void kept.push(Array.from({ length: 1_000_000 }, (_, at) => ({ at })));

  expect((await strainOf([keeping])).keptBytes).toBeGreaterThan(16 * 1024 * 1024);
});
