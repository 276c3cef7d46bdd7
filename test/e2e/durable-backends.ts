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
  /** In a file of its own: so quick that it can be killed at each boundary. */
  readonly local: boolean;
  readonly open: () => Promise<OpenDurable>;
}

export interface OpenDurable {
  /** A folder for files of the test. */
  readonly folder: string;
  /** The address of data that nobody else uses: whoever serves a store runs all tasks in it. */
  address(): Promise<string>;
  dispose(): Promise<void>;
}

async function open(addressIn: (folder: string) => string | Promise<string>): Promise<OpenDurable> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-crash-'));
  return { folder, address: async () => addressIn(folder), dispose: () => rm(folder, { recursive: true }) };
}

async function newTable(): Promise<string> {
  const table = `crash-${randomUUID()}`;
  const client = dynamoDbClient();
  await createTable({ client, tableName: table });
  client.destroy();
  return `dynamodb:${table}?endpoint=${encodeURIComponent(process.env['TEST_DYNAMODB_ENDPOINT'] ?? '')}`;
}

export const durableBackends: readonly DurableBackend[] = [
  { name: 'sqlite', local: true, open: () => open((folder) => `sqlite:${join(folder, `${randomUUID()}.sqlite`)}`) },
  { name: 'dynamodb', local: false, open: () => open(newTable) },
  {
    name: 'redis',
    local: false,
    open: () => open(() => `${process.env['TEST_REDIS_URL'] ?? ''}?keyPrefix=${randomUUID()}`),
  },
];
