/**
 * The embedded backend: one SQLite file, through Node's own `node:sqlite`. An acknowledged write
 * survives `kill -9` and power loss, and several processes of one machine may share the file.
 * Calls block the thread for as long as the disk takes, and no longer: waiting for another process does not. Made
 * for one machine, not for a network file system or a fleet.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { type Clock, type EpochMs, eventLoopTurn, systemClock } from '../clock.ts';
import type { RecordKey, RecordWrite, StoredRecord, Version } from './backend.ts';
import { CheckedBackend, type PageRead } from './checked-backend.ts';
import { BackendConflictError, BackendFormatError } from './errors.ts';
import {
  convertFile,
  giveSpaceBack,
  inTransaction,
  isBusy,
  openFile,
  prepareFile,
  toBackendError,
} from './sqlite-file.ts';
import { LockQueue } from './sqlite-lock.ts';
import { FilePresence } from './sqlite-presence.ts';
import { addBelow, isLive, type PageQuery, parseCount } from './validation.ts';

export interface SqliteBackendOptions {
  /** The database file. It and its folder are created when missing. */
  readonly path: string;
  /** Decides what has expired. Default: the system's. */
  readonly clock?: Clock;
  /** How long a call waits for another process to finish its write; nothing else waits with it. Default: 5,000. */
  readonly busyTimeoutMs?: number;
}

const DEFAULT_BUSY_TIMEOUT_MS = 5_000;
/** Expired records that are removed before everything else has its turn again. */
const CLEANUP_BATCH = 50;

const SQL = {
  get: 'SELECT id, version, value, expires_at FROM record WHERE partition = ? AND id = ?',
  put: 'INSERT OR REPLACE INTO record (partition, id, version, value, expires_at) VALUES (?, ?, ?, ?, ?)',
  delete: 'DELETE FROM record WHERE partition = ? AND id = ? RETURNING id, version, value, expires_at',
  asc: 'SELECT id, version, value, expires_at FROM record WHERE partition = ? ORDER BY id ASC LIMIT ?',
  ascAfter: 'SELECT id, version, value, expires_at FROM record WHERE partition = ? AND id > ? ORDER BY id ASC LIMIT ?',
  desc: 'SELECT id, version, value, expires_at FROM record WHERE partition = ? ORDER BY id DESC LIMIT ?',
  descAfter:
    'SELECT id, version, value, expires_at FROM record WHERE partition = ? AND id < ? ORDER BY id DESC LIMIT ?',
  cleanup:
    'DELETE FROM record WHERE (partition, id) IN (SELECT partition, id FROM record WHERE expires_at <= ? LIMIT ?)',
} as const;

type Statements = { readonly [name in keyof typeof SQL]: StatementSync };
type Row = Record<string, SQLOutputValue>;

export class SqliteBackend extends CheckedBackend {
  readonly name = 'sqlite';
  readonly #clock: Clock;
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #presence: FilePresence;
  /** Readers wait only where they cannot read, which is not while others write. */
  readonly #reads: LockQueue;
  readonly #writes: LockQueue;
  /** Absent as long as another process is just making the file. */
  #statements: Statements | undefined;

