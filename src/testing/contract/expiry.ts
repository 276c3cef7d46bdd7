/** Contract cases: a record past its `expiresAt` is missing, at once and in every method. */
import assert from 'node:assert/strict';
import { type ContractCase, create, readAll, readIds, rejectsAsConflict } from './contract-case.ts';

const LIFETIME_MS = 60_000;
const DAY_MS = 86_400_000;

export const expiryCases: readonly ContractCase[] = [
  {
    name: 'an expiry comes back to the millisecond',
    ids: ['STORE-1', 'I9'],
    async run({ backend, clock, partition }) {
      const key = { partition: partition(), id: 'a' };
      const expiresAt = clock.now() + 1_234_567;
      await create(backend, key, 'x', expiresAt);
      const record = { id: 'a', version: 1, value: 'x', expiresAt };
      assert.deepEqual(await backend.get(key), record);
      assert.deepEqual(await readAll(backend, key.partition, { limit: 1 }), [record]);
    },
  },
  {
    name: 'a record is there until the last millisecond before its expiry and missing from that instant on',
    ids: ['STORE-1', 'LIFE-3', 'I1', 'I9'],
    async run({ backend, other, clock, partition }) {
      const key = { partition: partition(), id: 'a' };
      // Not on a whole second: engines count in seconds.
      await create(backend, key, 'x', clock.now() + LIFETIME_MS + 501);
      await clock.advance(LIFETIME_MS + 500);
      assert.equal((await backend.get(key))?.value, 'x');
      assert.equal((await other.get(key))?.value, 'x');
      await clock.advance(1);
      assert.equal(await backend.get(key), undefined);
      assert.equal(await other.get(key), undefined);
      await clock.advance(DAY_MS);
      assert.equal(await backend.get(key), undefined);
    },
  },
  {
    name: 'a record without expiry stays',
    ids: ['STORE-1', 'I5', 'I9'],
    async run({ backend, clock, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key);
      await clock.advance(3650 * DAY_MS);
      await backend.cleanupExpired(clock.now());
      assert.deepEqual(await backend.get(key), { id: 'a', version: 1, value: 'value' });
    },
  },
  {
    name: 'a record that is written with an expiry in the past is missing at once',
    ids: ['STORE-1', 'I9'],
    async run({ backend, clock, partition }) {
      const key = { partition: partition(), id: 'a' };
      for (const expiresAt of [clock.now(), clock.now() - 1]) {
        assert.equal(await create(backend, key, 'x', expiresAt), 1);
        assert.equal(await backend.get(key), undefined);
      }
    },
  },
  {
    name: 'an expired record is not listed, in either order, from its expiry on',
    ids: ['STORE-1', 'LIFE-3', 'I9'],
    async run({ backend, clock, partition }) {
      const home = partition();
      await create(backend, { partition: home, id: 'a' });
      await create(backend, { partition: home, id: 'b' }, 'x', clock.now() + LIFETIME_MS);
      await create(backend, { partition: home, id: 'c' });
      await clock.advance(LIFETIME_MS - 1);
      assert.deepEqual(await readIds(backend, home, { limit: 10 }), ['a', 'b', 'c']);
      await clock.advance(1);
      assert.deepEqual(await readIds(backend, home, { limit: 10 }), ['a', 'c']);
      assert.deepEqual(await readIds(backend, home, { limit: 10, order: 'desc' }), ['c', 'a']);
    },
  },
  {
    name: 'paging over expired records shows each live one exactly once, to the end',
    ids: ['STORE-1', 'STORE-6', 'I9'],
    async run({ backend, clock, partition }) {
      const home = partition();
      const live: string[] = [];
      for (let index = 0; index < 24; index += 1) {
        const id = String(index).padStart(2, '0');
        // A run of expired ones longer than a page at the start, in the middle and at the end.
        const expires = index < 5 || (index >= 10 && index < 15) || index >= 19;
        await create(backend, { partition: home, id }, 'x', expires ? clock.now() + LIFETIME_MS : undefined);
        if (!expires) live.push(id);
      }
      await clock.advance(LIFETIME_MS);
      for (const limit of [1, 2, 3, 24]) {
        assert.deepEqual(await readIds(backend, home, { limit }), live);
        assert.deepEqual(await readIds(backend, home, { limit, order: 'desc' }), live.toReversed());
      }
    },
  },
  {
    name: 'deleting an expired record resolves to false',
    ids: ['STORE-1', 'I9'],
    async run({ backend, clock, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key, 'x', clock.now() + LIFETIME_MS);
      await clock.advance(LIFETIME_MS);
      assert.equal(await backend.delete(key), false);
      assert.equal(await backend.get(key), undefined);
    },
  },
  {
    name: 'creating over an expired record succeeds with version 1 and keeps nothing of the old one',
    ids: ['STORE-1', 'I9'],
    async run({ backend, other, clock, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key, 'old', clock.now() + LIFETIME_MS);
      await backend.putIfVersion(key, { value: 'older', expiresAt: clock.now() + LIFETIME_MS }, 1);
      await clock.advance(LIFETIME_MS);
      assert.equal(await create(other, key, 'new'), 1);
      assert.deepEqual(await backend.get(key), { id: 'a', version: 1, value: 'new' });
      assert.deepEqual(await readIds(backend, key.partition, { limit: 10 }), ['a']);
    },
  },
  {
    name: 'a write that expects the version of an expired record conflicts with version 0',
    ids: ['STORE-1', 'I9'],
    async run({ backend, clock, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key, 'old', clock.now() + LIFETIME_MS);
      await clock.advance(LIFETIME_MS);
      await rejectsAsConflict(backend.putIfVersion(key, { value: 'late' }, 1), 1, 0);
      assert.equal(await backend.get(key), undefined);
    },
  },
  {
    name: 'a write decides about the expiry anew: later, sooner or never',
    ids: ['STORE-1', 'LIFE-3', 'I9'],
    async run({ backend, clock, partition }) {
      const home = partition();
      const start = clock.now();
      for (const id of ['later', 'sooner', 'never']) {
        await create(backend, { partition: home, id }, 'x', start + LIFETIME_MS);
      }
      await backend.putIfVersion({ partition: home, id: 'later' }, { value: 'y', expiresAt: start + DAY_MS }, 1);
      await backend.putIfVersion({ partition: home, id: 'sooner' }, { value: 'y', expiresAt: start + 1 }, 1);
      await backend.putIfVersion({ partition: home, id: 'never' }, { value: 'y' }, 1);
      await clock.advance(1);
      assert.deepEqual(await readIds(backend, home, { limit: 10 }), ['later', 'never']);
      await clock.advance(LIFETIME_MS);
      assert.deepEqual(await readIds(backend, home, { limit: 10 }), ['later', 'never']);
      await clock.advance(DAY_MS);
      assert.deepEqual(await readAll(backend, home, { limit: 10 }), [{ id: 'never', version: 2, value: 'y' }]);
    },
  },
  {
    name: 'counting on an expired counter starts from 0, at version 1 and without expiry',
    ids: ['STORE-1', 'I8', 'I9'],
    async run({ backend, clock, partition }) {
      const key = { partition: partition(), id: 'count' };
      await create(backend, key, '5', clock.now() + LIFETIME_MS);
      await clock.advance(LIFETIME_MS);
      assert.equal(await backend.addIfBelow(key, 2, { ceiling: 5 }), 2);
      assert.deepEqual(await backend.get(key), { id: 'count', version: 1, value: '2' });
    },
  },
  {
    name: 'cleaning up removes nothing that still reads as live, even for a caller whose clock runs ahead',
    ids: ['STORE-1', 'I1', 'I5', 'I9'],
    async run({ backend, clock, partition }) {
      const home = partition();
      await create(backend, { partition: home, id: 'kept' });
      await create(backend, { partition: home, id: 'later' }, 'x', clock.now() + LIFETIME_MS + 1);
      await create(backend, { partition: home, id: 'sooner' }, 'x', clock.now() + LIFETIME_MS - 1);
      await clock.advance(LIFETIME_MS);
      for (const now of [clock.now(), clock.now() + DAY_MS, 0]) {
        const removed = await backend.cleanupExpired(now);
        assert.ok(Number.isInteger(removed) && removed >= 0, `not a count: ${removed}`);
        assert.deepEqual(await readIds(backend, home, { limit: 10 }), ['kept', 'later']);
      }
      assert.equal((await backend.get({ partition: home, id: 'later' }))?.version, 1);
    },
  },
  {
    name: 'an expired record stays missing, and its key free, after cleaning up',
    ids: ['STORE-1', 'I9'],
    async run({ backend, clock, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key, 'old', clock.now() + LIFETIME_MS);
      await clock.advance(LIFETIME_MS + 1);
      await backend.cleanupExpired(clock.now());
      assert.equal(await backend.get(key), undefined);
      assert.deepEqual(await readIds(backend, key.partition, { limit: 10 }), []);
      assert.equal(await create(backend, key, 'new'), 1);
      assert.deepEqual(await readIds(backend, key.partition, { limit: 10 }), ['a']);
    },
  },
];
