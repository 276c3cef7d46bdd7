/**
 * The backends that the storage contract runs on. A new driver is one entry here; a driver in
 * `src/backends` without one fails `backend-contract.test.ts`, and so does an engine that cannot
 * be reached: nothing is skipped.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cluster, Redis } from 'ioredis';
import type { StorageBackend } from '../../src/backends/backend.ts';
import { DynamoDbBackend } from '../../src/backends/dynamodb.ts';
import { createTable } from '../../src/backends/dynamodb-table.ts';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { RedisBackend } from '../../src/backends/redis.ts';
import { SqliteBackend } from '../../src/backends/sqlite.ts';
import type { Clock } from '../../src/clock.ts';
import { dynamoDbClient, redisClient, redisClusterClient } from '../support/engines/clients.ts';
import { PATIENCE_MS } from '../support/until.ts';

export interface BackendUnderTest {
  /** The driver's file in `src/backends`, without `.ts`. */
  readonly driver: string;
  /** Tells two engines of one driver apart, e.g. ` (cluster)`. */
  readonly variant?: string;
  /** The requirement that asks for this backend. */
  readonly ids: readonly string[];
  /** Whether it is a `WalkableBackend`. */
  readonly sweeps: boolean;
  /** Starts the engine, once for all cases. */
  readonly open: () => Promise<OpenEngine>;
}

export interface OpenEngine {
  /** As many instances as `count`, on the same data. The test closes them. */
  create(clock: Clock, count: number): Promise<readonly StorageBackend[]>;
  dispose(): Promise<void>;
}

export const backends: readonly BackendUnderTest[] = [
  { driver: 'memory', ids: ['STORE-7'], sweeps: true, open: openMemory },
  { driver: 'sqlite', ids: ['STORE-8'], sweeps: true, open: openSqlite },
  { driver: 'dynamodb', ids: ['STORE-9'], sweeps: false, open: openDynamoDb },
  { driver: 'redis', ids: ['STORE-10'], sweeps: false, open: () => openRedis(redisClient()) },
  {
    driver: 'redis',
    variant: ' (cluster)',
    ids: ['STORE-10'],
    sweeps: false,
    open: () => openRedis(redisClusterClient()),
  },
];

/** The data lives in the instance, so that every instance on the same data is the same one. */
async function openMemory(): Promise<OpenEngine> {
  return {
    async create(clock, count) {
      const backend = new MemoryBackend({ clock });
      return Array.from({ length: count }, () => backend);
    },
    async dispose() {},
  };
}

async function openSqlite(): Promise<OpenEngine> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-contract-'));
  const path = join(folder, 'tasks.db');
  return {
    async create(clock, count) {
      return Array.from({ length: count }, () => new SqliteBackend({ path, clock, busyTimeoutMs: PATIENCE_MS }));
    },
    dispose: () => rm(folder, { recursive: true }),
  };
}

async function openDynamoDb(): Promise<OpenEngine> {
  const client = dynamoDbClient();
  const tableName = `contract-${randomUUID()}`;
  await createTable({ client, tableName });
  return {
    async create(clock, count) {
      return Array.from(
        { length: count },
        () => new DynamoDbBackend({ client, tableName, clock, timeoutMs: PATIENCE_MS }),
      );
    },
    async dispose() {
      client.destroy();
    },
  };
}

async function openRedis(client: Redis | Cluster): Promise<OpenEngine> {
  const keyPrefix = `contract-${randomUUID()}:`;
  return {
    async create(clock, count) {
      return Array.from(
        { length: count },
        () => new RedisBackend({ client, keyPrefix, clock, timeoutMs: PATIENCE_MS }),
      );
    },
    async dispose() {
      client.disconnect();
    },
  };
}
