/**
 * One run of a task's handler, under a lease: starts the engine on the task's journal, gives the handler its
 * context, joins the engine with the task's head, and says how the run ended.
 */
import type { Clock, RandomBytes } from '../../clock.ts';
import { isTaskError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import { extendDeadline, setStatusMessage } from '../../domain/run.ts';
import { TaskAborted } from '../../engine/aborts.ts';
import type { Branch } from '../../engine/branch.ts';
import { HandlerRun, type RunEnd } from '../../engine/handler-run.ts';
import type { TaskStore } from '../../store/task-store.ts';
import { TaskJournal } from '../log/task-journal.ts';
import { describeError, describeFailure, type Logger } from '../logger.ts';
import { encodeCallbackToken } from './callback-token.ts';
import type { HeldTask } from './held-task.ts';
import { Progress } from './progress.ts';
import { relatedTask } from './related-task.ts';
import { ShownInputs } from './shown-inputs.ts';
import { runAttributed } from './stray-errors.ts';
import type { ScopePort, TaskContext } from './task-context.ts';
import { createScope, passingTrouble } from './task-scope.ts';
import type { RunnableTool } from './tool.ts';

/** A century: what is longer is a mistake, and far below where times lose their milliseconds. */
const MAX_EXTENSION_MS = 100 * 366 * 24 * 60 * 60 * 1000;

export interface TaskRunOptions {
  readonly held: HeldTask;
  readonly tool: RunnableTool;
  readonly store: TaskStore;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly logger: Logger;
  /** See `HandlerRunOptions`. */
  readonly graceMs?: number | undefined;
  /** See `RunnerOptions`. */
  readonly maxAnswerBytes?: number | undefined;
}

/** How a run ended; `stray` is an error that nobody handled, which ended it. */
export type TaskRunEnd = RunEnd | { readonly kind: 'stray'; readonly error: unknown };

/** What there is to say of a suspended run. */
export interface SuspendedRun {
  readonly inputs: ShownInputs;
  readonly turns: number;
}

export class TaskRun {
  readonly #options: TaskRunOptions;
  readonly #progress: Progress;
  /** Fires when the run ends where it stands, so that it does not wait for storage any more. */
  readonly #giveUp = new AbortController();
  #run: HandlerRun | undefined;
  #inputs: ShownInputs | undefined;
  #stray: { readonly error: unknown } | undefined;

  constructor(options: TaskRunOptions) {
    this.#options = options;
    this.#progress = new Progress(options.clock, (message) => {
      this.#inBackground(
        'progress',
        options.held.change((task, claim, now) => setStatusMessage(task, claim, message, now)),
      );
    });
  }

  async execute(): Promise<TaskRunEnd> {
    const { held, store, clock, random, logger, tool, graceMs, maxAnswerBytes } = this.#options;
    const { task } = held;
    try {
      const [journal, args, admission] = await Promise.all([
        TaskJournal.open(held, store.log, logger),
        store.load(task, task.arguments),
        task.admission === undefined ? undefined : store.load(task, task.admission),
      ]);
      const run: HandlerRun = new HandlerRun({
        handler: (root) => tool.run(args as JsonObject, this.#context(root, run, admission)),
        recorded: journal.entries,
        append: (entry) => journal.append(entry, this.#giveUp.signal),
        startedAt: task.createdAt,
        seenTurns: task.run.turns ?? 0,
        clock,
        random,
        graceMs,
        observer: {
          attemptFailed: ({ operation, attempt, error, nextAt }) =>
            logger.warn('An attempt failed', {
              operation,
              attempt,
              ...(nextAt === undefined ? { last: true } : { nextAt: new Date(nextAt).toISOString() }),
              ...describeFailure(error),
            }),
          neverAwaited: (operation, isSettled) =>
            logger.warn('The handler ended without waiting for an operation: await it, or its outcome is lost', {
              operation,
              settled: isSettled,
            }),
          outstandingChanged: () => this.#inputs?.changed(),
        },
      });
      const inputs = new ShownInputs(run, {
        held,
        store,
        clock,
        inBackground: this.#inBackground.bind(this),
        maxAnswerBytes,
      });
      this.#run = run;
      this.#inputs = inputs;
      await inputs.takeInAll(held.task);
      held.onSeen((seen) => {
        inputs.takeIn(seen);
        if (held.endedAs !== undefined) run.abort(held.endedAs);
      });
      held.onStop((reason) => {
        const stopped = new TaskAborted(reason);
        // The task is still this run's own.
        if (reason === 'shutdown' || reason === 'out_of_time') run.leave(stopped);
        else run.stop(stopped);
      });
      const end = await runAttributed({ task: task.id, onStray: (error) => this.#onStray(run, error) }, () =>
        run.execute(),
      );
      inputs.stop();
      return this.#stray === undefined ? end : { kind: 'stray', error: this.#stray.error };
    } catch (error) {
      return { kind: 'interrupted', error };
    }
  }

  /** Ends the run where it stands. */
  stop(error: unknown): void {
    this.#run?.stop(error);
    this.#giveUp.abort();
  }

  /** Progress that is not written yet, for a write that happens anyway. */
  takeMessage(): string | undefined {
    return this.#progress.take();
  }

  /** Of a run that was started. */
  get suspended(): SuspendedRun | undefined {
    return this.#run === undefined || this.#inputs === undefined
      ? undefined
      : { inputs: this.#inputs, turns: this.#run.turns };
  }

  #onStray(run: HandlerRun, error: unknown): void {
    this.#options.logger.error('A tool let go an error that nobody handled; its task fails', describeFailure(error));
    this.#stray ??= { error };
    run.stop(error);
    this.#giveUp.abort();
  }

  #context(root: Branch, run: HandlerRun, admission: TaskContext['admission']): TaskContext {
    const { held, store } = this.#options;
    const { task } = held;
    const port = this.#port();
    const scope = createScope(root, port);
    return {
      ...scope,
      id: task.id,
      owner: task.owner,
      signal: held.signal,
      logger: onceOnly(port.logger, run),
      admission,
      related: task.related === undefined ? undefined : relatedTask(store, { owner: task.owner, id: task.related }),
      trace: task.trace,
      progress: (message) => {
        if (!run.isReplaying && held.endedAs === undefined) this.#progress.report(message);
      },
      extendDeadline: async (ms) => {
        if (!(ms >= 0 && ms <= MAX_EXTENSION_MS)) throw new RangeError(`extendDeadline takes milliseconds, not ${ms}.`);
        const extend = async () => {
          await held.change((current, claim, now) => extendDeadline(current, claim, Math.ceil(ms), now));
        };
        await scope.step('extendDeadline', extend, { retryStrategy: passingTrouble });
      },
    };
  }

  #port(): ScopePort {
    const { held, store, logger, tool } = this.#options;
    return {
      logger,
      mayAsk: held.task.mayAsk,
      assertAskable: (request) => tool.assertAskable?.(request),
      openCallback: async (key) => {
        const isOpen = await this.#inputs?.open(key);
        return isOpen === true ? encodeCallbackToken({ ref: held.task, key }) : undefined;
      },
      // In turn with nothing, and the same however often it is done: an outage need not fail the step that it is a part of.
      readVariables: () => held.throughOutages(() => store.readVariables(held.task), this.#giveUp.signal),
      mergeVariables: async (changes) => {
        await held.throughOutages(() => held.mergeVariables(changes), this.#giveUp.signal);
      },
    };
  }

  #inBackground(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!isTaskError(error, 'lease_lost')) this.#options.logger.warn(`Could not write ${what}`, describeError(error));
    });
  }
}

/** Says what the code says the first time that it says it, and not again in a replay. */
function onceOnly(logger: Logger, run: HandlerRun): Logger {
  return {
    debug: (message, fields) => {
      if (!run.isReplaying) logger.debug(message, fields);
    },
    info: (message, fields) => {
      if (!run.isReplaying) logger.info(message, fields);
    },
    warn: (message, fields) => {
      if (!run.isReplaying) logger.warn(message, fields);
    },
    error: (message, fields) => {
      if (!run.isReplaying) logger.error(message, fields);
    },
  };
}
