/**
 * What a task is, and what may happen to it: an immutable value and pure functions
 * `(task, input, now) → task`, which throw a `TaskError` where something may not happen. No
 * storage, no timers, no protocol. What the runner does to a task is in `run.ts`.
 */

import { present } from '../present.ts';
import { TaskError } from './errors.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { earlierPromise, type Lifetime, laterPromise, promisedUntil } from './lifetime.ts';
import type { Owner } from './owner.ts';
import { inline, type Payload } from './payload.ts';
import { assertTransition, isTerminal, type TaskStatus } from './status.ts';
import type { TaskId } from './task-id.ts';

/** Finds a task. An id alone finds nothing: it is looked up among its owner's. */
export interface TaskRef {
  readonly owner: Owner;
  readonly id: TaskId;
}

/** Times are milliseconds since the epoch. */
export interface Task extends TaskRef {
  readonly tool: string;
  /** Of the tool's code that the task began with and stays with; absent: the tool names none. */
  readonly toolVersion?: number;
  readonly status: TaskStatus;
  /** Progress or the reason of the end, for people. */
  readonly statusMessage?: string;
  readonly createdAt: number;
  /** When something that a client can see last changed. */
  readonly updatedAt: number;
  /** Past this an unfinished task is failed. */
  readonly deadlineAt: number;
  readonly retentionMs: number | null;
  /** Present where the retention counts from the task's end, so that an early end shortens what was promised. */
  readonly retentionFromEnd?: true;
  /** Until when the task stays readable, as its clients were told; `null`: for ever. */
  readonly promisedUntil: number | null;
  /** As its tool says, or `BY_AGE`. */
  readonly pollIntervalMs: number;
  /** Crashed runs that are allowed before the task fails. */
  readonly maxAttempts: number;
  readonly arguments: Payload;
  /** What the tool's `admit` gathered before the task existed. */
  readonly admission?: Payload;
  /** Absent: none. */
  readonly variables?: Payload;
  /** Of a completed task. */
  readonly result?: Payload;
  /** Of a failed task: a {@link Failure}. */
  readonly error?: Payload;
  /** Outstanding callbacks by key; those with a request are shown to the client. */
  readonly inputs: Readonly<Record<string, PendingInput>>;
  /** Accepted, and not yet in the checkpoint log. */
  readonly answers: Readonly<Record<string, Answer>>;
  readonly run: RunState;
  readonly trace?: TraceContext;
  /** The task that the creating call was bound to. */
  readonly related?: TaskId;
  /**
   * What the creating call declared that its client can be asked for: `Askable`, and what newer builds add to it.
   * Absent: nobody noted it, and anything may be asked; or the task has ended.
   */
  readonly mayAsk?: readonly string[];
  /** By which progress is told to the session that made the task. Absent: none was given, or the task has ended. */
  readonly progressTo?: ProgressTarget;
  /** What a completed task's result says, in short, where it is an error of the tool. */
  readonly toolError?: string;
  /**
   * Until when somebody waits who can answer: a question that comes later ends the task, since nobody would ever answer it.
   * Absent: questions wait for whoever comes.
   */
  readonly attendedUntil?: number;
  /** Of the idempotency key that the task was created with; its record lives as long as the task. Absent: without one. */
  readonly keyDigest?: string;
  /** Present where the owner had no limit of active tasks when the task was created: no slot is given back for it. */
  readonly isUncounted?: true;
}

/** Tokens are each session's own: another session may have the same one for something else. */
export interface ProgressTarget {
  readonly token: string | number;
  readonly session: string;
}

export interface PendingInput {
  /** `{ method, params }` for the client; absent: something else answers (an external callback). */
  readonly request?: Payload;
  readonly timeoutAt?: number;
  /** When the question was put on a stream of a client's (2025-11-25 era), by the client's session. */
  readonly askedOf?: Readonly<Record<string, number>>;
}

/** What came of an input. */
export type AnswerOutcome =
  | { readonly outcome: 'answered'; readonly value: Payload }
  | { readonly outcome: 'failed'; readonly message: string }
  | { readonly outcome: 'timed_out' };

