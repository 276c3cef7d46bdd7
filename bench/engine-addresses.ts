/**
 * Engines by their address, for benchmarks whose servers are processes of their own: each fresh, an empty file, table or
 * key prefix, on the engines that the tests use.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { startDynamoDbLocal } from '../test/support/engines/dynamodb-local.ts';
import { startRedisServer } from '../test/support/engines/redis-server.ts';
import type { EngineName } from './engines.ts';

const REGION = 'eu-central-1';

/** As `--backend` takes it. `folder`: where files go. Rejects with one line when the engine cannot be started. */
export async function engineAddress(engine: EngineName, folder: string): Promise<string> {
  switch (engine) {
    case 'memory':
      return 'memory';
    case 'sqlite':
      return `sqlite:${join(folder, `${randomUUID()}.db`)}`;
    case 'redis':
      return `${(await startRedisServer()).url}?keyPrefix=bench-${randomUUID()}:`;
    case 'dynamodb': {
      const { endpoint } = await startDynamoDbLocal();
      // What the client takes its region and credentials from, here and in the servers.
      Object.assign(process.env, { AWS_REGION: REGION, AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
      return `dynamodb:bench-${randomUUID()}?endpoint=${encodeURIComponent(endpoint)}`;
    }
  }
}
