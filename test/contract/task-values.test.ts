/** Values of a task on every backend: what fits where, to the byte, and what happens to what does not. */
import { describe, expect, test } from '@jest/globals';
import { BackendUnavailableError } from '../../src/backends/errors.ts';
import type { JsonValue } from '../../src/domain/json.ts';
import { type PayloadRef, refOf } from '../../src/domain/payload.ts';
import { cancelTask, type Task } from '../../src/domain/task.ts';
import type { GenericTaskStore } from '../../src/store/generic-task-store.ts';
import { activeCountKey, headKey, headsPartitions, logPartition, valuesPartition } from '../../src/store/keys.ts';
import { call, complete, createdTask, onEveryBackend, recordsOf } from './task-stores.ts';

const MIB = 1024 * 1024;

/** In how many records a value is that is not in the head. */
function chunksOf(ref: PayloadRef | undefined): number {
  return ref === undefined ? 0 : Math.ceil(ref.bytes / CHUNK_BYTES);
}

/** Values above the inline limit are cut at this many bytes of UTF-8. */
const CHUNK_BYTES = 300 * 1024;

/** A string whose JSON text has so many bytes, the filling repeated as far as it fits. */
function textOf(bytes: number, filling = 'x'): string {
  const each = Buffer.byteLength(filling);
  const count = Math.floor((bytes - 2) / each);
  return filling.repeat(count) + 'x'.repeat(bytes - 2 - count * each);
}

/** Values with a chunk's end at each place within characters of two, three and four bytes. */
const BORDERS = Array.from(
  { length: 9 },
  (_, shift) => 'x'.repeat(shift) + 'é€😀'.repeat(Math.ceil(CHUNK_BYTES / 9) + 1),
);

const SIZES: readonly (readonly [string, number])[] = [
  ['of the last size that stays in the head', 1200],
  ['of one byte more', 1201],
  ['of one chunk exactly', CHUNK_BYTES],
  ['of one chunk and a byte', CHUNK_BYTES + 1],
  ['of 5 MiB', 5 * MIB],
];

/** Each way to keep a value of any size, and to read it back on another instance. */
const WAYS: readonly (readonly [
  string,
  (stores: Two, task: Task, value: JsonValue) => Promise<JsonValue | undefined>,
])[] = [
  [
    'the arguments',
    async ({ store, other }, { owner }, value) => {
      const { task } = (await store.create(call(owner, { arguments: { value } }))).stored;
      const read = (await other.get(task)).task.arguments;
      return ((await other.load(task, read)) as { value: JsonValue }).value;
    },
  ],
  [
    'a result',
    async ({ store, other }, task, value) => {
      const result = await store.keep(task, 'result', value);
      await store.update(task, (now, at) => ({ ...complete(now, at), result }));
      const read = (await other.get(task)).task.result;
      return read === undefined ? undefined : other.load(task, read);
    },
  ],
  [
    'a log entry',
    async ({ store, other }, task, value) => {
      expect(await store.log.append(task, 0, value)).toBe(true);
      const [entry] = (await other.log.read(task)).entries;
      return entry;
    },
  ],
];

interface Two {
  readonly store: GenericTaskStore;
  readonly other: GenericTaskStore;
}

