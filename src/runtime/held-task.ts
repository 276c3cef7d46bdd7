/**
 * A task while a run holds it: each change goes through here, is made under the lease, and one
 * after the other. A heartbeat renews the lease, enforces the run deadline, and notices what others did to the task; when
 * the task has ended or was taken over, `aborted` fires and nothing can be written any more.
 */
import type { CancelTimer, Clock } from '../clock.ts';
import { isTaskError, type TaskError } from '../domain/errors.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import { acquireLease, assertLease, claimOf, type LeaseClaim, renewLease } from '../domain/run.ts';
import { isTerminal } from '../domain/status.ts';
import type { Task } from '../domain/task.ts';
import type { StoredTask, TaskStore } from '../store/task-store.ts';
import { describeError, type Logger } from './logger.ts';

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

/** Why a handler's `signal` fired. */
export type AbortReason = 'cancelled' | 'ended' | 'lease_lost' | 'shutdown' | 'hand_over';

export class TaskAborted extends Error {
  override readonly name = 'TaskAborted';
  readonly reason: AbortReason;

  constructor(reason: AbortReason) {
    super(`The run was stopped: ${reason}.`);
    this.reason = reason;
  }
}

export class HeldTask {
  readonly claim: LeaseClaim;
  readonly #options: HeldTaskOptions;
  readonly #abort = new AbortController();
  #stored: StoredTask;
  #last: Promise<unknown> = Promise.resolve();
  #cancelHeartbeat: CancelTimer = () => {};
  #closed = false;
  #progressed = false;
  readonly #onClose: (() => void)[] = [];
  readonly #stopListening: () => void;

  /** Takes the lease. Rejects with `lease_held`, or `invalid_transition` when the task has ended. */
  static async acquire(known: StoredTask, holder: string, options: HeldTaskOptions): Promise<HeldTask | undefined> {
    const { store, times } = options;
    const stored = await store.update(known.task, (task, now) => acquireLease(task, holder, times.leaseMs, now), known);
    const claim = claimOf(stored.task);
    return claim === undefined ? undefined : new HeldTask(stored, claim, options);
  }

  private constructor(stored: StoredTask, claim: LeaseClaim, options: HeldTaskOptions) {
    this.#stored = stored;
    this.claim = claim;
    this.#options = options;
    this.#stopListening = options.store.onChange((changed) => {
      if (changed.task.id === stored.task.id) this.#observe(changed);
    });
    this.#armHeartbeat();
  }

  /** As last read or written by this run. */
  get task(): Task {
    return this.#stored.task;
  }

  /** Fires, with a `TaskAborted`, when the run must stop. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Changes the task under the lease. Rejects with `lease_lost`, and fires the signal, when the run no longer holds it. */
  change(transition: (task: Task, claim: LeaseClaim, now: number) => Task): Promise<Task> {
    return this.#inTurn(async () => {
      const guarded = (task: Task, now: number) => {
        assertLease(task, this.claim);
        return transition(task, this.claim, now);
      };
      return this.#observe(await this.#options.store.update(this.task, guarded, this.#stored));
    });
  }

  /** Reads the task again. */
  refresh(): Promise<Task> {
    return this.#inTurn(async () => this.#observe(await this.#options.store.get(this.task)));
  }

  /** Merges variables under the lease. */
  mergeVariables(changes: JsonObject): Promise<Task> {
    return this.#inTurn(async () => {
      const guard = (task: Task) => assertLease(task, this.claim);
      return this.#observe(await this.#options.store.mergeVariables(this.task, changes, guard));
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

  /** Whether this run has recorded anything. */
  get progressed(): boolean {
    return this.#progressed;
  }

  /** Stops the run from outside. */
  stop(reason: AbortReason): void {
    if (!this.signal.aborted) this.#abort.abort(new TaskAborted(reason));
  }

  /** Runs when the task is let go. */
  onClose(action: () => void): void {
    this.#onClose.push(action);
  }

  /** Stops heartbeat and timers; the lease itself is given back by a change, or runs out. */
  close(): void {
    this.#closed = true;
    for (const action of this.#onClose) action();
    this.#cancelHeartbeat();
    this.#stopListening();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work).catch((error: unknown) => {
      if (isTaskError(error, 'lease_lost') || isTaskError(error, 'task_not_found')) this.stop(this.#reasonOf(error));
      throw error;
    });
    this.#last = result.catch(() => {});
    return result;
  }

  #observe(stored: StoredTask): Task {
    if (stored.version > this.#stored.version) this.#stored = stored;
    const { task } = stored;
    if (task.status === 'cancelled') this.stop('cancelled');
    else if (isTerminal(task.status)) this.stop('ended');
    else if (task.run.epoch > this.claim.epoch) this.stop('lease_lost');
    return task;
  }

  #reasonOf(error: TaskError): AbortReason {
    if (error.detail.status === 'cancelled') return 'cancelled';
    return error.detail.status === undefined ? 'lease_lost' : 'ended';
  }

  #armHeartbeat(): void {
    const { clock, times, logger } = this.#options;
    this.#cancelHeartbeat = clock.after(times.heartbeatMs, () => {
      const left = (this.task.run.lease?.until ?? 0) - clock.now();
      // More than a whole lease: the clock was put back, and nobody could take the task over for as long.
      const beat =
        left < (times.leaseMs * 2) / 3 || left > times.leaseMs
          ? this.change((task, claim, now) =>
              renewLease(task, claim, { leaseMs: times.leaseMs, progressed: this.#progressed }, now),
            )
          : this.refresh();
      void beat
        .catch((error: unknown) => logger.warn('A heartbeat failed', describeError(error)))
        .then(() => {
          if (!this.signal.aborted && !this.#closed) this.#armHeartbeat();
        });
    });
  }
}
