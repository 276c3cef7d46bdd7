/** Follows a task by looking at its head again and again: other processes change it, so nothing tells of changes here. */
import { type Clock, sleep } from '../clock.ts';
import { isOver } from '../domain/run.ts';
import type { TaskRef } from '../domain/task.ts';
import type { StoredTask, TaskStore } from '../store/task-store.ts';
import { historyOf } from './task-history.ts';
import type { TimelineRow } from './timeline.ts';

export interface TaskSight {
  readonly stored: StoredTask;
  /** What is new, or has come further, since the sight before. */
  readonly news: readonly TimelineRow[];
}

export interface WatchOptions {
  readonly clock: Clock;
  readonly everyMs: number;
  /** Ends the watch. */
  readonly signal?: AbortSignal | undefined;
}

/** One sight at once, then one for each change that is found, until the task is over. Rejects with `task_not_found`. */
export async function* watchTask(
  store: TaskStore,
  ref: TaskRef,
  { clock, everyMs, signal }: WatchOptions,
): AsyncGenerator<TaskSight> {
  const seen = new Map<number, string>();
  let shown: string | undefined;
  while (signal?.aborted !== true) {
    const stored = await store.get(ref);
    const { task } = stored;
    const { timeline } = await historyOf(store, task);
    const news = timeline.filter((row) => seen.get(row.number) !== JSON.stringify(row));
    for (const row of news) seen.set(row.number, JSON.stringify(row));
    const shows = JSON.stringify([task.status, task.statusMessage, task.run.parked?.reason, Object.keys(task.inputs)]);
    if (shows !== shown || news.length > 0) yield { stored, news };
    shown = shows;
    if (isOver(task)) return;
    await sleep(clock, everyMs, signal).catch(() => {});
  }
}
