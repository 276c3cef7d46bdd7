/**
 * What a handler is given: the durable operations, under the names that AWS's durable execution SDK uses where they
 * are good, and what MCP adds to them. Types only; `task-scope.ts` makes them.
 *
 * Code outside steps may run more than once: when a task resumes, its handler starts again and each
 * operation that is already recorded returns what it returned before.
 */

import type { Askable } from '../../domain/askable.ts';
import type { InputRequest } from '../../domain/inputs.ts';
import type { JsonObject, JsonValue } from '../../domain/json.ts';
import type { Owner } from '../../domain/owner.ts';
import type { TraceContext } from '../../domain/task.ts';
import type { TaskId } from '../../domain/task-id.ts';
import type { ConditionConfig, InputConfig, StepConfig, StepTry, WaitConfig } from '../../engine/branch.ts';
import type { BatchConfig, BatchResult } from '../../engine/branches.ts';
import type { Duration } from '../../engine/duration.ts';
import type { RetryStrategy } from '../../engine/retry.ts';
import type { Logger } from '../logger.ts';

export interface StepScope extends StepTry {
  readonly logger: Logger;
}

/**
 * The operations of a handler, or of one branch of it. Each is recorded once and replayed after. Plain JavaScript joins
 * them: `Promise.all`, `race`, `any`, async functions side by side come out the same in each replay.
 */
export interface TaskScope {
  /**
   * Runs `action` and records what it returns, which must be JSON. It runs again if the process dies
   * before the record is written, so an action with effects should be idempotent, or `config.atMostOnce` be set. A
   * throwing action is tried up to 6 times (see `DEFAULT_STEP_RETRY`) unless `config.retryStrategy` says otherwise;
   * then the step rejects with a `StepError`.
   */
  step<T>(name: string, action: (step: StepScope) => Promise<T>, config?: StepConfig<T>): Promise<T>;

  /** Waits at no cost: the process is free and may even stop. */
  wait(name: string, duration: Duration, config?: WaitConfig): Promise<void>;

  /** The same until a date, or until milliseconds since the epoch. */
  waitUntil(name: string, date: Date | number, config?: WaitConfig): Promise<void>;

  /**
   * Waits for something outside. `submit` gets a token to hand over, as a step; the holder of the token completes the
   * callback through `TaskServer.completeCallback`, with JSON. Rejects on failure and timeout.
   */
  waitForCallback<T = JsonValue>(
    name: string,
    submit: (token: string) => Promise<void>,
    options?: CallbackOptions,
  ): Promise<T>;

  /** Checks again and again, with waits between, until the strategy is content. */
  waitForCondition<T>(
    name: string,
    check: (state: T, step: StepScope) => Promise<T>,
    config: ConditionConfig<T>,
  ): Promise<T>;

  /** One branch for each item, each with operations of its own. Without `completionConfig` the first failure ends it. */
  map<Item, Result>(
    name: string,
    items: readonly Item[],
    action: (branch: TaskScope, item: Item, index: number) => Promise<Result>,
    config?: BatchConfig,
  ): Promise<BatchResult<Result>>;

  parallel<Result>(
    name: string,
    branches: readonly ((branch: TaskScope) => Promise<Result>)[],
    config?: BatchConfig,
  ): Promise<BatchResult<Result>>;

  /**
   * Resolves or rejects as the first branch does. What the others wait for is withdrawn: it rejects with
   * `OperationWithdrawn`, questions leave the client's sight, late answers are ignored; they may still run steps to
   * clean up.
   */
  race<Result>(name: string, branches: readonly ((branch: TaskScope) => Promise<Result>)[]): Promise<Result>;

  runInChildContext<T>(name: string, action: (branch: TaskScope) => Promise<T>): Promise<T>;

  /**
   * Asks the person behind the client. Several at once are outstanding together. Like `sample` and `listRoots`, rejects
   * at once with `CannotAskError` where the client that made the task has not declared that it can be asked.
   */
  elicit(params: ElicitParams, options?: ElicitOptions): Promise<ElicitResult>;

  /** Asks the client's model: `params` and result are those of `sampling/createMessage`. */
  sample(params: JsonObject, options?: InputOptions): Promise<JsonObject>;

