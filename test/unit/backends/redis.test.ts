/** What the contract cannot ask of Redis: lost answers, cluster slots, its own expiry, and servers that refuse. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Cluster, Redis } from 'ioredis';
import type { RecordKey } from '../../../src/backends/backend.ts';
import { BackendError } from '../../../src/backends/errors.ts';
import { checkRedisDurability, RedisBackend } from '../../../src/backends/redis.ts';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { redisClient, redisClusterClient } from '../../support/engines/clients.ts';
import { type RedisServer, startRedisServer } from '../../support/engines/redis-server.ts';
import { type LossyProxy, lossyProxy } from '../../support/lossy-proxy.ts';
import { silentServer } from '../../support/silent-server.ts';
import { PATIENCE_MS } from '../../support/until.ts';

const GRACE_MS = 60_000;
/** Nothing that is to be there still is gone before its test is over. */
const SOON_MS = PATIENCE_MS;
const LATER_MS = 2 * PATIENCE_MS;
const keyPrefix = `unit-${randomUUID()}:`;
const client = redisClient();
const cluster = redisClusterClient();
const backend = new RedisBackend({ client, keyPrefix });

/** What a test opened, closed after it whether it passes or fails. */
const opened: { disconnect(): void }[] = [];

afterEach(() => {
  for (const connection of opened.splice(0)) connection.disconnect();
});

afterAll(() => {
  client.disconnect();
  cluster.disconnect();
});

describe('a server that has forgotten the scripts', () => {
  test('is given them again, by a client of one node [STORE-10]', async () => {
    await client.script('FLUSH');

    await expect(backend.putIfVersion(freshKey(), { value: '' }, 0)).resolves.toBe(1);
  });

  test('is given them again, by a cluster client [STORE-10]', async () => {
    const clustered = new RedisBackend({ client: cluster, keyPrefix });
    await clustered.putIfVersion(freshKey(), { value: '' }, 0);
    await Promise.all(cluster.nodes('master').map((node) => node.script('FLUSH')));

    await expect(clustered.addIfBelow(freshKey(), 1, { ceiling: 1 })).resolves.toBe(1);
  });
});

describe('a write whose answer is lost, so that the client sends it again', () => {
  let proxy: LossyProxy;
  let disturbed: RedisBackend;
  let disturbedClient: Redis;

  beforeAll(async () => {
    proxy = await lossyProxy(client.options.port ?? 0);
    disturbedClient = new Redis(proxy.port, { retryStrategy: () => 1 });
    disturbed = new RedisBackend({ client: disturbedClient, keyPrefix });
    // Connected, and the scripts known: what is lost below is the answer of the write.
    await disturbed.putIfVersion(freshKey(), { value: '' }, 0);
    await disturbed.addIfBelow(freshKey(), 1, { ceiling: 1 });
  });

  afterAll(() => {
    disturbedClient.disconnect();
    proxy.close();
  });

  test('is the success that it was [STORE-10 I3]', async () => {
    const key = freshKey();
    proxy.loseNextAnswer();

    await expect(disturbed.putIfVersion(key, { value: 'ours' }, 0)).resolves.toBe(1);

    expect(await backend.get(key)).toMatchObject({ value: 'ours', version: 1 });
  });

  test('is the success that it was, even when others have written on top of it [STORE-10 I3]', async () => {
    const key = freshKey();
    await backend.putIfVersion(key, { value: 'first' }, 0);
    proxy.loseNextAnswer(() => backend.putIfVersion(key, { value: 'on top' }, 2));

    await expect(disturbed.putIfVersion(key, { value: 'ours' }, 1)).resolves.toBe(2);

    expect(await backend.get(key)).toMatchObject({ value: 'on top', version: 3 });
  });

  test('counts once, even when four others count in between [STORE-10 I8]', async () => {
    const key = freshKey();
    proxy.loseNextAnswer(async () => {
      for (let count = 0; count < 4; count += 1) await backend.addIfBelow(key, 1, { ceiling: 10 });
    });

    await disturbed.addIfBelow(key, 1, { ceiling: 10 });

    expect(await backend.get(key)).toMatchObject({ value: '5', version: 5 });
  });
});

