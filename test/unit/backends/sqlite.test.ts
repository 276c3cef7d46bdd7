/**
 * What only the SQLite backend has: a file that may not be ours, a process that may be killed,
 * and another process on the same file. The contract that it shares is in `test/contract`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BackendFormatError, BackendUnavailableError } from '../../../src/backends/errors.ts';
import { SqliteBackend } from '../../../src/backends/sqlite.ts';
import { PATIENCE_MS } from '../../support/until.ts';

const KEY = { partition: 'p', id: 'a' };

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-sqlite-'));
  path = join(folder, 'tasks.db');
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe('opening a file', () => {
  test('creates it, and its folder, when missing [STORE-8]', async () => {
    const deep = join(folder, 'a', 'b', 'tasks.db');
    const backend = new SqliteBackend({ path: deep });
    await backend.putIfVersion(KEY, { value: 'x' }, 0);
    await backend.close();

    expect(existsSync(deep)).toBe(true);
  });

  test('finds what an earlier process left there [STORE-8 I1]', async () => {
    const earlier = new SqliteBackend({ path });
    await earlier.putIfVersion(KEY, { value: 'kept' }, 0);
    await earlier.close();

    const later = new SqliteBackend({ path });

    expect(await later.get(KEY)).toEqual({ id: 'a', version: 1, value: 'kept' });
    await later.close();
  });

  test('follows the system clock unless it is given another [STORE-8]', async () => {
    const backend = new SqliteBackend({ path });
    await backend.putIfVersion({ partition: 'p', id: 'past' }, { value: 'x', expiresAt: Date.now() - 1 }, 0);
    await backend.putIfVersion({ partition: 'p', id: 'future' }, { value: 'x', expiresAt: Date.now() + 60_000 }, 0);

    expect((await backend.list('p', { limit: 10 })).records.map(({ id }) => id)).toEqual(['future']);
    await backend.close();
  });

  test('logs ahead and syncs every commit, so that an acknowledged write survives power loss [STORE-8]', async () => {
    const exec = jest.spyOn(DatabaseSync.prototype, 'exec');
    const backend = new SqliteBackend({ path });
    const connection = exec.mock.contexts[0];
    exec.mockRestore();
    if (!(connection instanceof DatabaseSync)) throw new Error('no connection was opened');

    expect(connection.prepare('PRAGMA journal_mode').get()).toMatchObject({ journal_mode: 'wal' });
    expect(connection.prepare('PRAGMA synchronous').get()).toMatchObject({ synchronous: 2 });
    expect(connection.prepare('PRAGMA fullfsync').get()).toMatchObject({ fullfsync: 1 });
    await backend.close();
  });

  test('refuses a newer format, says what to do and leaves the file alone [STORE-8]', async () => {
    await new SqliteBackend({ path }).close();
    withDatabase((database) => database.exec('PRAGMA user_version = 2'));
    const before = await readFile(path);

    expect(() => new SqliteBackend({ path })).toThrow(BackendFormatError);
    expect(() => new SqliteBackend({ path })).toThrow(/storage format 2.*knows 1 at most: upgrade mcp-durable-tasks/);
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  test.each([
    ['a text', Buffer.from('no database, just notes')],
    ['a page of other bytes', Buffer.alloc(8192, 0x5a)],
  ])('refuses %s, which is no database, and leaves the file alone [STORE-8]', async (_, bytes) => {
    await writeFile(path, bytes);

    expect(() => new SqliteBackend({ path })).toThrow(BackendFormatError);
    expect(() => new SqliteBackend({ path })).toThrow(/tasks\.db is not a SQLite database: use another file/);
    expect((await readFile(path)).equals(bytes)).toBe(true);
  });

  test.each([
    ['without a format version', 'CREATE TABLE notes (text)'],
    ['with a format version of its own', 'CREATE TABLE record (text); PRAGMA user_version = 1'],
    ['with a later format version of its own', 'CREATE TABLE notes (text); PRAGMA user_version = 7'],
    ['without tables yet', 'PRAGMA user_version = 1'],
  ])('refuses the database of another program %s and leaves the file alone [STORE-8]', async (_, sql) => {
    withDatabase((database) => database.exec(sql));
    const before = await readFile(path);

    expect(() => new SqliteBackend({ path })).toThrow(BackendFormatError);
    expect(() => new SqliteBackend({ path })).toThrow(/another program: use another file/);
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  test('says so when the file cannot be opened [STORE-8]', () => {
    expect(() => new SqliteBackend({ path: folder })).toThrow(BackendUnavailableError);
    expect(() => new SqliteBackend({ path: join('/dev/null', 'tasks.db') })).toThrow(BackendUnavailableError);
  });
});

describe('a call that the engine does not do', () => {
  test('is unavailable, with its cause, while another process writes too long, and works after that [STORE-8]', async () => {
    const backend = new SqliteBackend({ path, busyTimeoutMs: 20 });
    await backend.putIfVersion(KEY, { value: 'one' }, 0);
    const writer = new DatabaseSync(path);
    writer.exec('BEGIN IMMEDIATE');

    const calls = [
      () => backend.putIfVersion(KEY, { value: 'two' }, 1),
      () => backend.addIfBelow({ partition: 'p', id: 'count' }, 1, { ceiling: 1 }),
      () => backend.delete(KEY),
      () => backend.cleanupExpired(Date.now()),
    ];
    for (const call of calls) {
      const error = await call().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(BackendUnavailableError);
      expect(error).toMatchObject({ retryable: true, cause: { errcode: 5 } });
    }

    // Readers do not wait for writers.
    expect(await backend.get(KEY)).toEqual({ id: 'a', version: 1, value: 'one' });
    writer.close();
    expect(await backend.putIfVersion(KEY, { value: 'two' }, 1)).toBe(2);
    await backend.close();
  });

  test('is unavailable after close [STORE-8]', async () => {
    const backend = new SqliteBackend({ path });
    await backend.close();

    await expect(backend.get(KEY)).rejects.toBeInstanceOf(BackendUnavailableError);
    await expect(backend.putIfVersion(KEY, { value: 'x' }, 0)).rejects.toBeInstanceOf(BackendUnavailableError);
  });

  test('is a format error when the file is damaged [STORE-8]', async () => {
    const backend = new SqliteBackend({ path });
    for (let id = 0; id < 200; id += 1) {
      await backend.putIfVersion({ partition: 'p', id: String(id) }, { value: 'x'.repeat(500) }, 0);
    }
    await backend.close();
    const bytes = await readFile(path);
    // The first page holds the schema, so that the file still opens.
    await writeFile(path, Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0x5a)]));
    const damaged = new SqliteBackend({ path });

    await expect(damaged.get(KEY)).rejects.toBeInstanceOf(BackendFormatError);
    await expect(damaged.get(KEY)).rejects.toThrow(/damaged/);
    await damaged.close();
  });
});

describe('processes', () => {
  test('an acknowledged write survives a kill -9 right after it [STORE-8 I1 I5]', async () => {
    for (let round = 1; round <= 3; round += 1) {
      const child = startProcess(`
        for (let n = 1; ; n += 1) {
          await backend.putIfVersion({ partition: 'round-${round}', id: String(n) }, { value: 'v' + n }, 0);
          await backend.putIfVersion({ partition: 'round-${round}', id: 'latest' }, { value: String(n) }, n - 1);
          writeSync(1, n + '\\n');
        }
      `);

      let output = '';
      child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
        if (output.split('\n').length > 30 * round) child.kill('SIGKILL');
      });
      const [, signal] = await once(child, 'close');
      const acknowledged = Math.max(...output.split('\n').map(Number));

      expect(signal).toBe('SIGKILL');
      const backend = new SqliteBackend({ path });
      for (let n = 1; n <= acknowledged; n += 1) {
        expect((await backend.get({ partition: `round-${round}`, id: String(n) }))?.value).toBe(`v${n}`);
      }
      const latest = await backend.get({ partition: `round-${round}`, id: 'latest' });
      // One more may have been written that the child did not live to acknowledge.
      expect([acknowledged, acknowledged + 1]).toContain(latest?.version);
      expect(latest?.value).toBe(String(latest?.version));
      await backend.close();
    }
  });

  test('one waits while another makes the same new file, and its calls give up after their timeout [STORE-8]', async () => {
    const holder = startProcess(
      `
      raw.exec('BEGIN IMMEDIATE');
      writeSync(1, 'locked');
      process.stdin.once('data', () => { raw.exec('COMMIT'); process.exit(); });
    `,
      { open: 'const raw = new DatabaseSync(path);' },
    );
    const ended = once(holder, 'close');
    if (holder.stdout !== null) await once(holder.stdout, 'data');

    const hasty = new SqliteBackend({ path, busyTimeoutMs: 10 });
    await expect(hasty.get(KEY)).rejects.toBeInstanceOf(BackendUnavailableError);
    const backend = new SqliteBackend({ path, busyTimeoutMs: PATIENCE_MS });
    const writing = backend.putIfVersion(KEY, { value: 'x' }, 0);
    holder.stdin?.write('go');

    expect(await writing).toBe(1);
    expect(await hasty.get(KEY)).toMatchObject({ value: 'x' });
    await hasty.close();
    await backend.close();
    expect(await ended).toEqual([0, null]);
  });

  test('several on one new file, from the first moment on, lose no update of each other [STORE-8 STORE-5 I8]', async () => {
    const children = Array.from({ length: 4 }, () =>
      startProcess(
        `
        for (let n = 0; n < 50; n += 1) await backend.addIfBelow({ partition: 'p', id: 'added' }, 1, { ceiling: 120 }).catch(ignore('limit'));
        for (let done = 0; done < 50; ) {
          const record = await backend.get({ partition: 'p', id: 'swapped' });
          const value = String(Number(record?.value ?? '0') + 1);
          await backend.putIfVersion({ partition: 'p', id: 'swapped' }, { value }, record?.version ?? 0).then(() => (done += 1), ignore('conflict'));
        }
        await backend.close();
      `,
        { together: true },
      ),
    );

    await Promise.all(children.map(async (child) => child.stdout !== null && (await once(child.stdout, 'data'))));
    const exits = Promise.all(children.map(async (child) => [(await once(child, 'close'))[0]]));
    for (const child of children) child.stdin?.write('go');

    expect(await exits).toEqual([[0], [0], [0], [0]]);
    const backend = new SqliteBackend({ path });
    expect(await backend.get({ partition: 'p', id: 'added' })).toMatchObject({ version: 120, value: '120' });
    expect(await backend.get({ partition: 'p', id: 'swapped' })).toMatchObject({ version: 200, value: '200' });
    await backend.close();
  });
});

interface ProcessOptions {
  /** Opens `path` only when it is written a line. */
  readonly together?: boolean;
  readonly open?: string;
}

/** A process of its own that opens `path` as `backend` and runs `body`. Its errors show in ours. */
function startProcess(body: string, options: ProcessOptions = {}): ChildProcess {
  const { together = false, open = `const backend = new SqliteBackend({ path, busyTimeoutMs: ${PATIENCE_MS} });` } =
    options;
  const driver = new URL('../../../src/backends/sqlite.ts', import.meta.url).href;
  const script = `
    import { writeSync } from 'node:fs';
    import { DatabaseSync } from 'node:sqlite';
    import { SqliteBackend } from ${JSON.stringify(driver)};
    const path = ${JSON.stringify(path)};
    const ignore = (code) => (error) => { if (error.code !== code) throw error; };
    ${together ? "writeSync(1, 'ready'); await new Promise((resolve) => process.stdin.once('data', resolve)); process.stdin.unref();" : ''}
    ${open}
    ${body}
  `;
  return spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['pipe', 'pipe', 'inherit'] });
}

function withDatabase(action: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(path);
  action(database);
  database.close();
}
