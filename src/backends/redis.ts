/**
 * The backend on Redis or Valkey, one node or a cluster: a hash per record and two sorted sets
 * per partition, all in one cluster slot; one Lua script per write (redis-scripts.ts). What
 * survives a crash or failover is the server's configuration, not this file: docs/redis.md.
 */
import type { Cluster, Redis } from 'ioredis';
import { type Clock, type EpochMs, type RandomBytes, systemClock, systemRandom, within } from '../clock.ts';
import type { RecordKey, RecordWrite, StoredRecord, Version } from './backend.ts';
import { CheckedBackend, type PageRead } from './checked-backend.ts';
import {
  BackendConflictError,
  type BackendError,
  BackendFormatError,
  BackendInvalidError,
  BackendUnavailableError,
} from './errors.ts';
import {
  ADD_IF_BELOW,
  DELETE,
  PUT_IF_VERSION,
  READ_PAGE,
  type RedisScript,
  TOKEN_CHARACTERS,
} from './redis-scripts.ts';
import { addBelow, isLive, type PageQuery, parseCount } from './validation.ts';

export { checkRedisDurability } from './redis-durability.ts';

export interface RedisBackendOptions {
  /** Stays open when the backend is closed. A cluster client must read from masters, as it does by default. */
  readonly client: Redis | Cluster;
  /** Begins every key. Without braces: those are for the hash tag. Default: `mcp-tasks:`. */
  readonly keyPrefix?: string;
  /** Decides what has expired. Default: the system's. */
  readonly clock?: Clock;
  readonly random?: RandomBytes;
  /** How long one call may take, the client's reconnecting included. Default: 10,000. */
  readonly timeoutMs?: number;
}

const DEFAULT_KEY_PREFIX = 'mcp-tasks:';
const DEFAULT_TIMEOUT_MS = 10_000;
/** A page is at least one record and otherwise ends here, as DynamoDB's does. */
const ENOUGH_PAGE_BYTES = 1024 * 1024;

export class RedisBackend extends CheckedBackend {
  readonly name = 'redis';
  readonly #client: Redis | Cluster;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #random: RandomBytes;
  readonly #timeoutMs: number;

  constructor(options: RedisBackendOptions) {
    super();
    const { client, keyPrefix = DEFAULT_KEY_PREFIX } = options;
    if (!keyPrefix.isWellFormed()) throw new BackendInvalidError('keyPrefix holds a lone surrogate');
    if (/[{}]/.test(keyPrefix)) throw new BackendInvalidError('keyPrefix must not contain braces');
    if ('nodes' in client && client.options.scaleReads !== undefined && client.options.scaleReads !== 'master') {
      throw new BackendInvalidError('scaleReads must be "master": a replica does not see every acknowledged write');
    }
    this.#client = client;
    this.#prefix = keyPrefix;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  protected async read(key: RecordKey): Promise<StoredRecord | undefined> {
    const keys = this.#keysOf(key.partition);
    const [version, expiry, value] = await this.#call('get', () =>
      this.#client.hmget(keys.record(key.id), 'v', 'e', 'd'),
    );
    if (version === null || version === undefined) return undefined;
    const record = toRecord(key.id, version, expiry ?? '', value);
    return isLive(record, this.#clock.now()) ? record : undefined;
  }

