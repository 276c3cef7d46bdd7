/** Contract cases for a backend that removes what has expired itself; engines of their own do that without being asked. */
import assert from 'node:assert/strict';
import { eventLoopTurn } from '../../clock.ts';
import { type ContractCase, create, readIds } from './contract-case.ts';

const DAY_MS = 86_400_000;

export const sweepingCases: readonly ContractCase[] = [
  {
    name: 'cleaning up removes what has expired, once, and says how much that was',
    ids: ['STORE-1', 'I9'],
    async run({ backend, clock, partition }) {
      const home = partition();
      await clock.advance(DAY_MS);
      await backend.cleanupExpired(clock.now());
      for (const [index, lifetimeMs] of [1, 2, 3, 1000].entries()) {
        await create(backend, { partition: home, id: String(index) }, 'x', clock.now() + lifetimeMs);
      }
      await create(backend, { partition: home, id: 'kept' });
      await clock.advance(4);
      assert.equal(await backend.cleanupExpired(clock.now()), 3);
      assert.equal(await backend.cleanupExpired(clock.now()), 0);
      assert.deepEqual(await readIds(backend, home, { limit: 10 }), ['3', 'kept']);
    },
  },
  {
    name: 'cleaning up lets everything else have its turn, however much there is',
    ids: ['STORE-1', 'SEC-3'],
    async run({ backend, clock, partition }) {
      const home = partition();
      for (let index = 0; index < 1100; index += 1) {
        await create(backend, { partition: home, id: String(index) }, 'x', clock.now() + 1);
      }
      await clock.advance(1);
      const sweeping = await turnsDuring(() => backend.cleanupExpired(clock.now()));
      assert.ok(sweeping >= 2, `everything else had ${sweeping} turns during a sweep`);
    },
  },
];

/** How often the event loop went round meanwhile. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let working = true;
  const counting = (async () => {
    for (; working; turns += 1) await eventLoopTurn();
  })();
  await work();
  working = false;
  const counted = turns;
  await counting;
  return counted;
}
