/**
 * Runs tasks: looks whether a delivered task is due, takes the lease, runs the handler, and writes how
 * it ended. Safe to call for any task at any time, any number of times, on any number of machines.
 */
import { type Clock, type RandomBytes, systemClock, systemRandom } from '../../clock.ts';
import { assertCarried, escapedBytes, roomForValues } from '../../domain/answer-size.ts';
import { isTaskError } from '../../domain/errors.ts';
import type { JsonObject, JsonValue } from '../../domain/json.ts';
import { inline, type Payload } from '../../domain/payload.ts';
import {
  beginCleanup,
  endLease,
  finishCleanup,
  giveBack,
  isOver,
  nextRunAt,
  park,
  setStatusMessage,
  suspendTask,
} from '../../domain/run.ts';
import { isTerminal } from '../../domain/status.ts';
import {
  completeTask,
  type Failure,
  type FailureReason,
  failTask,
  runtimeFailure,
  type Task,
  type TaskRef,
} from '../../domain/task.ts';
import { present } from '../../present.ts';
import type { StoredTask, TaskStore } from '../../store/task-store.ts';
import { describeError, describeFailure, type Logger, silentLogger, withFields } from '../logger.ts';
import { nudge } from '../queues/deliveries.ts';
import { retryDelayMs, type TaskQueue } from '../queues/queue.ts';
import { DEFAULT_LEASE_TIMES, HeldTask, type LeaseTimes } from './held-task.ts';
import { shortMessage } from './progress.ts';
import { outcomeOf, reasonOf } from './run-outcome.ts';
import { TaskRun, type TaskRunEnd } from './task-run.ts';
import { type RunnableTool, type RunOutcome, toolKey } from './tool.ts';

const DEFAULT_CLEANUP_MS = 60_000;
/** How often the code at hand may prove unable to clean up after a task before nothing is cleaned up. */
const MAX_CLEANUP_LOOKS = 12;

/**
 * The longest wait that is enqueued at once. A task that is held, or has just been created, is not looked at for some
 * time, which is shorter than this; so the next look sees a longer wait in time.
 */
const SHORT_WAIT_MS = 5 * 60_000;

export interface RunnerOptions {
  readonly store: TaskStore;
  readonly queue: TaskQueue;
  /** By `toolKey`. */
  readonly tools: ReadonlyMap<string, RunnableTool>;
  /** Names this process in leases; unique among all that run. */
  readonly holder: string;
  readonly clock?: Clock;
  readonly random?: RandomBytes;
  readonly times?: LeaseTimes;
  readonly logger?: Logger;
  /** Whether the process that a lease names is known to have ended, so that the lease need not run out. @default never */
  readonly isGone?: ((holder: string) => boolean) | undefined;
  /** How long a run that could suspend stays for code that may await something else than operations, in milliseconds. */
  readonly graceMs?: number | undefined;
  /** The largest answer that a client can be given; see `answer-size.ts`. @default no bound */
  readonly maxAnswerBytes?: number | undefined;
}

