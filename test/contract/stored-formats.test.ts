/**
 * Every kind of stored text across builds, on every backend: what earlier builds wrote is read and upgraded, what newer
 * ones wrote is refused and left as it is, and what newer ones added is kept. `samples/` holds a text of each format, as
 * it was written; a new format comes with a new sample, and the old ones stay.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { asTaskId } from '../../src/domain/task-id.ts';
import { decodeDelivery, deliveryBody, encodeDelivery } from '../../src/runtime/queues/delivery.ts';
import { callbackToken, decodeCallbackToken, encodeCallbackToken } from '../../src/runtime/running/callback-token.ts';
import type { StoredKind } from '../../src/store/codec.ts';
import { activeCountKey } from '../../src/store/keys.ts';
import { KINDS, type KindUnderTest } from './stored-kinds.ts';
import { call, complete, createdTask, onEveryBackend, type Stores, tasksOf } from './task-stores.ts';

const SAMPLES = new URL('samples/', import.meta.url);

/** A text of the kind in the format, exactly as it was written. */
function sampleOf(name: string, format: number): string {
  return (JSON.parse(readFileSync(new URL(`${name}-${format}.json`, SAMPLES), 'utf8')) as { text: string }).text;
}

/** The kind as a build has it that comes after this one, and needs another format. */
function nextOf(kind: StoredKind<never>): StoredKind<Record<string, unknown>> {
  const schema = z.looseObject({ since: z.literal(2) });
  return kind.next<Record<string, unknown>>(schema, (before: object) => ({ ...before, since: 2 }));
}

const withoutFormat = ({ format: _format, ...members }: Record<string, unknown>) => members;

/** The members that a sample has, without its format's number. */
function membersOf({ upgradeWith, kind }: KindUnderTest, text: string): object {
  return upgradeWith === undefined
    ? withoutFormat(JSON.parse(text) as Record<string, unknown>)
    : upgradeWith(text, kind);
}

function inNextFormat(under: KindUnderTest, text: string): string {
  const { kind, inNextFormat: make } = under;
  return make === undefined ? nextOf(kind).encode({ ...membersOf(under, text), since: 2 }) : make(text);
}

/** The same bytes each time, so that what is written is what was written before. */
const counting = (count: number) => Uint8Array.from({ length: count }, (_, index) => index);

const NEWER = {
  code: 'unreadable_record',
  message: expect.stringContaining('has format 2, this build knows up to 1; upgrade this server'),
};

/** What writes a text again that it has read; a counter has no members that could be lost. */
const REWRITTEN = KINDS.flatMap(({ rewrite, ...under }) => (rewrite === undefined ? [] : [{ ...under, rewrite }]));

