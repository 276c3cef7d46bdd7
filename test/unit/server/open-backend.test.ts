/**
 * Backend addresses and what opening one says when it cannot: in-process, on the real engines that
 * the test run started. A missing client library needs a process of its own: see e2e/serve-cli.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BackendFormatError, BackendInvalidError, BackendUnavailableError } from '../../../src/backends/errors.ts';
import { type BackendAddress, openBackend, parseBackendAddress } from '../../../src/server/open-backend.ts';

const KEY = { partition: 'p', id: 'i' };

/** Writes through one opening and reads through the next: what the address names is really where records go. */
async function keepsRecords(address: BackendAddress): Promise<boolean> {
  const id = randomUUID();
  const first = await openBackend(address);
  await first.backend.putIfVersion({ partition: 'kept', id }, { value: 'here' }, 0);
  await first.close();
  const second = await openBackend(address);
  const found = await second.backend.get({ partition: 'kept', id });
  await second.close();
  return found?.value === 'here';
}

describe('a backend address', () => {
  test.each<[string, BackendAddress]>([
    ['memory', { engine: 'memory' }],
    ['sqlite:tasks.sqlite', { engine: 'sqlite', file: 'tasks.sqlite' }],
    ['sqlite:/data/a:b?c.sqlite', { engine: 'sqlite', file: '/data/a:b?c.sqlite' }],
    ['dynamodb:Tasks_1', { engine: 'dynamodb', table: 'Tasks_1' }],
    [
      'dynamodb:tasks?endpoint=http://localhost:8000',
      { engine: 'dynamodb', table: 'tasks', endpoint: 'http://localhost:8000' },
    ],
    ['redis://localhost', { engine: 'redis', url: 'redis://localhost' }],
    ['redis://localhost?keyPrefix=one%3A', { engine: 'redis', url: 'redis://localhost', keyPrefix: 'one:' }],
    ['rediss://user:pass@cache.example:6380/2', { engine: 'redis', url: 'rediss://user:pass@cache.example:6380/2' }],
  ])('%s is understood [DX-1]', (text, address) => {
    expect(parseBackendAddress(text)).toEqual(address);
  });

  test.each([
    ['', 'unknown backend'],
    ['postgres://localhost', 'unknown backend "postgres://localhost": use memory, sqlite:FILE'],
    ['SQLITE:a', 'unknown backend'],
    ['memory:x', 'takes no address'],
    ['sqlite', 'names no file'],
    ['sqlite:', 'names no file'],
    ['dynamodb:', 'is no DynamoDB table'],
    ['dynamodb:ab', 'is no DynamoDB table'],
    ['dynamodb:with space', 'is no DynamoDB table'],
    ['dynamodb:tasks?region=eu', 'knows no "region"'],
    ['dynamodb:tasks?endpoint=localhost', 'is no URL'],
    ['dynamodb:tasks?endpoint=ftp://localhost', 'is no URL'],
    ['redis:localhost', 'is no Redis address'],
    ['redis://', 'is no Redis address'],
    ['redis://localhost?db=1', 'knows no "db": use ?keyPrefix=TEXT'],
  ])('"%s" is refused with what is wrong with it [DX-1]', (text, problem) => {
    expect(() => parseBackendAddress(text)).toThrow(BackendInvalidError);
    expect(() => parseBackendAddress(text)).toThrow(problem);
  });
});

describe('opening', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'open-backend-'));
  });

  afterAll(() => rm(folder, { recursive: true }));

  test('memory says that nothing is kept [DX-1]', async () => {
    const opened = await openBackend({ engine: 'memory' });

    expect(opened.backend.name).toBe('memory');
    expect(opened.description).toContain('gone when this process ends');
    expect(opened.warnings).toEqual([]);

    await opened.close();
  });

  test('SQLite makes the file, says where it is and closes it [DX-1 LIFE-6]', async () => {
    const file = join(folder, 'new', 'tasks.sqlite');

    const opened = await openBackend({ engine: 'sqlite', file });
    await opened.close();
    await opened.close();

    expect(opened.description).toBe(`SQLite file ${file}`);
    await expect(opened.backend.get(KEY)).rejects.toBeInstanceOf(BackendUnavailableError);
    await expect(keepsRecords({ engine: 'sqlite', file })).resolves.toBe(true);
  });

  test('SQLite refuses a file that is no database, and one of a newer format [DX-1]', async () => {
    const text = join(folder, 'text');
    await writeFile(text, 'no database, but a text of more than a header');
    const newer = join(folder, 'newer.sqlite');
    await (await openBackend({ engine: 'sqlite', file: newer })).close();
    const database = new DatabaseSync(newer);
    database.exec('PRAGMA user_version = 99');
    database.close();

    await expect(openBackend({ engine: 'sqlite', file: text })).rejects.toThrow(`${text} is not a SQLite database`);
    await expect(openBackend({ engine: 'sqlite', file: newer })).rejects.toThrow(BackendFormatError);
  });

  test('DynamoDB wants its table, and makes it when asked [DX-1]', async () => {
    const endpoint = process.env['TEST_DYNAMODB_ENDPOINT'] ?? '';
    const address = { engine: 'dynamodb', table: `open-${randomUUID()}`, endpoint } as const;

    await expect(openBackend(address)).rejects.toThrow(
      `${address.table} does not exist: create it with --create-table`,
    );
    const created = await openBackend(address, { createTable: true });
    await created.close();

    expect(created.description).toBe(`DynamoDB table ${address.table} at ${endpoint}`);
    await expect(keepsRecords(address)).resolves.toBe(true);
  });

  test.each([false, true])(
    'DynamoDB that is not there is one line with a remedy (creating: %s) [DX-1]',
    async (createTable) => {
      const address = { engine: 'dynamodb', table: 'tasks', endpoint: 'http://127.0.0.1:1' } as const;

      const opening = openBackend(address, { createTable });

      await expect(opening).rejects.toBeInstanceOf(BackendUnavailableError);
      await expect(opening).rejects.toThrow(/ECONNREFUSED 127\.0\.0\.1:1: check .*endpoint/);
    },
  );

  test('Redis says what its set-up may lose, and keeps records [DX-1]', async () => {
    const url = process.env['TEST_REDIS_URL'] ?? '';

    const opened = await openBackend({ engine: 'redis', url });
    await opened.close();

    expect(opened.description).toBe(`Redis at ${new URL(url).host}`);
    expect(opened.warnings).toEqual([expect.stringMatching(/^appendonly is off: .*Set it to yes\.$/)]);
    await expect(keepsRecords({ engine: 'redis', url })).resolves.toBe(true);
  });

  test('a Redis cluster is recognised as one [DX-1]', async () => {
    const url = process.env['TEST_REDIS_CLUSTER_URL'] ?? '';

    const opened = await openBackend({ engine: 'redis', url });
    await opened.close();

    expect(opened.description).toBe(`Redis at ${new URL(url).host} (cluster)`);
    await expect(keepsRecords({ engine: 'redis', url })).resolves.toBe(true);
  });

  test('Redis that is not there is one line, without the password [DX-1 SEC-4]', async () => {
    const opening = openBackend({ engine: 'redis', url: 'redis://user:secret@127.0.0.1:1' });

    await expect(opening).rejects.toThrow(/^Redis at 127\.0\.0\.1:1 cannot be used: .*ECONNREFUSED.*Start it/);
    await expect(opening).rejects.not.toThrow('secret');
  });
});
