/**
 * What a runner may do to a task. A run holds a lease with an epoch; each function here but
 * `acquireLease` is refused with `lease_lost` when the task has ended or another run has taken
 * it over, so that a runner that was presumed dead cannot change anything.
 */

import { present } from '../present.ts';
import { TaskError } from './errors.ts';
import { laterPromise, promisedUntil } from './lifetime.ts';
import { isTerminal } from './status.ts';
import {
  type Answer,
  failTask,
  letGo,
  type Parking,
  type PendingInput,
  type RunState,
  runtimeFailure,
  type Task,
  withInputs,
  without,
} from './task.ts';

/** Shows that a run holds the task. */
export interface LeaseClaim {
  readonly holder: string;
  readonly epoch: number;
}

export function claimOf(task: Task): LeaseClaim | undefined {
  return task.run.lease === undefined ? undefined : { holder: task.run.lease.holder, epoch: task.run.epoch };
}

/**
 * Takes the task for a run of `holder` until `now + leaseMs`. An earlier lease that ran out without being given back
 * counts as a crash; one too many fails the task, with the reason. Throws `lease_held` while another run holds it,
 * `invalid_transition` when it has ended and there is nothing to clean up.
 */
export function acquireLease(task: Task, holder: string, leaseMs: number, now: number): Task {
  if (isOver(task)) {
    throw new TaskError('invalid_transition', `The task is already ${task.status}.`);
  }
  const { lease, epoch } = task.run;
  if (lease !== undefined && now < lease.until) {
    throw new TaskError('lease_held', 'Another run holds the task.', { detail: { until: lease.until } });
  }
  const crashes = task.run.crashes + (lease === undefined ? 0 : 1);
  if (crashes >= task.maxAttempts)
    return isTerminal(task.status) ? withoutCleanup(task, now) : failExhausted(task, now);
  const { healedAt: _healedAt, ...rest } = task.run;
  const run = { ...rest, epoch: epoch + 1, lease: { holder, until: now + leaseMs }, crashes };
  return isTerminal(task.status) ? { ...task, run } : closeTimedOut({ ...task, run }, now);
}

/** Moves the outstanding inputs whose time is over to the answers, so that no late answer can be accepted. */
function closeTimedOut(task: Task, now: number): Task {
  const overdue = Object.entries(task.inputs).filter(
    ([, input]) => input.timeoutAt !== undefined && now >= input.timeoutAt,
  );
  if (overdue.length === 0) return task;
  const closed = Object.fromEntries(
    overdue.map(([key, { timeoutAt = now }]): [string, Answer] => [key, { outcome: 'timed_out', at: timeoutAt }]),
  );
  const open = without(task.inputs, new Set(Object.keys(closed)));
  return withInputs({ ...task, answers: { ...task.answers, ...closed } }, open, now);
}

export interface Renewal {
  readonly leaseMs: number;
  /** Whether the run has recorded anything: then earlier crashes no longer count. */
  readonly progressed: boolean;
}

export function renewLease(task: Task, claim: LeaseClaim, renewal: Renewal, now: number): Task {
  assertHeld(task, claim);
  const lease = { holder: claim.holder, until: now + renewal.leaseMs };
  return { ...task, run: { ...task.run, lease, crashes: renewal.progressed ? 0 : task.run.crashes } };
}

/**
 * A lease that ends later than one that was taken now would, by as much again, was written by a clock that was ahead of
 * `now`. It is not believed: it ends `leaseMs` from now, unless its holder lives and renews it, as it may. The very
 * same task otherwise.
 */
export function boundLease(task: Task, leaseMs: number, now: number): Task {
  const { lease } = task.run;
  if (isTerminal(task.status) || lease === undefined || lease.until - now <= 2 * leaseMs) return task;
  return { ...task, run: { ...task.run, lease: { ...lease, until: now + leaseMs } } };
}

/** Ends the lease of a process that is known to have died: the next run takes it for a crash. */
export function endLease(task: Task, holder: string, now: number): Task {
  const { lease } = task.run;
  if (lease?.holder !== holder || lease.until <= now) return task;
  return { ...task, run: { ...task.run, lease: { ...lease, until: now } } };
}

/** Closes inputs whose time ran out while the run goes on. */
export function closeOverdueInputs(task: Task, claim: LeaseClaim, now: number): Task {
  assertLease(task, claim);
  return closeTimedOut(task, now);
}

