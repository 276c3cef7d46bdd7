/** Contract cases: pages of a partition, their order, their end, and where they go on. */
import assert from 'node:assert/strict';
import type { StorageBackend } from '../../backends/backend.ts';
import { type ContractCase, create, readAll, readIds, rejectsAsInvalid } from './contract-case.ts';

/** In UTF-8 byte order. By UTF-16 units, 😀 would come before \ue000; by locale, é before z. */
const IN_BYTE_ORDER = [
  '\0',
  '\n',
  ' ',
  '!',
  '#',
  '-1',
  '/',
  '0',
  '00',
  '01',
  '1',
  '10',
  '2',
  ':',
  'A',
  'B',
  'Z',
  '_',
  'a',
  'a\0',
  'a!',
  'aa',
  'ab',
  'b',
  'z',
  '~',
  '\u00e9',
  'ê',
  'ÿ',
  'ā',
  '日',
  '日本',
  '本',
  '\ue000',
  '\uffff',
  '𐀀',
  '😀',
  '😁',
  '\u{10ffff}',
] as const;

async function fill(backend: StorageBackend, partition: string, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => create(backend, { partition, id }, `of ${id}`)));
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index).padStart(3, '0'));
}

/** In an order that is no insertion order anybody relies on by accident. */
function shuffled(ids: readonly string[]): string[] {
  return ids.toSorted((left, right) => left.length - right.length || (left < right ? 1 : -1));
}

