/**
 * A task's journal as people read it: one row for each operation that its handler asked for, with what came of it, how
 * often it was tried, how long it took and how large what it gave is. Pure.
 */
import { jsonBytes } from '../domain/json.ts';
import type { Ask, JournalEntry, OperationKind, Outcome } from '../engine/journal.ts';
import type { RecordedError } from '../engine/recorded-error.ts';
import { Recording } from '../engine/recording.ts';
import { present } from '../present.ts';

export type OperationState = 'done' | 'failed' | 'timed_out' | 'retrying' | 'open' | 'withdrawn' | 'aborted';

/** Times are milliseconds since the epoch. */
export interface TimelineRow {
  /** Its place among all that the handler asked for, from 0. */
  readonly number: number;
  readonly kind: OperationKind;
  readonly name: string;
  /** The branch that asked; absent: the handler's own. */
  readonly branch?: string;
  /** The how-manieth of this kind and name in its branch, from the second on. */
  readonly nth?: number;
  readonly state: OperationState;
  /** Tries of a step or looks of a condition that have ended. */
  readonly attempts?: number;
  /** When the handler asked: the time of what it had been handed before; of what it asked for first, that of its creation. */
  readonly askedAt: number;
  readonly endedAt?: number;
  readonly durationMs?: number;
  /** Of what it gave, as JSON. */
  readonly bytes?: number;
  /** When a wait ends, or the next try comes. */
  readonly dueAt?: number;
  /** When a question or callback gives up. */
  readonly timeoutAt?: number;
  readonly error?: RecordedError;
}

/** Marks that the code leaves for itself, which nobody waits for. */
const WITHOUT_OUTCOME: readonly OperationKind[] = ['value', 'patch'];

/** In the order of asking; withdrawals are told with what they withdraw. */
export function timelineOf(createdAt: number, entries: readonly JournalEntry[]): TimelineRow[] {
  const recording = new Recording(entries);
  const ends = endsOf(entries);
  const rows = recording.asks.map((ask, number): TimelineRow | undefined => {
    if (ask.kind === 'withdraw') return undefined;
    const turn = ask.turn ?? 0;
    const askedAt = turn === 0 ? createdAt : (recording.turns[turn - 1]?.at ?? createdAt);
    return rowOf({ ask, number, askedAt, end: ends.get(number), recording });
  });
  return rows.filter((row) => row !== undefined);
}

interface End {
  readonly state: OperationState;
  readonly at: number;
  readonly outcome?: Outcome;
}

function endsOf(entries: readonly JournalEntry[]): ReadonlyMap<number, End> {
  const ends = new Map<number, End>();
  const end = (number: number, how: End) => {
    if (!ends.has(number)) ends.set(number, how);
  };
  let asked = 0;
  for (const { at, asks = [], outcomes = [] } of entries) {
    for (const ask of asks) {
      if (ask.kind === 'withdraw' && ask.target !== undefined) end(ask.target, { state: 'withdrawn', at });
      asked += 1;
    }
    for (const outcome of outcomes) {
      if (outcome.kind === 'ok') end(outcome.of, { state: 'done', at, outcome });
      else if (outcome.kind === 'failed') end(outcome.of, { state: 'failed', at, outcome });
      else if (outcome.kind === 'timed_out') end(outcome.of, { state: 'timed_out', at });
      else if (outcome.kind === 'aborted') for (let of = 0; of < asked; of += 1) end(of, { state: 'aborted', at });
    }
  }
  return ends;
}

interface Recorded {
  readonly ask: Ask;
  readonly number: number;
  readonly askedAt: number;
  readonly end: End | undefined;
  readonly recording: Recording;
}

function rowOf({ ask, number, askedAt, end, recording }: Recorded): TimelineRow {
  const { kind, name, branch, nth, timeoutAt } = ask;
  const base = { number, kind, name, ...present({ branch, nth }), askedAt };
  if (WITHOUT_OUTCOME.includes(kind)) {
    return {
      ...base,
      state: 'done',
      ...present({ bytes: ask.value === undefined ? undefined : jsonBytes(ask.value) }),
    };
  }
  const progress = recording.progressOf(number);
  const failedTries = progress?.attempts ?? 0;
  const isTried = kind === 'step' || kind === 'condition';
  if (end === undefined) {
    const dueAt = progress?.dueAt ?? ask.dueAt;
    return {
      ...base,
      state: failedTries > 0 ? 'retrying' : 'open',
      ...present({ attempts: isTried ? failedTries : undefined, dueAt, timeoutAt }),
    };
  }
  const { state, at, outcome } = end;
  const ownTry = state === 'done' || state === 'failed' ? 1 : 0;
  const value = outcome?.kind === 'ok' ? outcome.value : undefined;
  return {
    ...base,
    state,
    endedAt: at,
    durationMs: Math.max(0, at - askedAt),
    ...present({
      attempts: isTried ? failedTries + ownTry : undefined,
      bytes: value === undefined ? undefined : jsonBytes(value),
      error: outcome?.kind === 'failed' ? outcome.error : undefined,
      timeoutAt,
    }),
  };
}