  /** Opens the file. Throws `BackendFormatError` for one that is not ours, `BackendUnavailableError` when it cannot. */
  constructor(options: SqliteBackendOptions) {
    super();
    this.#clock = options.clock ?? systemClock;
    this.#path = options.path;
    const { busyTimeoutMs = DEFAULT_BUSY_TIMEOUT_MS } = options;
    this.#reads = new LockQueue(this.#clock, busyTimeoutMs);
    this.#writes = new LockQueue(this.#clock, busyTimeoutMs);
    let database: DatabaseSync | undefined;
    try {
      database = this.#database = openFile(this.#path);
      this.#prepareUnlessBusy();
      this.#presence = new FilePresence(this.#path);
    } catch (error) {
      database?.close();
      throw toBackendError(error, this.#path);
    }
  }

  protected async read(key: RecordKey): Promise<StoredRecord | undefined> {
    return this.#read((statements) => this.#live(statements, key));
  }

  protected async write(key: RecordKey, write: RecordWrite, expected: Version | 0): Promise<Version> {
    return this.#transaction((statements) => {
      const actual = this.#live(statements, key)?.version ?? 0;
      if (actual !== expected) throw new BackendConflictError(expected, actual);
      return store(statements, key, write, actual + 1);
    });
  }

  protected async remove(key: RecordKey): Promise<boolean> {
    return this.#write((statements) => {
      // `all` runs to the end, so that a failing commit is thrown; `get` would stop at the row.
      const [row] = statements.delete.all(key.partition, key.id);
      return row !== undefined && isLive(toRecord(row), this.#clock.now());
    });
  }

  protected async page({ partition, limit, order, after }: PageQuery): Promise<PageRead> {
    return this.#read((statements) => {
      // One more than asked for tells whether a page follows. Expired records count towards the
      // page and are left out of it, so that a page never costs more than a page.
      const rows =
        after === undefined
          ? statements[order].all(partition, limit + 1)
          : statements[`${order}After`].all(partition, after, limit + 1);
      const window = rows.slice(0, limit).map(toRecord);
      const last = window.at(-1);
      const now = this.#clock.now();
      return {
        records: window.filter((record) => isLive(record, now)),
        next: rows.length > limit ? last?.id : undefined,
      };
    });
  }

  protected async add(key: RecordKey, delta: number, ceiling: number): Promise<number> {
    return this.#transaction((statements) => {
      const current = this.#live(statements, key);
      const sum = addBelow(parseCount(current?.value ?? '0'), delta, ceiling);
      store(statements, key, { ...current, value: String(sum) }, (current?.version ?? 0) + 1);
      return sum;
    });
  }

  /** Also gives space back that the file does not need any more. Both bit by bit. */
  async cleanupExpired(now: EpochMs): Promise<number> {
    // A caller whose clock runs ahead must not remove what still reads as live here.
    const until = Math.min(now, this.#clock.now());
    let removed = 0;
    for (let batch = CLEANUP_BATCH; batch === CLEANUP_BATCH; removed += batch) {
      batch = await this.#write(({ cleanup }) => Number(cleanup.run(until, CLEANUP_BATCH).changes));
      await eventLoopTurn();
    }
    while (await this.#write(() => giveSpaceBack(this.#database))) await eventLoopTurn();
    return removed;
  }

  async close(): Promise<void> {
    if (this.#database.isOpen) this.#database.close();
  }

  #read<T>(action: (statements: Statements) => T): Promise<T> {
    return this.#call(this.#reads, action);
  }

  #write<T>(action: (statements: Statements) => T): Promise<T> {
    return this.#call(this.#writes, action);
  }

  #transaction<T>(action: (statements: Statements) => T): Promise<T> {
    return this.#write((statements) => inTransaction(this.#database, 'IMMEDIATE', () => action(statements)));
  }

  /** Whatever comes of a call: what was read from, or written to, files that are gone is no answer. */
  async #call<T>(queue: LockQueue, action: (statements: Statements) => T): Promise<T> {
    try {
      return await queue.run(() => action(this.#prepared()));
    } catch (error) {
      throw toBackendError(error, this.#path);
    } finally {
      if (this.#database.isOpen) this.#presence.check();
    }
  }

  #prepareUnlessBusy(): void {
    try {
      this.#prepared();
      convertFile(this.#database);
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
  }

  #prepared(): Statements {
    if (this.#statements !== undefined) return this.#statements;
    prepareFile(this.#database, this.#path);
    this.#statements = prepareStatements(this.#database);
    return this.#statements;
  }

  #live(statements: Statements, key: RecordKey): StoredRecord | undefined {
    const row = statements.get.get(key.partition, key.id);
    const record = row === undefined ? undefined : toRecord(row);
    return record !== undefined && isLive(record, this.#clock.now()) ? record : undefined;
  }
}

function store(statements: Statements, key: RecordKey, write: RecordWrite, version: Version): Version {
  statements.put.run(key.partition, key.id, version, write.value, write.expiresAt ?? null);
  return version;
}

function toRecord(row: Row): StoredRecord {
  const { version, expires_at: expiresAt } = row;
  if (typeof version !== 'number') throw new BackendFormatError('the SQLite file is damaged: a version is no number');
  return { id: text(row.id), version, value: text(row.value), ...(typeof expiresAt === 'number' && { expiresAt }) };
}

function text(value: SQLOutputValue | undefined): string {
  if (typeof value !== 'string') throw new BackendFormatError('the SQLite file is damaged: a text is missing');
  return value;
}

function prepareStatements(database: DatabaseSync): Statements {
  return {
    get: database.prepare(SQL.get),
    put: database.prepare(SQL.put),
    delete: database.prepare(SQL.delete),
    asc: database.prepare(SQL.asc),
    ascAfter: database.prepare(SQL.ascAfter),
    desc: database.prepare(SQL.desc),
    descAfter: database.prepare(SQL.descAfter),
    cleanup: database.prepare(SQL.cleanup),
  };
}
