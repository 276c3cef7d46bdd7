/**
 * Starts the engines that the tests run on, once per run, side by side, and tells the tests
 * where they are through the environment. An address that is set already (a service container,
 * Docker) is used as it is. An engine that does not start fails the run. Never skips one.
 */
import { startDynamoDbLocal } from './engines/dynamodb-local.ts';
import { say, stopEngines } from './engines/process.ts';
import { startRedisServer } from './engines/redis-server.ts';

interface NeededEngine {
  readonly name: string;
  /** Where the tests look for its address. */
  readonly variable: string;
  readonly start: () => Promise<string>;
}

const ENGINES: readonly NeededEngine[] = [
  {
    name: 'DynamoDB Local',
    variable: 'TEST_DYNAMODB_ENDPOINT',
    start: async () => (await startDynamoDbLocal()).endpoint,
  },
  { name: 'Redis', variable: 'TEST_REDIS_URL', start: async () => (await startRedisServer()).url },
  {
    name: 'a Redis cluster',
    variable: 'TEST_REDIS_CLUSTER_URL',
    start: async () => (await startRedisServer({ cluster: true })).url,
  },
];

export default async function globalSetup(): Promise<void> {
  const missing = ENGINES.filter(({ variable }) => process.env[variable] === undefined);
  if (missing.length === 0) return;
  const startedAt = performance.now();
  say(`starting ${missing.map(({ name }) => name).join(', ')}`);
  try {
    await Promise.all(
      missing.map(async ({ variable, start }) => {
        process.env[variable] = await start();
      }),
    );
  } catch (error) {
    await stopEngines();
    throw error;
  }
  say(`started after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
}
