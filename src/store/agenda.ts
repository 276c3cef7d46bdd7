/**
 * The agenda: for every unfinished task at least one small record that says when somebody must look at it, in shards, in
 * order of time. A record is written before the head that needs it, so that a crash in between leaves a record too many
 * and never a task that nobody knows of. Records say when to look and nothing else: the looker reads the head, decides,
 * and moves the record. So records that are early, late or double do no harm, and the head need not name its record.
 */
import * as z from 'zod';
import type { RecordKey } from '../backends/backend.ts';
import type { EpochMs } from '../clock.ts';
import { isTaskError, type TaskError } from '../domain/errors.ts';
import { encodeOwner, type Owner } from '../domain/owner.ts';
import { isWaiting, nextRunAt } from '../domain/run.ts';
import type { Task, TaskRef } from '../domain/task.ts';
import { asTaskId } from '../domain/task-id.ts';
import { type ShapeOf, StoredKind, sha256 } from './codec.ts';
import { agendaPartition, agendaPartitions } from './keys.ts';
import type { Records } from './records.ts';
import { storedOwner } from './stored-owner.ts';

/** Read of each shard at each look, due or not: some 3 KB, which is one read unit of DynamoDB. */
const FEW = 16;
/** Times that nothing depends on are rounded up to this, so that records for about the same time are one. */
const GRID_MS = 10_000;
const TIME_DIGITS = 15;
const DIGEST_DIGITS = 32;

/** After how long a task is looked at that should have begun, unless it has ended by then; in milliseconds. */
export const DEFAULT_FIRST_LOOK_MS = 30_000;

export interface AgendaEntry {
  readonly at: EpochMs;
  readonly key: RecordKey;
  readonly ref: TaskRef;
  /** As it was read, so that what a newer build put into it is in the record that it is moved to. */
  readonly record: AgendaRecord;
}

/** What a record says beside its key, which names the time and the task. */
interface AgendaRecord {
  readonly owner: Owner;
}

/** A record that this build cannot read, most likely of a newer one; it stays where it is. */
export interface UnreadableEntry {
  readonly at: EpochMs;
  readonly key: RecordKey;
  readonly fault: TaskError;
}

const members = { owner: storedOwner } satisfies ShapeOf<AgendaRecord>;
export const agendaRecord: StoredKind<AgendaRecord> = StoredKind.first<AgendaRecord>(
  'agenda record',
  z.looseObject(members),
);

export class Agenda {
  readonly #records: Records;
  readonly #firstLookMs: number;

  constructor(records: Records, firstLookMs: number) {
    this.#records = records;
    this.#firstLookMs = firstLookMs;
  }

