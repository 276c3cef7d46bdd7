/** How often a server on its own looks through its store: for tasks whose process died, and for what has expired. */
import { expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import type { LeaseTimes } from '../../../src/runtime/running/held-task.ts';
import { createTaskServer } from '../../../src/server/create-task-server.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

test.each<[string, { readonly leaseTimes?: LeaseTimes }, number]>([
  ['each quarter of a minute', {}, 15_000],
  ['twice in the time of a lease', { leaseTimes: { leaseMs: 4_000, heartbeatMs: 1_000 } }, 2_000],
])('a server looks at its start and %s, until it drains [EXEC-8]', async (_often, times, everyMs) => {
  const clock = new ManualClock();
  const backend = new MemoryBackend({ clock });
  const server = createTaskServer({
    name: 'sweeps',
    version: '1',
    logger: silentLogger,
    tools: [],
    backend,
    clock,
    ...times,
  });
  const cleanup = jest.spyOn(backend, 'cleanupExpired');
  const agenda = jest.spyOn(server.store.agenda, 'due');
  const looks = () => [cleanup.mock.calls.length, agenda.mock.calls.length];
  await server.start();
  expect(looks()).toEqual([1, 1]);

  await clock.advance(everyMs - 1);
  expect(looks()).toEqual([1, 1]);
  await clock.advance(1);
  expect(looks()).toEqual([2, 2]);
  await clock.advance(3 * everyMs);
  expect(looks()).toEqual([5, 5]);

  await server.drain();
  await clock.advance(10 * everyMs);
  expect(looks()).toEqual([5, 5]);
  expect(clock.pendingTimers).toBe(0);
});
