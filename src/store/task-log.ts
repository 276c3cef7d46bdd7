/**
 * A task's append-only log: entry `n` is written only if there is none, so the number is at once the
 * compare-and-swap and the fence. Nothing is rewritten; the cost of an entry does not grow with
 * their number. What entries mean is the runtime's business.
 */
import type { StorageBackend, StoredRecord } from '../backends/backend.ts';
import { BackendConflictError } from '../backends/errors.ts';
import type { JsonValue } from '../domain/json.ts';
import type { Payload } from '../domain/payload.ts';
import { keptUntil, type Task } from '../domain/task.ts';
import { encodeRecord, parseRecord, recordWrite } from './codec.ts';
import { translated } from './errors.ts';
import { logPartition } from './keys.ts';
import { pagesOf } from './paging.ts';
import type { PayloadStore } from './payload-store.ts';

/** An entry up to this many bytes is one record; a larger one is kept as a large value that the record names. */
const INLINE_ENTRY_BYTES = 200 * 1024;
/** Room for a batch whose largest outcome has the largest size a value may have, escaped as a string in JSON. */
const MAX_ENTRY_BYTES = 16 * 1024 * 1024;
const PAGE = 500;

export class TaskLog {
  readonly #backend: StorageBackend;
  readonly #payloads: PayloadStore;

  constructor(backend: StorageBackend, payloads: PayloadStore) {
    this.#backend = backend;
    this.#payloads = payloads;
  }

  /** The entries in order up to the first that is missing, and how many there are behind that gap. */
  read(task: Task): Promise<{ readonly entries: JsonValue[]; readonly behindGap: number }> {
    return translated(async () => {
      const entries: JsonValue[] = [];
      let behindGap = 0;
      for await (const record of this.#records(task)) {
        if (behindGap > 0 || record.id !== entryId(entries.length)) {
          behindGap += 1;
          continue;
        }
        const { entry } = parseRecord(record.value, `log entry ${record.id} of task ${task.id}`);
        entries.push(await this.#payloads.load(task, entry as Payload));
      }
      return { entries, behindGap };
    });
  }

  /**
   * Moves entry `from` and all after it out of the way, so that their numbers are free. They are kept under names
   * of their own, for people, and expire with the task.
   */
  setAside(task: Task, from: number, epoch: number): Promise<void> {
    return translated(async () => {
      const partition = logPartition(task);
      for await (const record of this.#records(task)) {
        if (record.id < entryId(from)) continue;
        const aside = { partition, id: `${ASIDE} ${entryId(epoch)} ${record.id}` };
        await this.#backend.putIfVersion(aside, recordWrite(record.value, keptUntil(task)), 0).catch(ignoreConflict);
        await this.#backend.delete({ partition, id: record.id });
      }
    });
  }

  async *#records(task: Task): AsyncIterable<StoredRecord> {
    for await (const records of pagesOf(this.#backend, logPartition(task), { limit: PAGE })) {
      for (const record of records) {
        // Those that were set aside come last.
        if (record.id.startsWith(ASIDE)) return;
        yield record;
      }
    }
  }

  /** Writes entry `sequence` (from 0). Resolves to `false`, with nothing written, if another writer has it. */
  append(task: Task, sequence: number, entry: JsonValue): Promise<boolean> {
    return translated(async () => {
      const expiresAt = keptUntil(task);
      const payload = await this.#payloads.keep(task, entry, {
        inlineBytes: INLINE_ENTRY_BYTES,
        maxBytes: MAX_ENTRY_BYTES,
        expiresAt,
      });
      const key = { partition: logPartition(task), id: entryId(sequence) };
      try {
        await this.#backend.putIfVersion(key, recordWrite(encodeRecord({ entry: payload }), expiresAt), 0);
        return true;
      } catch (error) {
        if (!(error instanceof BackendConflictError)) throw error;
        if ('ref' in payload) await this.#payloads.remove(task, payload.ref);
        return false;
      }
    });
  }
}

/** Sorts after every number. */
const ASIDE = 'aside';

function ignoreConflict(error: unknown): void {
  if (!(error instanceof BackendConflictError)) throw error;
}

function entryId(sequence: number): string {
  return String(sequence).padStart(10, '0');
}
