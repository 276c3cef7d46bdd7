/**
 * Connecting to Redis for a program that was given a URL: finds out by itself whether the server
 * is one node or a cluster, and says in one line when it cannot be reached. A host that has a
 * client of its own hands that to `RedisBackend` instead.
 */
import { Cluster, Redis } from 'ioredis';
import { BackendUnavailableError } from './errors.ts';

const CONNECT_TIMEOUT_MS = 5_000;

/** Resolves to a connected client, which the caller closes with `disconnect()`. Never names the URL's password. */
export async function connectRedis(url: string): Promise<Redis | Cluster> {
  // A server that is not there is reported, not waited for.
  const probe = new Redis(url, { lazyConnect: true, connectTimeout: CONNECT_TIMEOUT_MS, retryStrategy: () => null });
  const { host, port, username, password, tls } = probe.options;
  try {
    const isCluster = await connected(probe, async () => /^cluster_enabled:1/m.test(await probe.info('cluster')));
    const client = isCluster
      ? new Cluster([{ ...(host !== undefined && { host }), ...(port !== undefined && { port }) }], {
          lazyConnect: true,
          // A managed cluster's certificate is for the names of its nodes, not for their addresses.
          dnsLookup: (address, done) => done(null, address),
          redisOptions: {
            ...(username !== undefined && { username }),
            ...(password !== undefined && { password }),
            ...(tls !== undefined && { tls }),
          },
        })
      : new Redis(url, { lazyConnect: true });
    await connected(client, () => client.ping());
    return client;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BackendUnavailableError(
      `Redis at ${host}:${port} cannot be used: ${reason}. Start it, or correct the address and credentials`,
      { cause },
    );
  } finally {
    disconnect(probe);
  }
}

/** What `ask` resolves to; closes the client if it rejects. */
async function connected<T>(client: Redis | Cluster, ask: () => Promise<T>): Promise<T> {
  // What broke the connection is only in this event; without a listener it would end the process.
  let broken: unknown;
  client.on('error', (error: unknown) => {
    broken = error;
  });
  try {
    await client.connect();
    return await ask();
  } catch (error) {
    disconnect(client);
    throw broken ?? error;
  }
}

/** On a client that has ended already, ioredis would start a timer of two seconds that holds the process. */
function disconnect(client: Redis | Cluster): void {
  if (client.status !== 'end') client.disconnect();
}
