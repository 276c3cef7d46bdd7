/** Contract cases: `addIfBelow`, one call at a time. Many at once: `racing.ts`; on expired ones: `expiry.ts`. */
import assert from 'node:assert/strict';
import {
  type ContractCase,
  create,
  readAll,
  rejectsAsConflict,
  rejectsAsInvalid,
  rejectsAsLimit,
} from './contract-case.ts';

const PLENTY = { ceiling: Number.MAX_SAFE_INTEGER };

export const countingCases: readonly ContractCase[] = [
  {
    name: 'a missing counter counts from 0 and becomes a record like any other',
    ids: ['STORE-1', 'I8', 'I9'],
    async run({ backend, other, partition }) {
      const key = { partition: partition(), id: 'count' };
      assert.equal(await backend.addIfBelow(key, 3, { ceiling: 10 }), 3);
      assert.deepEqual(await other.get(key), { id: 'count', version: 1, value: '3' });
      assert.deepEqual(await readAll(other, key.partition, { limit: 1 }), [{ id: 'count', version: 1, value: '3' }]);
    },
  },
  {
    name: 'each addition raises the version by one, so that a compare-and-swap notices it',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'count' };
      await backend.addIfBelow(key, 1, PLENTY);
      await backend.addIfBelow(key, 1, PLENTY);
      await backend.addIfBelow(key, 0, PLENTY);
      assert.deepEqual(await backend.get(key), { id: 'count', version: 3, value: '2' });
      await rejectsAsConflict(backend.putIfVersion(key, { value: '0' }, 2), 2, 3);
      assert.equal(await backend.putIfVersion(key, { value: '0' }, 3), 4);
    },
  },
  {
    name: 'a sum may reach the ceiling',
    ids: ['STORE-1', 'I8', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'count' };
      assert.equal(await backend.addIfBelow(key, 2, { ceiling: 3 }), 2);
      assert.equal(await backend.addIfBelow(key, 1, { ceiling: 3 }), 3);
    },
  },
  {
    name: 'a sum above the ceiling is refused with the current count and changes nothing',
    ids: ['STORE-1', 'I8', 'I9'],
    async run({ backend, clock, partition }) {
      const key = { partition: partition(), id: 'count' };
      await create(backend, key, '2', clock.now() + 1000);
      const before = await backend.get(key);
      await rejectsAsLimit(backend.addIfBelow(key, 2, { ceiling: 3 }), 2, 3);
      assert.deepEqual(await backend.get(key), before);
    },
  },
  {
    name: 'a refused first addition creates no record',
    ids: ['STORE-1', 'I8', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'count' };
      await rejectsAsLimit(backend.addIfBelow(key, 1, { ceiling: 0 }), 0, 0);
      assert.equal(await backend.get(key), undefined);
      assert.equal(await create(backend, key), 1);
    },
  },
  {
    name: 'a sum that is still above the ceiling is refused, though it came down',
    ids: ['STORE-1', 'I8', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'count' };
      await create(backend, key, '10');
      await rejectsAsLimit(backend.addIfBelow(key, -1, { ceiling: 5 }), 10, 5);
      assert.equal(await backend.addIfBelow(key, -5, { ceiling: 5 }), 5);
    },
  },
  {
    name: 'a negative delta counts down, below zero too',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'count' };
      assert.equal(await backend.addIfBelow(key, -2, { ceiling: 5 }), -2);
      assert.equal((await backend.get(key))?.value, '-2');
      assert.equal(await backend.addIfBelow(key, -1, { ceiling: -3 }), -3);
      assert.equal(await backend.addIfBelow(key, 3, { ceiling: 5 }), 0);
      assert.equal((await backend.get(key))?.value, '0');
    },
  },
  {
    name: 'counts stay exact up to the largest safe integer',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'count' };
      await create(backend, key, String(Number.MAX_SAFE_INTEGER - 2));
      assert.equal(await backend.addIfBelow(key, 1, PLENTY), Number.MAX_SAFE_INTEGER - 1);
      assert.equal(await backend.addIfBelow(key, 1, PLENTY), Number.MAX_SAFE_INTEGER);
      assert.equal((await backend.get(key))?.value, '9007199254740991');
      await rejectsAsLimit(backend.addIfBelow(key, 1, PLENTY), Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    },
  },
  {
    name: 'a delta and a ceiling that are further apart than any safe integer are told apart exactly',
    ids: ['STORE-1', 'I8', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'count' };
      const most = Number.MAX_SAFE_INTEGER;
      await rejectsAsLimit(backend.addIfBelow(key, most, { ceiling: -most }), 0, -most);
      assert.equal(await backend.addIfBelow(key, -most, PLENTY), -most);
      await rejectsAsLimit(backend.addIfBelow(key, most, { ceiling: -1 }), -most, -1);
      await rejectsAsLimit(backend.addIfBelow(key, 1, { ceiling: -most }), -most, -most);
      assert.equal(await backend.addIfBelow(key, most, { ceiling: 0 }), 0);
    },
  },
  {
    name: 'counts beyond 31, 32, 40 and 52 bits go up and down exactly and read back as plain digits',
    ids: ['STORE-1', 'I8', 'I9'],
    async run({ backend, other, partition }) {
      const home = partition();
      for (const bits of [31, 32, 40, 52]) {
        const key = { partition: home, id: `2 to the ${bits}` };
        const start = 2 ** bits;
        assert.equal(await backend.addIfBelow(key, start - 1, PLENTY), start - 1);
        assert.equal(await backend.addIfBelow(key, 2, PLENTY), start + 1);
        assert.equal(await backend.addIfBelow(key, -1, { ceiling: start }), start);
        assert.equal(await other.addIfBelow(key, 5, { ceiling: start + 5 }), start + 5);
        assert.deepEqual(await other.get(key), { id: key.id, version: 4, value: String(start + 5) });
        await rejectsAsLimit(backend.addIfBelow(key, 1, { ceiling: start + 5 }), start + 5, start + 5);
        await rejectsAsLimit(backend.addIfBelow(key, 1, { ceiling: 10 }), start + 5, 10);
        await rejectsAsLimit(backend.addIfBelow(key, -1, { ceiling: start + 3 }), start + 5, start + 3);
        assert.equal(await backend.putIfVersion(key, { value: String(start + 2 ** 20) }, 4), 5);
        assert.equal(await backend.addIfBelow(key, 1, { ceiling: start + 2 ** 20 + 1 }), start + 2 ** 20 + 1);
        assert.equal((await backend.get(key))?.value, String(start + 2 ** 20 + 1));
        assert.equal(await backend.addIfBelow(key, -(2 ** bits), PLENTY), 2 ** 20 + 1);
        assert.equal((await backend.get(key))?.value, '1048577');
      }
    },
  },
  {
    name: 'counts as far below zero go up and down exactly and read back as plain digits',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'count' };
      assert.equal(await backend.addIfBelow(key, -(2 ** 45), PLENTY), -(2 ** 45));
      assert.equal(await backend.addIfBelow(key, -1, PLENTY), -(2 ** 45) - 1);
      assert.equal((await backend.get(key))?.value, '-35184372088833');
    },
  },
  {
    name: 'a counter that was written as a value can be counted in, and the other way round',
    ids: ['STORE-1', 'I9'],
    async run({ backend, other, partition }) {
      const key = { partition: partition(), id: 'count' };
      await create(backend, key, '41');
      assert.equal(await other.addIfBelow(key, 1, { ceiling: 42 }), 42);
      assert.equal(await backend.putIfVersion(key, { value: '7' }, 2), 3);
      assert.equal(await other.addIfBelow(key, 1, { ceiling: 42 }), 8);
      assert.deepEqual(await backend.get(key), { id: 'count', version: 4, value: '8' });
    },
  },
  {
    name: 'an addition keeps the expiry',
    ids: ['STORE-1', 'I9'],
    async run({ backend, clock, partition }) {
      const key = { partition: partition(), id: 'count' };
      const expiresAt = clock.now() + 1501;
      await create(backend, key, '1', expiresAt);
      await backend.addIfBelow(key, 1, PLENTY);
      assert.deepEqual(await backend.get(key), { id: 'count', version: 2, value: '2', expiresAt });
      await clock.advance(1501);
      assert.equal(await backend.get(key), undefined);
    },
  },
  {
    name: 'a value that spells no integer is invalid to count in and stays as it is',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      const values = [
        '',
        ' ',
        'x',
        '1.5',
        '1.0',
        '1e3',
        '0x10',
        '007',
        '+1',
        '-',
        '-0',
        ' 1',
        '1\n',
        '1x',
        'NaN',
        '[]',
      ];
      for (const [index, value] of [
        ...values,
        'Infinity',
        'null',
        '９',
        '9007199254740993',
        '1'.repeat(40),
      ].entries()) {
        const key = { partition: home, id: String(index) };
        await create(backend, key, value);
        await rejectsAsInvalid(backend.addIfBelow(key, 1, PLENTY), `counting in ${JSON.stringify(value)}`);
        assert.deepEqual(await backend.get(key), { id: key.id, version: 1, value });
      }
    },
  },
  {
    name: 'a delta or ceiling that is no integer is invalid and changes nothing',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'count' };
      for (const wrong of [0.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53]) {
        await rejectsAsInvalid(backend.addIfBelow(key, wrong, { ceiling: 5 }), `delta ${wrong}`);
        await rejectsAsInvalid(backend.addIfBelow(key, 1, { ceiling: wrong }), `ceiling ${wrong}`);
      }
      assert.equal(await backend.get(key), undefined);
    },
  },
];
