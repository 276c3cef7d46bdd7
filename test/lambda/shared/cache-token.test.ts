/** How the functions sign in to the cache: tokens against the AWS SDK's own signer, and new ones on a real cluster. */
import { createHash, createHmac } from 'node:crypto';
import { afterAll, describe, expect, test } from '@jest/globals';
import { SignatureV4 } from '@smithy/signature-v4';
import { Cluster } from 'ioredis';
import { connectAs } from '../../../lambda/shared/cache.ts';
import { cacheToken, type Signer } from '../../../lambda/shared/cache-token.ts';
import { redisClusterClient } from '../../support/engines/clients.ts';

const USER = { cacheName: 'mcptasksdevstatetasks1a2b', userId: 'mcptasksdevstatetasks1a2b-tasks' };
const ROLE: Signer = {
  region: 'eu-central-1',
  accessKeyId: 'ASIAEXAMPLE',
  secretAccessKey: 'secret/with+signs',
  sessionToken: 'token/with+signs==*(!)',
};
const { sessionToken: _ofRoles, ...OF_A_USER } = ROLE;
const NOW = Date.UTC(2026, 10, 26, 9, 5, 7, 89);

/** What the AWS SDK wants of a hash function, by Node's own. */
class Sha256 {
  readonly #hash;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash =
      secret === undefined ? createHash('sha256') : createHmac('sha256', secret as string | NodeJS.ArrayBufferView);
  }

  update(data: string | Uint8Array): void {
    this.#hash.update(data);
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {}
}

async function signedByTheSdk(signer: Signer): Promise<Record<string, unknown>> {
  const { region, ...credentials } = signer;
  const sdk = new SignatureV4({ service: 'elasticache', region, credentials, sha256: Sha256 });
  const request = {
    method: 'GET',
    protocol: 'http:',
    hostname: USER.cacheName,
    path: '/',
    query: { Action: 'connect', User: USER.userId, ResourceType: 'ServerlessCache' },
    headers: { host: USER.cacheName },
  };
  const { query = {} } = await sdk.presign(request, { expiresIn: 900, signingDate: new Date(NOW) });
  return query;
}

describe('a cache token', () => {
  test.each([
    ['a role', ROLE],
    ['a user', OF_A_USER],
  ])('of %s is the request to connect that the AWS SDK would sign [SEC-5 AWS-1]', async (_name, signer) => {
    const token = new URL(`http://${cacheToken(USER, signer, NOW)}`);

    expect(token.host).toBe(USER.cacheName);
    expect(Object.fromEntries(token.searchParams)).toEqual(await signedByTheSdk(signer));
  });

  test('is good for the 15 minutes that ElastiCache allows, and has no scheme [SEC-5]', () => {
    const token = cacheToken(USER, ROLE, NOW);

    expect(token).toMatch(/^mcptasksdevstatetasks1a2b\/\?Action=connect&/);
    expect(token).toContain('&X-Amz-Date=20261126T090507Z&X-Amz-Expires=900&');
    expect(token).not.toContain(ROLE.secretAccessKey);
  });
});

describe('on a cluster', () => {
  const admin = redisClusterClient();
  let nowMs = NOW;
  const client = new Cluster([String(process.env['TEST_REDIS_CLUSTER_URL'])], { lazyConnect: true });
  connectAs(client, USER.userId, () => cacheToken(USER, ROLE, nowMs));

  /** As ElastiCache: only the token of this moment opens a connection. */
  const accept = (token: string) =>
    admin.call('ACL', 'SETUSER', USER.userId, 'reset', 'on', `>${token}`, '~*', '+@all');

  afterAll(async () => {
    client.disconnect();
    await admin.call('ACL', 'DELUSER', USER.userId);
    admin.disconnect();
  });

  test('a connection that is lost hours later comes back with a new token [SEC-5 AWS-1]', async () => {
    await accept(cacheToken(USER, ROLE, nowMs));
    await client.connect();
    const before = await client.call('ACL', 'WHOAMI');

    nowMs += 12 * 3_600_000;
    await accept(cacheToken(USER, ROLE, nowMs));
    await admin.call('CLIENT', 'KILL', 'USER', USER.userId);
    const after = await client.call('ACL', 'WHOAMI');

    expect([before, after]).toEqual([USER.userId, USER.userId]);
  });
});
