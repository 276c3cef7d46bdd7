/**
 * One run of a task's handler, under a lease: starts the durable engine on the checkpoint log, gives
 * the handler its context, shows what it waits for, and says how the run ended.
 */
import {
  type DurableContext,
  type DurableExecutionInvocationOutput,
  type ErrorObject,
  InvocationStatus,
  withDurableExecution,
} from '@aws/durable-execution-sdk-js';
import type { Context } from 'aws-lambda';
import type { Clock } from '../clock.ts';
import { isTaskError, TaskError } from '../domain/errors.ts';
import { ANSWER_LIMITS, type InputRequest } from '../domain/inputs.ts';
import type { JsonObject } from '../domain/json.ts';
import { extendDeadline, openInputs, setStatusMessage } from '../domain/run.ts';
import { type Failure, type PendingInput, runtimeFailure } from '../domain/task.ts';
import type { TaskStore } from '../store/task-store.ts';
import { encodeCallbackToken } from './callback-token.ts';
import { CheckpointClient } from './checkpoint-client.ts';
import type { HeldTask } from './held-task.ts';
import { describeError, type Logger } from './logger.ts';
import { Progress } from './progress.ts';
import { relatedTask } from './related-task.ts';
import type { ScopePort, TaskContext } from './task-context.ts';
import { createScope } from './task-scope.ts';
import type { RunnableTool, RunOutcome } from './tool.ts';

/** Inputs and callbacks that a task can wait for at the same time: as many as one update can answer. */
const MAX_OUTSTANDING = ANSWER_LIMITS.maxAnswers;
/** Requests that may stand in the head itself; more would make each poll of it dearer. */
const INLINE_REQUESTS = 3;
/** A century: what is longer is a mistake, and far below where times lose their milliseconds. */
const MAX_EXTENSION_MS = 100 * 366 * 24 * 60 * 60 * 1000;
/** How long a run may be busy with other things before its client is shown what it waits for. */
const SHOW_INPUTS_AFTER_MS = 250;

export interface TaskRunOptions {
  readonly held: HeldTask;
  readonly tool: RunnableTool;
  readonly store: TaskStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How a run ended; `message` is progress that is not written yet. */
export type RunEnd =
  | { readonly kind: 'finished'; readonly outcome: RunOutcome; readonly message: string | undefined }
  | { readonly kind: 'suspended'; readonly message: string | undefined }
  /** Storage or process trouble: another run goes on from the log. */
  | { readonly kind: 'interrupted'; readonly error: unknown };

export class TaskRun {
  readonly client: CheckpointClient;
  readonly #options: TaskRunOptions;
  readonly #progress: Progress;
  readonly #requests = new Map<string, InputRequest>();
  #outcome: RunOutcome | undefined;
  #showing = false;

