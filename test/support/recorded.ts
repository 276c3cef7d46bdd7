/** What a task's journal says, for tests that look into it: which operation has which outcomes. */
import type { Ask, JournalEntry, OperationKind, Outcome } from '../../src/engine/journal.ts';
import { keyOf } from '../../src/engine/operation.ts';

export interface Recorded {
  readonly ask: Ask;
  /** As a client or a callback's holder knows it. */
  readonly key: string;
  readonly outcome: Exclude<Outcome, { kind: 'aborted' }>;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** In the order in which they were recorded. */
export function recordedOutcomes(entries: readonly JournalEntry[], ...kinds: readonly OperationKind[]): Recorded[] {
  const asks = entries.flatMap((entry) => entry.asks ?? []);
  return entries.flatMap(({ at, outcomes = [] }) =>
    outcomes.flatMap((outcome) => {
      if (outcome.kind === 'aborted') return [];
      const ask = asks[outcome.of];
      if (ask === undefined) throw new Error(`The journal has an outcome of ${outcome.of}, which nobody asked for.`);
      return kinds.length === 0 || kinds.includes(ask.kind) ? [{ ask, key: keyOf(outcome.of), outcome, at }] : [];
    }),
  );
}

/** The names of what was asked for, in that order. */
export function askedNames(entries: readonly JournalEntry[]): string[] {
  return entries.flatMap(({ asks = [] }) => asks.map(({ name }) => name));
}
