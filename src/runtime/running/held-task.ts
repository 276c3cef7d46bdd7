/**
 * A task while a run holds it: each change goes through here, is made under the lease, and one
 * after the other. A heartbeat renews the lease, enforces the run deadline, and notices what others did to the task. When
 * the run must stop, or the task has ended and the handler is to clean up, the signal fires.
 */
import { type CancelTimer, type Clock, sleep } from '../../clock.ts';
import { isTaskError, TaskError } from '../../domain/errors.ts';
import type { JsonObject, JsonValue } from '../../domain/json.ts';
import {
  acquireLease,
  assertHeld,
  assertLease,
  claimOf,
  isWaiting,
  type LeaseClaim,
  nextRunAt,
  renewLease,
} from '../../domain/run.ts';
import { isTerminal } from '../../domain/status.ts';
import type { EndCause, Task } from '../../domain/task.ts';
import { type AbortReason, TaskAborted } from '../../engine/aborts.ts';
import { isOutage, outageReason } from '../../store/errors.ts';
import type { StoredTask, TaskStore } from '../../store/task-store.ts';
import { describeError, type Logger } from '../logger.ts';

export interface LeaseTimes {
  /** How long a run holds a task without a sign of life, in milliseconds; the same in all processes of a store. @default 30000 */
  readonly leaseMs: number;
  /** How often a run looks at its task, in milliseconds; at most a third of the lease. @default 5000 */
  readonly heartbeatMs: number;
}

export const DEFAULT_LEASE_TIMES: LeaseTimes = { leaseMs: 30_000, heartbeatMs: 5_000 };

export interface HeldTaskOptions {
  readonly store: TaskStore;
  readonly clock: Clock;
  readonly times: LeaseTimes;
  readonly logger: Logger;
}

/** Why a run must stop: the task has ended and there is nothing to clean up, or another run is to go on. */
export type StopReason = Exclude<AbortReason, 'cancelled' | 'deadline'>;

/** The first pause while storage is away, doubled up to the longest: that much later than storage itself a run goes on. */
const FIRST_OUTAGE_PAUSE_MS = 250;
const LONGEST_OUTAGE_PAUSE_MS = 2_000;

type Change = (task: Task, claim: LeaseClaim, now: number) => Task;

export class HeldTask {
  readonly claim: LeaseClaim;
  readonly #options: HeldTaskOptions;
  readonly #abort = new AbortController();
  /** Fires when nobody is to wait for storage on behalf of the run any more. */
  readonly #over = new AbortController();
  #stored: StoredTask;
  #last: Promise<unknown> = Promise.resolve();
  #cancelHeartbeat: CancelTimer = () => {};
  #closed = false;
  #progressed = false;
  #stopReason: StopReason | undefined;
  #endedAs: EndCause | undefined;
  readonly #onClose: (() => void)[] = [];
  readonly #onStop: ((reason: StopReason) => void)[] = [];
  readonly #onSeen = new Set<(task: Task) => void>();
  readonly #stopListening: () => void;

  /**
   * Takes the lease, or resolves to the task as it is where it is not due any more or its attempts are exhausted.
   * Rejects with `lease_held`, or `invalid_transition` when the task has ended.
   */
  static async acquire(known: StoredTask, holder: string, options: HeldTaskOptions): Promise<HeldTask | Task> {
    const { store, times } = options;
    // Another run may have gone through it since the delivery was looked at, and have left nothing to do for now.
    const take = (task: Task, now: number) =>
      !isTerminal(task.status) && isWaiting(task, now) ? task : acquireLease(task, holder, times.leaseMs, now);
    const stored = await store.update(known.task, take, known);
    const claim = claimOf(stored.task);
    return claim?.holder === holder ? new HeldTask(stored, claim, options) : stored.task;
  }

