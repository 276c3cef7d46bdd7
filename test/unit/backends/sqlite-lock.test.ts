/** Another process holds SQLite's lock: who waits for it, how, and that nothing else does. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BackendUnavailableError } from '../../../src/backends/errors.ts';
import { SqliteBackend } from '../../../src/backends/sqlite.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

const KEY = { partition: 'p', id: 'a' };

let folder: string;
let path: string;
let clock: ManualClock;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-sqlite-'));
  path = join(folder, 'tasks.db');
  clock = new ManualClock();
});

afterEach(async () => {
  jest.restoreAllMocks();
  await rm(folder, { recursive: true });
});

/** What another process would hold: SQLite tells connections apart, not processes. */
function lockFile(): DatabaseSync {
  const writer = new DatabaseSync(path);
  writer.exec('BEGIN IMMEDIATE');
  return writer;
}

function noted<T>(promise: Promise<T>): { readonly promise: Promise<T>; settled: boolean } {
  const state = { promise, settled: false };
  const settle = () => {
    state.settled = true;
  };
  promise.then(settle, settle);
  return state;
}

describe('while another process holds the write lock', () => {
  test('a write waits, and is done soon after it is free [STORE-8]', async () => {
    const backend = new SqliteBackend({ path, clock });
    const writer = lockFile();

    const write = noted(backend.putIfVersion(KEY, { value: 'x' }, 0));
    await clock.advance(4000);
    expect(write.settled).toBe(false);
    writer.exec('COMMIT');
    await clock.advance(50);

    expect(await write.promise).toBe(1);
    expect(clock.pendingTimers).toBe(0);
    writer.close();
    await backend.close();
  });

  test('no call waits within SQLite, which would stop everything else [STORE-8 SEC-3]', async () => {
    const exec = jest.spyOn(DatabaseSync.prototype, 'exec');
    const backend = new SqliteBackend({ path, clock });
    const connection = exec.mock.contexts[0];
    if (!(connection instanceof DatabaseSync)) throw new Error('no connection was opened');

    expect(connection.prepare('PRAGMA busy_timeout').get()).toEqual({ timeout: 0 });
    await backend.close();
  });

  test('of two hundred writes one tries at a time, with growing pauses, and all are done in their order [STORE-8 SEC-3]', async () => {
    const backend = new SqliteBackend({ path, clock });
    const writer = lockFile();
    const exec = jest.spyOn(DatabaseSync.prototype, 'exec');
    const attempts = () => exec.mock.calls.filter(([sql]) => sql === 'BEGIN IMMEDIATE').length;
    const done: number[] = [];

    const writes = Array.from({ length: 200 }, async (_, index) => {
      await backend.putIfVersion({ partition: 'p', id: String(index) }, { value: 'x' }, 0);
      done.push(index);
    });
    expect(attempts()).toBe(1);
    await clock.advance(1000);
    // At 0, 1, 3, 7, 15, 31, 63 ms, and then every 50.
    expect(attempts()).toBe(25);
    writer.exec('COMMIT');
    await clock.advance(50);
    await Promise.all(writes);

    expect(done).toEqual(Array.from({ length: 200 }, (_, index) => index));
    writer.close();
    await backend.close();
  });

  test('reads go on, the file can be opened, and each write gives up after its own timeout [STORE-8]', async () => {
    const backend = new SqliteBackend({ path, clock, busyTimeoutMs: 100 });
    await backend.putIfVersion(KEY, { value: 'one' }, 0);
    const writer = lockFile();
    const first = noted(backend.putIfVersion(KEY, { value: 'two' }, 1));
    await clock.advance(70);
    const second = noted(backend.delete(KEY));

    expect(await backend.get(KEY)).toMatchObject({ value: 'one' });
    const late = new SqliteBackend({ path, clock });
    expect(await late.get(KEY)).toMatchObject({ value: 'one' });
    await clock.advance(50);
    expect([first.settled, second.settled]).toEqual([true, false]);
    await expect(first.promise).rejects.toBeInstanceOf(BackendUnavailableError);
    await clock.advance(100);
    await expect(second.promise).rejects.toMatchObject({ retryable: true, cause: { errcode: 5 } });

    writer.close();
    expect(await backend.putIfVersion(KEY, { value: 'two' }, 1)).toBe(2);
    await late.close();
    await backend.close();
  });

  test('a wall clock that is put back makes nobody wait longer [STORE-8]', async () => {
    const backend = new SqliteBackend({ path, clock, busyTimeoutMs: 100 });
    const writer = lockFile();
    const stepped = { after: clock.after.bind(clock), now: () => clock.now() - 600_000 };
    const other = new SqliteBackend({ path, clock: stepped, busyTimeoutMs: 100 });

    const writes = [backend, other].map((each) => noted(each.putIfVersion(KEY, { value: 'x' }, 0)));
    await clock.advance(200);

    expect(writes.map(({ settled }) => settled)).toEqual([true, true]);
    for (const { promise } of writes) await expect(promise).rejects.toBeInstanceOf(BackendUnavailableError);
    writer.close();
    await Promise.all([backend.close(), other.close()]);
  });

  test('who comes while the line is served joins it [STORE-8]', async () => {
    const backend = new SqliteBackend({ path, clock });
    let writer = lockFile();
    const again = Promise.withResolvers<unknown>();
    const first = backend.putIfVersion(KEY, { value: 'x' }, 0).then(() => {
      writer = lockFile();
      again.resolve(backend.putIfVersion(KEY, { value: 'y' }, 1));
    });
    writer.close();
    await clock.advance(1);
    await first;

    expect(clock.pendingTimers).toBe(1);
    writer.close();
    await clock.advance(10);
    expect(await again.promise).toBe(2);
    await backend.close();
  });

  test('a refused write lets those behind it go on [STORE-8]', async () => {
    const backend = new SqliteBackend({ path, clock });
    const writer = lockFile();

    const refused = noted(backend.putIfVersion(KEY, { value: 'x' }, 7));
    const behind = backend.putIfVersion(KEY, { value: 'x' }, 0);
    writer.close();
    await clock.advance(10);

    await expect(refused.promise).rejects.toMatchObject({ code: 'conflict', expected: 7, actual: 0 });
    expect(await behind).toBe(1);
    await backend.close();
  });

  test('who waits when the backend is closed is told so [STORE-8]', async () => {
    const backend = new SqliteBackend({ path, clock });
    const writer = lockFile();
    const write = noted(backend.putIfVersion(KEY, { value: 'x' }, 0));
    await backend.close();
    await clock.advance(10);

    await expect(write.promise).rejects.toBeInstanceOf(BackendUnavailableError);
    writer.close();
  });
});
