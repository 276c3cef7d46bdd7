/**
 * Plain objects where DynamoDB has typed attributes: the document client over a client that was
 * handed in, and the one answer that the document client leaves as it came from the wire. Not what
 * is in the objects: see dynamodb-item.ts.
 */
import type { ConditionalCheckFailedException, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { Item } from './dynamodb-item.ts';

/**
 * Shares the client's connections, middleware and settings, and nothing to close. The document client
 * would keep its options in `client.config`, where each one over the same client overwrites those of the
 * others (https://github.com/aws/aws-sdk-js-v3/issues/6545); so ours writes to a `config` of its own.
 */
export function documentClient(client: DynamoDBClient): DynamoDBDocumentClient {
  // With its accessors, of which the credentials are one.
  const config: DynamoDBClient['config'] = Object.create(
    Object.getPrototypeOf(client.config),
    Object.getOwnPropertyDescriptors(client.config),
  );
  // The document client refuses a client that keeps its middleware per command.
  config.cacheMiddleware = false;
  const own: DynamoDBClient = Object.create(client, { config: { value: config } });
  return DynamoDBDocumentClient.from(own, {
    marshallOptions: { removeUndefinedValues: true },
    // Never a BigInt. What is no safe integer then is refused where it is read.
    unmarshallOptions: { wrapNumbers: Number },
  });
}

/** The item because of which a write was refused: the document client translates answers, and this came in an error. */
export function refusedItem({ Item: typed }: ConditionalCheckFailedException): Item | undefined {
  if (typed === undefined) return undefined;
  // Strings and numbers are all that an item of ours has.
  return Object.fromEntries(Object.entries(typed).map(([name, { S, N }]) => [name, S ?? Number(N)]));
}
