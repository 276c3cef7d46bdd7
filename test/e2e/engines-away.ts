/** The engines and the kinds of trouble that each can be in while a server runs on it, as data: how it begins, and how it ends. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { jest } from '@jest/globals';
import type { Redis } from 'ioredis';
import type { StorageBackend } from '../../src/backends/backend.ts';
import { DynamoDbBackend } from '../../src/backends/dynamodb.ts';
import { connectDynamoDb } from '../../src/backends/dynamodb-client.ts';
import { createTable } from '../../src/backends/dynamodb-table.ts';
import { RedisBackend } from '../../src/backends/redis.ts';
import { connectRedis } from '../../src/backends/redis-client.ts';
import { SqliteBackend } from '../../src/backends/sqlite.ts';
import { engineAddress } from '../support/engine-address.ts';
import { startDynamoDbLocal } from '../support/engines/dynamodb-local.ts';
import { run } from '../support/engines/process.ts';
import { type RedisServer, startRedisServer } from '../support/engines/redis-server.ts';

export interface EngineInTrouble {
  readonly backend: StorageBackend;
  begin(): Promise<unknown>;
  end(): Promise<unknown>;
  close(): Promise<unknown>;
}

export interface Trouble {
  readonly engine: 'sqlite' | 'redis' | 'dynamodb';
  readonly trouble: string;
  /** What it says by itself, as those who run the server find it in the log. */
  readonly reason: RegExp;
  /** Whether it answers reads all the same. */
  readonly reads?: boolean;
  /** Whether small writes still find room. */
  readonly smallWrites?: boolean;
  /** Why requests are refused. @default 'unavailable' */
  readonly refusal?: 'storage_lost';
  readonly open: () => Promise<EngineInTrouble>;
}

