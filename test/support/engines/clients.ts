/** Clients for the engines that `global-setup.ts` started; the caller closes them. */
import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import { Cluster, Redis, type RedisOptions } from 'ioredis';

export function dynamoDbClient(config: DynamoDBClientConfig = {}): DynamoDBClient {
  return new DynamoDBClient({
    endpoint: addressOf('TEST_DYNAMODB_ENDPOINT'),
    region: 'eu-central-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    ...config,
  });
}

export function redisClient(options: Omit<RedisOptions, 'replyMapping'> = {}): Redis {
  return new Redis(addressOf('TEST_REDIS_URL'), options);
}

export function redisClusterClient(): Cluster {
  return new Cluster([addressOf('TEST_REDIS_CLUSTER_URL')]);
}

function addressOf(variable: string): string {
  const address = process.env[variable];
  if (address === undefined)
    throw new Error(`${variable} is not set: run the test through jest, whose global setup sets it`);
  return address;
}
