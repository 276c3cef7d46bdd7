/** Contract cases: reading, compare-and-swap and deletion of single records. Not races; see `racing.ts`. */
import assert from 'node:assert/strict';
import { type ContractCase, create, readIds, rejectsAsConflict, rejectsAsInvalid } from './contract-case.ts';

export const writingCases: readonly ContractCase[] = [
  {
    name: 'a record that was never written reads as missing',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      assert.equal(await backend.get({ partition: partition(), id: 'a' }), undefined);
    },
  },
  {
    name: 'a new record gets version 1 and reads back exactly as written',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'a' };
      assert.equal(await backend.putIfVersion(key, { value: 'one' }, 0), 1);
      assert.deepEqual(await backend.get(key), { id: 'a', version: 1, value: 'one' });
    },
  },
  {
    name: 'every write raises the version by exactly one',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'a' };
      for (let expected = 0; expected < 12; expected += 1) {
        assert.equal(await backend.putIfVersion(key, { value: `v${expected + 1}` }, expected), expected + 1);
      }
      assert.deepEqual(await backend.get(key), { id: 'a', version: 12, value: 'v12' });
    },
  },
  {
    name: 'a write of the value that is already there is still a write',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key, 'same');
      assert.equal(await backend.putIfVersion(key, { value: 'same' }, 1), 2);
    },
  },
  {
    name: 'creating a record that exists conflicts and says which version is there',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key);
      await backend.putIfVersion(key, { value: 'two' }, 1);
      await rejectsAsConflict(create(backend, key, 'again'), 0, 2);
    },
  },
  {
    name: 'a write that expects a version of a missing record conflicts with version 0 and creates nothing',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'a' };
      await rejectsAsConflict(backend.putIfVersion(key, { value: 'x' }, 1), 1, 0);
      assert.equal(await backend.get(key), undefined);
    },
  },
  {
    name: 'a write with a stale version conflicts with the evidence and changes nothing',
    ids: ['STORE-1', 'I9'],
    async run({ backend, clock, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key, 'one');
      await backend.putIfVersion(key, { value: 'two', expiresAt: clock.now() + 60_000 }, 1);
      const before = await backend.get(key);
      await rejectsAsConflict(backend.putIfVersion(key, { value: 'late' }, 1), 1, 2);
      assert.deepEqual(await backend.get(key), before);
    },
  },
  {
    name: 'a write with a version that was not reached yet conflicts and changes nothing',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key, 'one');
      await rejectsAsConflict(backend.putIfVersion(key, { value: 'early' }, 2), 2, 1);
      assert.deepEqual(await backend.get(key), { id: 'a', version: 1, value: 'one' });
    },
  },
  {
    name: 'an expected version that can be no version is invalid',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'a' };
      for (const expected of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER, 2 ** 53]) {
        await rejectsAsInvalid(backend.putIfVersion(key, { value: 'x' }, expected), `expected ${expected}`);
      }
      assert.equal(await backend.get(key), undefined);
    },
  },
  {
    name: 'an acknowledged write is seen by another instance at once',
    ids: ['STORE-1', 'I1', 'I9'],
    async run({ backend, other, partition }) {
      const key = { partition: partition(), id: 'a' };
      for (let expected = 0; expected < 10; expected += 1) {
        const [writer, reader] = expected % 2 === 0 ? [backend, other] : [other, backend];
        await writer.putIfVersion(key, { value: String(expected) }, expected);
        assert.deepEqual(await reader.get(key), { id: 'a', version: expected + 1, value: String(expected) });
      }
    },
  },
  {
    name: 'a deleted record is gone for every instance, and only its first deletion says that it was there',
    ids: ['STORE-1', 'I9'],
    async run({ backend, other, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key);
      assert.equal(await other.delete(key), true);
      assert.equal(await backend.delete(key), false);
      assert.equal(await backend.get(key), undefined);
      assert.deepEqual(await readIds(backend, key.partition, { limit: 10 }), []);
    },
  },
  {
    name: 'deleting a record that was never there resolves to false',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      assert.equal(await backend.delete({ partition: partition(), id: 'a' }), false);
    },
  },
  {
    name: 'a deletion does not ask for a version',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'a' };
      for (let expected = 0; expected < 5; expected += 1) await backend.putIfVersion(key, { value: 'x' }, expected);
      assert.equal(await backend.delete(key), true);
    },
  },
  {
    name: 'a write that expects the version of a deleted record conflicts with version 0',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key);
      await backend.delete(key);
      await rejectsAsConflict(backend.putIfVersion(key, { value: 'x' }, 1), 1, 0);
      assert.equal(await backend.get(key), undefined);
    },
  },
  {
    name: 'a record that is created again after its deletion starts at version 1',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key);
      await backend.putIfVersion(key, { value: 'two' }, 1);
      await backend.delete(key);
      assert.equal(await create(backend, key, 'new'), 1);
    },
  },
  {
    name: 'changing a record that was read does not change the stored one',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key, 'kept');
      const listed = (await backend.list(key.partition, { limit: 1 })).records[0];
      for (const read of [await backend.get(key), listed]) {
        // Refused by a frozen object, without effect on a copy.
        assert.ok(read !== undefined);
        Reflect.set(read, 'value', 'changed');
      }
      assert.deepEqual(await backend.get(key), { id: 'a', version: 1, value: 'kept' });
    },
  },
  {
    name: 'a backend names its engine',
    ids: ['STORE-1'],
    async run({ backend }) {
      assert.match(backend.name, /^[a-z][a-z0-9-]*$/);
    },
  },
  {
    name: 'closing twice is as good as once, and leaves other instances at work',
    ids: ['STORE-1', 'I9'],
    async run({ backend, other, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(other, key, 'kept');
      await other.close();
      await other.close();
      if (other !== backend) assert.deepEqual(await backend.get(key), { id: 'a', version: 1, value: 'kept' });
    },
  },
];
