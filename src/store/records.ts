/**
 * The store's lower room: records over a backend, and the one back-off. Storage errors become task errors here, once; a
 * lost race and a full counter are no errors but answers, so that the files above it have one kind of error to think
 * of. Knows no task.
 */
import type { RecordKey, RecordWrite, StorageBackend, StoredRecord, Version } from '../backends/backend.ts';
import { BackendConflictError, BackendLimitError } from '../backends/errors.ts';
import { type Clock, type EpochMs, eventLoopTurn, type RandomBytes, sleep } from '../clock.ts';
import { toTaskError } from './errors.ts';

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 200;
/** Records that are read at a time where a whole partition is gone through. */
const PAGE = 500;
const GROWTH = 4;

export interface RecordsOptions {
  readonly backend: StorageBackend;
  readonly clock: Clock;
  readonly random: RandomBytes;
}

/** What came of an addition to a counter: its sum, or, refused, what it counts. */
export type Addition = { readonly sum: number } | { readonly refusedAt: number };

/** All methods reject with a `TaskError`. */
export class Records {
  readonly #backend: StorageBackend;
  readonly #clock: Clock;
  readonly random: RandomBytes;

  constructor({ backend, clock, random }: RecordsOptions) {
    this.#backend = backend;
    this.#clock = clock;
    this.random = random;
  }

  now(): EpochMs {
    return this.#clock.now();
  }

  read(key: RecordKey): Promise<StoredRecord | undefined> {
    return this.#backend.get(key).catch(throwTaskError);
  }

  /** Resolves to the new version; `undefined`, with nothing written: the record is not at `expected` (0: there is one). */
  async write(key: RecordKey, write: RecordWrite, expected: Version | 0): Promise<Version | undefined> {
    try {
      return await this.#backend.putIfVersion(key, write, expected);
    } catch (error) {
      if (error instanceof BackendConflictError) return undefined;
      throw toTaskError(error);
    }
  }

  async remove(key: RecordKey): Promise<void> {
    await this.#backend.delete(key).catch(throwTaskError);
  }

  /** Adds to the integer that a record counts, unless the sum would be above `ceiling`. */
  async add(key: RecordKey, delta: number, ceiling: number): Promise<Addition> {
    try {
      return { sum: await this.#backend.addIfBelow(key, delta, { ceiling }) };
    } catch (error) {
      if (error instanceof BackendLimitError) return { refusedAt: error.current };
      throw toTaskError(error);
    }
  }

  /** One page of a partition; see `StorageBackend.list`. */
  page(partition: string, options: Parameters<StorageBackend['list']>[1]) {
    return this.#backend.list(partition, options).catch(throwTaskError);
  }

  /**
   * A whole partition in the order of its ids, page by page; other work of the process goes on in between. The first page
   * has `firstPage` records, and later ones grow: for who seldom needs more.
   */
  async *all(partition: string, firstPage = PAGE): AsyncGenerator<StoredRecord> {
    let after: string | undefined;
    let limit = firstPage;
    do {
      const { records, next } = await this.page(partition, { limit, after });
      yield* records;
      after = next;
      limit = Math.min(limit * GROWTH, PAGE);
      if (after !== undefined) await eventLoopTurn();
    } while (after !== undefined);
  }

  /** Numbers from 0, with a growing pause of random length before each but the first two: others are at it as well. */
  async *attempts(count: number): AsyncGenerator<number> {
    for (let attempt = 0; attempt < count; attempt += 1) {
      if (attempt > 1) await this.pause(Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS));
      yield attempt;
    }
  }

  /** Of a random length, `maxMs` at the most. */
  pause(maxMs: number): Promise<void> {
    const [byte = 0] = this.random(1);
    return sleep(this.#clock, Math.ceil((maxMs * (byte + 1)) / 256));
  }
}

/** `expiresAt`: milliseconds since the epoch; `null`: never. */
export function recordWrite(value: string, expiresAt: number | null): RecordWrite {
  return expiresAt === null ? { value } : { value, expiresAt };
}

function throwTaskError(error: unknown): never {
  throw toTaskError(error);
}
