/**
 * Contract cases: many calls at once, over two instances. They show lost updates and counts that
 * pass their ceiling; a wrong backend may pass by luck, a right one never fails.
 */
import assert from 'node:assert/strict';
import type { RecordKey, StorageBackend } from '../../backends/backend.ts';
import { BackendConflictError, BackendLimitError } from '../../backends/errors.ts';
import { type ContractCase, type ContractEnvironment, create, race, readIds } from './contract-case.ts';

/** The two instances in turn. */
function instance({ backend, other }: ContractEnvironment, index: number): StorageBackend {
  return index % 2 === 0 ? backend : other;
}

function assertAllConflicts(errors: readonly unknown[], expected: number, actual: number): void {
  for (const error of errors) {
    assert.ok(error instanceof BackendConflictError, `not a BackendConflictError: ${String(error)}`);
    assert.deepEqual([error.expected, error.actual], [expected, actual]);
  }
}

/** What the store does: read, change, compare-and-swap, and again on conflict. */
async function increment(backend: StorageBackend, key: RecordKey): Promise<void> {
  for (;;) {
    const record = await backend.get(key);
    try {
      const value = String(Number(record?.value ?? '0') + 1);
      await backend.putIfVersion(key, { value }, record?.version ?? 0);
      return;
    } catch (error) {
      if (!(error instanceof BackendConflictError)) throw error;
    }
  }
}

export const racingCases: readonly ContractCase[] = [
  {
    name: 'of 50 concurrent creations of one record exactly one wins, and the others learn that it is there',
    ids: ['STORE-1', 'STORE-5', 'I3', 'I9'],
    async run(env) {
      const key = { partition: env.partition(), id: 'a' };
      const { won, lost } = await race(50, async (index) => {
        await create(instance(env, index), key, `by ${index}`);
        return index;
      });
      assert.equal(won.length, 1);
      assertAllConflicts(lost, 0, 1);
      assert.deepEqual(await env.other.get(key), { id: 'a', version: 1, value: `by ${won[0]}` });
    },
  },
  {
    name: 'of 50 concurrent writes with the same expected version exactly one wins, and the others learn the new one',
    ids: ['STORE-1', 'STORE-5', 'I3', 'I7', 'I9'],
    async run(env) {
      const key = { partition: env.partition(), id: 'a' };
      await create(env.backend, key);
      await env.backend.putIfVersion(key, { value: 'two' }, 1);
      const { won, lost } = await race(50, async (index) => {
        await instance(env, index).putIfVersion(key, { value: `by ${index}` }, 2);
        return index;
      });
      assert.equal(won.length, 1);
      assertAllConflicts(lost, 2, 3);
      assert.deepEqual(await env.other.get(key), { id: 'a', version: 3, value: `by ${won[0]}` });
    },
  },
  {
    name: 'eight workers that read, change and compare-and-swap ten times each lose no update',
    ids: ['STORE-1', 'STORE-5', 'I9'],
    async run(env) {
      const key = { partition: env.partition(), id: 'a' };
      const { lost } = await race(8, async (index) => {
        for (let round = 0; round < 10; round += 1) await increment(instance(env, index), key);
      });
      assert.deepEqual(lost, []);
      assert.deepEqual(await env.backend.get(key), { id: 'a', version: 80, value: '80' });
    },
  },
  {
    name: 'of 200 concurrent additions under a ceiling of 50 exactly 50 succeed, each with a sum of its own',
    ids: ['STORE-1', 'STORE-5', 'I8', 'I9'],
    async run(env) {
      const key = { partition: env.partition(), id: 'count' };
      const { won, lost } = await race(200, (index) => instance(env, index).addIfBelow(key, 1, { ceiling: 50 }));
      assert.deepEqual(
        won.toSorted((left, right) => left - right),
        Array.from({ length: 50 }, (_, index) => index + 1),
      );
      for (const error of lost) {
        assert.ok(error instanceof BackendLimitError, `not a BackendLimitError: ${String(error)}`);
        assert.deepEqual([error.current, error.ceiling], [50, 50]);
      }
      assert.deepEqual(await env.backend.get(key), { id: 'count', version: 50, value: '50' });
    },
  },
  {
    name: 'interleaved additions and subtractions never pass the ceiling and end at their sum',
    ids: ['STORE-1', 'STORE-5', 'I8', 'I9'],
    async run(env) {
      const key = { partition: env.partition(), id: 'count' };
      const delta = (index: number) => (index % 3 === 2 ? -1 : 1);
      const { won, lost } = await race(90, async (index) => {
        const sum = await instance(env, index).addIfBelow(key, delta(index), { ceiling: 7 });
        return { sum, delta: delta(index) };
      });
      for (const error of lost) assert.ok(error instanceof BackendLimitError, String(error));
      assert.ok(won.every(({ sum }) => sum <= 7));
      assert.equal(won.filter((win) => win.delta < 0).length, 30, 'a subtraction below the ceiling was refused');
      const total = won.reduce((sum, win) => sum + win.delta, 0);
      assert.deepEqual(await env.backend.get(key), { id: 'count', version: won.length, value: String(total) });
    },
  },
  {
    name: 'additions and compare-and-swaps of one counter do not undo each other',
    ids: ['STORE-1', 'STORE-5', 'I8', 'I9'],
    async run(env) {
      const key = { partition: env.partition(), id: 'count' };
      const { lost } = await race(20, async (index) => {
        if (index % 4 < 2) await instance(env, index).addIfBelow(key, 1, { ceiling: 1000 });
        else await increment(instance(env, index), key);
      });
      assert.deepEqual(lost, []);
      assert.deepEqual(await env.backend.get(key), { id: 'count', version: 20, value: '20' });
    },
  },
  {
    name: 'of 20 concurrent deletions exactly one says that the record was there',
    ids: ['STORE-1', 'STORE-5', 'I9'],
    async run(env) {
      const key = { partition: env.partition(), id: 'a' };
      await create(env.backend, key);
      const { won, lost } = await race(20, (index) => instance(env, index).delete(key));
      assert.deepEqual(lost, []);
      assert.equal(won.filter((wasThere) => wasThere).length, 1);
    },
  },
  {
    name: 'of 20 concurrent creations over an expired record exactly one wins',
    ids: ['STORE-1', 'STORE-5', 'I3', 'I9'],
    async run(env) {
      const key = { partition: env.partition(), id: 'a' };
      await create(env.backend, key, 'old', env.clock.now() + 1000);
      await env.clock.advance(1000);
      const { won, lost } = await race(20, (index) => create(instance(env, index), key, `by ${index}`));
      assert.deepEqual(won, [1]);
      assertAllConflicts(lost, 0, 1);
      assert.equal((await env.backend.get(key))?.version, 1);
    },
  },
  {
    name: 'concurrent creations of different records all land and are all listed',
    ids: ['STORE-1', 'STORE-5', 'I1', 'I9'],
    async run(env) {
      const home = env.partition();
      const ids = Array.from({ length: 100 }, (_, index) => String(index).padStart(3, '0'));
      const { lost } = await race(100, (index) =>
        create(instance(env, index), { partition: home, id: String(index).padStart(3, '0') }),
      );
      assert.deepEqual(lost, []);
      assert.deepEqual(await readIds(env.other, home, { limit: 30 }), ids);
    },
  },
];
