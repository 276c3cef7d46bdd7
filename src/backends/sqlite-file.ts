/**
 * The file of the SQLite backend: opening it with the promises that the backend makes, knowing
 * whether it is ours, transactions, and the translation of its errors. Nothing about records.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BackendError, BackendFormatError, BackendUnavailableError } from './errors.ts';

/** Kept in `PRAGMA user_version`. Raise it with every change of the schema. */
const FORMAT_VERSION = 1;
/** "MDTs" in ASCII: tells our files from those of other programs, whatever version they count in. */
const APPLICATION_ID = 0x4d445473;
/** The value of `PRAGMA auto_vacuum` at which pages are given back when they are asked for. */
const INCREMENTAL = 2;
/** A step of giving back takes a few milliseconds, which is how long it holds up everything else. */
const PAGES_PER_STEP = 64;
/** 1 MiB, for what is written next. */
const KEPT_FREE_PAGES = 256;
/** Of the write-ahead log, once it has been written back. */
const KEPT_LOG_BYTES = 4 * 1024 * 1024;

/** BINARY collation compares UTF-8 bytes, which is the order that the seam asks for. */
const SCHEMA = `
  CREATE TABLE record (
    partition TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    value TEXT NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (partition, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX record_expiry ON record (expires_at) WHERE expires_at IS NOT NULL;
`;

/** Opens the file, and makes it when it is missing. Throws what `toBackendError` translates. */
export function openFile(path: string): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true });
  // Waiting for a lock is done where it holds up nothing else: sqlite-lock.ts.
  return new DatabaseSync(path, { timeout: 0 });
}

/**
 * Makes the file ours if it is new, and the connection one that keeps our promises. May be called again after SQLite's
 * "busy". Looks before it touches: a file that is not ours is left exactly as it was. Does not wait for a writer of a
 * file that is ready.
 */
export function prepareFile(database: DatabaseSync, path: string): void {
  const found = inTransaction(database, 'DEFERRED', () => formatOf(database, path));
  // Of a new file only, before anything is in it.
  if (found === 0) database.exec('PRAGMA auto_vacuum = INCREMENTAL');
  database.exec('PRAGMA journal_mode = WAL');
  // FULL syncs the log on every commit; fullfsync makes macOS mean it.
  database.exec(`PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA journal_size_limit = ${KEPT_LOG_BYTES}`);
  if (found !== 0) return;
  inTransaction(database, 'IMMEDIATE', () => {
    // Asked again under the lock: another process may have created the schema meanwhile.
    if (formatOf(database, path) !== 0) return;
    database.exec(SCHEMA);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT_VERSION}`);
  });
}

/**
 * Lets a file that was made without it give back space (see {@link giveSpaceBack}), which takes writing all of it anew,
 * once, when it is opened. Where that cannot be, since another process writes or the disk is full, the file stays as it
 * is until next time.
 */
export function convertFile(database: DatabaseSync): void {
  if (pragma(database, 'auto_vacuum') === INCREMENTAL) return;
  try {
    database.exec('PRAGMA auto_vacuum = INCREMENTAL; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)');
  } catch (error) {
    if (resultCode(error) !== SQLITE_BUSY && resultCode(error) !== SQLITE_FULL) throw error;
  }
}

/** Cuts a few pages that hold nothing any more off the file. Returns whether there are more of them. */
export function giveSpaceBack(database: DatabaseSync): boolean {
  const free = pragma(database, 'freelist_count');
  if (free <= KEPT_FREE_PAGES) return false;
  database.exec(`PRAGMA incremental_vacuum(${Math.min(PAGES_PER_STEP, free - KEPT_FREE_PAGES)})`);
  const left = pragma(database, 'freelist_count');
  if (left > KEPT_FREE_PAGES && left < free) return true;
  // The file itself becomes shorter when the log is written back to it.
  database.exec('PRAGMA wal_checkpoint(PASSIVE)');
  return false;
}

/** 0: a new, empty file. Reads more than once, so it wants a transaction around it. */
function formatOf(database: DatabaseSync, path: string): number {
  const format = pragma(database, 'user_version');
  const isOurs = pragma(database, 'application_id') === APPLICATION_ID;
  const isEmpty = database.prepare('SELECT name FROM sqlite_schema LIMIT 1').get() === undefined;
  if (!isOurs && !(isEmpty && format === 0)) {
    throw new BackendFormatError(`${path} is a SQLite database of another program: use another file`);
  }
  if (format > FORMAT_VERSION) {
    throw new BackendFormatError(
      `${path} has storage format ${format}, and this version of mcp-durable-tasks knows ${FORMAT_VERSION} at most: ` +
        'upgrade mcp-durable-tasks, or use another file',
    );
  }
  return format;
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}

/**
 * All of `action` or nothing. IMMEDIATE takes the write lock before the first read, so that what
 * was read still holds at the write.
 */
export function inTransaction<T>(database: DatabaseSync, kind: 'DEFERRED' | 'IMMEDIATE', action: () => T): T {
  database.exec(`BEGIN ${kind}`);
  try {
    const result = action();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite has rolled back by itself after some errors (a full disk, for one).
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** https://www.sqlite.org/rescode.html: the low byte of an extended code. */
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** Whether another process holds a lock that is in the way. */
export function isBusy(error: unknown): boolean {
  return resultCode(error) === SQLITE_BUSY;
}

/** The one place where SQLite's and the file system's errors become ours. */
export function toBackendError(error: unknown, path: string): BackendError {
  if (error instanceof BackendError) return error;
  switch (resultCode(error)) {
    case SQLITE_NOTADB:
      return new BackendFormatError(`${path} is not a SQLite database: use another file`, { cause: error });
    case SQLITE_CORRUPT:
      return new BackendFormatError(`${path} is damaged: restore it from a backup`, { cause: error });
    default:
      return new BackendUnavailableError(`${path} cannot be used: ${String(error)}`, { cause: error });
  }
}

/** SQLite's primary result code; undefined for what is not SQLite's. */
function resultCode(error: unknown): number | undefined {
  const isSqlite = typeof error === 'object' && error !== null && 'errcode' in error;
  return isSqlite && typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}
