/**
 * What has landed in the journal of a world's task, entry by entry, and what must be true of it as it grows: nothing
 * happens to what was not asked for, or was over, or a second time; tries follow one another; outcomes come in order of
 * time.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Answer } from '../../../src/domain/task.ts';
import { type Ask, isHanded, type JournalEntry, type Outcome, type Progress } from '../../../src/engine/journal.ts';
import { describeOperation, keyOf } from '../../../src/engine/operation.ts';
import { identityOf } from '../../../src/engine/recording.ts';

export type LandedEntry = JournalEntry & { readonly epoch: number };

/** What an answer in the head becomes in the journal. */
const OUTCOMES = { answered: 'ok', failed: 'failed', timed_out: 'timed_out' } as const;

/** What became of an operation. */
export type LandedEnd = 'open' | 'over' | 'withdrawn';

interface LandedOperation {
  readonly ask: Ask;
  attempts: number;
  begun: number;
  end: LandedEnd;
  /** The turn that begins with its outcome. */
  endTurn: number;
}

export class JournalLedger {
  readonly entries: LandedEntry[] = [];
  readonly #complain: (problem: string) => void;
  readonly #operations: LandedOperation[] = [];
  readonly #identities = new Set<string>();
  /** Where the outcome of a step is, by its id. */
  readonly #decided = new Map<string, LandedEntry>();
  #turns = 0;
  #isAborted = false;

  constructor(complain: (problem: string) => void) {
    this.#complain = complain;
  }

  /** `answers`: all that were ever accepted, by key. `isOrdered`: whether times can be compared. */
  add(place: number, entry: LandedEntry, answers: ReadonlyMap<string, Answer>, isOrdered: boolean): void {
    if (place !== this.entries.length)
      this.#complain(`entry ${place} landed after ${this.entries.length} entries [I7]`);
    if (entry.epoch < (this.entries.at(-1)?.epoch ?? 0))
      this.#complain(`an older run wrote entry ${place} after a newer one [I7]`);
    this.entries.push(entry);
    for (const ask of entry.asks ?? []) this.#ask(ask);
    const times: number[] = [];
    for (const outcome of entry.outcomes ?? []) {
      const at = this.#happen(outcome, answers);
      if (at !== undefined) times.push(at);
    }
    if (isOrdered && times.some((at, index) => at < (times[index - 1] ?? 0))) {
      this.#complain(`entry ${place} has outcomes out of the order of their times: ${JSON.stringify(entry.outcomes)}`);
    }
  }

  /** Whether a step's outcome was recorded by the run of that epoch, or before it took the task, with so many entries there. */
  isDecided(id: string, epoch: number, length: number): boolean {
    const entry = this.#decided.get(id);
    return entry !== undefined && (entry.epoch === epoch || this.entries.indexOf(entry) < length);
  }

  /** What became of the operation that an input's key names. */
  endOf(key: string): LandedEnd | undefined {
    return this.#operations.find((_, number) => keyOf(number) === key)?.end;
  }

  get isAborted(): boolean {
    return this.#isAborted;
  }

  #ask(ask: Ask): void {
    const what = describeOperation(ask);
    const identity = identityOf(ask);
    if (this.#identities.has(identity)) this.#complain(`${what} is in the journal twice`);
    this.#identities.add(identity);
    const turn = ask.turn ?? 0;
    if (turn > this.#turns) this.#complain(`${what} was asked in turn ${turn} of ${this.#turns}`);
    if (turn < (this.#operations.at(-1)?.ask.turn ?? 0))
      this.#complain(`${what} was written after what was asked later`);
    this.#operations.push({ ask, attempts: 0, begun: 0, end: 'open', endTurn: Number.POSITIVE_INFINITY });
    if (ask.kind !== 'withdraw') return;
    const target = this.#operations[ask.target ?? -1];
    // Its outcome may be in the journal, and not handed over yet.
    if (target === undefined || target.end === 'withdrawn' || target.endTurn <= turn) {
      this.#complain(`${what} withdraws what is ${target?.end ?? 'not there'}`);
    } else target.end = 'withdrawn';
  }

  /** When it happened, where that is known. */
  #happen(outcome: Outcome, answers: ReadonlyMap<string, Answer>): number | undefined {
    if (outcome.kind === 'aborted') {
      this.#turns += 1;
      if (this.#isAborted) this.#complain('the task was aborted twice');
      this.#isAborted = true;
      for (const operation of this.#operations) if (operation.end === 'open') operation.end = 'over';
      return undefined;
    }
    const operation = this.#operations[outcome.of];
    if (operation?.end !== 'open') {
      this.#complain(`${outcome.kind} of operation ${outcome.of}, which is ${operation?.end ?? 'not there'} [I3 I4]`);
      return undefined;
    }
    if (!isHanded(outcome)) {
      this.#progress(operation, outcome);
      return undefined;
    }
    this.#turns += 1;
    operation.end = 'over';
    operation.endTurn = this.#turns;
    this.#decide(outcome);
    const { kind, dueAt } = operation.ask;
    if (kind === 'wait') return dueAt;
    if (kind !== 'callback' && kind !== 'question') return undefined;
    const answer = answers.get(keyOf(outcome.of));
    if (answer === undefined) return undefined;
    if (OUTCOMES[answer.outcome] !== outcome.kind) {
      this.#complain(
        `${describeOperation(operation.ask)} was ${answer.outcome} and is ${outcome.kind} in the journal [I4]`,
      );
    } else if (
      answer.outcome === 'answered' &&
      'json' in answer.value &&
      outcome.kind === 'ok' &&
      !isDeepStrictEqual(answer.value.json, outcome.value)
    ) {
      this.#complain(`${describeOperation(operation.ask)} has another answer than was accepted [I4]`);
    }
    return answer.at;
  }

  #progress(operation: LandedOperation, outcome: Progress): void {
    if (outcome.kind === 'due') return;
    const { attempts, begun, ask } = operation;
    if (outcome.attempt !== attempts + 1) {
      this.#complain(`${outcome.kind} ${outcome.attempt} of ${describeOperation(ask)} after ${attempts} tries`);
    }
    if (outcome.kind === 'begun') {
      if (begun === outcome.attempt) this.#complain(`try ${begun} of ${describeOperation(ask)} began twice`);
      operation.begun = outcome.attempt;
    } else operation.attempts = outcome.attempt;
  }

  #decide(outcome: Extract<Outcome, { kind: 'ok' | 'failed' | 'timed_out' }>): void {
    let text = '';
    if (outcome.kind === 'ok' && typeof outcome.value === 'string') text = outcome.value;
    if (outcome.kind === 'failed') text = outcome.error.message;
    const id = text.split(' ')[0];
    const entry = this.entries.at(-1);
    if (id !== undefined && id !== '' && entry !== undefined) this.#decided.set(id, entry);
  }
}
