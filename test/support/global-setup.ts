/**
 * Starts the engines that the tests run on, once per run, side by side, and tells the tests
 * where they are through the environment. An address that is set already (a service container,
 * Docker) is used as it is. An engine that does not start fails the run. Never skips one.
 */
import { startDynamoDbLocal } from './engines/dynamodb-local.ts';
import { stopEngines } from './engines/process.ts';
import { startRedisServer } from './engines/redis-server.ts';

const ENGINES: Readonly<Record<string, () => Promise<string>>> = {
  TEST_DYNAMODB_ENDPOINT: async () => (await startDynamoDbLocal()).endpoint,
  TEST_REDIS_URL: async () => (await startRedisServer()).url,
  TEST_REDIS_CLUSTER_URL: async () => (await startRedisServer({ cluster: true })).url,
};

export default async function globalSetup(): Promise<void> {
  const missing = Object.entries(ENGINES).filter(([variable]) => process.env[variable] === undefined);
  try {
    await Promise.all(
      missing.map(async ([variable, start]) => {
        process.env[variable] = await start();
      }),
    );
  } catch (error) {
    await stopEngines();
    throw error;
  }
}