describe('the keys of a partition', () => {
  test.each(['plain', 'a{b}c', '}{', '{}', '{', '%7B', 'ünïcode 😀'])(
    '%j are in one cluster slot [STORE-10]',
    async (partition) => {
      const own = `${randomUUID()}:`;
      const placed = new RedisBackend({ client: cluster, keyPrefix: own });
      const expiresAt = Date.now() + 60_000;

      for (const id of ['1', '{2}', '}3']) await placed.putIfVersion({ partition, id }, { value: '', expiresAt }, 0);

      const keys = await keysOf(cluster, own);
      const slots = await Promise.all(keys.map((key) => cluster.cluster('KEYSLOT', key)));
      expect(keys).toHaveLength(5);
      expect(new Set(slots).size).toBe(1);
    },
  );

  test('are those of no other partition, whatever it is called [STORE-10 STORE-2 I6]', async () => {
    const names = ['{', '%7B', '%257B', '}:index', ':index', 'a', 'a}:record:b'];
    const own = new RedisBackend({ client, keyPrefix: `${randomUUID()}:` });

    for (const partition of names) await own.putIfVersion({ partition, id: 'b' }, { value: partition }, 0);

    for (const partition of names) {
      expect(await own.list(partition, { limit: 10 })).toMatchObject({
        records: [{ id: 'b', value: partition }],
      });
    }
  });

  test('lie behind a prefix that cannot take the place of the hash tag [STORE-10]', () => {
    expect(() => new RedisBackend({ client, keyPrefix: '{all}:' })).toThrow('keyPrefix must not contain braces');
    expect(() => new RedisBackend({ client, keyPrefix: 'a\ud800:' })).toThrow('keyPrefix holds a lone surrogate');
  });
});

describe('the index of a partition', () => {
  test('is repaired when a record was deleted behind its back [STORE-10]', async () => {
    const { own, prefix, partition } = await partitionOf(['a', 'b', 'c'], {});
    await client.del(`${prefix}{${partition}}:record:b`);

    const page = await own.list(partition, { limit: 10 });

    expect(page.records.map(({ id }) => id)).toEqual(['a', 'c']);
    expect(await client.zrange(`${prefix}{${partition}}:index`, '0', '-1')).toEqual(['a', 'c']);
  });

  test('forgets what has long expired when something else is written [STORE-10]', async () => {
    const { own, prefix, partition } = await partitionOf(['old', 'older'], { expiresAt: Date.now() + SOON_MS });
    await own.putIfVersion({ partition, id: 'lasting' }, { value: '' }, 0);
    const later: Clock = { ...systemClock, now: () => Date.now() + SOON_MS + GRACE_MS };

    await new RedisBackend({ client, keyPrefix: prefix, clock: later }).delete({ partition, id: 'none' });

    expect(await client.zrange(`${prefix}{${partition}}:index`, '0', '-1')).toEqual(['lasting']);
    expect(await client.exists(`${prefix}{${partition}}:expiries`)).toBe(0);
  });

  test('ends with the last of its records when all of them expire [STORE-10]', async () => {
    const { own, prefix, partition } = await partitionOf(['a'], { expiresAt: Date.now() + SOON_MS });
    await own.putIfVersion({ partition, id: 'b' }, { value: '', expiresAt: Date.now() + LATER_MS }, 0);

    for (const set of ['index', 'expiries']) {
      const leftMs = await client.pttl(`${prefix}{${partition}}:${set}`);
      expect(leftMs).toBeGreaterThan(SOON_MS + GRACE_MS);
      expect(leftMs).toBeLessThanOrEqual(LATER_MS + GRACE_MS);
    }
  });

  test('stays when one of its records does, and ends once that one expires or goes [STORE-10]', async () => {
    const { own, prefix, partition } = await partitionOf(['a'], { expiresAt: Date.now() + SOON_MS });
    const index = `${prefix}{${partition}}:index`;
    await own.putIfVersion({ partition, id: 'b' }, { value: '' }, 0);
    expect(await client.pttl(index)).toBe(-1);

    await own.putIfVersion({ partition, id: 'b' }, { value: '', expiresAt: Date.now() + SOON_MS }, 1);
    expect(await client.pttl(index)).toBeGreaterThan(0);

    await own.addIfBelow({ partition, id: 'c' }, 1, { ceiling: 1 });
    expect(await client.pttl(index)).toBe(-1);

    await own.delete({ partition, id: 'c' });
    expect(await client.pttl(index)).toBeGreaterThan(0);
  });
});

