/**
 * What a checkpoint log means: the state of each durable operation after its entries, and what
 * the clock alone has made due since. Pure. The states and transitions are those of the durable
 * execution service, as `@aws/durable-execution-sdk-js` expects them of its client.
 */
import type { OperationUpdate, WireOperation } from '@aws/durable-execution-sdk-js';

/** One record of the log: what one checkpoint, or one import of answers, changed. */
export interface LogEntry {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly updates?: readonly OperationUpdate[];
  readonly outcomes?: readonly CallbackOutcome[];
}

/** How a callback ended. */
export interface CallbackOutcome {
  /** The callback's key. */
  readonly callback: string;
  readonly outcome: 'answered' | 'failed' | 'timed_out';
  /** JSON text, of an answered one. */
  readonly result?: string;
  readonly message?: string;
}

/** An operation with what the log knows beyond the wire form. Times are milliseconds since the epoch. */
export interface OperationState {
  readonly wire: WireOperation & { readonly Id: string };
  /** A wait's end, or a retry's next attempt. */
  readonly dueAt?: number;
  /** When an unanswered callback times out. */
  readonly timeoutAt?: number;
}

export type Operations = Map<string, OperationState>;

export class UnsupportedOperationError extends Error {
  override readonly name = 'UnsupportedOperationError';
}

/** Applies an entry and returns the ids of the operations it changed. */
export function applyEntry(operations: Operations, entry: LogEntry): string[] {
  const changed = new Set<string>();
  for (const update of entry.updates ?? []) {
    const id = requireId(update.Id);
    const key = update.Type === 'CALLBACK' ? callbackKey(operations, id) : undefined;
    operations.set(id, applyUpdate(operations.get(id), update, { id, key, at: entry.at }));
    changed.add(id);
  }
  for (const outcome of entry.outcomes ?? []) {
    const id = callbackId(outcome.callback);
    const state = operations.get(id);
    if (state?.wire.Status !== 'STARTED') continue;
    operations.set(id, applyOutcome(state, outcome, entry.at));
    changed.add(id);
  }
  return [...changed];
}

/** Ends waits and readies retries whose time has come; returns the ids of those changed. */
export function settleDue(operations: Operations, now: number): string[] {
  const changed: string[] = [];
  for (const [id, state] of operations) {
    if (state.dueAt === undefined || state.dueAt > now) continue;
    const { wire } = state;
    if (wire.Type === 'WAIT' && wire.Status === 'STARTED') {
      operations.set(id, { wire: { ...wire, Status: 'SUCCEEDED', EndTimestamp: new Date(state.dueAt) } });
    } else if (wire.Type === 'STEP' && wire.Status === 'PENDING') {
      operations.set(id, { wire: { ...wire, Status: 'READY' } });
    } else continue;
    changed.push(id);
  }
  return changed;
}

/** The earliest time at which `settleDue` will change something; `null`: nothing waits for time. */
export function nextDueAt(operations: Operations): number | null {
  let next: number | null = null;
  for (const state of operations.values()) {
    const { dueAt } = state;
    if (dueAt === undefined || (next !== null && dueAt >= next) || isAbandoned(operations, state)) continue;
    next = dueAt;
  }
  return next;
}

export interface OutstandingCallback {
  readonly key: string;
  readonly timeoutAt?: number;
}

/** Callbacks that the handler may still wait for, in order of creation. */
export function outstandingCallbacks(operations: Operations): OutstandingCallback[] {
  return [...operations.values()].flatMap((state) => {
    const { wire, timeoutAt } = state;
    const key = wire.CallbackDetails?.CallbackId;
    if (wire.Status !== 'STARTED' || key === undefined || isAbandoned(operations, state)) return [];
    return [timeoutAt === undefined ? { key } : { key, timeoutAt }];
  });
}

/** Whether a branch around the operation is over, as when another branch was enough: nobody waits for it any more. */
function isAbandoned(operations: Operations, { wire }: OperationState): boolean {
  let above = wire.ParentId === undefined ? undefined : operations.get(wire.ParentId)?.wire;
  while (above?.Status === 'STARTED')
    above = above.ParentId === undefined ? undefined : operations.get(above.ParentId)?.wire;
  return above !== undefined;
}

/** Unique over a task's life, the same in every replay, and in order of creation when sorted. */
function callbackKey(operations: Operations, id: string): string {
  let created = 0;
  for (const { wire } of operations.values()) if (wire.Type === 'CALLBACK') created += 1;
  return `${String(created + 1).padStart(KEY_DIGITS, '0')}-${id}`;
}

const KEY_DIGITS = 4;

function callbackId(key: string): string {
  return key.slice(key.indexOf('-') + 1);
}

