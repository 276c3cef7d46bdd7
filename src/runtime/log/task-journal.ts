/**
 * The journal of a task that a run holds: the engine's entries in the store's log, each with the epoch of the run that
 * wrote it. What cannot follow from what is before it is set aside: entries after a gap, and entries of an older run
 * after those of a newer one.
 */
import * as z from 'zod';
import { TaskError } from '../../domain/errors.ts';
import type { JsonValue } from '../../domain/json.ts';
import { type JournalEntry, journalEntry } from '../../engine/journal.ts';
import { type ShapeOf, StoredKind } from '../../store/codec.ts';
import type { TaskLog } from '../../store/task-log.ts';
import type { Logger } from '../logger.ts';
import type { HeldTask } from '../running/held-task.ts';

/** An entry as it stands in the log. */
interface WrittenEntry extends JournalEntry {
  /** Of the run that wrote it. */
  readonly epoch: number;
}

const members = { epoch: z.int(), ...journalEntry.shape } satisfies ShapeOf<WrittenEntry>;
/** What an entry says. That it is kept in the log, and where its text is, has a format of its own there. */
export const writtenEntry: StoredKind<WrittenEntry> = StoredKind.first<WrittenEntry>(
  'journal entry',
  z.looseObject(members),
);

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
      const { epoch, ...entry } = writtenEntry.unwrap(value, `task ${task.id}, number ${entries.length}`);
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

  /**
   * Resolves when the entry is durable, however long storage is away, unless `giveUp` fires. Rejects when another run has
   * written in its place: this one must stop.
   */
  async append(entry: JournalEntry, giveUp: AbortSignal): Promise<void> {
    const held = this.#held;
    const stored = writtenEntry.wrap({ epoch: held.claim.epoch, ...entry }) as unknown as JsonValue;
    const written = await held.throughOutages(() => held.append(this.#next, stored), giveUp);
    if (!written) throw lostTo(this.#held, 'Another run has written to the journal.');
    this.#next += 1;
  }
}

function lostTo(held: HeldTask, how: string): TaskError {
  held.stop('lease_lost');
  return new TaskError('lease_lost', how);
}
