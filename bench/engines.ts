/**
 * The backends that the benchmarks compare, each opened fresh: an empty file, table or key prefix.
 * DynamoDB Local and Redis are those of the tests; an address in TEST_DYNAMODB_ENDPOINT or
 * TEST_REDIS_URL is used as it is, otherwise the engine is started here.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { StorageBackend } from '../src/backends/backend.ts';
import { DynamoDbBackend, type DynamoDbBackendOptions } from '../src/backends/dynamodb.ts';
import { createTable } from '../src/backends/dynamodb-table.ts';
import { MemoryBackend } from '../src/backends/memory.ts';
import { RedisBackend } from '../src/backends/redis.ts';
import { SqliteBackend } from '../src/backends/sqlite.ts';
import { dynamoDbClient, redisClient } from '../test/support/engines/clients.ts';
import { startDynamoDbLocal } from '../test/support/engines/dynamodb-local.ts';
import { startRedisServer } from '../test/support/engines/redis-server.ts';

export const ENGINES = ['memory', 'sqlite', 'dynamodb', 'redis'] as const;
export type EngineName = (typeof ENGINES)[number];

export interface OpenEngine {
  readonly backend: StorageBackend;
  close(): Promise<void>;
}

/** Rejects with one line when the engine cannot be started. */
export function openEngine(name: EngineName): Promise<OpenEngine> {
  return OPEN[name]();
}

const OPEN: Readonly<Record<EngineName, () => Promise<OpenEngine>>> = {
  memory: async () => ({ backend: new MemoryBackend(), close: async () => {} }),
  sqlite: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-bench-'));
    const backend = new SqliteBackend({ path: join(folder, 'tasks.db') });
    return {
      backend,
      close: async () => {
        await backend.close();
        await rm(folder, { recursive: true });
      },
    };
  },
  dynamodb: () => openDynamoDb(),
  redis: async () => {
    process.env['TEST_REDIS_URL'] ??= (await startRedisServer()).url;
    const client = redisClient();
    const backend = new RedisBackend({ client, keyPrefix: `bench-${randomUUID()}:` });
    return { backend, close: async () => client.disconnect() };
  },
};

/** A new table on DynamoDB Local. */
export async function openDynamoDb(
  options: Omit<DynamoDbBackendOptions, 'client' | 'tableName'> = {},
): Promise<OpenEngine & { readonly client: DynamoDBClient; readonly tableName: string }> {
  process.env['TEST_DYNAMODB_ENDPOINT'] ??= (await startDynamoDbLocal()).endpoint;
  const client = dynamoDbClient();
  const tableName = `bench-${randomUUID()}`;
  await createTable({ client, tableName });
  const backend = new DynamoDbBackend({ client, tableName, ...options });
  return { backend, client, tableName, close: async () => client.destroy() };
}
