/** Contract cases: which keys and values a backend takes, unchanged, and which it must refuse. */
import assert from 'node:assert/strict';
import {
  MAX_ID_BYTES,
  MAX_PARTITION_BYTES,
  MAX_VALUE_BYTES,
  type RecordKey,
  type StorageBackend,
} from '../../backends/backend.ts';
import { type ContractCase, create, readAll, rejectsAsInvalid } from './contract-case.ts';

/** Each has met an engine, a client library or a hand-made separator that takes it apart. */
const AWKWARD = [
  ' ',
  '  a  ',
  "'",
  '"',
  '`',
  "'; DROP TABLE record; --",
  '\\',
  '/',
  'a/b/../c',
  '#',
  'a#b',
  ':',
  'a:b',
  '::',
  '{a}',
  '{',
  '}{',
  '*',
  '?',
  '[a-z]',
  '%',
  '%2F',
  '_',
  '$',
  '@',
  '\n',
  '\r\n',
  '\t',
  '\0',
  'a\0b',
  '\u007f',
  '\u2028',
  '\ufeff',
  '\uffff',
  'é',
  'e\u0301',
  '日本',
  '😀',
  '👩‍👩‍👧',
  'A',
  'a',
  'a ',
  '0',
  '00',
  '-1',
  'null',
  'undefined',
  'true',
  '__proto__',
  'constructor',
  'toString',
] as const;

/** Pairs that become the same text when partition and id are joined by a separator, or by none. */
const JOINED_ALIKE: readonly (readonly [string, string, string, string])[] = ['', ':', '#', '/', '|', '\0', ' '].map(
  (separator) => ['a', `b${separator}c`, `a${separator}b`, 'c'],
);

/** Every method that takes a key, called so that only the key can be wrong with it. */
async function refusesKey(backend: StorageBackend, key: RecordKey, what: string): Promise<void> {
  await rejectsAsInvalid(backend.get(key), `get of ${what}`);
  await rejectsAsInvalid(backend.putIfVersion(key, { value: 'x' }, 0), `putIfVersion of ${what}`);
  await rejectsAsInvalid(backend.delete(key), `delete of ${what}`);
  await rejectsAsInvalid(backend.addIfBelow(key, 1, { ceiling: 10 }), `addIfBelow of ${what}`);
}

