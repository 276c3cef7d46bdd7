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
const WAL_RETRY_MS = 5;

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

/**
 * Opens the file, and makes it when it is missing. Throws `BackendFormatError` for one that is not
 * ours, which stays as it was, and `BackendUnavailableError` when it cannot be opened.
 */
export function openFile(path: string, busyTimeoutMs: number): DatabaseSync {
  return translated(() => {
    mkdirSync(dirname(path), { recursive: true });
    const database = new DatabaseSync(path, { timeout: busyTimeoutMs });
    try {
      prepareFile(database, path, busyTimeoutMs);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }, path);
}

/** Looks before it touches: a file that is not ours is left exactly as it was. */
function prepareFile(database: DatabaseSync, path: string, busyTimeoutMs: number): void {
  inTransaction(database, 'DEFERRED', () => formatOf(database, path));
  enterWal(database, busyTimeoutMs);
  // FULL syncs the log on every commit; fullfsync makes macOS mean it.
  database.exec('PRAGMA synchronous = FULL; PRAGMA fullfsync = ON');
  inTransaction(database, 'IMMEDIATE', () => {
    // Asked again under the lock: another process may have created the schema meanwhile.
    if (formatOf(database, path) !== 0) return;
    database.exec(SCHEMA);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT_VERSION}`);
  });
}

/**
 * SQLite does not wait its busy timeout for this one change (two processes that make the same new
 * file would wait for each other), so the waiting is done here. On a file in WAL mode it does nothing.
 */
function enterWal(database: DatabaseSync, busyTimeoutMs: number): void {
  for (let waitedMs = 0; ; waitedMs += WAL_RETRY_MS) {
    try {
      database.exec('PRAGMA journal_mode = WAL');
      return;
    } catch (error) {
      if (resultCode(error) !== SQLITE_BUSY || waitedMs >= busyTimeoutMs) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAL_RETRY_MS);
    }
  }
}

/** 0: a new, empty file. Reads more than once, so it wants a transaction around it. */
function formatOf(database: DatabaseSync, path: string): number {
  const pragma = (name: string) => Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
  const format = pragma('user_version');
  const isOurs = pragma('application_id') === APPLICATION_ID;
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
const SQLITE_NOTADB = 26;

/** The one place where SQLite's and the file system's errors become ours. */
export function translated<T>(action: () => T, path = 'the SQLite file'): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof BackendError) throw error;
    switch (resultCode(error)) {
      case SQLITE_NOTADB:
        throw new BackendFormatError(`${path} is not a SQLite database: use another file`, { cause: error });
      case SQLITE_CORRUPT:
        throw new BackendFormatError(`${path} is damaged: restore it from a backup`, { cause: error });
      default:
        throw new BackendUnavailableError(`${path} cannot be used: ${String(error)}`, { cause: error });
    }
  }
}

/** SQLite's primary result code; undefined for what is not SQLite's. */
function resultCode(error: unknown): number | undefined {
  const isSqlite = typeof error === 'object' && error !== null && 'errcode' in error;
  return isSqlite && typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}