async function sqlite(
  trouble: (opened: { readonly file: string; readonly folder: string; readonly connection: DatabaseSync }) => {
    begin(): Promise<unknown>;
    end(): Promise<unknown>;
  },
  given?: string,
): Promise<EngineInTrouble> {
  const folder = given ?? (await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-away-')));
  const file = join(folder, 'tasks.sqlite');
  // Some troubles are of one connection only, and the backend shows its own to nobody.
  const exec = jest.spyOn(DatabaseSync.prototype, 'exec');
  const backend = new SqliteBackend({ path: file, busyTimeoutMs: 300 });
  const [connection] = exec.mock.contexts as DatabaseSync[];
  exec.mockRestore();
  if (connection === undefined) throw new Error('The backend opened no database.');
  return {
    backend,
    ...trouble({ file, folder, connection }),
    close: async () => {
      await backend.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** Holds the lock until its standard input ends. */
const HOLD_LOCK = `
  const { DatabaseSync } = require('node:sqlite');
  new DatabaseSync(process.argv[1], { timeout: 60000 }).exec('BEGIN EXCLUSIVE');
  process.stdout.write('held');
  process.stdin.resume();
`;

function lockedByAnother(file: string) {
  let release: () => Promise<unknown> = async () => {};
  return {
    begin: async () => {
      const { NODE_OPTIONS: _ofJest, ...env } = process.env;
      const holder = spawn(process.execPath, ['-e', HOLD_LOCK, file], { env, stdio: ['pipe', 'pipe', 'inherit'] });
      release = async () => {
        const exited = once(holder, 'exit');
        holder.stdin.end();
        await exited;
      };
      await once(holder.stdout, 'data');
    },
    end: () => release(),
  };
}

/** A disk of its own in `folder`, where this process may make one, which fills up; else a file that may not grow. */
async function openOnFullDisk(): Promise<EngineInTrouble> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-disk-'));
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', folder]).then(
    () => true,
    () => false,
  );
  const ballast = join(folder, 'ballast');
  const disk = {
    begin: async () => {
      // Fails at the end, when nothing is free any more.
      await writeFile(ballast, Buffer.alloc(32 * 1024 * 1024)).catch(() => undefined);
    },
    end: () => rm(ballast),
  };
  const opened = await sqlite(({ connection }) => (mounted ? disk : fullFile(connection)), folder);
  return {
    ...opened,
    close: async () => {
      await opened.backend.close();
      if (mounted) await run('umount', [folder]);
      await rm(folder, { recursive: true });
    },
  };
}

/** No page more than there are, and those full. */
function fullFile(connection: DatabaseSync) {
  return {
    begin: async () => {
      connection.exec('PRAGMA max_page_count = 1');
      const fill = connection.prepare("INSERT INTO record (partition, id, version, value) VALUES ('ballast', ?, 1, ?)");
      try {
        for (;;) fill.run(randomUUID(), 'x'.repeat(2_000));
      } catch {
        // Now it is.
      }
    },
    end: async () => connection.exec('PRAGMA max_page_count = 1000000'),
  };
}

const SQLITE_FILES = ['tasks.sqlite', 'tasks.sqlite-wal', 'tasks.sqlite-shm'];

function movedAway(folder: string) {
  const aside = join(folder, 'aside');
  return {
    begin: async () => {
      await mkdir(aside);
      for (const file of SQLITE_FILES) await rename(join(folder, file), join(aside, file));
    },
    end: async () => {
      for (const file of SQLITE_FILES) await rename(join(aside, file), join(folder, file));
    },
  };
}

interface RunningRedis {
  server: RedisServer;
  /** As those who run it have it. */
  readonly admin: Redis;
  readonly folder: string;
}

async function redis(
  trouble: (running: RunningRedis) => { begin(): Promise<unknown>; end(): Promise<unknown> },
): Promise<EngineInTrouble> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-away-'));
  const server = await startRedisServer({ keepIn: folder });
  const client = await connectRedis(server.url);
  const admin = (await connectRedis(server.url, { patient: true })) as Redis;
  const running: RunningRedis = { server, admin, folder };
  return {
    backend: new RedisBackend({ client }),
    ...trouble(running),
    close: async () => {
      client.disconnect();
      admin.disconnect();
      await running.server.stop();
      await rm(folder, { recursive: true });
    },
  };
}

const redisSetting = (name: string, inTrouble: string, before: string) => () =>
  redis(({ admin }) => ({
    begin: () => admin.config('SET', name, inTrouble),
    end: () => admin.config('SET', name, before),
  }));

async function table(
  engine: { readonly endpoint: string },
  trouble: { begin(): Promise<unknown>; end(): Promise<unknown>; close(): unknown },
  tableIn = engine.endpoint,
): Promise<EngineInTrouble> {
  const tableName = `away-${randomUUID()}`;
  const making = connectDynamoDb(tableIn, {});
  await createTable({ client: making, tableName });
  making.destroy();
  const client = new DynamoDBClient({
    endpoint: engine.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  return {
    backend: new DynamoDbBackend({ client, tableName }),
    ...trouble,
    close: async () => {
      client.destroy();
      await trouble.close();
    },
  };
}

async function dynamoDbBehindAddress(begin: 'refuse' | { readonly answer: string }): Promise<EngineInTrouble> {
  const shared = process.env['TEST_DYNAMODB_ENDPOINT'] ?? '';
  const address = await engineAddress(Number(new URL(shared).port));
  return table(
    { endpoint: `http://127.0.0.1:${address.port}` },
    {
      begin: async () => (begin === 'refuse' ? address.refuse() : address.answerWith(begin.answer)),
      end: async () => address.accept(),
      close: () => address.close(),
    },
    shared,
  );
}

function httpAnswer(status: string, type: string, message: string): string {
  const body = JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${type}`, message });
  const headers = ['content-type: application/x-amz-json-1.0', `content-length: ${body.length}`, 'connection: close'];
  return [`HTTP/1.1 ${status}`, ...headers, '', body].join('\r\n');
}

export const TROUBLES: readonly Trouble[] = [
  {
    engine: 'sqlite',
    trouble: 'is locked by another process',
    reason: /database is locked/,
    reads: true,
    open: () => sqlite(({ file }) => lockedByAnother(file)),
  },
  {
    engine: 'sqlite',
    trouble: 'is on a full disk',
    reason: /database or disk is full/,
    reads: true,
    smallWrites: true,
    open: openOnFullDisk,
  },
  {
    engine: 'sqlite',
    trouble: 'is read-only',
    reason: /readonly database/,
    reads: true,
    open: () =>
      sqlite(({ connection }) => ({
        begin: async () => connection.exec('PRAGMA query_only = ON'),
        end: async () => connection.exec('PRAGMA query_only = OFF'),
      })),
  },
  {
    engine: 'sqlite',
    trouble: 'is moved away, and put back',
    reason: /was deleted while it was in use/,
    refusal: 'storage_lost',
    open: () => sqlite(({ folder }) => movedAway(folder)),
  },
  {
    engine: 'redis',
    trouble: 'hangs',
    reason: /no answer within/,
    open: () =>
      redis(({ server }) => ({
        begin: async () => server.signal('SIGSTOP'),
        end: async () => server.signal('SIGCONT'),
      })),
  },
  {
    engine: 'redis',
    trouble: 'dies, and is started again',
    reason: /no answer within|max retries per request|[Cc]onnection is closed/,
    open: () =>
      redis((running) => ({
        begin: async () => {
          running.server.signal('SIGKILL');
          await running.server.stop();
        },
        end: async () => {
          const { folder, server } = running;
          running.server = await startRedisServer({ keepIn: folder, port: server.port });
        },
      })),
  },
  {
    engine: 'redis',
    trouble: 'is read-only, as a replica is',
    reason: /READONLY/,
    reads: true,
    open: () =>
      redis(({ admin }) => ({
        begin: () => admin.replicaof('127.0.0.1', '1'),
        end: () => admin.replicaof('NO', 'ONE'),
      })),
  },
  {
    engine: 'redis',
    trouble: 'is a replica that has lost its primary',
    reason: /MASTERDOWN/,
    open: () =>
      redis(({ admin }) => ({
        begin: async () => {
          await admin.config('SET', 'replica-serve-stale-data', 'no');
          await admin.replicaof('127.0.0.1', '1');
        },
        end: () => admin.replicaof('NO', 'ONE'),
      })),
  },
  {
    engine: 'redis',
    trouble: 'is out of memory',
    reason: /OOM/,
    reads: true,
    open: redisSetting('maxmemory', '1', '0'),
  },
  {
    engine: 'redis',
    trouble: 'has lost the replicas that it must have',
    reason: /NOREPLICAS/,
    reads: true,
    open: redisSetting('min-replicas-to-write', '1', '0'),
  },
  {
    engine: 'dynamodb',
    trouble: 'hangs',
    reason: /no answer within/,
    open: async () => {
      const local = await startDynamoDbLocal();
      return table(local, {
        begin: async () => local.signal('SIGSTOP'),
        end: async () => local.signal('SIGCONT'),
        close: () => local.stop(),
      });
    },
  },
  {
    engine: 'dynamodb',
    trouble: 'takes no connections',
    reason: /ECONNRESET|socket hang up|no answer within/,
    open: () => dynamoDbBehindAddress('refuse'),
  },
  {
    engine: 'dynamodb',
    trouble: 'throttles everything',
    reason: /ProvisionedThroughputExceededException/,
    open: () =>
      dynamoDbBehindAddress({
        answer: httpAnswer('400 Bad Request', 'ProvisionedThroughputExceededException', 'Slow down.'),
      }),
  },
  {
    engine: 'dynamodb',
    trouble: 'has no such table, for a while',
    reason: /table away-\S+ does not exist/,
    refusal: 'storage_lost',
    open: () =>
      dynamoDbBehindAddress({
        answer: httpAnswer('400 Bad Request', 'ResourceNotFoundException', 'Requested resource not found'),
      }),
  },
  {
    engine: 'dynamodb',
    trouble: 'has faults of its own',
    reason: /InternalServerError/,
    open: () =>
      dynamoDbBehindAddress({
        answer: httpAnswer('500 Internal Server Error', 'InternalServerError', 'It is us.'),
      }),
  },
];