/** `at`: when it was accepted, which orders it among what the clock brings. */
export type Answer = AnswerOutcome & { readonly at: number };

export interface RunState {
  /** Raised with each lease; a write under an older one is refused. */
  readonly epoch: number;
  readonly lease?: Lease;
  /** When the next run is due; `null`: when an answer comes. */
  readonly dueAt: number | null;
  /** When somebody last found that the task should have run, and enqueued it again; absent: not since its last run. */
  readonly healedAt?: number;
  /** Runs in a row that ended without handing the task back. */
  readonly crashes: number;
  /** How many turns of its handler earlier runs have gone through: what those logged is not logged again. */
  readonly turns?: number;
  /** Present while the code at hand cannot run the task. */
  readonly parked?: Parking;
  /** Present on a task that has ended while its handler still has to clean up. */
  readonly cleanup?: Cleanup;
}

export interface Parking {
  /** For people. */
  readonly reason: string;
  /** Looks in a row that found the code no better. */
  readonly looks: number;
}

/** Why a task ended that its own handler did not end. */
export const END_CAUSES = ['cancelled', 'deadline', 'ended'] as const;
export type EndCause = (typeof END_CAUSES)[number];

export interface Cleanup {
  readonly cause: EndCause;
  /** When the handler's time for it is over; absent: it has not begun. */
  readonly until?: number;
}

export interface Lease {
  readonly holder: string;
  readonly until: number;
}

/** W3C trace context, as the creating call carried it. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
  readonly baggage?: string;
}

/** A JSON-RPC error object. */
export interface Failure {
  readonly code: number;
  readonly message: string;
  readonly data?: JsonValue;
}

/** Why the runtime itself failed a task, in the `reason` of its error's data. */
export const FAILURE_REASONS = [
  'deadline_exceeded',
  'attempts_exhausted',
  'stray_error',
  'unrecoverable',
  'refused',
  'unattended',
] as const;
export type FailureReason = (typeof FAILURE_REASONS)[number];

const JSON_RPC_INTERNAL_ERROR = -32603;

export function runtimeFailure(reason: FailureReason, message: string): Failure {
  return { code: JSON_RPC_INTERNAL_ERROR, message, data: { reason } };
}

export interface NewTask extends TaskRef {
  readonly tool: string;
  readonly toolVersion?: number;
  readonly arguments: Payload;
  readonly admission?: Payload;
  readonly lifetime: Lifetime;
  readonly pollIntervalMs: number;
  readonly maxAttempts: number;
  readonly trace?: TraceContext;
  readonly related?: TaskId;
  readonly mayAsk?: readonly string[];
  readonly progressTo?: ProgressTarget;
  readonly attendedUntil?: number;
  readonly keyDigest?: string;
}

/** A working task, due at once. */
export function createTask(input: NewTask, now: number): Task {
  const { lifetime, ...rest } = input;
  const deadlineAt = now + lifetime.runDeadlineMs;
  return {
    ...rest,
    status: 'working',
    createdAt: now,
    updatedAt: now,
    deadlineAt,
    retentionMs: lifetime.retentionMs,
    ...present({ retentionFromEnd: lifetime.retentionFromEnd }),
    promisedUntil: promisedUntil(deadlineAt, lifetime.retentionMs),
    inputs: {},
    answers: {},
    run: { epoch: 0, dueAt: now, crashes: 0 },
  };
}

/** Status and result change together. Throws `invalid_transition` when the task has ended. */
export function completeTask(task: Task, result: Payload, now: number, toolError?: string): Task {
  return { ...ended(task, 'completed', undefined, now), result, ...present({ toolError }) };
}

/** Status and error change together. Throws `invalid_transition` when the task has ended. */
export function failTask(task: Task, failure: Failure, now: number): Task {
  return { ...ended(task, 'failed', failure.message, now), error: inline(failure as unknown as JsonObject) };
}