  constructor(options: TaskRunOptions) {
    this.#options = options;
    this.client = new CheckpointClient(options);
    this.#progress = new Progress(options.clock, (message) => {
      this.#inBackground(
        'progress',
        options.held.change((task, claim, now) => setStatusMessage(task, claim, message, now)),
      );
    });
  }

  async execute(): Promise<RunEnd> {
    const { held } = this.#options;
    try {
      await this.client.load();
      const args = (await this.#options.store.load(held.task, held.task.arguments)) as JsonObject;
      const handler = withDurableExecution((_event: unknown, durable: DurableContext) => this.#handle(args, durable), {
        durableExecutionClient: this.client,
      });
      const output = await handler(
        {
          DurableExecutionArn: held.task.id,
          CheckpointToken: '1',
          InitialExecutionState: { Operations: this.client.initialOperations() },
        },
        invocationContext(held.task.id),
      );
      return this.#endOf(output);
    } catch (error) {
      if (!isNoJson(error)) return { kind: 'interrupted', error };
      return {
        kind: 'finished',
        outcome: { kind: 'failure', failure: unrecoverable(error.message) },
        message: undefined,
      };
    } finally {
      this.#progress.take();
    }
  }

  /**
   * What the handler waits for, as the task's head shows it; `opening`: the key of an external callback that
   * becomes known now. A callback that the log knows and this run has not come to yet is left for when it does.
   */
  async pendingInputs(opening?: string): Promise<Record<string, PendingInput>> {
    const { held, store } = this.#options;
    const inputs: Record<string, PendingInput> = {};
    const { outstanding } = this.client;
    if (outstanding.length > MAX_OUTSTANDING) throw tooManyInputs();
    for (const [index, { key, timeoutAt }] of outstanding.entries()) {
      const timeout = timeoutAt === undefined ? {} : { timeoutAt };
      const shown = held.task.inputs[key];
      const request = this.#requests.get(key);
      if (shown !== undefined) inputs[key] = shown;
      else if (request !== undefined) {
        const kind = index < INLINE_REQUESTS ? 'request' : 'further_request';
        inputs[key] = { ...timeout, request: await store.keep(held.task, kind, { ...request }) };
      } else if (key === opening) inputs[key] = timeout;
    }
    return inputs;
  }

  async #handle(args: JsonObject, durable: DurableContext): Promise<void> {
    const { tool, logger } = this.#options;
    durable.configureLogger({ customLogger: logger });
    try {
      const context = await this.#context(durable);
      this.#outcome = { kind: 'result', result: await tool.run(args, context) };
    } catch (error) {
      this.#outcome = tool.outcomeOf(error);
    }
  }

  async #context(durable: DurableContext): Promise<TaskContext> {
    const { held, store, logger } = this.#options;
    const { task } = held;
    const scope = createScope(durable, this.#port());
    return {
      ...scope,
      id: task.id,
      signal: held.signal,
      logger,
      admission: task.admission === undefined ? undefined : await store.load(task, task.admission),
      related: task.related === undefined ? undefined : relatedTask(store, { owner: task.owner, id: task.related }),
      trace: task.trace,
      progress: (message) => this.#progress.report(message),
      extendDeadline: async (ms) => {
        if (!(ms >= 0 && ms <= MAX_EXTENSION_MS)) throw new RangeError(`extendDeadline takes milliseconds, not ${ms}.`);
        await scope.step('extendDeadline', async () => {
          await held.change((current, claim, now) => extendDeadline(current, claim, Math.ceil(ms), now));
        });
      },
    };
  }

  #port(): ScopePort {
    const { held, store, logger, tool } = this.#options;
    return {
      signal: held.signal,
      logger,
      assertAskable: (request) => tool.assertAskable?.(request),
      registerInput: (key, request) => {
        this.#requests.set(key, request);
        this.#showInputsSoon();
      },
      openCallback: async (key) => {
        const inputs = await this.pendingInputs(key);
        await held.change((task, claim, now) => openInputs(task, claim, inputs, now));
        return encodeCallbackToken({ ref: held.task, key });
      },
      readVariables: () => store.readVariables(held.task),
      mergeVariables: async (changes) => {
        await held.mergeVariables(changes);
      },
    };
  }

  /** A run that does nothing but wait ends at once and shows its inputs then; this is for one that is busy besides. */
  #showInputsSoon(): void {
    if (this.#showing) return;
    this.#showing = true;
    const { held, clock } = this.#options;
    const cancel = clock.after(SHOW_INPUTS_AFTER_MS, () => {
      this.#showing = false;
      const show = this.pendingInputs().then((inputs) =>
        held.change((task, claim, now) => openInputs(task, claim, inputs, now)),
      );
      this.#inBackground('inputs', show);
    });
    held.onClose(cancel);
  }

  #endOf(output: DurableExecutionInvocationOutput): RunEnd {
    const message = this.#progress.take();
    switch (output.Status) {
      case InvocationStatus.PENDING:
        return { kind: 'suspended', message };
      case InvocationStatus.SUCCEEDED:
        if (this.#outcome !== undefined) return { kind: 'finished', outcome: this.#outcome, message };
        return { kind: 'interrupted', error: new Error('The durable engine returned no outcome.') };
      case InvocationStatus.FAILED:
        return { kind: 'finished', outcome: { kind: 'failure', failure: engineFailure(output.Error) }, message };
    }
  }

  #inBackground(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!isTaskError(error, 'lease_lost')) this.#options.logger.warn(`Could not write ${what}`, describeError(error));
    });
  }
}

/** The engine refuses to go on: for a replay that differs from the log, or for what cannot be recorded. */
function engineFailure({ ErrorType, ErrorMessage }: ErrorObject): Failure {
  const problem = ErrorMessage ?? 'no reason given';
  return ErrorType === 'NonDeterministicExecutionError'
    ? runtimeFailure('replay_mismatch', `The tool's code no longer does what it had recorded: ${plain(problem)}`)
    : unrecoverable(problem);
}

function unrecoverable(problem: string): Failure {
  return runtimeFailure('unrecoverable', `The task cannot go on: ${plain(problem)}`);
}

/** Without the engine's own classification in front. */
function plain(message: string): string {
  return message.replace(/^\[[^\]]*\] /, '');
}

/** A value that cannot be recorded, or a record that is no such value: another run would end the same way. */
function isNoJson(error: unknown): error is Error {
  return error instanceof Error && 'terminationReason' in error && error.terminationReason === 'SERDES_FAILED';
}

function tooManyInputs(): TaskError {
  return new TaskError('value_too_large', `A task can wait for at most ${MAX_OUTSTANDING} inputs at the same time.`);
}

/** The parts of Lambda's invocation context that the durable SDK reads. A run has no deadline of its own. */
function invocationContext(id: string): Context {
  return { awsRequestId: id, getRemainingTimeInMillis: () => Number.POSITIVE_INFINITY } as Context;
}