  /** Asks the client for its roots. */
  listRoots(options?: InputOptions): Promise<readonly Root[]>;

  /** Whether the client that made the task has declared that it can be asked for this; the same in each replay. */
  canAsk(kind: Askable | 'elicitation'): boolean;

  readonly variables: TaskVariables;

  /** The time of what the code reacts to, in milliseconds since the epoch: the same in each replay. Stands still between operations. */
  now(): number;
  /** From 0 up to 1; recorded. Ask for it outside of steps. */
  random(): number;
  /** A random UUID; recorded, so that it can be the idempotency key of a step: ask for it before the step, not inside. */
  uuid(): string;
  /**
   * Whether the task came here first with code that has this change: `true` for new tasks, `false` for those that had
   * been here before it. Lets old tasks go on with the old code: `if (task.patched('name')) { new } else { old }`.
   */
  patched(name: string): boolean;
}

/** After `timeout` the call rejects with `CallbackTimeoutError`; without one it waits until the run deadline. */
export interface CallbackOptions extends InputConfig {
  /** For `submit`. @default DEFAULT_STEP_RETRY */
  readonly retryStrategy?: RetryStrategy;
}

export interface TaskContext extends TaskScope {
  readonly id: TaskId;
  /** Whose task it is. */
  readonly owner: Owner;
  /** Fires when the task is cancelled or fails, when another run has taken it over, and at shutdown. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** What the tool's `admit` returned, if anything. */
  readonly admission: JsonValue | undefined;
  /** The task that the call was bound to by its `_meta`, if any. */
  readonly related: RelatedTask | undefined;
  readonly trace: TraceContext | undefined;
  /** Shows a message to the client; at most one a second is written. Not recorded. */
  progress(message: string): void;
  /** Moves the run deadline to `ms` from now, if that is later. */
  extendDeadline(ms: number): Promise<void>;
}

/**
 * Shared with later tool calls. Between steps each call is recorded, so that a replay sees what the
 * first run saw; inside a step it reads and writes directly.
 */
export interface TaskVariables {
  all(): Promise<JsonObject>;
  get(key: string): Promise<JsonValue | undefined>;
  set(key: string, value: JsonValue): Promise<void>;
  /** Adds and overwrites; `null` deletes. */
  merge(changes: JsonObject): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Another task of the same owner: what a tool call can see and change of the task it is bound to. */
export interface RelatedTask {
  readonly id: TaskId;
  /**
   * Those of the task, without internal ones, read and written at once, by any number of calls on any instance. Writing
   * rejects with `invalid_transition` once the task has ended, and with `invalid_variables` for internal names. In a task
   * tool, use them inside a step: they are not recorded.
   */
  readonly variables: TaskVariables;
}

/** After `timeout` the call rejects with `CallbackTimeoutError`; without one it waits until the run deadline. */
export interface InputOptions extends InputConfig {
  /** Names the question in the journal and in logs; the key that the client sees is made by the runtime. */
  readonly name?: string;
}

export interface ElicitOptions extends InputOptions {
  /** Asked instead where the client cannot be asked in this way: a URL for a form, or a form for a URL. */
  readonly fallback?: ElicitParams;
}

export type ElicitParams =
  | { readonly mode?: 'form'; readonly message: string; readonly requestedSchema: JsonObject }
  | { readonly mode: 'url'; readonly message: string; readonly url: string };

export interface ElicitResult {
  readonly action: 'accept' | 'decline' | 'cancel';
  readonly content?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

export interface Root {
  readonly uri: string;
  readonly name?: string;
}

/** What a scope needs of its run. */
export interface ScopePort {
  readonly logger: Logger;
  /** See `Task.mayAsk`. */
  readonly mayAsk: readonly string[] | undefined;
  /** See `RunnableTool.assertAskable`. */
  assertAskable(request: InputRequest): void;
  /** Makes an external callback known before its token leaves the process; `undefined`: it is over. */
  openCallback(key: string): Promise<string | undefined>;
  readVariables(): Promise<JsonObject>;
  mergeVariables(changes: JsonObject): Promise<void>;
}
