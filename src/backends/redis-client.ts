/**
 * Connecting to Redis for a program that was given a URL: finds out by itself whether the server
 * is one node or a cluster, and says in one line when it cannot be reached. A host that has a
 * client of its own hands that to `RedisBackend` instead.
 */
import { Cluster, Redis } from 'ioredis';
import { type CancelTimer, systemClock } from '../clock.ts';
import { present } from '../present.ts';
import { BackendUnavailableError } from './errors.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** A connection on which nothing has come for so long, though something was asked, leads to a machine that has gone without a word. */
const SILENCE_MS = 10_000;
/**
 * How often a server is asked whether it still is the primary: a process that only reads is refused nothing, and would
 * read for ever what the demoted one copies, or has stopped to copy. One command of a few bytes; a write would cost
 * more and might be refused.
 */
const ASK_ROLE_EVERY_MS = 5_000;
/** While whatever answers at the address is read-only, it is not asked to be another one more often than this. */
const LEAVE_EVERY_MS = 500;

export interface ConnectOptions {
  /** Commands wait for as long as the server is away: what blocking readers ask for. Default: they fail after some tries. */
  readonly patient?: boolean;
}

/** Resolves to a connected client, which the caller closes with `disconnect()`. Never names the URL's password. */
export async function connectRedis(url: string, { patient = false }: ConnectOptions = {}): Promise<Redis | Cluster> {
  // Blocking readers are silent for as long as there is nothing to read.
  const patience = patient ? { maxRetriesPerRequest: null } : { socketTimeout: SILENCE_MS };
  // A server that is not there is reported, not waited for.
  const probe = new Redis(url, { lazyConnect: true, connectTimeout: CONNECT_TIMEOUT_MS, retryStrategy: () => null });
  const { host, port, username, password, tls } = probe.options;
  try {
    const isCluster = await connected(probe, async () => /^cluster_enabled:1/m.test(await probe.info('cluster')));
    const client = isCluster
      ? new Cluster([present({ host, port })], {
          lazyConnect: true,
          // A managed cluster's certificate is for the names of its nodes, not for their addresses.
          dnsLookup: (address, done) => done(null, address),
          redisOptions: {
            ...patience,
            ...present({ username, password, tls }),
          },
        })
      : new Redis(url, { ...patience, lazyConnect: true, reconnectOnError: leavesDemoted() });
    await connected(client, () => client.ping());
    if (client instanceof Redis) leaveWhenDemoted(client);
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

/**
 * Behind one address a failover leaves open connections at the old primary, which answers reads from then on with what
 * it copies and refuses writes for ever. A new connection leads to the new one. What was refused is not sent again
 * here: its caller is told.
 */
function leavesDemoted(): (error: Error) => boolean {
  let leftAt = Number.NEGATIVE_INFINITY;
  return ({ message }) => {
    // Redis 6 quotes the error inside another one when a script met it. A blocked reader is told that it no longer can be.
    if (!/(^|-)READONLY |^UNBLOCKED /.test(message) || systemClock.now() - leftAt < LEAVE_EVERY_MS) return false;
    leftAt = systemClock.now();
    return true;
  };
}

/** The same for connections that are refused nothing, because they only read. Until the client ends. */
function leaveWhenDemoted(client: Redis): void {
  const ask = async () => {
    try {
      const [role] = await client.role();
      if (role !== 'master' && client.status === 'ready') client.disconnect(true);
    } catch {
      // Away, or the user may not ask: then only what is refused tells.
    }
    askSoon();
  };
  let cancel: CancelTimer = () => {};
  const askSoon = () => {
    if (client.status !== 'end') cancel = systemClock.after(ASK_ROLE_EVERY_MS, () => void ask());
  };
  client.once('end', () => cancel());
  askSoon();
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
