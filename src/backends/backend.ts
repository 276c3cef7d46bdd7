/**
 * The storage seam: six verbs over opaque, versioned records. A backend knows nothing of
 * tasks, owners or JSON; every rule lives above it, in `src/store`. The contract that each
 * backend keeps is executable: `src/testing/backend-contract.ts`.
 */

/** Where a record is. Structured; never joined into one string and split again. */
export interface RecordKey {
  /** Groups records that are listed together. At most {@link MAX_PARTITION_BYTES} of UTF-8. */
  readonly partition: string;
  /** Unique within the partition; listings follow its byte order. At most {@link MAX_ID_BYTES} of UTF-8. */
  readonly id: string;
}

/** Kept by the backend: 1 for a new record, then one more with every write. Not part of the value. */
export type Version = number;

/** What is written. */
export interface RecordWrite {
  /** At most {@link MAX_VALUE_BYTES} of UTF-8. Opaque, but for records that `addIfBelow` counts in. */
  readonly value: string;
  /** Milliseconds since the epoch. From this instant on the record reads as missing. Absent: never. */
  readonly expiresAt?: number;
}

/** What is read. */
export interface StoredRecord extends RecordWrite {
  readonly id: string;
  readonly version: Version;
}

export interface ListOptions {
  /** At most this many records a page, from 1 to 1,000. A page may hold fewer and still have a `next`. */
  readonly limit: number;
  /** The page starts after this id, whether there is such a record or not. Absent: at the beginning. */
  readonly after?: string | undefined;
  /** `asc` (default): smallest id first. */
  readonly order?: 'asc' | 'desc';
}

export interface Page {
  readonly records: readonly StoredRecord[];
  /** Present where more records may follow: the id that they come `after`. */
  readonly next?: string;
}

export const MAX_PARTITION_BYTES = 2048;
export const MAX_ID_BYTES = 1024;
/** Leaves room below DynamoDB's 400 KB item limit for key, version and expiry. */
export const MAX_VALUE_BYTES = 380 * 1024;

/**
 * All methods reject with a `BackendError` (see `errors.ts`) and with nothing else:
 * `unavailable` may be tried again, `conflict`, `limit`, `invalid` may not; `lost` and `format` need a person.
 *
 * In every method a record past its `expiresAt`, by the backend's clock, is missing.
 */
export interface StorageBackend {
  /** Names the engine in logs and errors, e.g. `sqlite`. */
  readonly name: string;

  /**
   * Reads one record, strongly consistently: it sees every write that was acknowledged before
   * the call, by whatever instance. Missing or expired: `undefined`.
   */
  get(key: RecordKey): Promise<StoredRecord | undefined>;

  /**
   * Writes a record if its current version is `expected`; 0 means that no record may exist.
   * There is no other way to write a value. Atomic; durable once it resolves, as far as the
   * engine promises it. Resolves to the new version: 1 for a record that did not exist (or had
   * expired), `expected + 1` otherwise.
   *
   * Otherwise rejects with `BackendConflictError`, which carries the expected and the actual
   * version (0: missing), and changes nothing. A write whose first attempt landed and whose
   * answer was lost, when the engine's client retries it, is a success, not a conflict.
   */
  putIfVersion(key: RecordKey, write: RecordWrite, expected: Version | 0): Promise<Version>;

  /** Removes a record, whatever its version. Resolves to whether one was there (and had not expired). */
  delete(key: RecordKey): Promise<boolean>;

  /**
   * One page of a partition in the byte order of the records' ids (their UTF-8). Never touches
   * another partition; its cost depends on the page, not on the partition. Records written or
   * deleted between two pages may or may not show; all others show exactly once.
   */
  list(partition: string, options: ListOptions): Promise<Page>;

  /**
   * Adds `delta` to the integer that the record's value spells (missing: 0) if the sum is not
   * above `ceiling`, atomically, and resolves to the sum. Otherwise rejects with
   * `BackendLimitError`, which carries the current count, and changes nothing. The sum may become
   * negative. Raises the version like any write; keeps `expiresAt`. A value that is no integer
   * rejects with `BackendInvalidError`.
   */
  addIfBelow(key: RecordKey, delta: number, options: { readonly ceiling: number }): Promise<number>;

  /**
   * Removes what expired before `now` (milliseconds since the epoch), as far as the engine does
   * not do that itself, and resolves to how many records went. Garbage collection only: no
   * correctness rests on it.
   */
  cleanupExpired(now: number): Promise<number>;

  /** Releases what the backend itself opened. Idempotent. A client that was handed in stays open. */
  close(): Promise<void>;
}
