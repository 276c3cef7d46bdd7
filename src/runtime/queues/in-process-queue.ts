/**
 * The queue of a single process: due work in order of its time, a bounded number at once, in turns between owners. It
 * holds nothing durable; the looker refills it from the agenda.
 */
import type { CancelTimer, Clock } from '../../clock.ts';
import { TaskError } from '../../domain/errors.ts';
import { encodeOwner } from '../../domain/owner.ts';
import type { TaskRef } from '../../domain/task.ts';
import { describeError, type Logger, silentLogger } from '../logger.ts';
import { type QueueConsumer, type RunDelivery, retryDelayMs, type TaskQueue } from './queue.ts';
import { Turns } from './turns.ts';

/** Tasks that one process can be told to run at the same time. */
export const CONCURRENCY_BOUNDS = { min: 1, max: 1_000 } as const;

export interface InProcessQueueOptions {
  readonly clock: Clock;
  /** Tasks that run at the same time, from 1 to 1000. @default 16 */
  readonly concurrency?: number | undefined;
  readonly logger?: Logger;
}

interface Entry {
  readonly key: string;
  readonly owner: string;
  readonly ref: TaskRef;
  readonly notBefore: number;
  /** Deliveries in a row that failed before this one. */
  readonly failures: number;
}

export class InProcessQueue implements TaskQueue, QueueConsumer {
  readonly #clock: Clock;
  readonly #concurrency: number;
  readonly #logger: Logger;
  /** Not due yet: by due time, then by arrival. */
  readonly #waiting: Entry[] = [];
  /** Due, and without a place: of each task one. */
  readonly #due = new Turns<Entry>();
  readonly #inLine = new Set<string>();
  /** By task, the times for which it is waiting. */
  readonly #times = new Map<string, Set<number>>();
  readonly #running = new Map<string, Promise<void>>();
  #run: RunDelivery | undefined;
  #cancelTimer: CancelTimer | undefined;

  /** Throws `invalid_definition` for a concurrency that is out of bounds. */
  constructor(options: InProcessQueueOptions) {
    this.#clock = options.clock;
    this.#concurrency = withinBounds(options.concurrency ?? 16);
    this.#logger = options.logger ?? silentLogger;
  }

  /** From now on due tasks are given to `run`. */
  start(run: RunDelivery): void {
    this.#run = run;
    this.#pump();
  }

  /**
   * A task that is queued for that very time is not queued again. One that is queued for another time keeps it: only the
   * task's head says which of them counts, and the earlier one may find that it is not due yet.
   */
  async enqueue(ref: TaskRef, options: { readonly notBefore: number }): Promise<void> {
    const owner = encodeOwner(ref.owner);
    const key = JSON.stringify([owner, ref.id]);
    this.#admit({ key, owner, ref: { owner: ref.owner, id: ref.id }, notBefore: options.notBefore, failures: 0 });
    this.#pump();
  }

  /** Gives out no more work and waits for what runs. */
  async drain(): Promise<void> {
    this.#run = undefined;
    this.#cancelTimer?.();
    await Promise.all(this.#running.values());
  }

  #admit(entry: Entry): void {
    const times = this.#times.get(entry.key) ?? new Set();
    if (times.has(entry.notBefore)) return;
    this.#times.set(entry.key, times.add(entry.notBefore));
    this.#waiting.splice(this.#placeFor(entry.notBefore), 0, entry);
  }

  #intoLine(entry: Entry): void {
    const times = this.#times.get(entry.key);
    times?.delete(entry.notBefore);
    if (times?.size === 0) this.#times.delete(entry.key);
    if (this.#inLine.has(entry.key)) return;
    this.#inLine.add(entry.key);
    this.#due.add(entry.owner, entry);
  }

  #pump(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#run === undefined) return;
    const now = this.#clock.now();
    const due = this.#placeFor(now);
    for (const entry of this.#waiting.splice(0, due)) this.#intoLine(entry);
    while (this.#running.size < this.#concurrency) {
      // A task that runs is not run beside itself; it is looked at again when its run ends.
      const entry = this.#due.take(({ key }) => !this.#running.has(key));
      if (entry === undefined) break;
      this.#begin(entry, this.#run);
    }
    const [next] = this.#waiting;
    if (next !== undefined) this.#cancelTimer = this.#clock.after(next.notBefore - now, () => this.#pump());
  }

  #begin(entry: Entry, run: RunDelivery): void {
    this.#inLine.delete(entry.key);
    const work = Promise.resolve()
      .then(() => run(entry.ref, entry.notBefore))
      .catch((error: unknown) => {
        this.#logger.error('A run failed unexpectedly', { task: entry.ref.id, ...describeError(error) });
        this.#redeliver(entry);
      })
      .then(() => {
        this.#running.delete(entry.key);
        this.#due.release(entry.owner);
        this.#pump();
      });
    this.#running.set(entry.key, work);
  }

  #redeliver(entry: Entry): void {
    const notBefore = this.#clock.now() + retryDelayMs(entry.failures);
    // It comes again before that anyway: each failure is followed by one delivery at the most.
    const isComing = [...(this.#times.get(entry.key) ?? [])].some((time) => time <= notBefore);
    if (isComing || this.#inLine.has(entry.key)) return;
    this.#admit({ ...entry, notBefore, failures: entry.failures + 1 });
  }

  #placeFor(notBefore: number): number {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#waiting[middle]?.notBefore ?? 0) <= notBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function withinBounds(concurrency: number): number {
  const { min, max } = CONCURRENCY_BOUNDS;
  if (Number.isInteger(concurrency) && concurrency >= min && concurrency <= max) return concurrency;
  const problem = `concurrency must be a whole number from ${min} to ${max}, not ${concurrency}.`;
  throw new TaskError('invalid_definition', problem);
}
