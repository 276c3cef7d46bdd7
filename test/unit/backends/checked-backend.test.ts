/** What a driver gets by extending `CheckedBackend`: only checked arguments reach it, and cursors are not its business. */
import { describe, expect, test } from '@jest/globals';
import {
  MAX_ID_BYTES,
  MAX_PARTITION_BYTES,
  MAX_VALUE_BYTES,
  type RecordKey,
  type RecordWrite,
  type StoredRecord,
} from '../../../src/backends/backend.ts';
import { CheckedBackend, type PageRead } from '../../../src/backends/checked-backend.ts';
import type { PageQuery } from '../../../src/backends/validation.ts';

const KEY: RecordKey = { partition: 'p', id: 'a' };

/** A driver that checks nothing, does nothing, and remembers what it was asked. */
class TrustingBackend extends CheckedBackend {
  readonly name = 'trusting';
  readonly asked: unknown[][] = [];
  /** The id after which the next page starts, or none. */
  next: string | undefined;

  protected read(key: RecordKey): StoredRecord | undefined {
    this.asked.push(['read', key]);
    return undefined;
  }

  protected write(key: RecordKey, write: RecordWrite, expected: number): number {
    this.asked.push(['write', key, write, expected]);
    return expected + 1;
  }

  protected remove(key: RecordKey): boolean {
    this.asked.push(['remove', key]);
    return false;
  }

  protected page(query: PageQuery): PageRead {
    this.asked.push(['page', query]);
    return { records: [], next: this.next };
  }

  protected add(key: RecordKey, delta: number, ceiling: number): number {
    this.asked.push(['add', key, delta, ceiling]);
    return delta;
  }

  async cleanupExpired(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}
}

type Call = (backend: TrustingBackend, key: RecordKey) => Promise<unknown>;

const CALLS_WITH_A_KEY: readonly (readonly [verb: string, call: Call])[] = [
  ['get', (backend, key) => backend.get(key)],
  ['putIfVersion', (backend, key) => backend.putIfVersion(key, { value: '' }, 0)],
  ['delete', (backend, key) => backend.delete(key)],
  ['addIfBelow', (backend, key) => backend.addIfBelow(key, 1, { ceiling: 1 })],
];

const WRONG_KEYS: readonly (readonly [what: string, key: RecordKey])[] = [
  ['an empty partition', { ...KEY, partition: '' }],
  ['a partition that is too long', { ...KEY, partition: 'x'.repeat(MAX_PARTITION_BYTES + 1) }],
  ['an empty id', { ...KEY, id: '' }],
  ['an id that is too long', { ...KEY, id: 'x'.repeat(MAX_ID_BYTES + 1) }],
  ['a lone surrogate', { ...KEY, id: '\ud800' }],
];

const WRONG_ARGUMENTS: readonly (readonly [what: string, call: Call])[] = [
  ['a value that is too long', (b, key) => b.putIfVersion(key, { value: 'x'.repeat(MAX_VALUE_BYTES + 1) }, 0)],
  ['half a millisecond', (b, key) => b.putIfVersion(key, { value: '', expiresAt: 0.5 }, 0)],
  ['a version that no other can follow', (b, key) => b.putIfVersion(key, { value: '' }, Number.MAX_SAFE_INTEGER)],
  ['a negative version', (b, key) => b.putIfVersion(key, { value: '' }, -1)],
  ['a delta that is no integer', (b, key) => b.addIfBelow(key, 0.5, { ceiling: 1 })],
  ['a ceiling that is no integer', (b, key) => b.addIfBelow(key, 1, { ceiling: Number.POSITIVE_INFINITY })],
  ['a listing of an empty partition', (b) => b.list('', { limit: 1 })],
  ['a page without a record', (b, { partition }) => b.list(partition, { limit: 0 })],
  ['a page that is too long', (b, { partition }) => b.list(partition, { limit: 1_001 })],
  ['an order that does not exist', (b, { partition }) => b.list(partition, { limit: 1, order: 'up' as 'asc' })],
  ['an empty id to start after', (b, { partition }) => b.list(partition, { limit: 1, after: '' })],
];

describe('a driver that checks nothing itself is not asked', () => {
  const withWrongKeys = CALLS_WITH_A_KEY.flatMap(([verb, call]) =>
    WRONG_KEYS.map(([what, key]): [string, Call] => [`to ${verb} with ${what}`, (backend) => call(backend, key)]),
  );

  test.each([...withWrongKeys, ...WRONG_ARGUMENTS.map(([what, call]): [string, Call] => [`for ${what}`, call])])(
    '%s [STORE-1]',
    async (_what, call) => {
      const backend = new TrustingBackend();

      await expect(call(backend, KEY)).rejects.toMatchObject({ code: 'invalid' });

      expect(backend.asked).toEqual([]);
    },
  );
});

describe('a driver is handed', () => {
  test('what was asked, once it was checked [STORE-1]', async () => {
    const backend = new TrustingBackend();

    for (const [, call] of CALLS_WITH_A_KEY) await call(backend, KEY);

    expect(backend.asked).toEqual([
      ['read', KEY],
      ['write', KEY, { value: '' }, 0],
      ['remove', KEY],
      ['add', KEY, 1, 1],
    ]);
  });

  test('the id that its own page ended with, when the page after it is asked for [STORE-1 STORE-6]', async () => {
    const backend = new TrustingBackend();
    backend.next = 'm';
    const { next } = await backend.list('p', { limit: 2, order: 'desc' });
    backend.next = undefined;

    const after = await backend.list('p', { limit: 3, order: 'desc', after: next });

    expect(after).toEqual({ records: [] });
    expect(backend.asked).toEqual([
      ['page', { partition: 'p', limit: 2, order: 'desc', after: undefined }],
      ['page', { partition: 'p', limit: 3, order: 'desc', after: 'm' }],
    ]);
  });
});

test('what a driver throws without being asynchronous is a rejection [STORE-1]', async () => {
  class ThrowingBackend extends TrustingBackend {
    protected override read(): never {
      throw new Error('not today');
    }
  }

  await expect(new ThrowingBackend().get(KEY)).rejects.toThrow('not today');
});