/**
 * Shows what the run waits for while it still does other work, and that alone. Keys that were answered
 * meanwhile stay answered.
 */
export function showInputs(
  task: Task,
  claim: LeaseClaim,
  inputs: Readonly<Record<string, PendingInput>>,
  now: number,
): Task {
  assertLease(task, claim);
  const unanswered = without(inputs, new Set(Object.keys(task.answers)));
  if (sameKeys(unanswered, task.inputs)) return task;
  // What is shown already stays as it was shown.
  const open = Object.entries(unanswered).map(([key, input]) => [key, task.inputs[key] ?? input]);
  return withInputs(task, Object.fromEntries(open), now);
}

export interface Suspension {
  /** Everything that the run waits for. */
  readonly inputs: Readonly<Record<string, PendingInput>>;
  /** Keys of answers that are in the checkpoint log now. */
  readonly imported: ReadonlySet<string>;
  /** The earliest end of a wait or retry; `null`: only answers can wake the task. */
  readonly dueAt: number | null;
  /** How many turns of its handler the run has gone through. */
  readonly turns: number;
  readonly statusMessage?: string;
}

/** Gives the task back until something happens. Answers that came meanwhile make it due at once. */
export function suspendTask(task: Task, claim: LeaseClaim, suspension: Suspension, now: number): Task {
  assertLease(task, claim);
  const answers = without(task.answers, suspension.imported);
  const answered = new Set([...Object.keys(answers), ...suspension.imported]);
  // What is shown already stays as it was shown.
  const open = Object.entries(without(suspension.inputs, answered));
  const inputs = Object.fromEntries(open.map(([key, input]) => [key, task.inputs[key] ?? input]));
  const timeouts = Object.values(inputs).flatMap((input) => input.timeoutAt ?? []);
  const due = Object.keys(answers).length > 0 ? now : earliest(suspension.dueAt, ...timeouts);
  const { lease: _lease, parked: _parked, ...rest } = task.run;
  const run = { ...rest, dueAt: due, crashes: 0, turns: suspension.turns };
  const statusMessage = suspension.statusMessage ?? task.statusMessage;
  const suspended = { ...task, ...present({ statusMessage }), answers, run };
  const changed = statusMessage !== task.statusMessage || !sameKeys(inputs, task.inputs);
  return changed ? withInputs(suspended, inputs, now) : suspended;
}

/** Gives the task back unfinished, to be run again at `dueAt`. `crashed` counts against the allowed attempts. */
export function giveBack(task: Task, claim: LeaseClaim, dueAt: number, crashed: boolean, now: number): Task {
  assertHeld(task, claim);
  const crashes = crashed ? task.run.crashes + 1 : task.run.crashes;
  if (crashes >= task.maxAttempts)
    return isTerminal(task.status) ? withoutCleanup(task, now) : failExhausted(task, now);
  const { lease: _lease, parked: _parked, ...rest } = task.run;
  return { ...task, run: { ...rest, dueAt, crashes } };
}

/**
 * Whether the task should have run so long ago that whatever was to bring it to a worker must be taken for lost:
 * `graceMs` ago, and after each time that it was enqueued anew as long again as it had waited by then, so that a worker
 * that is behind is not sent more and more.
 */
export function isForgotten(task: Task, graceMs: number, now: number): boolean {
  const due = nextRunAt(task);
  if (due === null) return false;
  const { healedAt } = task.run;
  return healedAt === undefined || healedAt < due
    ? due + graceMs < now
    : healedAt + Math.max(graceMs, healedAt - due) < now;
}

/** Notes that a forgotten task is enqueued again, so that of all who notice one does it. */
export function heal(task: Task, now: number): Task {
  return { ...task, run: { ...task.run, healedAt: now } };
}

/**
 * Makes a task that no run holds due now, whatever it waits for: a run finds what has not come yet, and waits on. Throws
 * `invalid_transition` when it is never run again. The very same task where it is due already, or a run holds it.
 */
export function wakeTask(task: Task, now: number): Task {
  if (isOver(task)) throw new TaskError('invalid_transition', `The task is already ${task.status}.`);
  return isWaiting(task, now) ? { ...task, run: { ...task.run, dueAt: now } } : task;
}

