/** Contract cases for a `WalkableBackend`, which one machine owns and which sweeps for itself. */
import assert from 'node:assert/strict';
import { isWalkable, type WalkableBackend } from '../../backends/backend.ts';
import { eventLoopTurn } from '../../clock.ts';
import { type ContractCase, type ContractEnvironment, create, readIds } from './contract-case.ts';

const DAY_MS = 86_400_000;

function walkable({ backend }: ContractEnvironment): WalkableBackend {
  assert.ok(isWalkable(backend), `${backend.name} has no partitions()`);
  return backend;
}

async function walk(backend: WalkableBackend, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for await (const name of backend.partitions(prefix)) names.push(name);
  return names.toSorted();
}

export const walkingCases: readonly ContractCase[] = [
  {
    name: 'a walk meets every partition once, however many records it holds and whatever it is called',
    ids: ['STORE-1', 'I5', 'I9'],
    async run(env) {
      const backend = walkable(env);
      const home = env.partition();
      const names = ['', '\0', ' ', ':', 'a', 'a\0', 'aa', 'é', '\uffff', '😀'].map((end) => home + end);
      for (const partition of names) {
        for (const id of ['a', 'b', '😀']) await create(env.other, { partition, id });
      }
      assert.deepEqual(await walk(backend, home), names.toSorted());
    },
  },
  {
    name: 'a walk meets no partition whose name begins otherwise',
    ids: ['STORE-1', 'I9'],
    async run(env) {
      const backend = walkable(env);
      const home = env.partition();
      for (const end of ['a', 'b', 'bb', 'c']) await create(env.other, { partition: home + end, id: 'x' });
      assert.deepEqual(await walk(backend, `${home}b`), [`${home}b`, `${home}bb`]);
    },
  },
  {
    name: 'a walk passes over partitions whose records are all deleted or expired',
    ids: ['STORE-1', 'I9'],
    async run(env) {
      const backend = walkable(env);
      const home = env.partition();
      const expiresAt = env.clock.now() + 1000;
      for (const end of ['expired', 'mixed']) {
        await create(backend, { partition: home + end, id: 'a' }, 'x', expiresAt);
        await create(backend, { partition: home + end, id: 'c' }, 'x', expiresAt);
      }
      await create(backend, { partition: `${home}mixed`, id: 'b' });
      await create(backend, { partition: `${home}deleted`, id: 'a' });
      await backend.delete({ partition: `${home}deleted`, id: 'a' });
      assert.deepEqual(await walk(backend, home), [`${home}expired`, `${home}mixed`]);
      await env.clock.advance(1000);
      assert.deepEqual(await walk(backend, home), [`${home}mixed`]);
      await backend.cleanupExpired(env.clock.now());
      assert.deepEqual(await walk(backend, home), [`${home}mixed`]);
    },
  },
  {
    name: 'a walk goes on while its partitions are written and emptied',
    ids: ['STORE-1', 'I5', 'I9'],
    async run(env) {
      const backend = walkable(env);
      const home = env.partition();
      const names = ['a', 'b', 'c', 'd'].map((end) => home + end);
      for (const partition of names) await create(backend, { partition, id: 'a' });
      const met: string[] = [];
      for await (const partition of backend.partitions(home)) {
        met.push(partition);
        await backend.delete({ partition, id: 'a' });
      }
      assert.deepEqual(met.toSorted(), names);
      assert.deepEqual(await walk(backend, home), []);
    },
  },
  {
    name: 'cleaning up removes what has expired, once, and says how much that was',
    ids: ['STORE-1', 'I9'],
    async run(env) {
      const backend = walkable(env);
      const home = env.partition();
      await env.clock.advance(DAY_MS);
      await backend.cleanupExpired(env.clock.now());
      for (const [index, lifetimeMs] of [1, 2, 3, 1000].entries()) {
        await create(backend, { partition: home, id: String(index) }, 'x', env.clock.now() + lifetimeMs);
      }
      await create(backend, { partition: home, id: 'kept' });
      await env.clock.advance(4);
      assert.equal(await backend.cleanupExpired(env.clock.now()), 3);
      assert.equal(await backend.cleanupExpired(env.clock.now()), 0);
      assert.deepEqual(await readIds(backend, home, { limit: 10 }), ['3', 'kept']);
    },
  },
  {
    name: 'cleaning up and walking let everything else have its turn, however much there is',
    ids: ['STORE-1', 'SEC-3'],
    async run(env) {
      const backend = walkable(env);
      const home = env.partition();
      for (let index = 0; index < 1100; index += 1) {
        await create(backend, { partition: home, id: String(index) }, 'x', env.clock.now() + 1);
      }
      for (const end of ['a', 'b', 'c']) await create(backend, { partition: home + end, id: 'kept' });
      await env.clock.advance(1);
      const sweeping = await turnsDuring(() => backend.cleanupExpired(env.clock.now()));
      const walking = await turnsDuring(() => walk(backend, home));
      assert.ok(sweeping >= 2, `everything else had ${sweeping} turns during a sweep`);
      assert.ok(walking >= 2, `everything else had ${walking} turns during a walk`);
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
