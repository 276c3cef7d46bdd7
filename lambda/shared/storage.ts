/** The deployed store's client, made once for a function's instance. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { StorageBackend } from '../../src/backends/backend.ts';
import { DynamoDbBackend } from '../../src/backends/dynamodb.ts';
import { type Environment, oneOf, required } from './environment.ts';
import { BACKENDS } from './words.ts';

/** Below any function's timeout, so that a stuck call becomes an error that can be retried. */
const REQUEST_TIMEOUT_MS = 3_000;
const CONNECTION_TIMEOUT_MS = 1_000;

/**
 * The construct sets `process.env.TASKS_BACKEND` at bundling time too, so that a bundle holds only the client
 * of its own store.
 */
export async function openStorage(environment: Environment): Promise<StorageBackend> {
  oneOf(environment, 'backend', BACKENDS);
  if (process.env.TASKS_BACKEND === 'redis') {
    const { openCache } = await import('./cache.ts');
    return openCache(environment);
  }
  const client = new DynamoDBClient({
    maxAttempts: 4,
    requestHandler: { requestTimeout: REQUEST_TIMEOUT_MS, connectionTimeout: CONNECTION_TIMEOUT_MS },
  });
  return new DynamoDbBackend({ client, tableName: required(environment, 'tableName') });
}
