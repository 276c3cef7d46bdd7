/** The size of the file: what is removed gives its space back, bit by bit, also in files of an earlier version. */
import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { SqliteBackend } from '../../../src/backends/sqlite.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

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

const sizeOfFile = () => statSync(path).size;
const keyOf = (index: number, partition = 'p') => ({ partition, id: String(index) });

/** 9 records that stay and 900 that expire in an hour, 9 MB of them. */
async function fill(backend: SqliteBackend, partition?: string): Promise<void> {
  const value = 'x'.repeat(10_000);
  for (let index = 0; index < 909; index += 1) {
    const write = index < 9 ? { value } : { value, expiresAt: clock.now() + HOUR_MS };
    await backend.putIfVersion(keyOf(index, partition), write, 0);
  }
}

/** As files were made before they could give space back, and with nothing left to keep. */
function makeOldFile(): void {
  const old = new DatabaseSync(path);
  const keep = new DatabaseSync(`${path}.new`);
  const { sql = '' } =
    keep.prepare("SELECT group_concat(sql, ';') AS sql FROM sqlite_schema WHERE sql > ''").get() ?? {};
  const pragma = (name: string) => String(keep.prepare(`PRAGMA ${name}`).get()?.[name]);
  old.exec(`PRAGMA journal_mode = WAL; ${String(sql)};`);
  old.exec(`PRAGMA application_id = ${pragma('application_id')}; PRAGMA user_version = ${pragma('user_version')}`);
  keep.close();
  const insert = old.prepare('INSERT INTO record (partition, id, version, value) VALUES (?, ?, 1, ?)');
  old.exec('BEGIN');
  for (let index = 0; index < 900; index += 1) insert.run('p', String(index), 'x'.repeat(10_000));
  old.exec("COMMIT; DELETE FROM record WHERE id > '8' OR length(id) > 1");
  old.close();
}

describe('a file that has shrunk inside', () => {
  test('becomes small when what has expired is swept, and keeps what has not [STORE-8]', async () => {
    const backend = new SqliteBackend({ path, clock });
    await fill(backend);
    await clock.advance(HOUR_MS);

    expect(await backend.cleanupExpired(clock.now())).toBe(900);

    expect(sizeOfFile()).toBeLessThan(1.5 * MIB);
    expect((await backend.list('p', { limit: 1000 })).records).toHaveLength(9);
    expect(await backend.cleanupExpired(clock.now())).toBe(0);
    await backend.close();
  });

  test('is swept and made smaller in steps, between which everything else goes on [STORE-8 SEC-3]', async () => {
    const backend = new SqliteBackend({ path, clock });
    await fill(backend);
    await clock.advance(HOUR_MS);
    const exec = jest.spyOn(DatabaseSync.prototype, 'exec');
    let turns = 0;
    let sweeping = true;
    const count = () => {
      turns += 1;
      if (sweeping) setImmediate(count);
    };
    setImmediate(count);

    await backend.cleanupExpired(clock.now());
    sweeping = false;

    const steps = exec.mock.calls.flatMap(([sql]) => /incremental_vacuum\((\d+)\)/.exec(sql)?.[1] ?? []).map(Number);
    expect(steps.length).toBeGreaterThan(20);
    expect(Math.max(...steps)).toBe(64);
    // 900 records are 18 batches and one that finds nothing.
    expect(turns).toBeGreaterThanOrEqual(19 + steps.length - 2);
    await backend.close();
  });

  test('keeps a megabyte for what is written next [STORE-8]', async () => {
    const backend = new SqliteBackend({ path, clock });
    await fill(backend);
    await clock.advance(HOUR_MS);
    await backend.cleanupExpired(clock.now());
    await backend.close();

    const file = new DatabaseSync(path);
    expect(file.prepare('PRAGMA freelist_count').get()).toEqual({ freelist_count: 256 });
    file.close();
  });
});

test('a new file is made so that it can give space back, and is not made anew for it [STORE-8]', async () => {
  const exec = jest.spyOn(DatabaseSync.prototype, 'exec');
  await new SqliteBackend({ path, clock }).close();
  const file = new DatabaseSync(path);

  expect(file.prepare('PRAGMA auto_vacuum').get()).toEqual({ auto_vacuum: 2 });
  expect(exec.mock.calls.filter(([sql]) => sql.includes('VACUUM;'))).toEqual([]);
  file.close();
});

test('the log beside the file becomes small again after a reader had kept it from being written back [STORE-8]', async () => {
  const backend = new SqliteBackend({ path, clock });
  const reader = new DatabaseSync(path);
  reader.exec('BEGIN; SELECT count(*) FROM record');
  await fill(backend);
  expect(statSync(`${path}-wal`).size).toBeGreaterThan(8 * MIB);
  reader.close();

  for (const value of ['one', 'two']) await backend.putIfVersion({ partition: 'p', id: value }, { value }, 0);

  expect(statSync(`${path}-wal`).size).toBeLessThanOrEqual(4 * MIB);
  await backend.close();
});

describe('a file of an earlier version, which could not give space back', () => {
  beforeEach(async () => {
    await new SqliteBackend({ path: `${path}.new`, clock }).close();
    makeOldFile();
  });

  test('is made new when it is opened, with all that it holds [STORE-8]', async () => {
    expect(sizeOfFile()).toBeGreaterThan(8 * MIB);

    const backend = new SqliteBackend({ path, clock });

    expect(sizeOfFile()).toBeLessThan(MIB);
    expect((await backend.list('p', { limit: 1000 })).records).toHaveLength(9);
    await fill(backend, 'q');
    await clock.advance(HOUR_MS);
    await backend.cleanupExpired(clock.now());
    expect(sizeOfFile()).toBeLessThan(1.5 * MIB);
    await backend.close();
  });

  test('stays as it is, and of use, while another process writes to it [STORE-8]', async () => {
    const writer = new DatabaseSync(path);
    writer.exec('BEGIN IMMEDIATE');

    const backend = new SqliteBackend({ path, clock });

    expect((await backend.list('p', { limit: 1000 })).records).toHaveLength(9);
    writer.close();
    expect(await backend.cleanupExpired(clock.now())).toBe(0);
    await backend.close();
    await new SqliteBackend({ path, clock }).close();
    expect(sizeOfFile()).toBeLessThan(MIB);
  });

  test('serves a process that has it open while another makes it new [STORE-8]', async () => {
    const writer = new DatabaseSync(path);
    writer.exec('BEGIN IMMEDIATE');
    const early = new SqliteBackend({ path, clock });
    writer.close();
    const late = new SqliteBackend({ path, clock });

    await early.putIfVersion({ partition: 'p', id: 'new' }, { value: 'x'.repeat(50_000) }, 0);
    await late.delete(keyOf(3));

    expect((await early.list('p', { limit: 100 })).records).toHaveLength(9);
    await Promise.all([early.close(), late.close()]);
    const file = new DatabaseSync(path);
    expect(file.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    file.close();
  });
});
