/** The measure of strain itself: it sees work that holds the event loop, and what is kept of it. */
import { expect, test } from '@jest/globals';
import { strainOf } from '../../support/strain.ts';

const kept: unknown[] = [];

test('strain shows work that holds the event loop [SEC-8]', async () => {
  const busy = async () => {
    const end = performance.now() + 300;
    while (performance.now() < end) kept.length = 0;
  };

  expect((await strainOf([busy])).longestDelayMs).toBeGreaterThan(200);
});

test('strain shows what is kept of the work [SEC-8]', async () => {
  const keeping = async () => void kept.push(Array.from({ length: 1_000_000 }, (_, at) => ({ at })));

  expect((await strainOf([keeping])).keptBytes).toBeGreaterThan(16 * 1024 * 1024);
});
