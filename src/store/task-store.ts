/** What the runtime and the protocol need of storage. `GenericTaskStore` is it, over any backend. */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Lifetime } from '../domain/lifetime.ts';
import type { Owner } from '../domain/owner.ts';
import type { Payload } from '../domain/payload.ts';
import type { ProgressTarget, Task, TaskRef, TraceContext } from '../domain/task.ts';
import type { TaskId } from '../domain/task-id.ts';
import type { Agenda } from './agenda.ts';
import type { PayloadKind } from './payload-store.ts';
import type { RelayedAnswers } from './relayed-answers.ts';
import type { TaskLog } from './task-log.ts';

/** A task as it was read, with the version that a compare-and-swap needs. */
export interface StoredTask {
  readonly task: Task;
  readonly version: number;
}

export const MAX_IDEMPOTENCY_KEY_LENGTH = 256;

export interface CreateTask {
  readonly owner: Owner;
  readonly tool: string;
  readonly toolVersion?: number;
  readonly arguments: JsonObject;
  /** The arguments as the caller gave them, which an idempotency key stands for. @default arguments */
  readonly given?: JsonObject;
  readonly admission?: JsonValue;
  readonly lifetime: Lifetime;
  readonly pollIntervalMs: number;
  readonly maxAttempts: number;
  readonly trace?: TraceContext;
  readonly related?: TaskId;
  /** What its client can be asked for. @default anything */
  readonly mayAsk?: readonly string[];
  /** For progress on streams after that of the call. */
  readonly progressTo?: ProgressTarget;
  /** Until when somebody waits who could answer a question. @default questions wait for whoever comes */
  readonly attendedUntil?: number;
  /** The same key with the same tool and arguments gives the same task. At most 256 characters of valid Unicode. */
  readonly idempotencyKey?: string;
}

/** What tells the repetition of a call with an idempotency key from another call. */
export type KeyedCall = Pick<CreateTask, 'owner' | 'tool' | 'arguments'> & { readonly idempotencyKey: string };

export interface TaskPage {
  readonly tasks: readonly Task[];
  readonly cursor?: string;
}

/** A task as it is after an update. */
export interface UpdatedTask extends StoredTask {
  /** Whether the transition changed it, this call's own, and not one that came in between. */
  readonly changed: boolean;
}

/** Pure; returns the very same task where nothing is to change. */
export type Transition = (task: Task, now: number) => Task;

export interface MergeOptions {
  /** May refuse, by throwing, before anything is changed. */
  readonly guard?: (task: Task) => void;
  /** What else changes with it, in the same write; `variables` are the merged ones. */
  readonly also?: (task: Task, variables: JsonObject, now: number) => Task;
}

export type ChangeListener = (stored: StoredTask, before: Task | undefined) => void;

/** All methods reject with a `TaskError`; see its codes. */
export interface TaskStore {
  /**
   * A durable, working task of a new id; or, for a known idempotency key, the task that it made.
   * Rejects with `too_many_tasks`, leaving nothing behind, when the owner has as many active tasks
   * as are allowed; `idempotency_conflict`; `value_too_large`.
   */
  create(input: CreateTask): Promise<{ readonly stored: StoredTask; readonly created: boolean }>;

  /**
   * The task that an earlier `create` with this key made, so that what precedes a creation is not done again for it.
   * `undefined`: none is there yet. Rejects with `idempotency_conflict`.
   */
  createdBefore(input: KeyedCall): Promise<StoredTask | undefined>;

  /**
   * The task as it stands now; one read. Rejects with `task_not_found` when unknown, expired, or
   * another owner's. A task past its run deadline is failed first.
   */
  get(ref: TaskRef): Promise<StoredTask>;

  /**
   * Applies a transition by compare-and-swap, again on the new state after each conflict. A caller that
   * has just read the task hands it in as `known` and saves the read. Resolves to the task as stored;
   * rejects with what the transition throws, `task_not_found`, or `contention` after many conflicts.
   */
  update(ref: TaskRef, transition: Transition, known?: StoredTask): Promise<UpdatedTask>;

  /** Merges variables (see `mergeVariables`) by the same compare-and-swap. */
  mergeVariables(ref: TaskRef, changes: JsonObject, options?: MergeOptions): Promise<StoredTask>;

  /** All variables, internal ones included. */
  readVariables(ref: TaskRef): Promise<JsonObject>;

  /** Newest first. A cursor is valid for the owner it was given to. Rejects with `invalid_cursor`. */
  list(owner: Owner, options: { readonly limit: number; readonly cursor?: string | undefined }): Promise<TaskPage>;

  /** Writes a value of a task where it is too large for the head. */
  keep(task: Task, kind: PayloadKind, value: JsonValue): Promise<Payload>;
  load(ref: TaskRef, payload: Payload): Promise<JsonValue>;
  /** Removes a kept value that nothing refers to any more, where it is a record of its own. */
  discard(ref: TaskRef, payload: Payload): Promise<void>;

  readonly log: TaskLog;

  readonly relayedAnswers: RelayedAnswers;

  /**
   * Calls back after each stored change made through this store, in order for each task, with the task as it was
   * before; a new one was not. With a `taskId`, of that task alone, at no cost to the changes of others. Returns how to stop.
   */
  onChange(listener: ChangeListener, taskId?: TaskId): () => void;

  /** When which unfinished task is to be looked at. */
  readonly agenda: Agenda;
}
