/** What the contract cannot ask of DynamoDB: lost answers, throttling, costs, and how an item lies in the table. */
import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import {
  CreateTableCommand,
  DescribeTimeToLiveCommand,
  type DynamoDBClient,
  type DynamoDBClientConfig,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { RecordKey } from '../../../src/backends/backend.ts';
import { type ConsumedCapacityEvent, DynamoDbBackend } from '../../../src/backends/dynamodb.ts';
import { createTable } from '../../../src/backends/dynamodb-table.ts';
import { BackendError } from '../../../src/backends/errors.ts';
import { faultyClient } from '../../support/dynamodb-faults.ts';
import { dynamoDbClient } from '../../support/engines/clients.ts';
import { silentServer } from '../../support/silent-server.ts';

const SOURCES = new URL('../../../src/backends/', import.meta.url);
const client = dynamoDbClient();
const tableName = `unit-${randomUUID()}`;
/** Undisturbed, on the same table: another writer, and the one to look with afterwards. */
const other = new DynamoDbBackend({ client, tableName });

beforeAll(() => createTable({ client, tableName }));
afterAll(() => client.destroy());

/** What a test opened, closed after it whether it passes or fails. */
const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

describe('a write whose answer is lost, so that the client sends it again', () => {
  test('is the success that it was when it created a record [STORE-9 I3]', async () => {
    const { backend, faults, key } = disturbed();
    faults.loseNextAnswer();

    await expect(backend.putIfVersion(key, { value: 'ours' }, 0)).resolves.toBe(1);

    expect(faults.sent).toHaveLength(2);
    expect(await other.get(key)).toMatchObject({ value: 'ours', version: 1 });
  });

  test('is the success that it was when it replaced a version [STORE-9 I3]', async () => {
    const { backend, faults, key } = disturbed();
    await backend.putIfVersion(key, { value: 'first' }, 0);
    faults.loseNextAnswer();

    await expect(backend.putIfVersion(key, { value: 'second' }, 1)).resolves.toBe(2);

    expect(await other.get(key)).toMatchObject({ value: 'second', version: 2 });
  });

  test('is not claimed to have changed nothing when others have written on top of it [STORE-9 I3]', async () => {
    const { backend, faults, key } = disturbed();
    faults.loseNextAnswer(() => other.putIfVersion(key, { value: 'on top' }, 1));

    const error = await rejectionOf(backend.putIfVersion(key, { value: 'ours' }, 0));

    expect(error).toMatchObject({ code: 'unavailable', retryable: true });
  });

  test('counts once [STORE-9 I8]', async () => {
    const { backend, faults, key } = disturbed();
    await backend.addIfBelow(key, 1, { ceiling: 10 });
    faults.loseNextAnswer();

    await expect(backend.addIfBelow(key, 1, { ceiling: 10 })).resolves.toBe(2);

    expect(await other.get(key)).toMatchObject({ value: '2', version: 2 });
  });

  test('counts once where it made the counter, at its ceiling [STORE-9 I8]', async () => {
    const { backend, faults, key } = disturbed();
    faults.loseNextAnswer();

    await expect(backend.addIfBelow(key, 1, { ceiling: 1 })).resolves.toBe(1);

    expect(await other.get(key)).toMatchObject({ value: '1', version: 1 });
  });

  test('counts once when four others count in between [STORE-9 I8]', async () => {
    const { backend, faults, key } = disturbed();
    faults.loseNextAnswer(async () => {
      for (let count = 0; count < 4; count += 1) await other.addIfBelow(key, 1, { ceiling: 10 });
    });

    await backend.addIfBelow(key, 1, { ceiling: 10 });

    expect(await other.get(key)).toMatchObject({ value: '5', version: 5 });
  });

  test('counts once where it took the place of an expired counter [STORE-9 I8]', async () => {
    const { backend, faults, key } = disturbed();
    await backend.putIfVersion(key, { value: '7', expiresAt: 1 }, 0);
    faults.loseNextAnswer();

    await expect(backend.addIfBelow(key, 1, { ceiling: 10 })).resolves.toBe(1);

    expect(await other.get(key)).toMatchObject({ value: '1', version: 1 });
  });
});

describe('a conflict', () => {
  test('knows the actual version from the one request that was made [STORE-9]', async () => {
    const { backend, faults, key } = disturbed();
    await other.putIfVersion(key, { value: 'theirs' }, 0);
    await other.putIfVersion(key, { value: 'theirs' }, 1);

    const error = await rejectionOf(backend.putIfVersion(key, { value: 'ours' }, 0));

    expect(error).toMatchObject({ code: 'conflict', expected: 0, actual: 2 });
    expect(faults.sent.map(({ operation }) => operation)).toEqual(['PutItemCommand']);
  });
});

describe('an engine that does not do it', () => {
  test.each([
    'ProvisionedThroughputExceededException',
    'ThrottlingException',
    'RequestLimitExceeded',
    'TransactionConflictException',
    'InternalServerError',
    'TimeoutError',
    'AccessDeniedException',
  ])('and says %s is unavailable, after bounded retries, with the cause [STORE-9]', async (name) => {
    const { backend, faults, key } = disturbed();
    const cause = Object.assign(new Error('not now'), { name });
    faults.refuseAll(cause);

    const error = await rejectionOf(backend.get(key));

    expect(error).toMatchObject({ code: 'unavailable', retryable: true, cause });
    expect(error.message).toContain(`DynamoDB GetItem on ${tableName}: ${name}`);
    expect(faults.sent.length).toBeLessThanOrEqual(3);
  });

  test('but throttles is asked again before that is said [STORE-9]', async () => {
    const { backend, faults, key } = disturbed();
    faults.refuseAll(Object.assign(new Error('slow down'), { name: 'ThrottlingException' }));

    await rejectionOf(backend.putIfVersion(key, { value: '' }, 0));

    expect(faults.sent).toHaveLength(3);
  });

  test('and is not there is unavailable [STORE-9]', async () => {
    const nobody = dynamoDbClient({ endpoint: 'http://127.0.0.1:1', maxAttempts: 1 });
    const backend = new DynamoDbBackend({ client: nobody, tableName });

    expect(await rejectionOf(backend.get(freshKey()))).toMatchObject({ code: 'unavailable', retryable: true });
  });

  test('and never answers is unavailable after the time that a call may take [STORE-9]', async () => {
    const silent = await silentServer();
    const waiting = dynamoDbClient({ endpoint: `http://127.0.0.1:${silent.port}` });
    closing.push(
      () => waiting.destroy(),
      () => silent.close(),
    );
    const backend = new DynamoDbBackend({ client: waiting, tableName, timeoutMs: 50 });

    const error = await rejectionOf(backend.get(freshKey()));

    expect(error).toMatchObject({ code: 'unavailable', message: expect.stringContaining('no answer within 50 ms') });
  });

  test('for want of the table says so in one line that names it and the remedy [STORE-9]', async () => {
    const backend = new DynamoDbBackend({ client, tableName: 'no-such-table' });

    const error = await rejectionOf(backend.get(freshKey()));

    // Nobody's request is at fault.
    expect(error.code).toBe('lost');
    expect(error.message).toMatch(
      /^the DynamoDB table no-such-table does not exist: create it with --create-table\b.*$/,
    );
  });
});

describe('what a call costs', () => {
  test('is one unit for a small record, be it read, written, counted or deleted [STORE-9 I10]', async () => {
    const { backend, costs } = metered();
    const key = freshKey();

    await backend.putIfVersion(key, { value: 'x'.repeat(800), expiresAt: Date.now() + 60_000 }, 0);
    await backend.get(key);
    await backend.list(key.partition, { limit: 10 });
    await backend.addIfBelow({ ...key, id: 'counter' }, 1, { ceiling: 10 });
    await backend.delete(key);

    expect(costs).toEqual([
      { operation: 'PutItem', units: 1, table: tableName },
      { operation: 'GetItem', units: 1, table: tableName },
      { operation: 'Query', units: 1, table: tableName },
      { operation: 'UpdateItem', units: 1, table: tableName },
      { operation: 'DeleteItem', units: 1, table: tableName },
    ]);
  });

  test('is one unit for reading a record of 3,900 bytes [STORE-9 I10]', async () => {
    const { backend, costs } = metered();
    const key = freshKey();
    await other.putIfVersion(key, { value: 'x'.repeat(3_900), expiresAt: Date.now() + 60_000 }, 0);

    await backend.get(key);

    expect(costs).toMatchObject([{ operation: 'GetItem', units: 1 }]);
  });

  test('is not asked for unless somebody wants to know [STORE-9]', async () => {
    const { backend, faults, key } = disturbed();

    await backend.get(key);

    expect(faults.sent).toMatchObject([{ operation: 'GetItemCommand' }]);
    expect(faults.sent[0]?.input).not.toHaveProperty('ReturnConsumedCapacity');
  });
});

describe('in the table', () => {
  test('TTL has whole seconds and never ends before the exact expiry [STORE-9]', async () => {
    const key = freshKey();
    const expiresAt = 4_102_444_800_001;
    await other.putIfVersion(key, { value: 'kept', expiresAt }, 0);

    const item = await rawItem(key);

    expect(item['expiresAt']).toEqual({ N: '4102444801' });
    expect(await other.get(key)).toMatchObject({ expiresAt });
  });

  test('an item has exactly the documented attributes [STORE-9]', async () => {
    const key = freshKey();
    await other.putIfVersion(key, { value: '{}' }, 0);

    const item = await rawItem(key);

    expect(item).toEqual({
      PK: { S: key.partition },
      SK: { S: key.id },
      version: { N: '1' },
      data: { S: '{}' },
      writer: { S: expect.stringMatching(/^[\w-]{12}$/) },
    });
  });

  test('an item that somebody else put there is damaged data and not a record [STORE-9]', async () => {
    const key = freshKey();
    await client.send(
      new PutItemCommand({ TableName: tableName, Item: { PK: { S: key.partition }, SK: { S: key.id } } }),
    );

    expect(await rejectionOf(other.get(key))).toMatchObject({ code: 'format' });
  });

  test.each(['9007199254740992', '1.5', '9007199254740993.5'])(
    'a version that is no safe integer (%s) is damaged data, read or in the way of a write [STORE-9 STORE-15]',
    async (version) => {
      const key = freshKey();
      const Item = { PK: { S: key.partition }, SK: { S: key.id }, version: { N: version }, data: { S: '' } };
      await client.send(new PutItemCommand({ TableName: tableName, Item }));

      expect(await rejectionOf(other.get(key))).toMatchObject({ code: 'format' });
      expect(await rejectionOf(other.putIfVersion(key, { value: '' }, 0))).toMatchObject({ code: 'format' });
    },
  );

  test('every read is strongly consistent [STORE-9 I1]', async () => {
    const { backend, faults, key } = disturbed();

    await backend.get(key);
    await backend.list(key.partition, { limit: 1 });

    expect(faults.sent).toMatchObject([{ input: { ConsistentRead: true } }, { input: { ConsistentRead: true } }]);
  });

  test('nothing is ever scanned and no index is used [STORE-9 I10]', async () => {
    const sources = await driverSources();

    expect(sources).toMatch(/\bclass DynamoDbBackend\b/);
    expect(sources).not.toMatch(/ScanCommand|IndexName|ExecuteStatement/);
  });

  test('records go through the document client, and no attribute is typed by hand [STORE-15]', async () => {
    const sources = await driverSources();

    expect(sources).toMatch(/\bPutCommand\b.* from '@aws-sdk\/lib-dynamodb'/s);
    expect(sources).not.toMatch(/\b(Get|Put|Update|Delete)ItemCommand\b|\{ [SN]: /);
  });
});

describe('a client that its host also uses', () => {
  test('through a document client of its own: neither takes the options of the other [STORE-15]', async () => {
    const key = freshKey();
    const Key = { PK: key.partition, SK: 'of the host' };
    const shared = sharedClient();
    const before = DynamoDBDocumentClient.from(shared, { marshallOptions: { convertEmptyValues: true } });
    const backend = new DynamoDbBackend({ client: shared, tableName });
    await before.send(new PutCommand({ TableName: tableName, Item: { ...Key, empty: '', count: 1 } }));
    const after = DynamoDBDocumentClient.from(shared, { unmarshallOptions: { wrapNumbers: true } });

    await backend.putIfVersion(key, { value: '' }, 0);

    expect(await backend.get(key)).toEqual({ id: key.id, version: 1, value: '' });
    const { Item: read } = await after.send(new GetCommand({ TableName: tableName, Key }));
    expect(read).toEqual({ ...Key, empty: null, count: { value: '1' } });
  });

  test('and that keeps its middleware for each command is taken too [STORE-15]', async () => {
    const backend = new DynamoDbBackend({ client: sharedClient({ cacheMiddleware: true }), tableName });
    const key = freshKey();

    for (const expected of [0, 1, 2]) await backend.putIfVersion(key, { value: `${expected}` }, expected);

    expect(await backend.get(key)).toEqual({ id: key.id, version: 3, value: '2' });
  });
});

describe('createTable', () => {
  test('may be called again, and turns TTL on [STORE-9]', async () => {
    await createTable({ client, tableName });

    const { TimeToLiveDescription: ttl } = await client.send(new DescribeTimeToLiveCommand({ TableName: tableName }));

    expect(ttl).toMatchObject({ TimeToLiveStatus: 'ENABLED', AttributeName: 'expiresAt' });
  });

  test('refuses a table of that name with other keys [STORE-9]', async () => {
    const foreign = `foreign-${randomUUID()}`;
    await client.send(
      new CreateTableCommand({
        TableName: foreign,
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        BillingMode: 'PAY_PER_REQUEST',
      }),
    );

    const error = await rejectionOf(createTable({ client, tableName: foreign }));

    expect(error).toMatchObject({ code: 'invalid', message: expect.stringContaining('has the keys id, not PK, SK') });
  });
});

function disturbed() {
  const faults = faultyClient();
  closing.push(() => faults.client.destroy());
  return { faults, backend: new DynamoDbBackend({ client: faults.client, tableName }), key: freshKey() };
}

function sharedClient(config: DynamoDBClientConfig = {}): DynamoDBClient {
  const shared = dynamoDbClient(config);
  closing.push(() => shared.destroy());
  return shared;
}

async function driverSources(): Promise<string> {
  const files = (await readdir(SOURCES)).filter((file) => file.startsWith('dynamodb'));
  return (await Promise.all(files.map((file) => readFile(new URL(file, SOURCES), 'utf8')))).join('\n');
}

function metered() {
  const costs: ConsumedCapacityEvent[] = [];
  const backend = new DynamoDbBackend({ client, tableName, onConsumedCapacity: (event) => costs.push(event) });
  return { backend, costs };
}

function freshKey(): RecordKey {
  return { partition: randomUUID(), id: 'record' };
}

async function rawItem(key: RecordKey) {
  const Key = { PK: { S: key.partition }, SK: { S: key.id } };
  const { Item } = await client.send(new GetItemCommand({ TableName: tableName, Key }));
  return Item ?? {};
}

async function rejectionOf(call: Promise<unknown>): Promise<BackendError> {
  const error = await call.then(
    () => new Error('it did not reject'),
    (reason: unknown) => reason,
  );
  if (error instanceof BackendError) return error;
  throw error;
}