onEveryBackend('a value', (open) => {
  test('of a task that is extended while it is written lives as long as it does [LIFE-3 LIFE-6]', async () => {
    const { store, other, backend, owner, clock } = await open();
    const task = await createdTask(store, call(owner, { lifetime: { runDeadlineMs: 2000, retentionMs: 1000 } }));
    let extended = false;
    backend.intercept(async (made, proceed) => {
      // How long the value is kept has been decided, and it is not there yet for the extension to find.
      if (!extended && made.verb === 'putIfVersion' && made.partition.startsWith('["values"')) {
        extended = true;
        await other.update(task, (now, at) => ({ ...now, deadlineAt: at + 120_000, promisedUntil: at + 121_000 }));
      }
      return proceed();
    });
    await store.mergeVariables(task, { text: 'x'.repeat(5000) });

    clock.advance(119_000);

    expect(await other.readVariables(task)).toEqual({ text: 'x'.repeat(5000) });
  });

  describe.each(WAYS)('in %s', (_way, roundTrip) => {
    test.each(SIZES)('%s comes back as it was [LIFE-10 LIFE-6 I9]', async (_what, bytes) => {
      const stores = await open();
      const task = await createdTask(stores.store, call(stores.owner));
      // Arguments are an object around the value.
      const value = textOf(bytes === 5 * MIB ? bytes - '{"value":}'.length : bytes);

      expect((await roundTrip(stores, task, value)) === value).toBe(true);
    });

    test('comes back as it was wherever a chunk ends within a character [LIFE-10 I9]', async () => {
      const stores = await open();
      for (const value of BORDERS) {
        const task = await createdTask(stores.store, call(stores.owner));

        expect((await roundTrip(stores, task, value)) === value).toBe(true);
      }
    });

    test('keeps its text: order of keys, escapes, numbers [LIFE-10 STORE-4 I9]', async () => {
      const stores = await open();
      const odd: JsonValue = { z: '\ud800', a: '\u0000\n"\\', 10: 1e300, 2: 0.1, '': null, n: [[], {}], p: '\u2028' };

      for (const value of [odd, [odd, textOf(2000)]]) {
        const task = await createdTask(stores.store, call(stores.owner));
        expect(JSON.stringify(await roundTrip(stores, task, value))).toBe(JSON.stringify(value));
      }
    });
  });

  describe('that is too large', () => {
    const tooLarge = { code: 'value_too_large', detail: { bytes: 5 * MIB + 1, limitBytes: 5 * MIB } };

    test('as arguments is refused and leaves nothing behind, the place included [LIFE-10 LIFE-8 I8]', async () => {
      const { store, backend, owner } = await open({ maxActiveTasksPerOwner: 1 });
      const value = textOf(5 * MIB + 1 - '{"value":}'.length);

      await expect(store.create(call(owner, { arguments: { value } }))).rejects.toMatchObject(tooLarge);
      await expect(store.create(call(owner, { admission: textOf(5 * MIB + 1) }))).rejects.toMatchObject(tooLarge);

      const touched = backend.calls.map(({ partition }) => partition);
      expect(await recordsOf(backend, touched, owner)).toEqual([
        expect.objectContaining({ id: activeCountKey(owner).id, value: '0' }),
      ]);
      await expect(store.create(call(owner))).resolves.toMatchObject({ created: true });
    });

    test('as a result is refused before anything is written [LIFE-10]', async () => {
      const { store, backend, owner } = await open();
      const task = await createdTask(store, call(owner));
      backend.reset();

      await expect(store.keep(task, 'result', textOf(5 * MIB + 1))).rejects.toMatchObject(tooLarge);
      expect(backend.counts()).toEqual({});
    });

    test('as variables is refused from a byte above 1 MiB on, and changes nothing [LIFE-5 LIFE-10]', async () => {
      const { store, other, backend, owner } = await open();
      const task = await createdTask(store, call(owner));
      const full = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`key${index}`, textOf(60_000)]));
      const room = MIB - Buffer.byteLength(JSON.stringify({ ...full, last: '' })) + 2;

      await store.mergeVariables(task, { ...full, last: textOf(room) });
      backend.reset();
      await expect(store.mergeVariables(task, { last: textOf(room + 1) })).rejects.toMatchObject({
        code: 'invalid_variables',
        detail: { path: '(all)' },
      });

      expect(backend.counts().putIfVersion).toBeUndefined();
      expect(await other.readVariables(task)).toEqual({ ...full, last: textOf(room) });
    });

    test('as a log entry is refused before anything is written [LIFE-10]', async () => {
      const { store, backend, owner } = await open();
      const task = await createdTask(store, call(owner));
      backend.reset();

      await expect(store.log.append(task, 0, textOf(16 * MIB + 1))).rejects.toMatchObject({ code: 'value_too_large' });
      expect(backend.counts()).toEqual({});
    });
  });

  describe('that is damaged', () => {
    test.each(['missing', 'altered', 'cut off'])(
      'by a chunk that is %s is a clear error [LIFE-10 STORE-4]',
      async (how) => {
        const { store, other, backend, owner } = await open();
        const task = await createdTask(store, call(owner, { arguments: { text: textOf(700_000) } }));
        const [, chunk] = await recordsOf(backend, [valuesPartition(task)]);
        if (chunk === undefined) throw new Error('the value is not in chunks');
        const key = { partition: valuesPartition(task), id: chunk.id };

        if (how === 'missing') await backend.delete(key);
        else await backend.putIfVersion(key, { value: how === 'altered' ? chunk.value.replace('x', 'y') : 'xx' }, 1);

        const { arguments: args } = (await other.get(task)).task;
        await expect(other.load(task, args)).rejects.toMatchObject({
          code: 'unreadable_record',
          message: `A value of task ${task.id} is damaged or gone.`,
        });
      },
    );

    test('as variables is a clear error and no endless search for newer ones [LIFE-10]', async () => {
      const { store, backend, owner } = await open();
      const task = await createdTask(store, call(owner));
      await store.mergeVariables(task, { a: textOf(5000) });
      for (const { id } of await recordsOf(backend, [valuesPartition(task)])) {
        await backend.delete({ partition: valuesPartition(task), id });
      }

      await expect(store.readVariables(task)).rejects.toMatchObject({ code: 'unreadable_record' });
      await expect(store.mergeVariables(task, { b: 1 })).rejects.toMatchObject({ code: 'unreadable_record' });
    });

    test('as a log entry of a newer format is a clear error, and one that is gone is a gap [STORE-4 EXEC-13]', async () => {
      const { store, other, backend, owner } = await open();
      const task = await createdTask(store, call(owner));
      for (const entry of [0, 1, 2]) await store.log.append(task, entry, { entry });
      const [first, second] = await recordsOf(backend, [logPartition(task)]);
      if (first === undefined || second === undefined) throw new Error('the log has no entries');
      const keyOf = ({ id }: { id: string }) => ({ partition: logPartition(task), id });

      await backend.putIfVersion(keyOf(second), { value: second.value.replace('"format":1', '"format":9') }, 1);
      await expect(other.log.read(task)).rejects.toMatchObject({ message: expect.stringContaining('has format 9') });
      await backend.delete(keyOf(first));
      expect(await other.log.read(task)).toMatchObject({ entries: [], behindGap: expect.any(Number) });
    });
  });

  describe('that was not kept after all', () => {
    test('leaves no chunk behind when one could not be written [LIFE-10]', async () => {
      const { store, backend, owner } = await open();
      const task = await createdTask(store, call(owner));
      backend.intercept((made, proceed) =>
        made.id?.endsWith(' 0002') === true && made.verb === 'putIfVersion'
          ? Promise.reject(new BackendUnavailableError('one moment'))
          : proceed(),
      );

      await expect(store.keep(task, 'result', textOf(MIB))).rejects.toMatchObject({ code: 'unavailable' });
      await expect(store.create(call(owner, { arguments: { text: textOf(MIB) } }))).rejects.toMatchObject({
        code: 'unavailable',
      });

      const touched = backend.calls.flatMap(({ partition }) =>
        headsPartitions(owner).includes(partition) ? [] : [partition],
      );
      const left = (await recordsOf(backend, touched, owner)).map(({ id }) => id);
      // The task that was created before is on the agenda, and nothing else is.
      expect(left.filter((id) => !id.endsWith(task.id))).toEqual([activeCountKey(owner).id]);
      expect(left).toHaveLength(2);
      expect((await backend.get(activeCountKey(owner)))?.value).toBe('1');
    });

    test('leaves no chunk behind as variables of a task that has ended [LIFE-5 I2]', async () => {
      const { store, backend, owner } = await open();
      const task = await createdTask(store, call(owner));
      await store.update(task, (now, at) => cancelTask(now, undefined, at));

      await expect(store.mergeVariables(task, { a: textOf(5000) })).rejects.toMatchObject({
        code: 'invalid_transition',
      });
      expect(await recordsOf(backend, [valuesPartition(task)])).toEqual([]);
    });

    test('leaves no chunk behind as a log entry whose place was taken [LIFE-10 I7]', async () => {
      const { store, other, backend, owner } = await open();
      const task = await createdTask(store, call(owner));

      const settled = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          (index % 2 === 0 ? store : other).log.append(task, 0, [index, textOf(MIB)]),
        ),
      );

      expect(settled.filter((won) => won)).toHaveLength(1);
      expect((await other.log.read(task)).entries).toEqual([[settled.indexOf(true), textOf(MIB)]]);
      expect(await recordsOf(backend, [valuesPartition(task)])).toHaveLength(4);
    });
  });
});

