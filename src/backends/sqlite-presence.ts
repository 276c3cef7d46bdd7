/**
 * Whether the files that SQLite has open are still those that their names lead to. SQLite itself does not notice: what
 * it writes to a file that was deleted or replaced by another file, it reads again and reports as done, and no other
 * process ever finds it.
 */
import { statSync } from 'node:fs';
import { BackendLostError } from './errors.ts';

/** The database, and what SQLite keeps beside it for as long as anybody has it open. */
const SUFFIXES = ['', '-wal', '-shm'] as const;

export class FilePresence {
  readonly #path: string;
  /** By suffix; what is open cannot give its number to another file. */
  readonly #opened = new Map<string, string>();

  /** To be made once the database is open. */
  constructor(path: string) {
    this.#path = path;
    this.check();
  }

  /** Throws `BackendLostError`. Costs a few microseconds. A file that is put back is found again. */
  check(): void {
    for (const suffix of SUFFIXES) {
      const found = identityOf(this.#path + suffix);
      const opened = this.#opened.get(suffix);
      if (opened === undefined) {
        // The files beside the database are made with the first transaction.
        if (found !== undefined) this.#opened.set(suffix, found);
      } else if (found !== opened) {
        throw new BackendLostError(
          `${this.#path}${suffix} was ${found === undefined ? 'deleted' : 'replaced'} while it was in use, and nothing is ` +
            'accepted that would be lost with it: put the very same file back, or restart to go on with what is there now',
        );
      }
    }
  }
}

function identityOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.dev} ${found.ino}`;
}
