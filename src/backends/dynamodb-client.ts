/**
 * The DynamoDB client of a program that was given a table and, for a local engine, its endpoint.
 * Region and credentials come from where the AWS SDK always looks. A host that has a client of its
 * own hands that to `DynamoDbBackend` instead.
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';

/** What an engine on this machine takes as well as any other; AWS would refuse it. */
const LOCAL = { region: 'us-east-1', accessKeyId: 'local', secretAccessKey: 'local' } as const;

export type AwsEnvironment = Readonly<Record<string, string | undefined>>;

/** The caller closes it with `destroy()`. */
export function connectDynamoDb(endpoint: string | undefined, environment: AwsEnvironment): DynamoDBClient {
  if (endpoint === undefined) return new DynamoDBClient({});
  const { region, accessKeyId, secretAccessKey } = LOCAL;
  const hasRegion = 'AWS_REGION' in environment || 'AWS_PROFILE' in environment;
  const hasCredentials = 'AWS_ACCESS_KEY_ID' in environment || 'AWS_PROFILE' in environment;
  return new DynamoDBClient({
    endpoint,
    ...(hasRegion ? {} : { region }),
    ...(hasCredentials ? {} : { credentials: { accessKeyId, secretAccessKey } }),
  });
}
