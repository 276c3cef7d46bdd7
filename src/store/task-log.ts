/**
 * A task's append-only log: entry `n` is written only if there is none, so the number is at once the
 * compare-and-swap and the fence. Nothing is rewritten; the cost of an entry does not grow with
 * their number. What entries mean is the runtime's business.
 */
import * as z from 'zod';
import type { StoredRecord } from '../backends/backend.ts';
import type { JsonValue } from '../domain/json.ts';
import type { Payload } from '../domain/payload.ts';
import { keptUntil, type Task } from '../domain/task.ts';
import { canonicalJson, type ShapeOf, StoredKind } from './codec.ts';
import { logPartition } from './keys.ts';
import type { PayloadStore } from './payload-store.ts';
import { type Records, recordWrite } from './records.ts';
import { payload } from './task-head.ts';

interface LogEntry {
  readonly entry: Payload;
}

const members = { entry: payload } satisfies ShapeOf<LogEntry>;
export const logEntry: StoredKind<LogEntry> = StoredKind.first<LogEntry>('log entry', z.looseObject(members));

export class TaskLog {
  readonly #records: Records;
  readonly #payloads: PayloadStore;

  constructor(records: Records, payloads: PayloadStore) {
    this.#records = records;
    this.#payloads = payloads;
  }

  /** The entries in order up to the first that is missing, and how many there are behind that gap. */
  async read(task: Task): Promise<{ readonly entries: JsonValue[]; readonly behindGap: number }> {
    const entries: JsonValue[] = [];
    let behindGap = 0;
    for await (const record of this.#entriesOf(task)) {
      if (behindGap > 0 || record.id !== entryId(entries.length)) {
        behindGap += 1;
        continue;
      }
      entries.push(await this.#load(task, record));
    }
    return { entries, behindGap };
  }

  /**
   * Moves entry `from` and all after it out of the way, so that their numbers are free. They are kept under names
   * of their own, for people, and expire with the task.
   */
  async setAside(task: Task, from: number, epoch: number): Promise<void> {
    const partition = logPartition(task);
    for await (const record of this.#entriesOf(task)) {
      if (record.id < entryId(from)) continue;
      const aside = { partition, id: `${ASIDE} ${entryId(epoch)} ${record.id}` };
      // There already: it was set aside before, by a run that died before it could remove it.
      await this.#records.write(aside, recordWrite(record.value, keptUntil(task)), 0);
      await this.#records.remove({ partition, id: record.id });
    }
  }

  /**
   * Writes entry `sequence` (from 0). Resolves to `false`, with nothing written, if another writer has it. May be tried
   * again where it is not known whether the first try landed: the very same entry counts as written.
   */
  async append(task: Task, sequence: number, entry: JsonValue): Promise<boolean> {
    const kept = await this.#payloads.keep(task, 'log_entry', entry);
    const key = { partition: logPartition(task), id: entryId(sequence) };
    const write = recordWrite(logEntry.encode({ entry: kept }), keptUntil(task));
    if ((await this.#records.write(key, write, 0)) !== undefined) return true;
    const found = await this.#records.read(key);
    if ('ref' in kept) await this.#payloads.remove(task, kept.ref);
    return found !== undefined && canonicalJson(await this.#load(task, found)) === canonicalJson(entry);
  }

  #load(task: Task, record: StoredRecord): Promise<JsonValue> {
    const { entry } = logEntry.decode(record.value, `task ${task.id}, number ${record.id}`);
    return this.#payloads.load(task, entry);
  }

  async *#entriesOf(task: Task): AsyncGenerator<StoredRecord> {
    for await (const record of this.#records.all(logPartition(task))) {
      // Those that were set aside come last.
      if (record.id.startsWith(ASIDE)) return;
      yield record;
    }
  }
}

/** Sorts after every number. */
const ASIDE = 'aside';

function entryId(sequence: number): string {
  return String(sequence).padStart(10, '0');
}