  /**
   * A client that reconnects sends a write again that was not answered. By the token the script sees that it is the same
   * write, and does not write twice. It fails to see that only if more than four other writes came in between.
   */
  protected async write(key: RecordKey, write: RecordWrite, expected: Version | 0): Promise<Version> {
    const args = [this.#token(), expected, write.value, write.expiresAt ?? ''];
    const [outcome, version] = asList(await this.#write('putIfVersion', PUT_IF_VERSION, key, args));
    if (outcome === 'ok') return Number(version);
    throw new BackendConflictError(expected, Number(version));
  }

  /** If the client had to send again because an answer was lost, this may say `false` for a record that it removed. */
  protected async remove(key: RecordKey): Promise<boolean> {
    return (await this.#write('delete', DELETE, key, [])) === 1;
  }

  /** Two round trips: a script may only touch keys that it was given, so the ids come first. */
  protected async page({ partition, limit, order, after }: PageQuery): Promise<PageRead> {
    const keys = this.#keysOf(partition);
    // One id more than asked for tells whether anything follows.
    const ids = await this.#call('list', () =>
      order === 'asc'
        ? this.#client.zrangebylex(keys.index, after === undefined ? '-' : `(${after}`, '+', 'LIMIT', 0, limit + 1)
        : this.#client.zrevrangebylex(keys.index, after === undefined ? '+' : `(${after}`, '-', 'LIMIT', 0, limit + 1),
    );
    const wanted = ids.slice(0, limit);
    const [looked, found] = asList(
      await this.#run(
        'list',
        READ_PAGE,
        [keys.index, keys.expiries, ...wanted.map((id) => keys.record(id))],
        [this.#clock.now(), ENOUGH_PAGE_BYTES, ...wanted],
      ),
    );
    return {
      records: asList(found).map((entry) => {
        const [place, version, expiry, value] = asList(entry);
        return toRecord(wanted[Number(place) - 1] ?? '', version, expiry, value);
      }),
      next: Number(looked) < ids.length ? wanted[Number(looked) - 1] : undefined,
    };
  }

  /** Counts once, also when the client sends it again, unless more than four others wrote in between. */
  protected async add(key: RecordKey, delta: number, ceiling: number): Promise<number> {
    const reply = await this.#write('addIfBelow', ADD_IF_BELOW, key, [this.#token(), delta, ceiling]);
    const [outcome, value] = asList(reply);
    const count = parseCount(String(value));
    if (outcome === 'ok') return count;
    addBelow(count, delta, ceiling);
    throw new BackendFormatError(`Redis refused to add ${delta} to ${count} below ${ceiling}`);
  }

  /** 0: Redis expires the records itself, and every write and listing tidies its partition's sets. */
  async cleanupExpired(_now: EpochMs): Promise<number> {
    return 0;
  }

  /** Nothing was opened. */
  async close(): Promise<void> {}

  #write(operation: string, script: RedisScript, key: RecordKey, args: readonly (string | number)[]): Promise<unknown> {
    const keys = this.#keysOf(key.partition);
    const names = [keys.record(key.id), keys.index, keys.expiries];
    return this.#run(operation, script, names, [this.#clock.now(), key.id, ...args]);
  }

  #run(operation: string, script: RedisScript, keys: string[], args: (string | number)[]): Promise<unknown> {
    return this.#call(operation, async () => {
      try {
        return await this.#client.evalsha(script.sha1, keys.length, ...keys, ...args);
      } catch (error) {
        if (!startsWith(error, 'NOSCRIPT')) throw error;
        // The server restarted, failed over or flushed its scripts. EVAL loads it again.
        return this.#client.eval(script.lua, keys.length, ...keys, ...args);
      }
    });
  }

  /** One call, bounded in time; whatever the client rejects with is translated. */
  async #call<Reply>(operation: string, send: () => Promise<Reply>): Promise<Reply> {
    try {
      return await within(send(), this.#timeoutMs, `no answer within ${this.#timeoutMs} ms`);
    } catch (error) {
      throw translate(operation, error);
    }
  }

  /**
   * A cluster places a key by what its first braces enclose, here the partition, whose own braces
   * (and the escape character) are escaped.
   */
  #keysOf(partition: string) {
    const tag = partition.replace(/[%{}]/g, encodeURIComponent);
    const base = `${this.#prefix}{${tag}}`;
    return { index: `${base}:index`, expiries: `${base}:expiries`, record: (id: string) => `${base}:record:${id}` };
  }

  #token(): string {
    return Buffer.from(this.#random((TOKEN_CHARACTERS * 3) / 4)).toString('base64url');
  }
}

function toRecord(id: string, version: unknown, expiry: unknown, value: unknown): StoredRecord {
  if (!Number.isSafeInteger(Number(version)) || typeof value !== 'string') {
    throw new BackendFormatError('a record in Redis was not written by this backend, or is damaged');
  }
  return { id, version: Number(version), value, ...(expiry !== '' && { expiresAt: Number(expiry) }) };
}

function asList(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply;
  throw new BackendFormatError('a script in Redis replied in an unknown form');
}

function translate(operation: string, error: unknown): BackendError {
  const message = `Redis ${operation}: ${error instanceof Error ? error.message : String(error)}`;
  if (startsWith(error, 'WRONGTYPE')) return new BackendFormatError(message, { cause: error });
  // Connections, timeouts, READONLY, LOADING, CLUSTERDOWN, OOM, permissions: not the caller's fault.
  return new BackendUnavailableError(message, { cause: error });
}

function startsWith(error: unknown, code: string): boolean {
  return error instanceof Error && error.message.startsWith(code);
}
