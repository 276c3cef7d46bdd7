/** A database file that is deleted or replaced while it is in use: it is noticed by the next call, whatever that is. */
import { copyFile, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { BackendLostError } from '../../../src/backends/errors.ts';
import { SqliteBackend } from '../../../src/backends/sqlite.ts';

const KEY = { partition: 'p', id: 'a' };
const COUNT = { partition: 'p', id: 'count' };

let folder: string;
let path: string;
let backend: SqliteBackend;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-sqlite-'));
  path = join(folder, 'tasks.db');
  backend = new SqliteBackend({ path });
  await backend.putIfVersion(KEY, { value: 'one' }, 0);
});

afterEach(async () => {
  await backend.close();
  await rm(folder, { recursive: true });
});

const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['get', () => backend.get(KEY)],
  ['putIfVersion', () => backend.putIfVersion(KEY, { value: 'two' }, 1)],
  ['a putIfVersion that conflicts', () => backend.putIfVersion(KEY, { value: 'two' }, 5)],
  ['delete', () => backend.delete(KEY)],
  ['listByPrefix', () => backend.list('p', { limit: 10 })],
  ['addIfBelow', () => backend.addIfBelow(COUNT, 1, { ceiling: 10 })],
  ['cleanupExpired', () => backend.cleanupExpired(Date.now())],
];

describe.each(calls)('%s', (_verb, call) => {
  test('is refused once the file is deleted, and again [STORE-8 I1]', async () => {
    await rm(path);

    for (let times = 0; times < 2; times += 1) {
      const error = await call().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(BackendLostError);
      expect(error).toMatchObject({ code: 'lost', retryable: false });
      expect(String(error)).toMatch(
        /tasks\.db was deleted while it was in use.*put the very same file back, or restart/,
      );
    }
  });
});

describe('the file', () => {
  test.each(['', '-wal', '-shm'])('with the ending "%s" may not go [STORE-8 I1]', async (ending) => {
    await rm(path + ending);

    await expect(backend.get(KEY)).rejects.toThrow(`tasks.db${ending} was deleted`);
  });

  test('may not be replaced by another, be it a copy [STORE-8 I1]', async () => {
    await copyFile(path, `${path}.copy`);
    await rename(`${path}.copy`, path);

    await expect(backend.putIfVersion(KEY, { value: 'two' }, 1)).rejects.toThrow('tasks.db was replaced while');
  });

  test('may not go with its folder [STORE-8 I1]', async () => {
    await rename(folder, `${folder}-elsewhere`);

    await expect(backend.get(KEY)).rejects.toBeInstanceOf(BackendLostError);
    await rename(`${folder}-elsewhere`, folder);
  });

  test('is used again when the very same is put back [STORE-8 I1]', async () => {
    await rename(path, `${path}.moved`);
    await expect(backend.putIfVersion(KEY, { value: 'two' }, 1)).rejects.toBeInstanceOf(BackendLostError);
    await rename(`${path}.moved`, path);

    // What was refused may have been written all the same, as with any write whose answer got lost.
    expect(await backend.get(KEY)).toEqual({ id: 'a', version: 2, value: 'two' });
  });

  test('of another process that is done with it stays as it is [STORE-8]', async () => {
    const other = new SqliteBackend({ path });
    await other.putIfVersion(KEY, { value: 'two' }, 1);
    await other.close();

    expect(await backend.get(KEY)).toMatchObject({ value: 'two' });
  });
});
