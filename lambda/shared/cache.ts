/** The deployed Redis or Valkey: ElastiCache Serverless, which is cluster mode with TLS and a user's password. */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { Cluster, Redis } from 'ioredis';
import type { StorageBackend } from '../../src/backends/backend.ts';
import { RedisBackend } from '../../src/backends/redis.ts';
import { type Environment, required } from './environment.ts';

const COMMAND_TIMEOUT_MS = 3_000;
const CONNECT_TIMEOUT_MS = 2_000;

/** `TASKS_REDIS_ENDPOINT` is `rediss://host:port` (a cluster); `redis://` means one node without TLS, for tests. */
export async function openCache(environment: Environment): Promise<StorageBackend> {
  const endpoint = new URL(required(environment, 'redisEndpoint'));
  const credentials = await credentialsOf(environment);
  const options = { commandTimeout: COMMAND_TIMEOUT_MS, connectTimeout: CONNECT_TIMEOUT_MS, ...credentials };
  const node = { host: endpoint.hostname, port: Number(endpoint.port) };
  if (endpoint.protocol === 'redis:') return new RedisBackend({ client: new Redis({ ...node, ...options }) });
  const client = new Cluster([node], {
    // ElastiCache's certificate names the endpoint, not the nodes' addresses.
    dnsLookup: (address, callback) => callback(null, address),
    redisOptions: { ...options, tls: {} },
  });
  return new RedisBackend({ client });
}

/** From Secrets Manager: `{ "username": …, "password": … }`. */
async function credentialsOf(environment: Environment): Promise<{ username?: string; password?: string }> {
  const { redisSecretArn } = environment;
  if (redisSecretArn === undefined) return {};
  const secrets = new SecretsManagerClient({});
  const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId: redisSecretArn }));
  const { username, password } = JSON.parse(SecretString ?? '{}') as { username?: string; password?: string };
  if (username === undefined || password === undefined)
    throw new Error('The Redis secret holds no username and password.');
  return { username, password };
}