onEveryBackend('a stored text', (open) => {
  let stores: Stores;

  beforeEach(async () => {
    stores = await open({ random: counting });
  });

  describe.each(KINDS)('of the kind $name', (under) => {
    const { name, kind, put, find, read, means, rewrite, write, upgradeWith } = under;
    const sample = () => sampleOf(name, kind.format);

    test('is read as its sample, and upgraded by a build that has one format more [STORE-12]', async () => {
      await put(stores, sample());
      const found = (await find(stores))?.value;

      expect(await read(stores)).toEqual(means);
      expect(found).toContain(sample());
      const next = nextOf(kind);
      const upgraded = upgradeWith === undefined ? next.decode(sample(), 'x') : upgradeWith(sample(), next as never);
      expect(upgraded).toEqual({ ...membersOf(under, sample()), since: 2 });
    });

    test('is refused, and left as it is, in a format of a newer build [STORE-12 STORE-4]', async () => {
      const newer = inNextFormat(under, sample());
      await put(stores, newer);
      const before = await find(stores);

      await expect(read(stores)).rejects.toMatchObject(NEWER);

      expect(await find(stores)).toEqual(before);
      // What does not have to know it passes it on; what has to, is refused again.
      await rewrite?.(stores).catch((error: unknown) => expect(error).toMatchObject(NEWER));
      expect((await find(stores))?.value).toContain(newer);
    });

    test('is written by today’s build as its sample [STORE-12 STORE-4]', async () => {
      await write(stores);

      expect((await find(stores))?.value).toContain(sample());
    });
  });

  test.each(REWRITTEN)(
    'of the kind $name keeps what a newer build added, where this one reads it and writes it again [STORE-12]',
    async ({ name, kind, put, find, read, means, rewrite }) => {
      const sample = sampleOf(name, kind.format);
      const newer = sample.replace(/\}$/, ',"zNew":{"b":1,"a":[2]}}').replace('"run":{', '"run":{"zDeep":1,');
      await put(stores, newer);
      const before = await find(stores);

      expect({ read: await read(stores) }).toMatchObject({ read: means });
      await rewrite(stores);

      const after = await find(stores);
      expect([after?.id, after?.version]).not.toEqual([before?.id, before?.version]);
      expect(after?.value.includes('"zDeep":1')).toBe(newer.includes('zDeep'));
      expect(after?.value).toMatch(/"zNew":\{("b":1,"a":\[2\]|"a":\[2\],"b":1)\}/);
    },
  );

  test('of a newer counter hinders no task from ending, and none is let in by it [STORE-12 LIFE-8 I8]', async () => {
    const { store, backend, owner } = stores;
    const task = await createdTask(store, call(owner));
    const key = activeCountKey(owner);
    const { version = 0 } = (await backend.get(key)) ?? {};
    const value = String(2 ** 48 + 1);
    await backend.putIfVersion(key, { value }, version);

    await expect(store.update(task, complete)).resolves.toMatchObject({ task: { status: 'completed' } });
    await expect(store.create(call(owner))).rejects.toMatchObject(NEWER);

    expect(await backend.get(key)).toMatchObject({ value });
    expect(await tasksOf(store, owner)).toHaveLength(1);
  });
});

const id = asTaskId('03bb2cc3d80000112233445566778899aabbccddeeff');
const ref = { owner: { issuer: 'https://issuer.example', tenant: 'acme', subject: 'ada' }, id };
const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64url');

describe.each([
  {
    name: 'delivery',
    kind: deliveryBody as StoredKind<never>,
    read: (text: string) => decodeDelivery(text) as unknown,
    means: { ref, notBefore: 4_102_444_800_000 },
    write: () => encodeDelivery({ ref, notBefore: 4_102_444_800_000 }),
  },
  {
    name: 'callback-token',
    kind: callbackToken as StoredKind<never>,
    read: (text: string) => decodeCallbackToken(base64(text)) as unknown,
    means: { ref, key: '0001-abc' },
    write: () => Buffer.from(encodeCallbackToken({ ref, key: '0001-abc' }), 'base64url').toString('utf8'),
  },
])('a text of the kind $name, which leaves the store', ({ name, kind, read, means, write }) => {
  const sample = () => sampleOf(name, kind.format);

  test('is read as its sample, with members of a newer build or without [STORE-12]', () => {
    expect(read(sample())).toEqual(means);
    expect(read(sample().replace(/\}$/, ',"zNew":1}'))).toEqual(means);
  });

  test('is upgraded by a build that has one format more [STORE-12]', () => {
    const members = withoutFormat(JSON.parse(sample()) as Record<string, unknown>);

    expect(nextOf(kind).decode(sample(), 'x')).toEqual({ ...members, since: 2 });
  });

  test('is refused in a format of a newer build, and taken for no damage [STORE-12]', () => {
    const newer = nextOf(kind).encode({ ...(JSON.parse(sample()) as object), since: 2, format: 2 });

    expect(() => read(newer)).toThrow(expect.objectContaining(NEWER));
  });

  test('is written by today’s build as its sample [STORE-12]', () => {
    expect(write()).toBe(sample());
  });
});

test('every format of every kind has a sample, and every sample a kind [STORE-12]', () => {
  const kinds = [...KINDS, { name: 'delivery', kind: deliveryBody }, { name: 'callback-token', kind: callbackToken }];
  const expected = kinds.flatMap(({ name, kind }) =>
    Array.from({ length: kind.format }, (_, index) => `${name}-${index + 1}.json`),
  );

  expect(readdirSync(SAMPLES).toSorted()).toEqual(expected.toSorted());
});