/** A handler that had begun is woken to clean up. Throws `invalid_transition` when the task has ended. */
export function cancelTask(task: Task, message: string | undefined, now: number): Task {
  return cleaningUp(task, ended(task, 'cancelled', message ?? 'Cancelled.', now), 'cancelled', now);
}

/** Its client says what came of it; a handler that had begun is woken to clean up. Throws `invalid_transition` when it has ended. */
export function completeByClient(task: Task, result: Payload, now: number, toolError?: string): Task {
  const completed = { ...completeTask(task, result, now, toolError), statusMessage: 'Completed by the client.' };
  return cleaningUp(task, completed, 'ended', now);
}

/** Gives the handler of a task that something else has ended its time to clean up; a run that holds the task keeps it. */
function cleaningUp(before: Task, after: Task, cause: EndCause, now: number): Task {
  const { epoch, lease, turns } = before.run;
  if (epoch === 0) return after;
  const run = {
    ...after.run,
    dueAt: now,
    cleanup: { cause },
    ...present({ lease, turns }),
  };
  // It needs its head for that, however short its retention is, and replays what it was refused.
  return {
    ...after,
    ...present({ mayAsk: before.mayAsk }),
    promisedUntil: laterPromise(before.promisedUntil, after.promisedUntil),
    run,
  };
}

function ended(
  task: Task,
  status: 'completed' | 'failed' | 'cancelled',
  message: string | undefined,
  now: number,
): Task {
  assertTransition(task.status, status);
  // Who asks nothing any more needs not know whom it may ask: finished heads are the ones that there are many of.
  const { statusMessage: progress, mayAsk: _mayAsk, progressTo: _to, attendedUntil: _until, ...rest } = task;
  const statusMessage = message ?? progress;
  const { lease: _lease, healedAt: _healedAt, turns: _turns, parked: _parked, ...run } = task.run;
  return letGo(
    {
      ...rest,
      status,
      ...present({ statusMessage }),
      updatedAt: now,
      promisedUntil: laterPromise(task.promisedUntil, promisedUntil(now, task.retentionMs)),
      inputs: {},
      answers: {},
      run: { ...run, dueAt: null },
    },
    now,
  );
}

/** A task that nothing will happen to any more: where its retention counts from the end, it is promised for that long. */
export function letGo(task: Task, now: number): Task {
  if (task.retentionFromEnd === undefined || task.retentionMs === null) return task;
  return { ...task, promisedUntil: earlierPromise(task.promisedUntil, promisedUntil(now, task.retentionMs)) };
}

/** Whether the run deadline has passed for a task that has not ended. */
export function isOverdue(task: Task, now: number): boolean {
  return !isTerminal(task.status) && now >= task.deadlineAt;
}

/** The task as it stands at `now`: failed, if its run deadline has passed. */
export function enforceDeadline(task: Task, now: number): Task {
  if (!isOverdue(task, now)) return task;
  const seconds = Math.round((task.deadlineAt - task.createdAt) / 1000);
  const message = `The task did not finish within its run deadline of ${seconds} s.`;
  // As of the deadline, so that it does not matter who notices, and when.
  const failed = failTask(task, runtimeFailure('deadline_exceeded', message), task.deadlineAt);
  return cleaningUp(task, failed, 'deadline', now);
}

/** What people are told of the task: why it is parked, if it is and has not ended, or else the newest message. */
export function shownStatusMessage(task: Task): string | undefined {
  const { parked, lease } = task.run;
  if (parked === undefined || lease !== undefined || isTerminal(task.status)) return task.statusMessage;
  return parked.reason;
}

/**
 * Until when a task's log and large values are kept: past its promise, to the next power of two of its lifetime, so that a
 * deadline that is extended again and again makes them be written anew only each time the lifetime doubles.
 */
export function keptUntil({ createdAt, promisedUntil: promise }: Task): number | null {
  return promise === null ? null : createdAt + 2 ** Math.ceil(Math.log2(promise - createdAt));
}

/** Whether the promised lifetime is over: the task then reads as unknown. */
export function isExpired(task: Task, now: number): boolean {
  return task.promisedUntil !== null && now >= task.promisedUntil;
}

