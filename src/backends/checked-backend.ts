/**
 * What is the same in every driver, once: arguments are checked before the engine sees them. A driver extends this
 * class and says only how its engine does it, so that a new one cannot forget a check. Knows no engine and no clock.
 */
import type { EpochMs } from '../clock.ts';
import type { ListOptions, Page, RecordKey, RecordWrite, StorageBackend, StoredRecord, Version } from './backend.ts';
import {
  assertAddition,
  assertExpected,
  assertKey,
  assertWrite,
  type PageQuery,
  readListOptions,
} from './validation.ts';

/** A driver without waiting need not be asynchronous: what it throws becomes a rejection here. */
type Awaitable<T> = T | Promise<T>;

/** What a driver read for a {@link PageQuery}. */
export interface PageRead {
  readonly records: readonly StoredRecord[];
  /** `undefined`: nothing follows. */
  readonly next: string | undefined;
}

/** The protected methods promise what the verb that calls them promises in {@link StorageBackend}. */
export abstract class CheckedBackend implements StorageBackend {
  abstract readonly name: string;

  async get(key: RecordKey): Promise<StoredRecord | undefined> {
    assertKey(key);
    return this.read(key);
  }

  async putIfVersion(key: RecordKey, write: RecordWrite, expected: Version | 0): Promise<Version> {
    assertKey(key);
    assertWrite(write);
    assertExpected(expected);
    return this.write(key, write, expected);
  }

  async delete(key: RecordKey): Promise<boolean> {
    assertKey(key);
    return this.remove(key);
  }

  async list(partition: string, options: ListOptions): Promise<Page> {
    const query = readListOptions(partition, options);
    const { records, next } = await this.page(query);
    return next === undefined ? { records } : { records, next };
  }

  async addIfBelow(key: RecordKey, delta: number, { ceiling }: { readonly ceiling: number }): Promise<number> {
    assertKey(key);
    assertAddition(delta, ceiling);
    return this.add(key, delta, ceiling);
  }

  abstract cleanupExpired(now: EpochMs): Promise<number>;

  abstract close(): Promise<void>;

  /** `get`. */
  protected abstract read(key: RecordKey): Awaitable<StoredRecord | undefined>;

  /** `putIfVersion`. */
  protected abstract write(key: RecordKey, write: RecordWrite, expected: Version | 0): Awaitable<Version>;

  /** `delete`. */
  protected abstract remove(key: RecordKey): Awaitable<boolean>;

  /** `list`. */
  protected abstract page(query: PageQuery): Awaitable<PageRead>;

  /** `addIfBelow`. */
  protected abstract add(key: RecordKey, delta: number, ceiling: number): Awaitable<number>;
}
