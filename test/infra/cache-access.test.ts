/**
 * The cache user’s access string on a real server in cluster mode: the backend works through a cluster client that
 * may do this and nothing else, and what is forbidden is refused.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Cluster } from 'ioredis';
import { CACHE_ACCESS } from '../../lib/task-cache.ts';
import { RedisBackend } from '../../src/backends/redis.ts';
import { redisClusterClient } from '../support/engines/clients.ts';

const USERNAME = 'limited';
const PASSWORD = 'only-for-this-test';
const HOUR_MS = 3_600_000;

describe('the cache’s user', () => {
  const admin = redisClusterClient();
  let client: Cluster | undefined;
  let backend: RedisBackend;

  beforeAll(async () => {
    await admin.call('ACL', 'SETUSER', USERNAME, 'reset', `>${PASSWORD}`, ...(await rulesKnownTo(admin)));
    await admin.call('ACL', 'LOG', 'RESET');
    // As lambda/shared/cache.ts connects, but for TLS.
    client = new Cluster([String(process.env['TEST_REDIS_CLUSTER_URL'])], {
      dnsLookup: (address, callback) => callback(null, address),
      redisOptions: { username: USERNAME, password: PASSWORD },
    });
    backend = new RedisBackend({ client });
  });

  afterAll(async () => {
    client?.disconnect();
    await admin.call('ACL', 'DELUSER', USERNAME);
    admin.disconnect();
  });

  test('may do all that the backend and a cluster client call [STORE-10 SEC-5]', async () => {
    const partition = `cache-access-${Date.now()}`;
    const expiresAt = Date.now() + HOUR_MS;

    await backend.putIfVersion({ partition, id: 'a' }, { value: 'one', expiresAt }, 0);
    await backend.putIfVersion({ partition, id: 'a' }, { value: 'two' }, 1);
    await backend.putIfVersion({ partition, id: 'b' }, { value: 'three', expiresAt: 1 }, 0);
    await backend.addIfBelow({ partition, id: 'n' }, 1, { ceiling: 2 });
    const read = await backend.get({ partition, id: 'a' });
    const ascending = await backend.list(partition, { limit: 10 });
    const descending = await backend.list(partition, { limit: 10, order: 'desc' });
    const deleted = await Promise.all(['a', 'b', 'n'].map((id) => backend.delete({ partition, id })));

    expect(read).toMatchObject({ version: 2, value: 'two' });
    expect(ascending.records.map(({ id }) => id)).toEqual(['a', 'n']);
    expect(descending.records.map(({ id }) => id)).toEqual(['n', 'a']);
    expect(deleted).toEqual([true, false, true]);
  });

  test('was refused nothing by the server meanwhile, in the client’s own commands either [SEC-5]', async () => {
    const refusals = (await admin.call('ACL', 'LOG')) as readonly (readonly unknown[])[];

    expect(refusals.filter((entry) => entry.includes(USERNAME))).toEqual([]);
  });

  test.each([
    ['FLUSHALL', []],
    ['KEYS', ['*']],
    ['SCAN', ['0']],
    ['CONFIG', ['GET', '*']],
    ['ACL', ['LIST']],
    ['SCRIPT', ['FLUSH']],
    ['CLIENT', ['LIST']],
    ['HGETALL', ['mcp-tasks:{x}:index']],
    ['SUBSCRIBE', ['x']],
    ['HMGET', ['another-prefix:x', 'v']],
  ])('may not %s [SEC-5]', async (command, args) => {
    const [node] = client?.nodes('master') ?? [];

    await expect(node?.call(command, ...args)).rejects.toThrow(/NOPERM/);
  });
});

/** `CLIENT SETINFO` is younger (7.2) than some servers that the tests run on; the cache's (Valkey 8) knows it. */
async function rulesKnownTo(server: Cluster): Promise<string[]> {
  const [setInfo] = (await server.call('COMMAND', 'INFO', 'client|setinfo')) as readonly unknown[];
  return CACHE_ACCESS.split(' ').filter((rule) => rule !== '+client|setinfo' || setInfo !== null);
}
