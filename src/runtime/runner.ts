/**
 * Runs tasks: looks whether a delivered task is due, takes the lease, runs the handler, and writes how
 * it ended. Safe to call for any task at any time, any number of times, on any number of machines.
 */
import { type Clock, systemClock } from '../clock.ts';
import { isTaskError } from '../domain/errors.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import { inline, type Payload } from '../domain/payload.ts';
import { handBack, nextRunAt, rewake, setStatusMessage, suspendTask } from '../domain/run.ts';
import { isTerminal } from '../domain/status.ts';
import { completeTask, type Failure, failTask, runtimeFailure, type Task, type TaskRef } from '../domain/task.ts';
import type { StoredTask, TaskStore } from '../store/task-store.ts';
import { maxDelayOf } from './deliveries.ts';
import { DEFAULT_LEASE_TIMES, HeldTask, type LeaseTimes } from './held-task.ts';
import { describeError, type Logger, silentLogger, withFields } from './logger.ts';
import { shortMessage } from './progress.ts';
import { retryDelayMs, type TaskQueue } from './queue.ts';
import { type RunEnd, TaskRun } from './task-run.ts';
import type { RunnableTool, RunOutcome } from './tool.ts';

/** How long an aborted handler may take to notice, before the run ends without it. */
const ABORT_GRACE_MS = 2_000;

export interface RunnerOptions {
  readonly store: TaskStore;
  readonly queue: TaskQueue;
  readonly tools: ReadonlyMap<string, RunnableTool>;
  /** Names this process in leases; unique among all that run. */
  readonly holder: string;
  readonly clock?: Clock;
  readonly times?: LeaseTimes;
  readonly logger?: Logger;
}

/** What became of a delivery. */
export type RunReport =
  | 'finished'
  | 'suspended'
  | 'interrupted'
  | 'stopped'
  | 'not_due'
  | 'held_elsewhere'
  | 'ended_before'
  | 'gone';

