/**
 * What should go on and does not, of all owners: the agenda names every unfinished task, so what nobody looks at, nobody
 * runs, or no code can run is found on it, without an index. Reads the agenda of the next hour and the heads it names.
 */
import type { Clock } from '../clock.ts';
import { isTaskError } from '../domain/errors.ts';
import { isOver, nextRunAt } from '../domain/run.ts';
import type { Task } from '../domain/task.ts';
import { present } from '../present.ts';
import { LONGEST_PAUSE_MS } from '../runtime/queues/looker.ts';
import type { AgendaEntry, UnreadableEntry } from '../store/agenda.ts';
import type { StoredTask, TaskStore } from '../store/task-store.ts';
import { iso, summaryOf, type TaskSummary } from './task-report.ts';

/**
 * `not_looked_at`: due, and no server looks at the agenda; `not_run`: due, and no worker takes it; `parked`: no code here can
 * run it; `unreadable`: its record is damaged or of a newer build.
 */
export type StuckKind = 'not_looked_at' | 'not_run' | 'parked' | 'unreadable';

export interface StuckTask {
  readonly kind: StuckKind;
  /** For how long, in milliseconds. */
  readonly forMs: number;
  readonly since: string;
  /** Absent: it cannot be read. */
  readonly task?: TaskSummary;
  /** What is wrong, where more is known. */
  readonly reason?: string;
}

export interface StuckOptions {
  readonly clock: Clock;
  /** How late is late, in milliseconds: servers look every few seconds, on AWS once a minute. */
  readonly graceMs: number;
  readonly limit: number;
}

export interface StuckReport {
  /** The longest first. */
  readonly stuck: readonly StuckTask[];
  readonly hasMore: boolean;
  /** How late the most overdue entry of the agenda is; 0: none is. */
  readonly agendaLateMs: number;
}

export async function findStuck(store: TaskStore, { clock, graceMs, limit }: StuckOptions): Promise<StuckReport> {
  const now = clock.now();
  const found = new Map<string, StuckTask>();
  let agendaLateMs = 0;
  // The looker moves what is due and does not run ahead, by as long as this at the most.
  for (const entries of store.agenda.due(now + LONGEST_PAUSE_MS)) {
    for await (const entry of entries) {
      const task = 'fault' in entry ? undefined : await readTask(store, entry);
      // Nothing waits: the next look takes it off.
      if (task === 'gone' || (task !== undefined && 'id' in task && isOver(task))) continue;
      agendaLateMs = Math.max(agendaLateMs, now - entry.at);
      const stuck = judge(entry, task, now, graceMs);
      if (stuck !== undefined) found.set(keyOf(entry), longer(stuck, found.get(keyOf(entry))));
    }
  }
  const stuck = [...found.values()].sort((a, b) => b.forMs - a.forMs);
  return { stuck: stuck.slice(0, limit), hasMore: stuck.length > limit, agendaLateMs };
}

function keyOf(entry: AgendaEntry | UnreadableEntry): string {
  return 'fault' in entry ? entry.key.id : JSON.stringify([entry.ref.owner, entry.ref.id]);
}

function longer(one: StuckTask, other: StuckTask | undefined): StuckTask {
  return other !== undefined && other.forMs > one.forMs ? other : one;
}

async function readTask(store: TaskStore, { ref }: AgendaEntry): Promise<Task | 'gone' | { readonly fault: string }> {
  try {
    const { task }: StoredTask = await store.get(ref);
    return task;
  } catch (error) {
    if (isTaskError(error, 'task_not_found')) return 'gone';
    if (isTaskError(error, 'unreadable_record')) return { fault: error.message };
    throw error;
  }
}

function judge(
  entry: AgendaEntry | UnreadableEntry,
  task: Task | { readonly fault: string } | undefined,
  now: number,
  graceMs: number,
): StuckTask | undefined {
  const since = (at: number) => ({ forMs: Math.max(0, now - at), since: iso(at) });
  if ('fault' in entry) return { kind: 'unreadable', ...since(entry.at), reason: entry.fault.message };
  if (task === undefined) return undefined;
  if ('fault' in task) return { kind: 'unreadable', ...since(entry.at), reason: task.fault };
  const summary = { task: summaryOf(task) };
  const { parked, lease } = task.run;
  const due = nextRunAt(task);
  if (due !== null && due < now - graceMs) {
    const kind = entry.at < now - graceMs ? 'not_looked_at' : 'not_run';
    const reason = lease === undefined ? undefined : `the run of ${lease.holder} has not been heard of since`;
    return { kind, ...since(due), ...summary, ...present({ reason }) };
  }
  if (parked === undefined || lease !== undefined) return undefined;
  return { kind: 'parked', ...since(task.updatedAt), ...summary, reason: `${parked.reason} (looks: ${parked.looks})` };
}
