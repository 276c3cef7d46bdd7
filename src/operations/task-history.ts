/** What the journal of a task says, read without holding the task: as far as it goes, also while a run writes to it. */
import { isTaskError } from '../domain/errors.ts';
import type { Task } from '../domain/task.ts';
import type { JournalEntry } from '../engine/journal.ts';
import { writtenEntry } from '../runtime/log/task-journal.ts';
import type { TaskStore } from '../store/task-store.ts';
import { type TimelineRow, timelineOf } from './timeline.ts';

export interface TaskHistory {
  readonly entries: readonly (JournalEntry & { readonly epoch: number })[];
  readonly timeline: readonly TimelineRow[];
  /** What is there and cannot be read here, in words; absent: all of it is read. */
  readonly fault?: string;
}

export async function historyOf(store: TaskStore, task: Task): Promise<TaskHistory> {
  const entries: (JournalEntry & { epoch: number })[] = [];
  let fault: string | undefined;
  try {
    const { entries: stored, behindGap } = await store.log.read(task);
    let newest = 0;
    for (const value of stored) {
      const entry = writtenEntry.unwrap(value, `task ${task.id}, number ${entries.length}`);
      // The next run sets aside what an older run wrote after a newer one.
      if (entry.epoch < newest) break;
      newest = entry.epoch;
      entries.push(entry);
    }
    const lost = stored.length + behindGap - entries.length;
    if (lost > 0) fault = `${lost} entries of the journal stand behind a gap; the next run sets them aside`;
  } catch (error) {
    if (!isTaskError(error, 'unreadable_record')) throw error;
    fault = error.message;
  }
  return { entries, timeline: timelineOf(task.createdAt, entries), ...(fault === undefined ? {} : { fault }) };
}
