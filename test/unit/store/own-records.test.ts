/** What stands in a task's head, which each poll reads, and what gets records of its own. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { DEFAULT_LIFETIME } from '../../../src/domain/lifetime.ts';
import type { Task } from '../../../src/domain/task.ts';
import { GenericTaskStore } from '../../../src/store/generic-task-store.ts';
import type { PayloadKind } from '../../../src/store/payload-store.ts';
import { ManualClock, manualRandom } from '../../../src/testing/manual-clock.ts';
import { type CountingBackend, countingBackend } from '../../support/counting-backend.ts';

let backend: CountingBackend;
let store: GenericTaskStore;
let task: Task;

beforeEach(async () => {
  const clock = new ManualClock();
  backend = countingBackend(new MemoryBackend({ clock }));
  store = new GenericTaskStore({ backend, clock, random: manualRandom(1) });
  const { stored } = await store.create({
    owner: { issuer: 'test', subject: 'alice' },
    tool: 'greet',
    arguments: {},
    lifetime: DEFAULT_LIFETIME,
    pollIntervalMs: 1000,
    maxAttempts: 5,
  });
  task = stored.task;
  backend.reset();
});

/** A value whose JSON text has so many bytes. */
const textOf = (bytes: number) => 'x'.repeat(bytes - 2);

describe('a value', () => {
  test.each<[PayloadKind, number]>([
    ['arguments', 1200],
    ['result', 1200],
    ['variables', 800],
    ['request', 500],
    ['answer', 300],
  ])('of the kind "%s" stands in the head up to %i bytes [LIFE-10 I10]', async (kind, bytes) => {
    expect(await store.keep(task, kind, textOf(bytes))).toEqual({ json: textOf(bytes) });
    expect(backend.counts()).toEqual({});

    expect(await store.keep(task, kind, textOf(bytes + 1))).toMatchObject({ ref: { bytes: bytes + 1, chunks: 1 } });
    expect(backend.counts()).toEqual({ putIfVersion: 1 });
  });

  test('that is one request of many has a record of its own, however small it is [LIFE-10 I10]', async () => {
    expect(await store.keep(task, 'further_request', 1)).toMatchObject({ ref: { bytes: 1, chunks: 1 } });
  });

  test('is kept in records of 300 KiB each [LIFE-10]', async () => {
    expect(await store.keep(task, 'result', textOf(300 * 1024))).toMatchObject({ ref: { chunks: 1 } });
    expect(await store.keep(task, 'result', textOf(300 * 1024 + 1))).toMatchObject({ ref: { chunks: 2 } });

    expect(backend.calls.map(({ value }) => value?.length)).toEqual([307_200, 307_200, 1]);
  });
});

describe('an entry of the log', () => {
  /** Of the entry itself, in its record. */
  const entryOf = (bytes: number) => ['x'.repeat(bytes - 4)];

  test('is one record up to 200 KiB [LIFE-10]', async () => {
    await store.log.append(task, 0, entryOf(200 * 1024));
    expect(backend.counts()).toEqual({ putIfVersion: 1 });

    await store.log.append(task, 1, entryOf(200 * 1024 + 1));
    expect(backend.counts()).toEqual({ putIfVersion: 3 });
  });

  test('may be three times as large as a value, and no larger: 16 MiB [LIFE-10]', async () => {
    expect(await store.log.append(task, 0, entryOf(16 * 1024 * 1024))).toBe(true);
    backend.reset();

    await expect(store.log.append(task, 1, entryOf(16 * 1024 * 1024 + 1))).rejects.toMatchObject({
      code: 'value_too_large',
      detail: { bytes: 16_777_217, limitBytes: 16_777_216 },
    });
    expect(backend.counts()).toEqual({});
  });

  test('is read with 499 others at a time [LIFE-10]', async () => {
    for (let entry = 0; entry < 501; entry += 1) await store.log.append(task, entry, entry);
    backend.reset();

    expect((await store.log.read(task)).entries).toHaveLength(501);
    expect(backend.counts()).toEqual({ list: 2 });
  });
});
