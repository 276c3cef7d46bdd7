/** The deployed Redis or Valkey: ElastiCache Serverless, which is cluster mode with TLS and a user known by IAM. */
import { Cluster, Redis } from 'ioredis';
import type { StorageBackend } from '../../src/backends/backend.ts';
import { RedisBackend } from '../../src/backends/redis.ts';
import { systemClock } from '../../src/clock.ts';
import { present } from '../../src/present.ts';
import { cacheToken } from './cache-token.ts';
import { type Environment, required } from './environment.ts';
import { CACHE_KEY_PREFIX } from './words.ts';

const COMMAND_TIMEOUT_MS = 3_000;
const CONNECT_TIMEOUT_MS = 2_000;

/** `TASKS_REDIS_ENDPOINT` is `rediss://host:port` (a cluster); `redis://` means one open node without TLS, for tests. */
export async function openCache(environment: Environment): Promise<StorageBackend> {
  const endpoint = new URL(required(environment, 'redisEndpoint'));
  const node = { host: endpoint.hostname, port: Number(endpoint.port) };
  const redisOptions = { commandTimeout: COMMAND_TIMEOUT_MS, connectTimeout: CONNECT_TIMEOUT_MS };
  if (endpoint.protocol === 'redis:') return over(new Redis({ ...node, ...redisOptions }));
  const user = {
    cacheName: required(environment, 'redisCacheName'),
    userId: required(environment, 'redisUserId'),
  };
  const client = new Cluster([node], {
    // ElastiCache's certificate names the endpoint, not the nodes' addresses.
    dnsLookup: (address, callback) => callback(null, address),
    redisOptions: { ...redisOptions, tls: {} },
  });
  connectAs(client, user.userId, () => cacheToken(user, signerOf(process.env), systemClock.now()));
  return over(client);
}

function over(client: Redis | Cluster): RedisBackend {
  return new RedisBackend({ client, keyPrefix: CACHE_KEY_PREFIX });
}

/**
 * Gives every connection of the client a password of its own: the client copies its options once, while each token is for
 * the connections of some minutes and a function's instance lives for hours.
 */
export function connectAs(client: Cluster, username: string, password: () => string): void {
  // Told of a node before its connection is begun, which is when its options are read.
  client.on('+node', (node: Redis) => {
    node.options.username = username;
    Object.defineProperty(node.options, 'password', { get: password, enumerable: true });
  });
}

/** A function's own role, as Lambda puts it into the environment. */
function signerOf(variables: NodeJS.ProcessEnv) {
  const { AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = variables;
  return {
    region: AWS_REGION ?? '',
    accessKeyId: AWS_ACCESS_KEY_ID ?? '',
    secretAccessKey: AWS_SECRET_ACCESS_KEY ?? '',
    ...present({ sessionToken: AWS_SESSION_TOKEN }),
  };
}