export const listingCases: readonly ContractCase[] = [
  {
    name: 'a partition without records lists as nothing',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      assert.deepEqual(await readAll(backend, partition(), { limit: 10 }), []);
    },
  },
  {
    name: 'a listing shows records as get does, with their latest write, on every instance',
    ids: ['STORE-1', 'I1', 'I9'],
    async run({ backend, other, clock, partition }) {
      const home = partition();
      await create(backend, { partition: home, id: 'a' }, 'old');
      await backend.putIfVersion({ partition: home, id: 'a' }, { value: 'new', expiresAt: clock.now() + 1000 }, 1);
      await create(backend, { partition: home, id: 'b' }, '');
      const expected = [
        await backend.get({ partition: home, id: 'a' }),
        await backend.get({ partition: home, id: 'b' }),
      ];
      assert.deepEqual(await readAll(other, home, { limit: 10 }), expected);
    },
  },
  {
    name: 'a listing follows the byte order of the ids, smallest first unless asked otherwise',
    ids: ['STORE-1', 'STORE-6', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      await fill(backend, home, shuffled(IN_BYTE_ORDER));
      assert.deepEqual(await readIds(backend, home, { limit: 1000 }), IN_BYTE_ORDER);
      assert.deepEqual(await readIds(backend, home, { limit: 1000, order: 'asc' }), IN_BYTE_ORDER);
      assert.deepEqual(await readIds(backend, home, { limit: 1000, order: 'desc' }), IN_BYTE_ORDER.toReversed());
    },
  },
  {
    name: 'pages of any size show each record exactly once, in order, even between ids of one character',
    ids: ['STORE-1', 'STORE-6', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      await fill(backend, home, shuffled(IN_BYTE_ORDER));
      for (const limit of [1, 2, 5, IN_BYTE_ORDER.length - 1, IN_BYTE_ORDER.length]) {
        assert.deepEqual(await readIds(backend, home, { limit }), IN_BYTE_ORDER, `limit ${limit}`);
        const descending = await readIds(backend, home, { limit, order: 'desc' });
        assert.deepEqual(descending, IN_BYTE_ORDER.toReversed(), `limit ${limit}, descending`);
      }
    },
  },
  {
    name: 'a page that holds every record names no next one where nothing can follow',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      await fill(backend, home, numbered(3));
      const page = await backend.list(home, { limit: 1000 });
      assert.equal(page.records.length, 3);
      assert.equal('next' in page, false);
    },
  },
  {
    name: 'a listing of more bytes than an engine answers at once is complete',
    ids: ['STORE-1', 'STORE-6', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      const value = 'x'.repeat(300 * 1024);
      for (const id of numbered(12)) await create(backend, { partition: home, id }, value);
      const listed = await readAll(backend, home, { limit: 1000 });
      assert.deepEqual(
        listed.map(({ id }) => id),
        numbered(12),
      );
      assert.ok(listed.every((record) => record.value === value));
    },
  },
  {
    name: 'a listing never leaves its partition, whatever the neighbours are called',
    ids: ['STORE-1', 'STORE-2', 'I6', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      const names = ['', '\0', ' ', '!', '#', '#a', '/', ':', ':a', 'a', 'a:', 'aa', 'b', '~', '\uffff', '😀'].map(
        (end) => home + end,
      );
      for (const name of names) await fill(backend, name, ['\0', 'a', 'a:a', '😀']);
      for (const name of names) {
        for (const limit of [1, 3, 1000]) {
          assert.deepEqual(await readIds(backend, name, { limit }), ['\0', 'a', 'a:a', '😀']);
          assert.deepEqual(await readIds(backend, name, { limit, order: 'desc' }), ['😀', 'a:a', 'a', '\0']);
        }
      }
    },
  },
  {
    name: 'another instance goes on after the id that a page names, more than once',
    ids: ['STORE-1', 'STORE-6', 'I9'],
    async run({ backend, other, partition }) {
      const home = partition();
      await fill(backend, home, numbered(9));
      const seen: string[] = [];
      let after: string | undefined;
      for (let page = 0; page < 100; page += 1) {
        const reader = page % 2 === 0 ? backend : other;
        const result = await reader.list(home, { limit: 2, after });
        assert.deepEqual(await reader.list(home, { limit: 2, after }), result);
        seen.push(...result.records.map(({ id }) => id));
        after = result.next;
        if (after === undefined) break;
      }
      assert.deepEqual(seen, numbered(9));
    },
  },
  {
    name: 'a page starts after any id, whether there is such a record or not, in both orders',
    ids: ['STORE-1', 'STORE-6', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      const isThere = (_id: string, place: number) => place % 2 === 0;
      const there = IN_BYTE_ORDER.filter(isThere);
      await fill(backend, home, shuffled(there));
      for (const [place, after] of IN_BYTE_ORDER.entries()) {
        const above = IN_BYTE_ORDER.slice(place + 1).filter((id) => there.includes(id));
        const below = IN_BYTE_ORDER.slice(0, place).filter((id) => there.includes(id));
        assert.deepEqual(await readIds(backend, home, { limit: 1000, after }), above);
        assert.deepEqual(await readIds(backend, home, { limit: 1000, after, order: 'desc' }), below.toReversed());
      }
    },
  },
  {
    name: 'an id to start after that no record can have is invalid',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      await fill(backend, home, numbered(2));
      for (const after of ['', 'x'.repeat(1025), 'half \ud800 a character']) {
        await rejectsAsInvalid(backend.list(home, { limit: 1, after }), `after ${after.slice(0, 20)}`);
      }
    },
  },
  {
    name: 'a page limit from 1 to 1,000 is taken and any other is invalid',
    ids: ['STORE-1', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      await fill(backend, home, numbered(2));
      assert.equal((await backend.list(home, { limit: 1 })).records.length, 1);
      assert.equal((await backend.list(home, { limit: 1000 })).records.length, 2);
      for (const limit of [0, 1001, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        await rejectsAsInvalid(backend.list(home, { limit }), `limit ${limit}`);
      }
    },
  },
  {
    name: 'deletions between two pages, of the record that one ended with too, hide and repeat no other record',
    ids: ['STORE-1', 'STORE-6', 'I9'],
    async run({ backend, partition }) {
      for (const order of ['asc', 'desc'] as const) {
        const home = partition();
        const ids = order === 'asc' ? numbered(12) : numbered(12).toReversed();
        await fill(backend, home, ids);
        const doomed = [...ids.slice(0, 4), ...ids.slice(6, 8)];
        const seen = await readAll(backend, home, { limit: 4, order }, async () => {
          for (const id of doomed.splice(0)) await backend.delete({ partition: home, id });
        });
        const stayed = [...ids.slice(4, 6), ...ids.slice(8)];
        assert.deepEqual(
          seen.map(({ id }) => id).filter((id) => stayed.includes(id)),
          stayed,
        );
        assert.equal(new Set(seen.map(({ id }) => id)).size, seen.length);
      }
    },
  },
  {
    name: 'writes between two pages hide and repeat no other record',
    ids: ['STORE-1', 'STORE-6', 'I9'],
    async run({ backend, partition }) {
      const home = partition();
      await fill(backend, home, numbered(12));
      let written = 0;
      const seen = await readAll(backend, home, { limit: 3 }, async () => {
        written += 1;
        await create(backend, { partition: home, id: `000-${written}` });
        await create(backend, { partition: home, id: `${numbered(12)[written * 3 - 1]}-${written}` });
        await backend.putIfVersion({ partition: home, id: '005' }, { value: 'again' }, written);
      });
      const seenIds = seen.map(({ id }) => id);
      assert.deepEqual(
        seenIds.filter((id) => !id.includes('-')),
        numbered(12),
      );
      assert.equal(new Set(seenIds).size, seenIds.length);
    },
  },
];