describe('a record that expires', () => {
  test('is kept by Redis for a minute longer than it reads as there [STORE-10 I1]', async () => {
    const { prefix, partition } = await partitionOf(['a'], { expiresAt: Date.now() + SOON_MS });

    const leftMs = await client.pttl(`${prefix}{${partition}}:record:a`);

    expect(leftMs).toBeGreaterThan(GRACE_MS);
    expect(leftMs).toBeLessThanOrEqual(SOON_MS + GRACE_MS);
  });

  test('is kept by Redis for good once it is written without expiry [STORE-10 I5]', async () => {
    const { own, prefix, partition } = await partitionOf(['a'], { expiresAt: Date.now() + SOON_MS });

    await own.putIfVersion({ partition, id: 'a' }, { value: '' }, 1);

    expect(await client.pttl(`${prefix}{${partition}}:record:a`)).toBe(-1);
  });
});

describe('a server that does not do it', () => {
  test('because it is not there is unavailable, with the cause [STORE-10]', async () => {
    const nobody = new Redis(1, '127.0.0.1', { maxRetriesPerRequest: 1, retryStrategy: () => 1, disconnectTimeout: 1 });
    nobody.on('error', () => undefined);
    opened.push(nobody);

    const error = await rejectionOf(new RedisBackend({ client: nobody }).get(freshKey()));

    expect(error).toMatchObject({ code: 'unavailable', retryable: true, cause: expect.any(Error) });
  });

  test('because it never answers is unavailable after the time that a call may take [STORE-10]', async () => {
    const silent = await silentServer();
    const waiting = new Redis(silent.port);
    opened.push(waiting, { disconnect: () => silent.close() });

    const error = await rejectionOf(new RedisBackend({ client: waiting, timeoutMs: 50 }).get(freshKey()));

    expect(error).toMatchObject({ code: 'unavailable', message: 'Redis get: no answer within 50 ms' });
  });

  test('because a key holds something else is damaged data [STORE-10]', async () => {
    const { own, prefix, partition } = await partitionOf([], {});
    await client.set(`${prefix}{${partition}}:record:a`, 'not a hash');

    expect(await rejectionOf(own.get({ partition, id: 'a' }))).toMatchObject({ code: 'format' });
  });

  test('because the client reads from replicas is not accepted [STORE-10 I1]', () => {
    const reader = new Cluster([{ host: '127.0.0.1', port: 1 }], { scaleReads: 'all', lazyConnect: true });
    opened.push(reader);

    expect(() => new RedisBackend({ client: reader })).toThrow('scaleReads must be "master"');
  });
});

