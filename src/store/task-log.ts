/**
 * A task's append-only log: entry `n` is written only if there is none, so the number is at once the
 * compare-and-swap and the fence. Nothing is rewritten; the cost of an entry does not grow with
 * their number. What entries mean is the runtime's business.
 */
import type { StorageBackend } from '../backends/backend.ts';
import { BackendConflictError } from '../backends/errors.ts';
import { TaskError } from '../domain/errors.ts';
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

  /** All entries in order. */
  read(task: Task): Promise<JsonValue[]> {
    return translated(async () => {
      const entries: JsonValue[] = [];
      for await (const records of pagesOf(this.#backend, logPartition(task), { limit: PAGE })) {
        for (const record of records) {
          if (record.id !== entryId(entries.length)) {
            throw new TaskError('unreadable_record', `Log entry ${entries.length} of task ${task.id} is gone.`);
          }
          const { entry } = parseRecord(record.value, `log entry ${record.id} of task ${task.id}`);
          entries.push(await this.#payloads.load(task, entry as Payload));
        }
      }
      return entries;
    });
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

function entryId(sequence: number): string {
  return String(sequence).padStart(10, '0');
}
