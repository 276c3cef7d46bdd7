/**
 * What the DynamoDB table looks like: the one definition that `createTable` (local use) creates
 * from and the CDK table is tested against. Not what is in the table: see dynamodb.ts.
 */
import {
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  UpdateTimeToLiveCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { TABLE_KEYS, TTL_ATTRIBUTE } from './dynamodb-attributes.ts';
import { BackendInvalidError } from './errors.ts';

/** Key schema, attributes and billing in the form of the DynamoDB API (`AWS::DynamoDB::Table` has the same). */
export const TABLE_DEFINITION = {
  AttributeDefinitions: [
    { AttributeName: TABLE_KEYS.partition, AttributeType: 'S' },
    { AttributeName: TABLE_KEYS.sort, AttributeType: 'S' },
  ],
  KeySchema: [
    { AttributeName: TABLE_KEYS.partition, KeyType: 'HASH' },
    { AttributeName: TABLE_KEYS.sort, KeyType: 'RANGE' },
  ],
  BillingMode: 'PAY_PER_REQUEST',
} as const;

const MAX_WAIT_SECONDS = 120;

export interface CreateTableOptions {
  readonly client: DynamoDBClient;
  readonly tableName: string;
}

/**
 * Creates the table, waits until it can be used and turns TTL on. A table that is there already,
 * or is just being created by somebody else, is fine. Rejects with `BackendInvalidError` if that
 * table has other keys, and with the client's error if AWS refuses.
 */
export async function createTable({ client, tableName }: CreateTableOptions): Promise<void> {
  const { AttributeDefinitions, KeySchema, BillingMode } = TABLE_DEFINITION;
  await client
    .send(
      new CreateTableCommand({
        TableName: tableName,
        AttributeDefinitions: [...AttributeDefinitions],
        KeySchema: [...KeySchema],
        BillingMode,
      }),
    )
    .catch(unless('ResourceInUseException'));
  await waitUntilTableExists(
    { client, maxWaitTime: MAX_WAIT_SECONDS, minDelay: 1, maxDelay: 5 },
    { TableName: tableName },
  );
  await assertKeys(client, tableName);
  await client
    .send(
      new UpdateTimeToLiveCommand({
        TableName: tableName,
        TimeToLiveSpecification: { AttributeName: TTL_ATTRIBUTE, Enabled: true },
      }),
    )
    // Refused where TTL is on already; that it is on for another attribute is the owner's choice.
    .catch(unless('ValidationException'));
}

async function assertKeys(client: DynamoDBClient, tableName: string): Promise<void> {
  const { Table } = await client.send(new DescribeTableCommand({ TableName: tableName }));
  const names = Table?.KeySchema?.map((key) => key.AttributeName).join(', ');
  const wanted = TABLE_DEFINITION.KeySchema.map((key) => key.AttributeName).join(', ');
  if (names !== wanted) {
    throw new BackendInvalidError(
      `the DynamoDB table ${tableName} has the keys ${names}, not ${wanted}: use another name`,
    );
  }
}

function unless(name: string): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof Error && error.name === name)) throw error;
  };
}
