/** The durable backends on which servers are killed and run side by side, each on data of its own. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTable } from '../../src/backends/dynamodb-table.ts';
import { dynamoDbClient } from '../support/engines/clients.ts';

export interface DurableBackend {
  /** The driver's file in `src/backends`, without `.ts`. */
  readonly name: string;
  /** One machine's own: finds its unfinished tasks itself, and not only when a client asks. */
  readonly local: boolean;
  readonly open: () => Promise<OpenDurable>;
}

export interface OpenDurable {
  /** A folder for files of the test. */
  readonly folder: string;
  /** The address of data that nobody else uses, or of shared data on which each run has an owner of its own. */
  address(): string;
  dispose(): Promise<void>;
}

async function open(addressIn: (folder: string) => string): Promise<OpenDurable> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-crash-'));
  return { folder, address: () => addressIn(folder), dispose: () => rm(folder, { recursive: true }) };
}

export const durableBackends: readonly DurableBackend[] = [
  { name: 'sqlite', local: true, open: () => open((folder) => `sqlite:${join(folder, `${randomUUID()}.sqlite`)}`) },
  {
    name: 'dynamodb',
    local: false,
    open: async () => {
      const table = `crash-${randomUUID()}`;
      const client = dynamoDbClient();
      await createTable({ client, tableName: table });
      client.destroy();
      const endpoint = encodeURIComponent(process.env['TEST_DYNAMODB_ENDPOINT'] ?? '');
      return open(() => `dynamodb:${table}?endpoint=${endpoint}`);
    },
  },
  { name: 'redis', local: false, open: () => open(() => process.env['TEST_REDIS_URL'] ?? '') },
];
