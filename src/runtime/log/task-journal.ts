/**
 * The journal of a task that a run holds: the engine's entries in the store's log, each with the epoch of the run that wrote
 * it. What cannot follow from what is before it is set aside: entries after a gap, and entries of an older run after
 * those of a newer one.
 */

import { TaskError } from '../../domain/errors.ts';
import type { JsonValue } from '../../domain/json.ts';
import { type JournalEntry, readEntry } from '../../engine/journal.ts';
import type { TaskLog } from '../../store/task-log.ts';
import type { Logger } from '../logger.ts';
import type { HeldTask } from '../running/held-task.ts';

export class TaskJournal {
  readonly #held: HeldTask;
  readonly entries: readonly JournalEntry[];
  #next: number;

  private constructor(held: HeldTask, entries: readonly JournalEntry[]) {
    this.#held = held;
    this.entries = entries;
    this.#next = entries.length;
  }

  /** Reads what is there. Rejects with `unreadable_record` for an entry that this build cannot read. */
  static async open(held: HeldTask, log: TaskLog, logger: Logger): Promise<TaskJournal> {
    const { task, claim } = held;
    // The first run of a task finds no log: nobody could have written one.
    if (claim.epoch === 1) return new TaskJournal(held, []);
    const stored = await log.read(task);
    const entries: JournalEntry[] = [];
    let newest = 0;
    for (const value of stored.entries) {
      const { epoch, entry } = entryOf(value, task.id, entries.length);
      if (epoch < newest) break;
      newest = epoch;
      entries.push(entry);
    }
    // Another run has begun meanwhile and has read the journal already: it would not know of what this run appends.
    if (newest > claim.epoch) throw lostTo(held, 'Another run has read and written the journal since.');
    const lost = stored.entries.length + stored.behindGap - entries.length;
    if (lost > 0) {
      await log.setAside(task, entries.length, claim.epoch);
      logger.error('A part of a task’s journal was lost; the task goes on from before the gap', {
        kept: entries.length,
        setAside: lost,
      });
    }
    return new TaskJournal(held, entries);
  }

  /** Resolves when the entry is durable. Rejects when another run has written in its place: this one must stop. */
  async append(entry: JournalEntry): Promise<void> {
    const { claim } = this.#held;
    const written = await this.#held.append(this.#next, { epoch: claim.epoch, ...entry } as unknown as JsonValue);
    if (!written) throw lostTo(this.#held, 'Another run has written to the journal.');
    this.#next += 1;
  }
}

function lostTo(held: HeldTask, how: string): TaskError {
  held.stop('lease_lost');
  return new TaskError('lease_lost', how);
}

function entryOf(value: JsonValue, id: string, place: number): { epoch: number; entry: JournalEntry } {
  const read = readEntry(value);
  const epoch = typeof value === 'object' && value !== null && 'epoch' in value ? value.epoch : undefined;
  if ('entry' in read && typeof epoch === 'number') return { epoch, entry: read.entry };
  const fault = 'fault' in read ? read.fault : 'it names no epoch';
  throw new TaskError('unreadable_record', `Journal entry ${place} of task ${id} cannot be read: ${fault}`);
}
