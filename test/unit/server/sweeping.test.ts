/** How often a server on its own looks at the agenda, and for what has expired. */
import { expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import type { LeaseTimes } from '../../../src/runtime/running/held-task.ts';
import { createTaskServer } from '../../../src/server/create-task-server.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

test.each<[string, { readonly leaseTimes?: LeaseTimes }, number]>([
  ['each quarter of a minute', {}, 15_000],
  ['twice in the time of a lease', { leaseTimes: { leaseMs: 4_000, heartbeatMs: 1_000 } }, 2_000],
])(
  'a server removes what has expired at its start and %s, until it drains [EXEC-8]',
  async (_often, times, everyMs) => {
    const { server, backend, clock } = serverUnderTest(times);
    const cleanup = jest.spyOn(backend, 'cleanupExpired');
    await server.start();
    expect(cleanup).toHaveBeenCalledTimes(1);

    await clock.advance(everyMs - 1);
    expect(cleanup).toHaveBeenCalledTimes(1);
    await clock.advance(1);
    expect(cleanup).toHaveBeenCalledTimes(2);
    await clock.advance(3 * everyMs);
    expect(cleanup).toHaveBeenCalledTimes(5);

    await server.drain();
    await clock.advance(10 * everyMs);
    expect(cleanup).toHaveBeenCalledTimes(5);
    expect(clock.pendingTimers).toBe(0);
  },
);

test('a server looks at the agenda at its start and each five seconds, until it drains [EXEC-20 I12 AES-6]', async () => {
  const { server, clock } = serverUnderTest({});
  const agenda = jest.spyOn(server.store.agenda, 'due');
  await server.start();
  expect(agenda).toHaveBeenCalledTimes(1);

  await clock.advance(4_999);
  expect(agenda).toHaveBeenCalledTimes(1);
  await clock.advance(1);
  expect(agenda).toHaveBeenCalledTimes(2);
  await clock.advance(50_000);
  expect(agenda).toHaveBeenCalledTimes(12);

  await server.drain();
  await clock.advance(50_000);
  expect(agenda).toHaveBeenCalledTimes(12);
});

function serverUnderTest(times: { readonly leaseTimes?: LeaseTimes }) {
  const clock = new ManualClock();
  const backend = new MemoryBackend({ clock });
  const named = { name: 'sweeps', version: '1', tools: [], logger: silentLogger };
  return { clock, backend, server: createTaskServer({ ...named, backend, clock, ...times }) };
}