  /** Has the task looked at soon. To be called before its head is written. */
  async noteNew(ref: TaskRef, createdAt: EpochMs): Promise<void> {
    await this.note(ref, this.#firstLookAt(createdAt));
  }

  /**
   * Has a task looked at soon that is being created. To be called before its head is written; the function that it
   * resolves to is to be called after that. A looker that came in between found no task, and took its record off.
   */
  async noteCreation(task: Task): Promise<() => Promise<void>> {
    const now = this.#records.now();
    const notedAt = this.#isAhead(task.createdAt) ? task.createdAt : now;
    await this.noteNew(task, notedAt);
    return () => this.#confirm(task, notedAt);
  }

  /** Takes the record of a new task back. */
  async forgetNew(ref: TaskRef, createdAt: EpochMs): Promise<void> {
    await this.#records.remove(keyOf(ref, this.#firstLookAt(createdAt)));
  }

  /**
   * Has a task looked at soon that waited and, with the change, does not any more, or that a run takes late. To be
   * called before the change is written; the function that it resolves to is to be called after that. A looker that
   * came in between saw the task as it was before, and moved its record to a later time.
   */
  async noteChange(before: Task, after: Task): Promise<() => Promise<void>> {
    const now = this.#records.now();
    const goesOn = isWaiting(before, now) && !isWaiting(after, now);
    if (!goesOn && !this.#isTakenLate(before, after, now)) return async () => {};
    const isNoted = this.#isAhead(before.createdAt);
    if (!isNoted) await this.noteNew(after, now);
    return () => this.#confirm(after, isNoted ? before.createdAt : now);
  }

  /** Takes the first record of a task that has ended off. The looker takes off all others when their time comes. */
  async noteEnd(ended: Task): Promise<void> {
    const isThere = this.#records.now() < ended.createdAt + this.#firstLookMs / 2;
    if (ended.run.cleanup === undefined && isThere) await this.forgetNew(ended, ended.createdAt);
  }

  /** Has the task looked at, at `at`. */
  async note(ref: TaskRef, at: EpochMs, record: AgendaRecord = { owner: ref.owner }): Promise<void> {
    // Another record for the same time is as good.
    await this.#records.write(keyOf(ref, at), { value: agendaRecord.encode(record) }, 0);
  }

  /** What is to be looked at until then, in order within each shard; each shard by itself. */
  due(until: EpochMs): readonly AsyncGenerator<AgendaEntry | UnreadableEntry>[] {
    return agendaPartitions().map((partition) => this.#dueOf(partition, until));
  }

  /** A new record for the task before the old one goes. */
  async move(entry: AgendaEntry, at: EpochMs): Promise<void> {
    if (at === entry.at) return;
    await this.note(entry.ref, at, entry.record);
    await this.remove(entry);
  }

  remove(entry: AgendaEntry): Promise<void> {
    return this.#records.remove(entry.key);
  }

  /** A task that was due for long is looked at after long pauses, and what died with it would be found after as long. */
  #isTakenLate(before: Task, after: Task, now: EpochMs): boolean {
    const due = nextRunAt(before);
    return after.run.epoch > before.run.epoch && due !== null && now - due > this.#firstLookMs;
  }

  /** Once the head is written: another record, where a looker may have seen the one of `notedAt` before. */
  async #confirm(task: TaskRef, notedAt: EpochMs): Promise<void> {
    if (!this.#isAhead(notedAt)) await this.noteNew(task, this.#records.now());
  }

  #firstLookAt(createdAt: EpochMs): EpochMs {
    return onGrid(createdAt + this.#firstLookMs);
  }

  /**
   * Whether no looker can have seen the record that `noteNew` made at that time: it sees at most half of `firstLookMs`
   * ahead. Half of the time that this leaves is for clocks that differ, or are put back. One that is behind `notedAt`
   * has been put back, and says nothing of who has looked.
   */
  #isAhead(notedAt: EpochMs): boolean {
    const now = this.#records.now();
    return now >= notedAt && now < notedAt + this.#firstLookMs / 4;
  }

  async *#dueOf(partition: string, until: EpochMs): AsyncGenerator<AgendaEntry | UnreadableEntry> {
    for await (const { id, value } of this.#records.all(partition, FEW)) {
      const [time = '', , task] = id.split(' ');
      const at = Number(time);
      if (at > until) return;
      yield { at, key: { partition, id }, ...read(value, id, task) };
    }
  }
}

type Read = Pick<AgendaEntry, 'ref' | 'record'> | Pick<UnreadableEntry, 'fault'>;

function read(value: string, id: string, task: unknown): Read {
  try {
    const record = agendaRecord.decode(value, id);
    return { ref: { owner: record.owner, id: asTaskId(task) }, record };
  } catch (error) {
    if (isTaskError(error)) return { fault: error };
    throw error;
  }
}

/** A time that is no exact appointment. */
export function onGrid(at: EpochMs): EpochMs {
  return Math.ceil(at / GRID_MS) * GRID_MS;
}

/** Two owners may have tasks of the same id, so the owner is part of the record's. */
function keyOf(ref: TaskRef, at: EpochMs): RecordKey {
  const time = String(Math.max(0, Math.floor(at))).padStart(TIME_DIGITS, '0');
  const digest = sha256(encodeOwner(ref.owner)).slice(0, DIGEST_DIGITS);
  return { partition: agendaPartition(ref.id), id: `${time} ${digest} ${ref.id}` };
}