function applyUpdate(
  before: OperationState | undefined,
  update: OperationUpdate,
  { id, key, at }: { readonly id: string; readonly key: string | undefined; readonly at: number },
): OperationState {
  const started = before?.wire.StartTimestamp ?? new Date(at);
  const wire = {
    Id: id,
    ...(update.ParentId === undefined ? {} : { ParentId: update.ParentId }),
    ...(update.Name === undefined ? {} : { Name: update.Name }),
    ...(update.SubType === undefined ? {} : { SubType: update.SubType }),
    Type: update.Type,
    StartTimestamp: started,
  };
  switch (update.Type) {
    case 'STEP':
      return applyStep(before, update, wire, at);
    case 'WAIT': {
      if (update.Action === 'CANCEL') return { wire: { ...wire, Status: 'CANCELLED', EndTimestamp: new Date(at) } };
      const dueAt = timeAfter(at, update.WaitOptions?.WaitSeconds ?? 0);
      return { wire: { ...wire, Status: 'STARTED', WaitDetails: { ScheduledEndTimestamp: new Date(dueAt) } }, dueAt };
    }
    case 'CALLBACK': {
      const { TimeoutSeconds } = update.CallbackOptions ?? {};
      const state = { wire: { ...wire, Status: 'STARTED' as const, CallbackDetails: { CallbackId: key } } };
      return TimeoutSeconds === undefined ? state : { ...state, timeoutAt: timeAfter(at, TimeoutSeconds) };
    }
    case 'CONTEXT': {
      const details = {
        ...before?.wire.ContextDetails,
        ...(update.ContextOptions?.ReplayChildren === undefined
          ? {}
          : { ReplayChildren: update.ContextOptions.ReplayChildren }),
        ...outcomeDetails(update),
      };
      return { wire: { ...wire, ...endOf(update, at), ContextDetails: details } };
    }
    default:
      throw new UnsupportedOperationError(`${update.Type} operations (${update.Name ?? id}) are not available here.`);
  }
}

function applyStep(
  before: OperationState | undefined,
  update: OperationUpdate,
  wire: Omit<OperationState['wire'], 'Status'>,
  at: number,
): OperationState {
  const details = before?.wire.StepDetails ?? {};
  const attempt = details.Attempt ?? 0;
  switch (update.Action) {
    case 'START':
      return { wire: { ...wire, Status: 'STARTED', StepDetails: details } };
    case 'RETRY': {
      const dueAt = timeAfter(at, update.StepOptions?.NextAttemptDelaySeconds ?? 0);
      const StepDetails = {
        ...details,
        Attempt: attempt + 1,
        NextAttemptTimestamp: new Date(dueAt),
        ...outcomeDetails(update),
      };
      return { wire: { ...wire, Status: 'PENDING', StepDetails }, dueAt };
    }
    default: {
      const StepDetails = { Attempt: attempt + 1, ...outcomeDetails(update) };
      return { wire: { ...wire, ...endOf(update, at), StepDetails } };
    }
  }
}

function applyOutcome(state: OperationState, outcome: CallbackOutcome, at: number): OperationState {
  const CallbackDetails = {
    ...state.wire.CallbackDetails,
    ...(outcome.result === undefined ? {} : { Result: outcome.result }),
    ...(outcome.message === undefined ? {} : { Error: { ErrorType: 'CallbackError', ErrorMessage: outcome.message } }),
  };
  const Status = ({ answered: 'SUCCEEDED', failed: 'FAILED', timed_out: 'TIMED_OUT' } as const)[outcome.outcome];
  return { wire: { ...state.wire, Status, EndTimestamp: new Date(at), CallbackDetails } };
}

/** The latest that a `Date` can be. */
const END_OF_TIME = 8.64e15;

/** In whole milliseconds, which a task's head is kept in; users compute delays that are not. */
function timeAfter(at: number, seconds: number): number {
  if (Number.isNaN(seconds))
    throw new UnsupportedOperationError('A duration that is not a number cannot be waited for.');
  return Math.min(at + Math.ceil(seconds * 1000), END_OF_TIME);
}

function endOf(update: OperationUpdate, at: number) {
  switch (update.Action) {
    case 'SUCCEED':
      return { Status: 'SUCCEEDED' as const, EndTimestamp: new Date(at) };
    case 'FAIL':
      return { Status: 'FAILED' as const, EndTimestamp: new Date(at) };
    case 'CANCEL':
      return { Status: 'CANCELLED' as const, EndTimestamp: new Date(at) };
    default:
      return { Status: 'STARTED' as const };
  }
}

function outcomeDetails(update: OperationUpdate) {
  return {
    ...(update.Payload === undefined ? {} : { Result: update.Payload }),
    ...(update.Error === undefined ? {} : { Error: update.Error }),
  };
}

function requireId(id: string | undefined): string {
  if (id === undefined) throw new UnsupportedOperationError('An operation without an id cannot be recorded.');
  return id;
}