onEveryBackend('variables', (open) => {
  test('are added, overwritten and deleted, for the next call on another instance to see [LIFE-5 LIFE-6]', async () => {
    const { store, other, owner } = await open();
    const task = await createdTask(store, call(owner));
    expect(await other.readVariables(task)).toEqual({});

    await store.mergeVariables(task, { a: 1, b: { c: [2] } });
    await other.mergeVariables(task, { a: null, b: 3, _d: textOf(3000) });

    expect(await store.readVariables(task)).toEqual({ b: 3, _d: textOf(3000) });
  });

  test('that are refused change nothing [LIFE-5]', async () => {
    const { store, backend, owner } = await open();
    const task = await createdTask(store, call(owner));
    await store.mergeVariables(task, { a: 1 });
    const before = await backend.get(headKey(task));

    await expect(store.mergeVariables(task, JSON.parse('{"a":2,"__proto__":1}'))).rejects.toMatchObject({
      code: 'invalid_variables',
    });
    expect(await backend.get(headKey(task))).toEqual(before);
  });

  test.each([10, 2000])('of %d characters merged by 8 workers at once lose nothing [LIFE-5 I9]', async (size) => {
    const { store, other, owner, backend } = await open();
    const task = await createdTask(store, call(owner));

    await Promise.all(
      Array.from({ length: 8 }, async (_, worker) => {
        for (let round = 0; round < 5; round += 1) {
          await (worker % 2 === 0 ? store : other).mergeVariables(task, { [`${worker}-${round}`]: 'x'.repeat(size) });
        }
      }),
    );

    expect(Object.keys(await other.readVariables(task))).toHaveLength(40);
    expect((await store.get(task)).version).toBe(41);
    // Every version but the last was removed, and so was every attempt that lost.
    const { variables } = (await store.get(task)).task;
    expect(await recordsOf(backend, [valuesPartition(task)])).toHaveLength(chunksOf(refOf(variables)));
  });

  test('that are large and replaced while they are read are read whole, old or new [LIFE-5 LIFE-10]', async () => {
    const { store, other, owner } = await open();
    const task = await createdTask(store, call(owner));
    await store.mergeVariables(task, { left: [0, textOf(60_000)], right: [0, textOf(60_000)] });
    let writing = true;
    const seen: number[] = [];

    await Promise.all([
      (async () => {
        for (let round = 1; round <= 30; round += 1) {
          await store.mergeVariables(task, { left: [round, textOf(60_000)], right: [round, textOf(60_000)] });
        }
        writing = false;
      })(),
      ...Array.from({ length: 3 }, async () => {
        while (writing) {
          const { left, right } = (await other.readVariables(task)) as {
            left: [number, string];
            right: [number, string];
          };
          if (left[0] !== right[0] || left[1] !== right[1]) throw new Error(`torn: ${left[0]} and ${right[0]}`);
          seen.push(left[0]);
          // Gives the writer its turn where a backend answers within the same one.
          await new Promise((resolve) => setImmediate(resolve));
        }
      }),
    ]);

    expect(seen.length).toBeGreaterThan(0);
    expect((await store.readVariables(task)).left).toEqual([30, textOf(60_000)]);
  });

  test('refused by a guard are not written, also when the guard changes its mind after a conflict [LIFE-5 I7]', async () => {
    const { store, other, backend, owner } = await open();
    const task = await createdTask(store, call(owner));
    const guard = (now: Task) => {
      if (now.statusMessage === 'stop') throw new Error('stopped');
    };
    let intervened = false;
    backend.intercept(async (made, proceed) => {
      if (made.verb === 'putIfVersion' && made.id === task.id && !intervened) {
        intervened = true;
        await other.update(task, (now) => ({ ...now, statusMessage: 'stop' }));
      }
      return proceed();
    });

    await expect(store.mergeVariables(task, { a: textOf(2000) }, { guard })).rejects.toThrow('stopped');
    expect(await other.readVariables(task)).toEqual({});
    expect(await recordsOf(backend, [valuesPartition(task)])).toEqual([]);
  });
});