/**
 * Accepts answers to outstanding inputs and makes the task due. Keys that are not outstanding
 * (unknown, answered before, timed out) and answers to a finished task change nothing.
 */
export function acceptAnswers(task: Task, answers: Readonly<Record<string, AnswerOutcome>>, now: number): Task {
  if (isTerminal(task.status)) return task;
  const accepted = Object.entries(answers).filter(([key]) => {
    const input = Object.hasOwn(task.inputs, key) ? task.inputs[key] : undefined;
    return input !== undefined && (input.timeoutAt === undefined || now < input.timeoutAt);
  });
  if (accepted.length === 0) return task;
  const open = without(task.inputs, new Set(accepted.map(([key]) => key)));
  const stamped = accepted.map(([key, answer]): [string, Answer] => [key, { ...answer, at: now }]);
  const answered = { ...task.answers, ...Object.fromEntries(stamped) };
  return withInputs({ ...task, answers: answered, run: { ...task.run, dueAt: now } }, open, now);
}

/** Sets the outstanding inputs, and the status that follows from them. A question to nobody ends the task. */
export function withInputs(task: Task, inputs: Readonly<Record<string, PendingInput>>, now: number): Task {
  const asksClient = Object.values(inputs).some((input) => input.request !== undefined);
  const { attendedUntil } = task;
  if (attendedUntil !== undefined && now >= attendedUntil && asksAnew(task, inputs)) {
    return endUnattended(task, now);
  }
  const status: TaskStatus = asksClient ? 'input_required' : 'working';
  if (status !== task.status) assertTransition(task.status, status);
  return { ...task, status, inputs, updatedAt: now };
}

/** Fails a task that waits for an answer which nobody will give. Throws `invalid_transition` when it has ended. */
export function endUnattended(task: Task, now: number): Task {
  return cleaningUp(task, failTask(task, runtimeFailure('unattended', UNATTENDED), now), 'ended', now);
}

const UNATTENDED =
  'The task needs an answer, and its client, which does not support tasks, waits for it no more. ' +
  'Call the tool by a client that supports tasks.';

function asksAnew(task: Task, inputs: Readonly<Record<string, PendingInput>>): boolean {
  return Object.entries(inputs).some(([key, { request }]) => request !== undefined && !Object.hasOwn(task.inputs, key));
}

/** Sessions of clients that are noted for one question; a task has one client, seldom two. */
const MAX_SESSIONS = 4;

/** Notes that questions are put to the client of a session. Nothing that a client can see changes. */
export function noteAsked(task: Task, keys: readonly string[], session: string, now: number): Task {
  if (keys.length === 0) return task;
  const asked = keys.flatMap((key): [string, PendingInput][] => {
    const input = Object.hasOwn(task.inputs, key) ? task.inputs[key] : undefined;
    if (input === undefined) return [];
    const others = Object.entries(input.askedOf ?? {})
      .filter(([other]) => other !== session)
      .sort(([, a], [, b]) => a - b);
    const askedOf = Object.fromEntries([...others.slice(1 - MAX_SESSIONS), [session, now]]);
    return [[key, { ...input, askedOf }]];
  });
  return { ...task, inputs: { ...task.inputs, ...Object.fromEntries(asked) } };
}

/** Somebody waits for the task again who can be asked, until then; `undefined`: whoever comes can answer from now on. */
export function attend(task: Task, until: number | undefined): Task {
  const { attendedUntil, ...unbounded } = task;
  if (until === undefined) return attendedUntil === undefined ? task : unbounded;
  if (isTerminal(task.status)) return task;
  return attendedUntil === undefined || attendedUntil >= until ? task : { ...task, attendedUntil: until };
}

export function without<T>(record: Readonly<Record<string, T>>, keys: ReadonlySet<string>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.has(key)));
}

/** Replaces the variables of a task that has not ended. */
export function replaceVariables(task: Task, variables: Payload, now: number): Task {
  if (isTerminal(task.status)) {
    throw new TaskError('invalid_transition', `The variables of a task that is ${task.status} are final.`);
  }
  return { ...task, variables, updatedAt: now };
}