/** What became of a delivery. */
export type RunReport =
  | 'finished'
  | 'suspended'
  /** The task has ended, and its handler has cleaned up. */
  | 'cleaned_up'
  /** The code at hand cannot run the task. */
  | 'parked'
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
   * Runs the task if it is due. `notBefore` is what the delivery was enqueued for: one that comes early (clocks differ)
   * is enqueued again for that time, any other that is not due is dropped, since the agenda knows of the task.
   */
  async runTask(ref: TaskRef, notBefore?: number): Promise<RunReport> {
    const { store, queue } = this.#options;
    const stops = this.#stops;
    const stored = await store.get(ref).catch((error: unknown) => {
      if (isTaskError(error, 'task_not_found')) return undefined;
      throw error;
    });
    if (stored === undefined) return 'gone';
    if (isOver(stored.task)) return 'ended_before';
    const due = nextRunAt(stored.task);
    if (due === null) return 'not_due';
    if (due <= this.#clock.now()) return this.#takeAndRun(stored, stops);
    const { lease } = stored.task.run;
    if (lease === undefined) {
      if (due === notBefore) await queue.enqueue(ref, { notBefore });
      return 'not_due';
    }
    if (this.#options.isGone?.(lease.holder) !== true) return 'held_elsewhere';
    const ended = await store.update(ref, (task, now) => endLease(task, lease.holder, now), stored);
    return this.#takeAndRun(ended, stops);
  }

  /**
   * Aborts every handler that runs or is about to; each gives its task back for another process to go on with.
   * `out_of_time`: the process goes on, its time for this work is over; a run that has recorded nothing then counts as
   * crashed.
   */
  stop(reason: 'shutdown' | 'out_of_time' = 'shutdown'): void {
    this.#stops += 1;
    for (const held of this.#held) held.stop(reason);
  }

  async #takeAndRun(stored: StoredTask, stops: number): Promise<RunReport> {
    const { store, holder } = this.#options;
    const logger = withFields(this.#logger, fieldsOf(stored.task));
    let held: HeldTask | Task;
    try {
      held = await HeldTask.acquire(stored, holder, { store, clock: this.#clock, times: this.#times, logger });
    } catch (error) {
      if (isTaskError(error, 'lease_held')) return 'held_elsewhere';
      if (isTaskError(error, 'invalid_transition')) return 'ended_before';
      throw error;
    }
    if (!(held instanceof HeldTask)) return isTerminal(held.status) ? 'ended_before' : 'not_due';
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
    const { store, tools, random = systemRandom, graceMs, maxAnswerBytes } = this.#options;
    const { tool: name, toolVersion } = held.task;
    if (held.task.run.crashes > 0)
      logger.warn('A run takes over from one that crashed', { crashes: held.task.run.crashes });
    const tool = tools.get(toolKey(name, toolVersion));
    if (tool === undefined) {
      const which = toolVersion === undefined ? `No tool "${name}"` : `No version ${toolVersion} of tool "${name}"`;
      return this.#park(held, `${which} is registered here; waiting for a worker that has it.`, logger);
    }
    if (held.stopReason !== undefined) return this.#stopped(held, logger);
    const run = new TaskRun({
      held,
      tool,
      store,
      clock: this.#clock,
      random,
      logger,
      graceMs,
      maxAnswerBytes,
    });
    this.#limitCleanup(held, run, tool, logger);
    const end = await run.execute();
    if (held.stopReason !== undefined) return this.#stopped(held, logger);
    // Of a newer build, most likely, while an older one is still at work beside it.
    if (end.kind === 'interrupted' && isTaskError(end.error, 'unreadable_record'))
      return this.#park(held, `What the task has recorded cannot be read here. ${end.error.message}`, logger);
    if (held.endedAs !== undefined) return this.#cleanedUp(held, end, logger);
    switch (end.kind) {
      case 'interrupted':
        return this.#interrupted(held, end.error, logger);
      case 'mismatch':
        return this.#park(held, `The tool's code no longer does what the task had recorded. ${end.message}`, logger);
      default:
        return this.#conclude(held, run, tool, end, logger);
    }
  }

  async #conclude(
    held: HeldTask,
    run: TaskRun,
    tool: RunnableTool,
    end: Exclude<TaskRunEnd, { kind: 'interrupted' | 'mismatch' }>,
    logger: Logger,
  ): Promise<RunReport> {
    const outcome = outcomeOf(tool, end);
    const message = run.takeMessage();
    try {
      await held.throughOutages(() =>
        outcome === undefined
          ? this.#suspend(held, run, end.kind === 'suspended' ? end.dueAt : null, message)
          : this.#finish(held, tool, outcome, message),
      );
    } catch (error) {
      if (held.stopReason !== undefined) return this.#stopped(held, logger);
      if (held.endedAs !== undefined) return this.#cleanedUp(held, end, logger);
      if (!isTaskError(error, 'value_too_large')) return this.#interrupted(held, error, logger);
      await held.change((task, _claim, now) => failTask(task, runtimeFailure('unrecoverable', error.message), now));
    }
    const { status, run: state } = held.task;
    // Also one that has ended over the question that it was to wait for: its handler cleans up in another run.
    if (state.dueAt !== null) await this.#enqueue(held.task);
    if (isTerminal(status)) {
      if (end.kind === 'threw') logger.warn('The tool threw', describeFailure(end.error));
      // A message of the task's would be its client's; why the runtime itself failed it is ours to say.
      const reason = outcome?.kind === 'failure' ? reasonOf(outcome.failure) : inlineReason(held.task);
      logger.info('Task ended', { status, ...present({ reason }) });
      return 'finished';
    }
    return 'suspended';
  }

  /** The handler of an ended task has its time from when it is first told, and not one moment more. */
  #limitCleanup(held: HeldTask, run: TaskRun, tool: RunnableTool, logger: Logger): void {
    const { cleanupMs = DEFAULT_CLEANUP_MS } = tool;
    let isLimited = false;
    held.onSeen((task) => {
      if (held.endedAs === undefined || isLimited) return;
      isLimited = true;
      const until = task.run.cleanup?.until ?? this.#clock.now() + cleanupMs;
      const cancel = this.#clock.after(until - this.#clock.now(), () =>
        run.stop(new Error(`Its ${cleanupMs} ms to clean up are over.`)),
      );
      held.onClose(cancel);
      // For the runs that go on with it, should this one die.
      held
        .throughOutages(() =>
          held.changeWhileHeld((current, claim, now) => beginCleanup(current, claim, until - now, now)),
        )
        .catch((error: unknown) => logger.warn('The time to clean up could not be written', describeError(error)));
    });
  }

  async #cleanedUp(held: HeldTask, end: TaskRunEnd, logger: Logger): Promise<RunReport> {
    const { cleanup } = held.task.run;
    const isOver = cleanup?.until !== undefined && this.#clock.now() >= cleanup.until;
    if (end.kind === 'suspended' || (end.kind === 'interrupted' && !isOver)) {
      await this.#giveBack(held, 0, end.kind === 'interrupted', logger);
      return 'interrupted';
    }
    if (end.kind === 'mismatch') return this.#park(held, end.message, logger);
    if (isOver)
      logger.error('A handler did not clean up in its time; what it holds may stay held', { cause: cleanup.cause });
    await held.throughOutages(() => held.changeWhileHeld(finishCleanup));
    logger.info('Task ended and cleaned up after', { status: held.task.status });
    return 'cleaned_up';
  }

  /** The task is looked at again with growing pauses until its deadline: the right code brings it back. */
  async #park(held: HeldTask, reason: string, logger: Logger): Promise<RunReport> {
    const looks = held.task.run.parked?.looks ?? 0;
    if (held.endedAs !== undefined && looks >= MAX_CLEANUP_LOOKS) {
      logger.error('Nothing could clean up after a task', { reason });
      await held.changeWhileHeld(finishCleanup);
      return 'cleaned_up';
    }
    const shown = shortMessage(reason);
    const task = await held.throughOutages(() =>
      held.changeWhileHeld((current, claim, now) => park(current, claim, shown, now)),
    );
    logger.warn('A task is parked', { reason, looks: looks + 1, nextAt: new Date(task.run.dueAt ?? 0).toISOString() });
    await this.#enqueue(task);
    return 'parked';
  }

  async #finish(held: HeldTask, tool: RunnableTool, outcome: RunOutcome, message: string | undefined): Promise<void> {
    const withMessage = (task: Task, now: number) =>
      message === undefined ? task : setStatusMessage(task, held.claim, message, now);
    if (outcome.kind === 'failure') {
      const { failure } = outcome;
      const error = await this.#keepFailure(held, failure);
      const shown = { ...failure, message: shortMessage(failure.message) };
      await held.change((task, _claim, now) => ({ ...failTask(withMessage(task, now), shown, now), error }));
      return;
    }
    assertCarried(outcome.result, this.#options.maxAnswerBytes, 'The result');
    const result = await this.#keepResult(held, outcome.result);
    const toolError = tool.toolErrorIn?.(outcome.result);
    await held.change((task, _claim, now) => completeTask(withMessage(task, now), result, now, toolError));
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
    const { maxAnswerBytes } = this.#options;
    const isCarried = maxAnswerBytes === undefined || escapedBytes({ ...failure }) <= roomForValues(maxAnswerBytes);
    if (!isCarried) return inline({ code, message: shortMessage(message) });
    try {
      return await this.#options.store.keep(held.task, 'result', { ...failure });
    } catch (error) {
      if (!isTaskError(error, 'value_too_large')) throw error;
      return inline({ code, message: shortMessage(message) });
    }
  }

  async #suspend(held: HeldTask, run: TaskRun, dueAt: number | null, message: string | undefined): Promise<void> {
    const { suspended } = run;
    if (suspended === undefined) throw new Error('A run that was not started cannot suspend.');
    const inputs = await suspended.inputs.pending();
    const hidden = suspended.inputs.hiddenTimeoutAt(inputs);
    const suspension = {
      inputs,
      imported: suspended.inputs.imported(),
      dueAt: hidden === null ? dueAt : Math.min(hidden, dueAt ?? hidden),
      turns: suspended.turns,
      ...present({ statusMessage: message }),
    };
    await held.change((current, claim, now) => suspendTask(current, claim, suspension, now));
  }

  /** Storage trouble or a bug of ours, not the handler's doing: try again later, a limited number of times. */
  async #interrupted(held: HeldTask, error: unknown, logger: Logger): Promise<RunReport> {
    // Not its causes: those of storage errors may carry addresses.
    logger.warn('A run was interrupted', describeError(error));
    await this.#giveBack(held, retryDelayMs(held.task.run.crashes), true, logger);
    return 'interrupted';
  }

  async #stopped(held: HeldTask, logger: Logger): Promise<RunReport> {
    const reason = held.stopReason;
    logger.info('A run was stopped', { reason });
    if (reason === 'shutdown') await this.#giveBack(held, 0, false, logger);
    // A run that has recorded nothing in its time would not in the next one either, for ever.
    if (reason === 'out_of_time') await this.#giveBack(held, 0, !held.progressed, logger);
    // A place in the log may have gone to a run that lost its lease and does not know it: this one still has its own.
    if (reason === 'lease_lost') await this.#giveBack(held, retryDelayMs(held.task.run.crashes), true, logger);
    return 'stopped';
  }

  /** Rejects when the task could not be given back: its lease then runs out by itself. */
  async #giveBack(held: HeldTask, delayMs: number, crashed: boolean, logger: Logger): Promise<void> {
    let task: Task;
    try {
      task = await held.throughOutages(() =>
        held.changeWhileHeld((current, claim, now) => giveBack(current, claim, now + delayMs, crashed, now)),
      );
    } catch (error) {
      if (isTaskError(error, 'lease_lost')) {
        const givenBack = await held.givenBack();
        if (givenBack !== undefined) await this.#enqueue(givenBack);
        return;
      }
      // The lease runs out by itself, and the next run counts it.
      logger.warn('A task could not be given back', describeError(error));
      throw error;
    }
    if (task.run.dueAt !== null) await this.#enqueue(task);
  }

  /** A wait that is longer is left to the agenda, which brings the task back when it is due, and also if the queue is away. */
  async #enqueue(task: Task): Promise<void> {
    const { store, queue } = this.#options;
    const { dueAt } = task.run;
    const reachMs = Math.min(SHORT_WAIT_MS, queue.maxDelayMs ?? SHORT_WAIT_MS);
    if (dueAt === null || dueAt - this.#clock.now() > reachMs) return;
    await nudge({ store, queue, logger: this.#logger }, task);
  }
}

/** Of a task that ended over a question that it was to wait for. */
function inlineReason({ error }: Task): FailureReason | undefined {
  return error !== undefined && 'json' in error ? reasonOf(error.json as unknown as Failure) : undefined;
}

function fieldsOf(task: Task) {
  return {
    task: task.id,
    tool: task.tool,
    ...present({ traceparent: task.trace?.traceparent }),
  };
}
