/**
 * The password of a cache user that IAM authenticates: a request to connect, signed as a URL (SigV4), which ElastiCache
 * takes for 15 minutes. Made without waiting, because the Redis client reads it in the middle of connecting; the AWS SDK's
 * signer only promises one. A test compares the two.
 */
import { createHash, createHmac } from 'node:crypto';
import { present } from '../../src/present.ts';

const SERVICE = 'elasticache';
const ALGORITHM = 'AWS4-HMAC-SHA256';
/** ElastiCache's longest. It bounds when a connection may begin, not how long it lasts, which is 12 hours. */
const VALID_SECONDS = 900;

export interface CacheUser {
  /** Of the serverless cache, in lower case. */
  readonly cacheName: string;
  /** User id and user name in one: IAM users of a cache have the same. */
  readonly userId: string;
}

export interface Signer {
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export function cacheToken({ cacheName, userId }: CacheUser, signer: Signer, nowMs: number): string {
  const time = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const scope = [day, signer.region, SERVICE, 'aws4_request'].join('/');
  const query = queryOf({
    Action: 'connect',
    ResourceType: 'ServerlessCache',
    User: userId,
    'X-Amz-Algorithm': ALGORITHM,
    'X-Amz-Credential': `${signer.accessKeyId}/${scope}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': String(VALID_SECONDS),
    ...present({ 'X-Amz-Security-Token': signer.sessionToken }),
    'X-Amz-SignedHeaders': 'host',
  });
  const request = ['GET', '/', query, `host:${cacheName}`, '', 'host', sha256('')].join('\n');
  const text = [ALGORITHM, time, scope, sha256(request)].join('\n');
  const key = [day, signer.region, SERVICE, 'aws4_request'].reduce<string | Buffer>(
    (previous, part) => hmac(previous, part),
    `AWS4${signer.secretAccessKey}`,
  );
  return `${cacheName}/?${query}&X-Amz-Signature=${hmac(key, text).toString('hex')}`;
}

/** In the order of the names, which are ASCII. */
function queryOf(parameters: Readonly<Record<string, string>>): string {
  return Object.entries(parameters)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${escaped(value)}`)
    .join('&');
}

/** RFC 3986, which is stricter than `encodeURIComponent`. */
function escaped(value: string): string {
  return encodeURIComponent(value).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