export function setStatusMessage(task: Task, claim: LeaseClaim, statusMessage: string, now: number): Task {
  assertLease(task, claim);
  return task.statusMessage === statusMessage ? task : { ...task, statusMessage, updatedAt: now };
}

/** Moves the run deadline to `now + ms` if that is later, and the promised lifetime with it. */
export function extendDeadline(task: Task, claim: LeaseClaim, ms: number, now: number): Task {
  assertLease(task, claim);
  const deadlineAt = now + ms;
  if (deadlineAt <= task.deadlineAt) return task;
  const promise = laterPromise(task.promisedUntil, promisedUntil(deadlineAt, task.retentionMs));
  return { ...task, deadlineAt, promisedUntil: promise, updatedAt: now };
}

/** Throws `lease_lost` unless the run still holds the unfinished task. */
export function assertLease(task: Task, claim: LeaseClaim): void {
  if (isTerminal(task.status)) throw endedMeanwhile(task);
  assertHeld(task, claim);
}

/** Throws `lease_lost` unless the run still holds the task, which it may clean up after. */
export function assertHeld(task: Task, claim: LeaseClaim): void {
  if (isOver(task)) throw endedMeanwhile(task);
  if (task.run.epoch !== claim.epoch || task.run.lease?.holder !== claim.holder) {
    throw new TaskError('lease_lost', 'Another run has taken the task over.');
  }
}

function endedMeanwhile(task: Task): TaskError {
  return new TaskError('lease_lost', `The task has ended: it is ${task.status}.`, { detail: { status: task.status } });
}

/** Sets how long the handler of an ended task has to clean up, from the first time that it does. */
export function beginCleanup(task: Task, claim: LeaseClaim, cleanupMs: number, now: number): Task {
  assertHeld(task, claim);
  const { cleanup } = task.run;
  if (cleanup === undefined || cleanup.until !== undefined) return task;
  return { ...task, run: { ...task.run, cleanup: { ...cleanup, until: now + Math.max(cleanupMs, 0) } } };
}

/** The handler of an ended task has cleaned up, or may not go on with it. */
export function finishCleanup(task: Task, claim: LeaseClaim, now: number): Task {
  assertHeld(task, claim);
  return withoutCleanup(task, now);
}

function withoutCleanup(task: Task, now: number): Task {
  const { lease: _lease, healedAt: _healedAt, turns: _turns, parked: _parked, cleanup: _cleanup, ...rest } = task.run;
  return letGo({ ...task, run: { ...rest, dueAt: null } }, now);
}

const FIRST_PARKING_MS = 5_000;
const LONGEST_PARKING_MS = 5 * 60_000;

/** Gives back a task that the code at hand cannot run, to be looked at again after a pause that grows. Counts no crash. */
export function park(task: Task, claim: LeaseClaim, reason: string, now: number): Task {
  assertHeld(task, claim);
  const looks = (task.run.parked?.looks ?? 0) + 1;
  const dueAt = now + Math.min(FIRST_PARKING_MS * 2 ** (looks - 1), LONGEST_PARKING_MS);
  const { lease: _lease, ...rest } = task.run;
  const parked: Parking = { reason, looks };
  const run: RunState = { ...rest, dueAt, parked };
  return isTerminal(task.status) ? { ...task, run } : { ...task, run, updatedAt: now };
}

/** Whether the task has ended and its handler has nothing to clean up: it is never run again. */
export function isOver({ status, run }: Task): boolean {
  return isTerminal(status) && run.cleanup === undefined;
}

/** Whether nobody need run the task soon: no run holds it, and it is due later, or when an answer comes, or never. */
export function isWaiting(task: Task, now: number): boolean {
  const due = nextRunAt(task);
  return due === null || (task.run.lease === undefined && due > now);
}

/** When the task may next be run: its due time, or when the lease on it runs out. `null`: not before an answer. */
export function nextRunAt(task: Task): number | null {
  if (isOver(task)) return null;
  return task.run.lease?.until ?? task.run.dueAt;
}

function failExhausted(task: Task, now: number): Task {
  const message = `The task's runs ended unexpectedly ${task.maxAttempts} times in a row; it is not tried again.`;
  return failTask(task, runtimeFailure('attempts_exhausted', message), now);
}

function earliest(...times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : Math.min(...known);
}

function sameKeys(a: object, b: object): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key));
}