describe('a server of its own', () => {
  let server: RedisServer;
  let owner: Redis;

  beforeAll(async () => {
    server = await startRedisServer();
    owner = new Redis(server.url);
  });

  afterEach(async () => {
    // One by one: Redis 6.2 sets no more at a time.
    await owner.config('SET', 'maxmemory', '0');
    await owner.config('SET', 'maxmemory-policy', 'noeviction');
    await owner.config('SET', 'appendonly', 'no');
  });

  afterAll(async () => {
    owner.disconnect();
    await server.stop();
  });

  test('that is out of memory and must not evict refuses a write as unavailable, and keeps the record [STORE-10]', async () => {
    const full = new RedisBackend({ client: owner });
    const key = freshKey();
    await full.putIfVersion(key, { value: 'kept' }, 0);
    await owner.config('SET', 'maxmemory', '1');

    const error = await rejectionOf(full.putIfVersion(key, { value: 'more' }, 1));

    expect(error).toMatchObject({ code: 'unavailable', message: expect.stringContaining('OOM') });
    expect(await full.get(key)).toMatchObject({ value: 'kept' });
  });

  test('that became a replica refuses a write as unavailable [STORE-10]', async () => {
    await owner.replicaof('127.0.0.1', '1');

    const error = await rejectionOf(new RedisBackend({ client: owner }).putIfVersion(freshKey(), { value: '' }, 0));

    expect(error).toMatchObject({ code: 'unavailable', message: expect.stringContaining('READONLY') });
    await owner.replicaof('NO', 'ONE');
  });

  test('that may evict, and keeps no file, is reported [STORE-10 I5]', async () => {
    await owner.config('SET', 'maxmemory-policy', 'allkeys-lru');

    expect(await checkRedisDurability(owner)).toEqual([
      'maxmemory-policy is allkeys-lru: when memory runs out, tasks are evicted. Set it to noeviction.',
      'appendonly is off: a restart loses the tasks since the last snapshot, or all. Set it to yes.',
    ]);
  });

  test('that is set up to keep tasks is not [STORE-10]', async () => {
    await owner.config('SET', 'appendonly', 'yes');

    expect(await checkRedisDurability(owner)).toEqual([]);
  });

  test('that forbids CONFIG tells by INFO, and else that it could not be checked [STORE-10]', async () => {
    await owner.config('SET', 'maxmemory-policy', 'volatile-ttl');
    await owner.acl('SETUSER', 'guest', 'on', '>secret', '~*', '+@all', '-config');
    const guest = new Redis(server.url, { username: 'guest', password: 'secret', enableReadyCheck: false });
    opened.push(guest);

    const told = await checkRedisDurability(guest);
    await owner.acl('SETUSER', 'guest', '-info');
    const untold = await checkRedisDurability(guest);

    expect(told[0]).toContain('maxmemory-policy is volatile-ttl');
    expect(untold).toEqual([
      'maxmemory-policy could not be checked: make sure that it is noeviction, or tasks may be evicted.',
      'appendonly could not be checked: make sure that the server keeps its data across a restart.',
    ]);
  });
});

test('a cluster is asked on every master whether it keeps tasks [STORE-10]', async () => {
  expect(await checkRedisDurability(cluster)).toEqual([expect.stringContaining('appendonly is off')]);
});

async function partitionOf(ids: readonly string[], write: { readonly expiresAt?: number }) {
  const prefix = `${randomUUID()}:`;
  const own = new RedisBackend({ client, keyPrefix: prefix });
  const partition = randomUUID();
  for (const id of ids) await own.putIfVersion({ partition, id }, { value: '', ...write }, 0);
  return { own, prefix, partition };
}

async function keysOf(clustered: Cluster, prefix: string): Promise<string[]> {
  const keys = await Promise.all(clustered.nodes('master').map((node) => node.keys(`${prefix}*`)));
  return keys.flat();
}

function freshKey(): RecordKey {
  return { partition: randomUUID(), id: 'record' };
}

async function rejectionOf(call: Promise<unknown>): Promise<BackendError> {
  const error = await call.then(
    () => new Error('it did not reject'),
    (reason: unknown) => reason,
  );
  if (error instanceof BackendError) return error;
  throw error;
}
