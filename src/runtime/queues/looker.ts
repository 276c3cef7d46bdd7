/**
 * Looks at the tasks whose time on the agenda has come: what should run is enqueued, what waits is put down for when it
 * is due, what has ended is taken off. So unfinished tasks go on without any client, whatever message or process was
 * lost. Many may look at once: nothing happens twice, because leases decide who runs a task.
 */
import { type Clock, type EpochMs, systemClock } from '../../clock.ts';
import { isTaskError } from '../../domain/errors.ts';
import { boundLease, nextRunAt } from '../../domain/run.ts';
import { isTerminal } from '../../domain/status.ts';
import type { Task } from '../../domain/task.ts';
import { type AgendaEntry, onGrid, type UnreadableEntry } from '../../store/agenda.ts';
import type { TaskStore } from '../../store/task-store.ts';
import { describeError, type Logger, silentLogger } from '../logger.ts';
import type { TaskQueue } from './queue.ts';

/** All in milliseconds. */
export interface LookTimes {
  /**
   * How far ahead a look sees: what falls due by then is enqueued for its time. At least as long as until the next
   * look, and at most half of the store's `firstLookMs`.
   */
  readonly aheadMs: number;
  /** How long after it was enqueued a task is looked at again that should be running by then. */
  readonly settleMs: number;
  /** How long a task is not looked at while a run holds it; at least as long as its lease. */
  readonly heldMs: number;
}

/** Of a process that looks every few seconds. */
export const LOCAL_LOOK_TIMES: LookTimes = { aheadMs: 10_000, settleMs: 30_000, heldMs: 0 };

/** Where the worker is so far behind, or the task cannot be delivered, pauses grow up to this. */
export const LONGEST_PAUSE_MS = 60 * 60_000;
/** Until a task is looked at again that this build cannot read. */
const UNREADABLE_PAUSE_MS = 5 * 60_000;

export interface LookerOptions {
  readonly store: TaskStore;
  readonly queue: TaskQueue;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  readonly times?: LookTimes | undefined;
  /** The same as in all processes of the store. */
  readonly leaseMs: number;
  /** Whether the process that a lease names is known to have ended. @default never */
  readonly isGone?: ((holder: string) => boolean) | undefined;
}

export interface LookOptions {
  readonly takeOverMs?: number;
  readonly signal?: AbortSignal;
}

export interface LookReport {
  readonly looked: number;
  readonly enqueued: number;
  /** How long the most overdue entry had waited for a look, in milliseconds. */
  readonly lateMs: number;
}

type Verdict = { readonly enqueueFor?: EpochMs; readonly lookAgainAt?: EpochMs };

export class Looker {
  readonly #options: LookerOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #times: LookTimes;

  constructor(options: LookerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#times = options.times ?? LOCAL_LOOK_TIMES;
  }

  /**
   * Goes through what is on the agenda until `aheadMs` from now. Rejects when a shard of the agenda cannot be read,
   * once it has been through all others; a task that cannot be looked at stays on it. Once `signal` has fired, what is
   * left stays for the next look. With `takeOverMs` it looks as far as that for tasks that could run now: their
   * processes are known to have ended, or they were due long ago.
   */
  async look(options: LookOptions = {}): Promise<LookReport> {
    const { aheadMs } = this.#times;
    const now = this.#clock.now();
    const report = { looked: 0, enqueued: 0, lateMs: 0 };
    const shards = this.#options.store.agenda
      .due(now + Math.max(aheadMs, options.takeOverMs ?? 0))
      .map(async (entries) => {
        for await (const entry of entries) {
          if (options.signal?.aborted === true) return;
          report.looked += 1;
          report.lateMs = Math.max(report.lateMs, this.#clock.now() - entry.at);
          const isDue = entry.at <= now + aheadMs;
          if (await (isDue ? this.#lookAt(entry) : this.#takeOver(entry))) report.enqueued += 1;
        }
      });
    await Promise.allSettled(shards);
    await Promise.all(shards);
    return report;
  }

  /** Of an entry whose time has not come, and which stays for then. Resolves to whether the task was enqueued. */
  async #takeOver(entry: AgendaEntry | UnreadableEntry): Promise<boolean> {
    const task = 'fault' in entry ? undefined : await this.#read(entry).catch(() => undefined);
    const due = task === undefined ? null : this.#dueAt(task);
    if (task === undefined || due === null || due > this.#clock.now()) return false;
    await this.#options.queue.enqueue(task, { notBefore: due });
    return true;
  }

  /** When the task may next be run: now, where the process that holds it has ended. */
  #dueAt(task: Task): EpochMs | null {
    const { lease } = task.run;
    return lease !== undefined && this.#options.isGone?.(lease.holder) === true ? this.#clock.now() : nextRunAt(task);
  }

  /** Resolves to whether the task was enqueued. */
  async #lookAt(entry: AgendaEntry | UnreadableEntry): Promise<boolean> {
    if ('fault' in entry) {
      this.#logger.warn('An entry of the agenda cannot be read here', describeError(entry.fault));
      return false;
    }
    const { store, queue } = this.#options;
    try {
      const task = await this.#read(entry);
      if (task === undefined) {
        await store.agenda.remove(entry);
        return false;
      }
      const { enqueueFor, lookAgainAt } = this.#verdict(task);
      if (lookAgainAt === undefined) await store.agenda.remove(entry);
      else await store.agenda.move(entry, lookAgainAt);
      if (enqueueFor === undefined) return false;
      await queue.enqueue(task, { notBefore: enqueueFor });
      return true;
    } catch (error) {
      this.#logger.warn('A task could not be looked at', { task: entry.ref.id, ...describeError(error) });
      if (!isTaskError(error, 'unreadable_record')) return false;
      await store.agenda.move(entry, onGrid(this.#clock.now() + UNREADABLE_PAUSE_MS));
      return false;
    }
  }

  /** As it is now; past its deadline it has failed. `undefined`: it was never created, or has expired. */
  async #read({ ref }: AgendaEntry): Promise<Task | undefined> {
    const { store, leaseMs } = this.#options;
    try {
      const stored = await store.get(ref);
      // A lease that ends too far ahead to be believed was written by a clock that has been put back since.
      if (boundLease(stored.task, leaseMs, this.#clock.now()) === stored.task) return stored.task;
      return (await store.update(ref, (task, now) => boundLease(task, leaseMs, now), stored)).task;
    } catch (error) {
      if (isTaskError(error, 'task_not_found')) return undefined;
      throw error;
    }
  }

  #verdict(task: Task): Verdict {
    const { aheadMs, settleMs, heldMs } = this.#times;
    const { lease } = task.run;
    const now = this.#clock.now();
    const due = this.#dueAt(task);
    // A run that lives renews its lease long before it is over, and needs no delivery for its end.
    if (lease !== undefined && due !== null && due > now)
      return { lookAgainAt: onGrid(Math.max(lease.until, now + heldMs)) };
    if (due !== null && due <= now + aheadMs) {
      const pauseMs = Math.min(Math.max(settleMs, now - due), LONGEST_PAUSE_MS);
      return { enqueueFor: due, lookAgainAt: onGrid(Math.max(due, now) + pauseMs) };
    }
    if (isTerminal(task.status)) return due === null ? {} : { lookAgainAt: due };
    return { lookAgainAt: Math.min(due ?? task.deadlineAt, task.deadlineAt) };
  }
}
