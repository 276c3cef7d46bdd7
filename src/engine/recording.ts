/**
 * A journal as a replay needs it: what was asked in each turn, what was handed over in which order, and how
 * far each operation had come. Made once from all entries; pure.
 */
import type { JsonValue } from '../domain/json.ts';
import { present } from '../present.ts';
import { type Ask, type HandedOutcome, isHanded, type JournalEntry } from './journal.ts';

/** A turn begins with what is handed over at `at` (milliseconds since the epoch). */
export interface RecordedTurn {
  readonly outcome: HandedOutcome;
  readonly at: number;
}

/** What happened to an operation without being handed over. */
export interface RecordedProgress {
  attempts: number;
  begun: number;
  dueAt?: number;
  afterMs?: number;
  state?: JsonValue;
}

export class Recording {
  /** By number. */
  readonly asks: readonly Ask[];
  /** In the order in which they were handed over; the turn that begins with `turns[n]` is number `n + 1`. */
  readonly turns: readonly RecordedTurn[];
  /**
   * How many turns, the first included, have all their asks here: those that were over when the last entry was
   * written. What code asks for in a later one may be new.
   */
  readonly completeTurns: number;
  readonly #numbers = new Map<string, number>();
  readonly #byTurn = new Map<number, number[]>();
  readonly #progress = new Map<number, RecordedProgress>();

  constructor(entries: readonly JournalEntry[]) {
    const asks: Ask[] = [];
    const turns: RecordedTurn[] = [];
    let completeTurns = 0;
    for (const { at, asks: asked = [], outcomes = [] } of entries) {
      completeTurns = turns.length + 1;
      for (const ask of asked) {
        const number = asks.push(ask) - 1;
        this.#numbers.set(identityOf(ask), number);
        const turn = ask.turn ?? 0;
        const others = this.#byTurn.get(turn);
        if (others === undefined) this.#byTurn.set(turn, [number]);
        else others.push(number);
      }
      for (const outcome of outcomes) {
        if (isHanded(outcome)) turns.push({ outcome, at });
        else if (outcome.kind === 'begun') this.#progressOf(outcome.of).begun = outcome.attempt;
        else if (outcome.kind === 'due') this.#progressOf(outcome.of).dueAt = outcome.dueAt;
        else {
          const { attempt: attempts, dueAt, afterMs, state } = outcome;
          this.#progress.set(outcome.of, {
            attempts,
            begun: 0,
            dueAt,
            afterMs,
            ...present({ state }),
          });
        }
      }
    }
    this.asks = asks;
    this.turns = turns;
    this.completeTurns = completeTurns;
  }

  numberOf(identity: string): number | undefined {
    return this.#numbers.get(identity);
  }

  askedIn(turn: number): readonly number[] {
    return this.#byTurn.get(turn) ?? [];
  }

  progressOf(number: number): Readonly<RecordedProgress> | undefined {
    return this.#progress.get(number);
  }

  #progressOf(number: number): RecordedProgress {
    const known = this.#progress.get(number);
    if (known !== undefined) return known;
    const progress = { attempts: 0, begun: 0 };
    this.#progress.set(number, progress);
    return progress;
  }
}

/** What makes an operation the same in every replay. Names hold no control characters, so nothing else has this text. */
export function identityOf(of: Pick<Ask, 'branch' | 'kind' | 'name' | 'nth'>): string {
  return `${of.branch ?? ''}\n${of.kind}\n${of.name}\n${of.nth ?? 1}`;
}