export class Runner {
  readonly #options: RunnerOptions;
  readonly #clock: Clock;
  readonly #times: LeaseTimes;
  readonly #logger: Logger;
  readonly #held = new Set<HeldTask>();
  #stops = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#times = options.times ?? DEFAULT_LEASE_TIMES;
    this.#logger = options.logger ?? silentLogger;
  }

  /**
   * Runs the task if it is due. `scheduledFor` is what the delivery was enqueued for; one that the task's head no longer
   * names is a left-over and dropped, because who replaced it has sent another. Without it, as for a delivery
   * that comes again, a task that is not due is scheduled anew.
   */
  async runTask(ref: TaskRef, scheduledFor?: number): Promise<RunReport> {
    const stops = this.#stops;
    let stored: StoredTask;
    try {
      stored = await this.#options.store.get(ref);
    } catch (error) {
      if (isTaskError(error, 'task_not_found')) return 'gone';
      throw error;
    }
    if (isTerminal(stored.task.status)) return 'ended_before';
    const due = nextRunAt(stored.task);
    if (due === null) return 'not_due';
    if (due > this.#clock.now()) {
      const { lease, wakeAt } = stored.task.run;
      if (this.#options.queue.maxDelayMs === undefined) await this.#options.queue.enqueue(ref, { notBefore: due });
      else if (scheduledFor === undefined || (lease === undefined && scheduledFor === wakeAt))
        await this.#rewake(stored);
      return lease === undefined ? 'not_due' : 'held_elsewhere';
    }
    return this.#takeAndRun(stored, stops);
  }

  /**
   * Aborts every handler that runs or is about to; each gives its task back for another process to go on with. `hand_over`:
   * the process goes on, its time for this work is over; a run that has recorded nothing then counts as crashed.
   */
  stop(reason: 'shutdown' | 'hand_over' = 'shutdown'): void {
    this.#stops += 1;
    for (const held of this.#held) held.stop(reason);
  }

  async #takeAndRun(stored: StoredTask, stops: number): Promise<RunReport> {
    const { store, holder } = this.#options;
    const logger = withFields(this.#logger, fieldsOf(stored.task));
    let held: HeldTask | undefined;
    try {
      held = await HeldTask.acquire(stored, holder, { store, clock: this.#clock, times: this.#times, logger });
    } catch (error) {
      if (isTaskError(error, 'lease_held')) return 'held_elsewhere';
      if (isTaskError(error, 'invalid_transition')) return 'ended_before';
      throw error;
    }
    if (held === undefined) return 'ended_before';
    this.#held.add(held);
    if (this.#stops !== stops) held.stop('shutdown');
    try {
      return await this.#run(held, logger);
    } finally {
      held.close();
      this.#held.delete(held);
    }
  }

  async #run(held: HeldTask, logger: Logger): Promise<RunReport> {
    const { store, tools } = this.#options;
    const tool = tools.get(held.task.tool);
    if (tool === undefined) {
      return this.#interrupted(held, new Error(`No tool "${held.task.tool}" is registered here.`), logger);
    }
    if (held.signal.aborted) return this.#stopped(held, logger);
    const run = new TaskRun({ held, tool, store, clock: this.#clock, logger });
    const end = await Promise.race([run.execute(), this.#afterAbort(held)]);
    if (held.signal.aborted) return this.#stopped(held, logger);
    if (end.kind === 'interrupted') return this.#interrupted(held, end.error, logger);
    try {
      await this.#record(held, run, end);
    } catch (error) {
      if (held.signal.aborted) return this.#stopped(held, logger);
      if (!isTaskError(error, 'value_too_large')) return this.#interrupted(held, error, logger);
      await held.change((task, _claim, now) => failTask(task, runtimeFailure('unrecoverable', error.message), now));
    }
    const { status, run: state } = held.task;
    if (isTerminal(status)) {
      logger.info('Task ended', { status });
      return 'finished';
    }
    if (state.dueAt !== null) await this.#enqueue(held.task);
    return 'suspended';
  }

  #record(held: HeldTask, run: TaskRun, end: Exclude<RunEnd, { kind: 'interrupted' }>): Promise<void> {
    return end.kind === 'finished'
      ? this.#finish(held, end.outcome, end.message)
      : this.#suspend(held, run, end.message);
  }

  async #finish(held: HeldTask, outcome: RunOutcome, message: string | undefined): Promise<void> {
    const withMessage = (task: Task, now: number) =>
      message === undefined ? task : setStatusMessage(task, held.claim, message, now);
    if (outcome.kind === 'failure') {
      const { failure } = outcome;
      const error = await this.#keepFailure(held, failure);
      const shown = { ...failure, message: shortMessage(failure.message) };
      await held.change((task, _claim, now) => ({ ...failTask(withMessage(task, now), shown, now), error }));
      return;
    }
    const result = await this.#keepResult(held, outcome.result);
    await held.change((task, _claim, now) => completeTask(withMessage(task, now), result, now));
  }

  /** A result that is too large to keep becomes a tool error that says so. */
  async #keepResult(held: HeldTask, result: JsonValue) {
    try {
      return await this.#options.store.keep(held.task, 'result', result);
    } catch (error) {
      if (!isTaskError(error, 'value_too_large')) throw error;
      const text = `The tool finished, but its result could not be kept: ${error.message}`;
      return inline({ content: [{ type: 'text', text }], isError: true } satisfies JsonObject);
    }
  }

  /** An error that is too large to keep loses its data, and the end of its message. */
  async #keepFailure(held: HeldTask, failure: Failure): Promise<Payload> {
    const { code, message } = failure;
    try {
      return await this.#options.store.keep(held.task, 'result', { ...failure });
    } catch (error) {
      if (!isTaskError(error, 'value_too_large')) throw error;
      return inline({ code, message: shortMessage(message) });
    }
  }

  async #suspend(held: HeldTask, run: TaskRun, message: string | undefined): Promise<void> {
    const inputs = await run.pendingInputs();
    const suspension = {
      inputs,
      imported: run.client.imported,
      dueAt: run.client.nextDueAt,
      maxDelayMs: maxDelayOf(this.#options.queue),
      ...(message === undefined ? {} : { statusMessage: message }),
    };
    await held.change((current, claim, now) => suspendTask(current, claim, suspension, now));
  }

  /** Storage trouble or a bug of ours, not the handler's doing: try again later, a limited number of times. */
  async #interrupted(held: HeldTask, error: unknown, logger: Logger): Promise<RunReport> {
    logger.warn('A run was interrupted', describeError(error));
    await this.#giveBack(held, retryDelayMs(held.task.run.crashes), true, logger);
    return 'interrupted';
  }

  async #stopped(held: HeldTask, logger: Logger): Promise<RunReport> {
    const { reason } = held.signal.reason;
    logger.info('A run was stopped', { reason });
    if (reason === 'shutdown') await this.#giveBack(held, 0, false, logger);
    // A run that was handed over without having recorded anything would be handed over for ever.
    if (reason === 'hand_over') await this.#giveBack(held, 0, !held.progressed, logger);
    // A place in the log may have gone to a run that lost its lease and does not know it: this one still has its own.
    if (reason === 'lease_lost') await this.#giveBack(held, retryDelayMs(held.task.run.crashes), true, logger);
    return 'stopped';
  }

  /** Rejects when the task could not be enqueued again: then its delivery must come again. */
  async #giveBack(held: HeldTask, delayMs: number, crashed: boolean, logger: Logger): Promise<void> {
    let task: Task;
    try {
      task = await held.change((current, claim, now) => handBack(current, claim, now + delayMs, crashed, now));
    } catch (error) {
      if (isTaskError(error, 'lease_lost')) return;
      // The lease runs out by itself, and the next run counts it.
      logger.warn('A task could not be given back', describeError(error));
      throw error;
    }
    if (task.run.dueAt !== null) await this.#enqueue(task);
  }

  /** Makes a new delivery the one that counts; who comes second to that leaves it to the first. */
  async #rewake(stored: StoredTask): Promise<void> {
    const { store, queue } = this.#options;
    let woken = false;
    const { task: after } = await store.update(
      stored.task,
      (task, now) => {
        woken = task.run.wakeAt === stored.task.run.wakeAt;
        return woken ? rewake(task, maxDelayOf(queue), now) : task;
      },
      stored,
    );
    if (woken) await this.#enqueue(after);
  }

  async #enqueue(task: Task): Promise<void> {
    await this.#options.queue.enqueue(task, { notBefore: task.run.wakeAt });
  }

  #afterAbort(held: HeldTask): Promise<RunEnd> {
    return new Promise((resolve) => {
      const end = () => {
        held.onClose(
          this.#clock.after(ABORT_GRACE_MS, () => resolve({ kind: 'interrupted', error: held.signal.reason })),
        );
      };
      held.signal.addEventListener('abort', end, { once: true });
    });
  }
}

function fieldsOf(task: Task) {
  return {
    task: task.id,
    tool: task.tool,
    ...(task.trace === undefined ? {} : { traceparent: task.trace.traceparent }),
  };
}