  private constructor(stored: StoredTask, claim: LeaseClaim, options: HeldTaskOptions) {
    this.#stored = stored;
    this.claim = claim;
    this.#options = options;
    this.#stopListening = options.store.onChange((changed) => {
      this.#observe(changed);
    }, stored.task.id);
    this.#look(stored.task);
    this.#armHeartbeat();
  }

  /** As last read or written by this run. */
  get task(): Task {
    return this.#stored.task;
  }

  /** Fires, with a `TaskAborted`, when the run must stop, and when the task has ended and is to be cleaned up after. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Present once the run must stop. */
  get stopReason(): StopReason | undefined {
    return this.#stopReason;
  }

  /** Present once the task has ended without its handler, which then cleans up. */
  get endedAs(): EndCause | undefined {
    return this.#endedAs;
  }

  /** Tells of the task as it is now, and each time that it is seen. */
  onSeen(listener: (task: Task) => void): void {
    this.#onSeen.add(listener);
    listener(this.task);
  }

  /** Changes the task under the lease. Rejects with `lease_lost`, and fires the signal, when the run no longer holds it. */
  change(transition: Change): Promise<Task> {
    return this.#change(assertLease, transition);
  }

  /** The same also for a task that has ended and is cleaned up after. */
  changeWhileHeld(transition: Change): Promise<Task> {
    return this.#change(assertHeld, transition);
  }

  /** Reads the task again. */
  refresh(): Promise<Task> {
    return this.#inTurn(async () => this.#observe(await this.#options.store.get(this.task)));
  }

  /**
   * The task, if it is to be run again and no other run has taken it. Then a write of this run has given it back, of
   * which the acknowledgement was lost, and this run must enqueue it.
   */
  async givenBack(): Promise<Task | undefined> {
    const { task } = await this.#options.store.get(this.task);
    const { epoch, lease } = task.run;
    return epoch === this.claim.epoch && lease === undefined && nextRunAt(task) !== null ? task : undefined;
  }

  /** Merges variables under the lease. */
  mergeVariables(changes: JsonObject): Promise<Task> {
    return this.#inTurn(async () => {
      const guard = (task: Task) => assertLease(task, this.claim);
      return this.#observe(await this.#options.store.mergeVariables(this.task, changes, { guard }));
    });
  }

  /**
   * Writes entry `sequence` of the checkpoint log; `false`: another run has. In turn with the changes of the head,
   * so that an entry lives as long as the head promises, also when that is being extended.
   */
  append(sequence: number, entry: JsonValue): Promise<boolean> {
    return this.#inTurn(async () => {
      const written = await this.#options.store.log.append(this.task, sequence, entry);
      this.#progressed ||= written;
      return written;
    });
  }

  /**
   * What `work` resolves to; while storage is away it is tried again, for as long as that lasts, unless the run must
   * stop or `giveUp` fires. What the handler has done meanwhile is then recorded and not done again: where storage is
   * away for all, nobody else can take the task, and where others did, the renewal of the lease, or a heartbeat, finds
   * it out before `work` can write.
   */
  async throughOutages<T>(work: () => Promise<T>, giveUp?: AbortSignal): Promise<T> {
    const over = giveUp === undefined ? this.#over.signal : AbortSignal.any([this.#over.signal, giveUp]);
    const { clock, logger } = this.#options;
    const beganAt = clock.now();
    for (let pauseMs = 0; ; pauseMs = Math.min(Math.max(pauseMs * 2, FIRST_OUTAGE_PAUSE_MS), LONGEST_OUTAGE_PAUSE_MS)) {
      try {
        if (pauseMs > 0 && this.#leftMs <= 0) await this.#renew();
        const done = await work();
        if (pauseMs > FIRST_OUTAGE_PAUSE_MS)
          logger.info('Storage is back; a run goes on', { awayMs: clock.now() - beganAt });
        return done;
      } catch (error) {
        if (!isOutage(error) || over.aborted) throw error;
        if (pauseMs === FIRST_OUTAGE_PAUSE_MS)
          logger.warn('Storage is away; a run waits for it', { ...describeError(error), reason: outageReason(error) });
      }
      // An answer that was lost is asked for again at once.
      if (pauseMs > 0) await sleep(clock, pauseMs, over).catch(() => {});
      if (this.#stopReason === 'lease_lost')
        throw new TaskError('lease_lost', 'Another run has taken the task over while storage was away.');
    }
  }

  /** Whether this run has recorded anything. */
  get progressed(): boolean {
    return this.#progressed;
  }

  /** Stops the run from outside. */
  stop(reason: StopReason): void {
    if (this.#stopReason !== undefined) return;
    this.#stopReason = reason;
    this.#over.abort();
    this.#abort.abort(new TaskAborted(reason));
    for (const action of this.#onStop) action(reason);
  }

  /** Runs when the run must stop, or at once if it must already. */
  onStop(action: (reason: StopReason) => void): void {
    if (this.#stopReason === undefined) this.#onStop.push(action);
    else action(this.#stopReason);
  }

  /** Runs when the task is let go. */
  onClose(action: () => void): void {
    this.#onClose.push(action);
  }

  /** Stops heartbeat and timers; the lease itself is given back by a change, or runs out. */
  close(): void {
    this.#closed = true;
    this.#over.abort();
    for (const action of this.#onClose) action();
    this.#cancelHeartbeat();
    this.#stopListening();
  }

  #change(guard: (task: Task, claim: LeaseClaim) => void, transition: Change): Promise<Task> {
    return this.#inTurn(async () => {
      const guarded = (task: Task, now: number) => {
        guard(task, this.claim);
        return transition(task, this.claim, now);
      };
      return this.#observe(await this.#options.store.update(this.task, guarded, this.#stored));
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work).catch(async (error: unknown) => {
      if (isTaskError(error, 'task_not_found')) this.stop('lease_lost');
      if (isTaskError(error, 'lease_lost')) await this.#learnWhy();
      throw error;
    });
    this.#last = result.catch(() => {});
    return result;
  }

  /** A change was refused: the task has ended, perhaps by its deadline alone, or another run has it. */
  async #learnWhy(): Promise<void> {
    try {
      this.#observe(await this.#options.store.get(this.task));
    } catch {
      // The task is gone, or storage does not answer: then this run has nothing to go on with.
    }
    if (this.#endedAs === undefined) this.stop('lease_lost');
  }

  #observe(stored: StoredTask): Task {
    const { task, version } = stored;
    if (version < this.#stored.version) {
      if (task.run.epoch < this.claim.epoch) this.#fellBack();
      return task;
    }
    this.#stored = stored;
    this.#look(task);
    return task;
  }

  #look(task: Task): void {
    const { cleanup, epoch } = task.run;
    if (epoch > this.claim.epoch) this.stop('lease_lost');
    else if (cleanup !== undefined) this.#end(cleanup.cause);
    else if (isTerminal(task.status)) this.stop('ended');
    for (const listener of this.#onSeen) listener(task);
  }

  #end(cause: EndCause): void {
    if (this.#endedAs !== undefined) return;
    this.#endedAs = cause;
    this.#abort.abort(new TaskAborted(cause));
  }

  /** The engine has lost what it had acknowledged, this run's lease with it: what was written since is not to be relied on. */
  #fellBack(): void {
    this.#options.logger.error('Storage has fallen back to an earlier state of a task; its run starts anew', {
      task: this.task.id,
    });
    this.stop('lease_lost');
  }

  /** Of the lease, as far as this run knows. */
  get #leftMs(): number {
    return (this.task.run.lease?.until ?? 0) - this.#options.clock.now();
  }

  #renew(): Promise<Task> {
    const { leaseMs } = this.#options.times;
    return this.changeWhileHeld((task, claim, now) =>
      renewLease(task, claim, { leaseMs, progressed: this.#progressed }, now),
    );
  }

  #armHeartbeat(): void {
    const { clock, times, logger } = this.#options;
    const due = clock.now() + times.heartbeatMs;
    this.#cancelHeartbeat = clock.after(times.heartbeatMs, () => {
      const lateMs = clock.now() - due;
      if (lateMs > times.leaseMs - times.heartbeatMs) {
        logger.warn('The event loop was blocked for longer than the lease of a run, which may have been taken over', {
          blockedMs: lateMs,
        });
      }
      const left = this.#leftMs;
      // More than a whole lease: the clock was put back, and nobody could take the task over for as long.
      const beat = left < (times.leaseMs * 2) / 3 || left > times.leaseMs ? this.#renew() : this.refresh();
      void beat
        .catch((error: unknown) => logger.warn('A heartbeat failed', describeError(error)))
        .then(() => {
          if (this.#stopReason === undefined && !this.#closed) this.#armHeartbeat();
        });
    });
  }
}