export const keyAndValueCases: readonly ContractCase[] = [
  {
    name: 'ids of any characters keep their records apart and unchanged',
    ids: ['STORE-1', 'STORE-2', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      for (const id of AWKWARD) await create(backend, { partition: home, id }, `value of ${id}`);
      for (const id of AWKWARD) {
        assert.deepEqual(await backend.get({ partition: home, id }), { id, version: 1, value: `value of ${id}` });
      }
      const listed = await readAll(backend, home, { limit: 7 });
      assert.deepEqual(new Set(listed.map(({ id }) => id)), new Set(AWKWARD));
      assert.ok(listed.every(({ id, value }) => value === `value of ${id}`));
      for (const id of AWKWARD) assert.equal(await backend.delete({ partition: home, id }), true);
    },
  },
  {
    name: 'partitions of any characters keep their records apart and unchanged',
    ids: ['STORE-1', 'STORE-2', 'I6', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      const names = AWKWARD.map((name) => home + name);
      for (const name of names) await create(backend, { partition: name, id: 'a' }, `value of ${name}`);
      for (const name of names) {
        const record = { id: 'a', version: 1, value: `value of ${name}` };
        assert.deepEqual(await backend.get({ partition: name, id: 'a' }), record);
        assert.deepEqual(await readAll(backend, name, { limit: 7 }), [record]);
      }
    },
  },
  {
    name: 'partition and id never run together',
    ids: ['STORE-2', 'I6', 'I9'],
    async run({ backend, partition }) {
      for (const [partitionA, idA, partitionB, idB] of JOINED_ALIKE) {
        const home = partition();
        const a = { partition: home + partitionA, id: idA };
        const b = { partition: home + partitionB, id: idB };
        await create(backend, a, 'of a');
        assert.equal(await backend.get(b), undefined);
        assert.equal(await create(backend, b, 'of b'), 1);
        assert.equal((await backend.get(a))?.value, 'of a');
      }
    },
  },
  {
    name: 'the longest partition and id that are allowed work in every method',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      const longest = home + 'p'.repeat(MAX_PARTITION_BYTES - Buffer.byteLength(home));
      for (const id of ['i'.repeat(MAX_ID_BYTES), '😀'.repeat(MAX_ID_BYTES / 4)]) {
        const key = { partition: longest, id };
        assert.equal(await backend.addIfBelow(key, 1, { ceiling: 1 }), 1);
        assert.equal(await backend.putIfVersion(key, { value: 'x' }, 1), 2);
        assert.deepEqual(await backend.get(key), { id, version: 2, value: 'x' });
      }
      assert.equal((await readAll(backend, longest, { limit: 1 })).length, 2);
      assert.equal((await readAll(backend, longest, { limit: 1, order: 'desc' })).length, 2);
      assert.equal(await backend.delete({ partition: longest, id: 'i'.repeat(MAX_ID_BYTES) }), true);
    },
  },
  {
    name: 'an id or partition of one byte too many is invalid, counted in UTF-8',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      await refusesKey(backend, { partition: home, id: 'i'.repeat(MAX_ID_BYTES + 1) }, 'a long id');
      await refusesKey(
        backend,
        { partition: home, id: `${'é'.repeat(MAX_ID_BYTES / 2)}i` },
        'a long id of two-byte letters',
      );
      const long = 'p'.repeat(MAX_PARTITION_BYTES + 1);
      await refusesKey(backend, { partition: long, id: 'a' }, 'a long partition');
      await rejectsAsInvalid(backend.list(long, { limit: 1 }), 'a listing of a long partition');
    },
  },
  {
    name: 'an empty id or partition is invalid',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      await refusesKey(backend, { partition: partition(), id: '' }, 'an empty id');
      await refusesKey(backend, { partition: '', id: 'a' }, 'an empty partition');
      await rejectsAsInvalid(backend.list('', { limit: 1 }), 'a listing of the empty partition');
    },
  },
  {
    name: 'a lone surrogate in a key or value is invalid, since UTF-8 would replace it',
    ids: ['STORE-1', 'STORE-2', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      for (const lone of ['\ud83d', '\ude00', 'a\ud83db', '\ude00\ud83d']) {
        const what = JSON.stringify(lone);
        await refusesKey(backend, { partition: home, id: lone }, `id ${what}`);
        await refusesKey(backend, { partition: home + lone, id: 'a' }, `partition ${what}`);
        await rejectsAsInvalid(backend.list(home + lone, { limit: 1 }), `a listing of partition ${what}`);
        await rejectsAsInvalid(backend.putIfVersion({ partition: home, id: 'a' }, { value: lone }, 0), `value ${what}`);
      }
      assert.deepEqual(await readAll(backend, home, { limit: 10 }), []);
    },
  },
  {
    name: 'values come back character by character, whatever they look like',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      const values = [
        '',
        ...AWKWARD,
        '{"a":[1,2,{"b":null}]}',
        '007',
        '1e3',
        '0x10',
        '-0',
        '1.0',
        'é日本😀\uffff\0end',
      ];
      for (const [index, value] of values.entries()) {
        const id = String(index);
        await create(backend, { partition: home, id }, value);
        assert.deepEqual(await backend.get({ partition: home, id }), { id, version: 1, value });
      }
      const listed = await readAll(backend, home, { limit: 20 });
      for (const { id, value } of listed) assert.equal(value, values[Number(id)]);
      assert.equal(listed.length, values.length);
    },
  },
  {
    name: 'a value of exactly the largest size comes back whole',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      for (const [id, unit] of ['x', 'é', '😀'].entries()) {
        const key = { partition: home, id: String(id) };
        const value = unit.repeat(MAX_VALUE_BYTES / Buffer.byteLength(unit));
        await create(backend, key, value);
        // Not deepEqual: a failure would print it.
        assert.ok((await backend.get(key))?.value === value, `a value of ${unit} came back changed`);
        assert.ok((await backend.list(home, { limit: 1, order: 'desc' })).records[0]?.value === value);
      }
    },
  },
  {
    name: 'a value of one byte too many is invalid, counted in UTF-8, and changes nothing',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const key = { partition: partition(), id: 'a' };
      await create(backend, key, 'kept');
      for (const value of ['x'.repeat(MAX_VALUE_BYTES + 1), `${'é'.repeat(MAX_VALUE_BYTES / 2)}x`]) {
        await rejectsAsInvalid(backend.putIfVersion(key, { value }, 1), 'a value of one byte too many');
        // Wrong in itself, so whether it would also conflict does not matter.
        await rejectsAsInvalid(backend.putIfVersion(key, { value }, 7), 'a value of one byte too many');
      }
      assert.deepEqual(await backend.get(key), { id: 'a', version: 1, value: 'kept' });
    },
  },
  {
    name: 'an expiry that is no whole millisecond since the epoch is invalid and changes nothing',
    ids: ['STORE-1', 'I9'],
    async run({ backend, clock, partition }) {
      const key = { partition: partition(), id: 'a' };
      for (const expiresAt of [clock.now() + 0.5, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
        await rejectsAsInvalid(backend.putIfVersion(key, { value: 'x', expiresAt }, 0), `expiresAt ${expiresAt}`);
      }
      assert.equal(await backend.get(key), undefined);
    },
  },
];
