/**
 * What a run's code asks for, held against what the journal has of it: each operation gets its number, and what
 * is recorded of it, or is new; code that asks for something else than it had is found at once. Also what of it is
 * not in the journal yet, and handing outcomes over. Decides nothing about when: see `handler-run.ts`.
 */
import type { Clock, EpochMs, RandomBytes } from '../clock.ts';
import type { JsonValue } from '../domain/json.ts';
import type { EndCause } from '../domain/task.ts';
import { present } from '../present.ts';
import { CallbackTimeoutError, OperationWithdrawn, TaskAborted } from './aborts.ts';
import { timeAfter } from './duration.ts';
import type { Ask, HandedOutcome, OperationKind } from './journal.ts';
import { type Action, describeOperation, isWaitingKind, Operation } from './operation.ts';
import type { Place } from './place.ts';
import { StepError } from './recorded-error.ts';
import { identityOf, type Recording } from './recording.ts';

/** What is special about one kind of operation. Times are in milliseconds. */
export interface AskOptions {
  /** Of a step or a condition. */
  readonly action?: Action | undefined;
  /** Of a wait: how long, or until when (since the epoch). */
  readonly afterMs?: number | undefined;
  readonly dueAt?: number | undefined;
  /** Of a callback or a question. */
  readonly timeoutMs?: number | undefined;
  readonly request?: unknown;
}

export interface OperationsOptions {
  readonly recording: Recording;
  readonly startedAt: EpochMs;
  readonly clock: Clock;
  readonly random: RandomBytes;
  /** The code has asked for something, or given something up. */
  readonly onChange: (changed: Operation | undefined) => void;
}

type Identity = Pick<Ask, 'branch' | 'kind' | 'name' | 'nth'>;

export class Operations {
  readonly #options: OperationsOptions;
  readonly #recording: Recording;
  readonly #byNumber = new Map<number, Operation>();
  /** Not settled, in the order of asking. */
  readonly #pending = new Set<Operation>();
  readonly #patches = new Map<string, boolean>();
  #unwritten: Ask[] = [];
  /** How many asks the journal has. */
  #written: number;
  #mustWrite = false;
  #nextNumber: number;
  #turn = 0;
  #turnAt: EpochMs;
  /** In this turn the code asked for something that the journal has later, or not at all. */
  #ranAhead = false;
  #abortedAs: EndCause | undefined;
  #mismatch: string | undefined;
  #isClosed = false;

  constructor(options: OperationsOptions) {
    this.#options = options;
    this.#recording = options.recording;
    this.#nextNumber = options.recording.asks.length;
    this.#written = options.recording.asks.length;
    this.#turnAt = options.startedAt;
  }

  get turn(): number {
    return this.#turn;
  }

  /** The time of the turn, in milliseconds since the epoch: the same in each replay. */
  get now(): EpochMs {
    return this.#turnAt;
  }

  /** What the code does differently from what it had done. */
  get mismatch(): string | undefined {
    return this.#mismatch;
  }

  get isAborted(): boolean {
    return this.#abortedAs !== undefined;
  }

  get pending(): ReadonlySet<Operation> {
    return this.#pending;
  }

  /** Whether something that was asked for must be in the journal before anything else happens. */
  get mustWrite(): boolean {
    return this.#mustWrite;
  }

  all(): Iterable<Operation> {
    return this.#byNumber.values();
  }

  /** The operation, while something can still happen to it. */
  awaiting(number: number): Operation | undefined {
    const operation = this.#byNumber.get(number);
    return operation?.isSettled === false ? operation : undefined;
  }

  /** Asks that the journal does not have; `wrote` is to be called when it has them. */
  takeUnwritten(): readonly Ask[] {
    const asks = this.#unwritten;
    this.#unwritten = [];
    this.#mustWrite = false;
    return asks;
  }

  wrote(asks: readonly Ask[]): void {
    this.#written += asks.length;
  }

  /** Whether the journal has it: only then does every other run give that number to the same operation. */
  isWritten({ number }: Operation): boolean {
    return number < this.#written;
  }

  get hasUnwritten(): boolean {
    return this.#unwritten.length > 0;
  }

  /** From now on nothing that the code asks for counts. */
  close(): void {
    this.#isClosed = true;
  }

  /** Asks for an operation; one that the journal has gets what is recorded of it. */
  ask(branch: Place, kind: OperationKind, name: string, more: AskOptions): Operation {
    const { identity, nth } = nextIdentity(branch, kind, name);
    if (isWaitingKind(kind) && (this.isAborted || branch.isWithdrawn)) return this.#refused(branch, kind, name, nth);
    const { recorded, number } = this.#numberOf(identity);
    const operation = new Operation({ branch, kind, name, nth, number });
    operation.action = more.action;
    operation.request = more.request;
    if (this.#isOver) return operation;
    this.#byNumber.set(number, operation);
    this.#pending.add(operation);
    if (recorded === undefined) this.#begin(operation, identity, more);
    else this.#restore(operation, recorded);
    this.#options.onChange(operation);
    return operation;
  }

  /** A value that is made once and recorded; it is in the journal before anything that may depend on it happens. */
  value(branch: Place, name: string, make: () => JsonValue): JsonValue {
    const { identity, nth } = nextIdentity(branch, 'value', name);
    const { recorded, number } = this.#numberOf(identity);
    const value = recorded?.value ?? make();
    if (this.#isOver) return value;
    this.#byNumber.set(number, settledOperation(branch, 'value', name, nth, number));
    if (recorded === undefined) this.#note({ ...identity, value }, { first: true });
    return value;
  }

  /** Whether the task came to this place first with code that has the change; the first answer stays. */
  patched(branch: Place, name: string): boolean {
    const known = this.#patches.get(name);
    if (known !== undefined) return known;
    const number = this.#recording.numberOf(identityOf({ kind: 'patch', name }));
    const isNew =
      number === undefined && this.#turn >= this.#recording.completeTurns && this.#unasked(this.#turn) === undefined;
    const isPatched = number !== undefined || isNew;
    if (number !== undefined) this.#byNumber.set(number, settledOperation(branch, 'patch', name, 1, number));
    if (isNew && !this.#isOver) {
      this.#byNumber.set(this.#nextNumber, settledOperation(branch, 'patch', name, 1, this.#nextNumber));
      this.#nextNumber += 1;
      this.#note({ kind: 'patch', name }, { first: true });
    }
    this.#patches.set(name, isPatched);
    return isPatched;
  }

  /** Nobody waits for the operation any more: it rejects with `reason`, and what still comes of it is ignored. */
  withdraw(operation: Operation, reason: unknown): void {
    if (operation.isSettled || this.#isOver) return;
    const { branch, name, number } = operation;
    const { identity, nth } = nextIdentity(branch, 'withdraw', name);
    const { recorded, number: own } = this.#numberOf(identity);
    if (this.#isOver) return;
    this.#byNumber.set(own, settledOperation(branch, 'withdraw', name, nth, own));
    if (recorded === undefined) this.#note({ ...identity, target: number }, { first: false });
    this.#reject(operation, reason);
    this.#options.onChange(operation);
  }

  /** Withdraws everything in the branch, and what is asked for in it from now on. */
  withdrawBranch(branch: Place): void {
    branch.isWithdrawn = true;
    for (const operation of [...this.#pending]) {
      if (operation.branch.isWithin(branch)) this.withdraw(operation, new OperationWithdrawn(operation.description));
    }
  }

  /** Begins a turn: the code gets the outcome, and does what it can with it. */
  handOver(outcome: HandedOutcome, at: EpochMs): void {
    this.#turn += 1;
    this.#turnAt = Math.max(this.#turnAt, at);
    if (outcome.kind === 'aborted') {
      this.#abortedAs = outcome.cause;
      for (const operation of [...this.#pending]) this.#reject(operation, new TaskAborted(outcome.cause));
      return;
    }
    const operation = this.awaiting(outcome.of);
    if (operation === undefined) return;
    if (outcome.kind === 'failed') this.#reject(operation, new StepError(outcome.error));
    else if (outcome.kind === 'timed_out') this.#reject(operation, new CallbackTimeoutError(operation.description));
    else this.#resolve(operation, outcome.value);
  }

  /**
   * Something that is recorded of the turn, or of a later one if the code `hasEnded`, and that the code has not asked
   * for; `isLost`: it never will, because it has asked for something else instead.
   */
  missing(hasEnded: boolean): { readonly number: number; readonly isLost: boolean } | undefined {
    const number = this.#unasked(this.#turn) ?? (hasEnded ? this.#unaskedAfter(this.#turn) : undefined);
    if (number === undefined) {
      this.#ranAhead = false;
      return undefined;
    }
    return { number, isLost: hasEnded || this.#ranAhead };
  }

  /** The code does not do again what it had done: it did `instead` of asking for that number. */
  differ(missing: number, instead: string): void {
    const before = this.#recording.turns[this.#turn - 1]?.outcome;
    const recorded = missing < 0 ? 'nothing more' : describeOperation(this.#askOf(missing));
    let where = 'At its beginning';
    if (before?.kind === 'aborted') where = 'After the task was aborted';
    else if (before !== undefined) where = `After ${describeOperation(this.#askOf(before.of))}`;
    this.#mismatch ??= `${where} (turn ${this.#turn}): recorded is ${recorded}, and the code ${instead}.`;
    this.#options.onChange(undefined);
  }

  random(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#options.random(4);
    return (a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d) / 2 ** 32;
  }

  randomBytes(count: number): Uint8Array {
    return this.#options.random(count);
  }

  get #isOver(): boolean {
    return this.#isClosed || this.#mismatch !== undefined;
  }

  #begin(operation: Operation, identity: Identity, more: AskOptions): void {
    const now = this.#options.clock.now();
    const { kind } = operation;
    if (kind === 'wait') operation.dueAt = more.dueAt ?? timeAfter(now, more.afterMs ?? 0);
    if (more.timeoutMs !== undefined) operation.timeoutAt = timeAfter(now, more.timeoutMs);
    const ask: Ask = {
      ...identity,
      ...present({ dueAt: operation.dueAt, afterMs: more.afterMs, timeoutAt: operation.timeoutAt }),
    };
    // A step's beginning may be forgotten; that of a wait or a question may not.
    this.#note(ask, { first: kind !== 'step' && kind !== 'condition' });
  }

  #restore(operation: Operation, recorded: Ask): void {
    const now = this.#options.clock.now();
    const progress = this.#recording.progressOf(operation.number);
    operation.timeoutAt = recorded.timeoutAt;
    operation.attempts = progress?.attempts ?? 0;
    operation.begun = progress?.begun ?? 0;
    operation.state = progress?.state;
    const dueAt = progress?.dueAt ?? recorded.dueAt;
    operation.dueAt = believable(dueAt, progress?.afterMs ?? recorded.afterMs, now);
    operation.isDueEarlier = operation.dueAt !== dueAt;
  }

  #resolve(operation: Operation, value: JsonValue | undefined): void {
    this.#pending.delete(operation);
    try {
      operation.resolve(operation.decode(value));
    } catch (error) {
      operation.reject(error);
    }
  }

  #reject(operation: Operation, reason: unknown): void {
    this.#pending.delete(operation);
    operation.abortWith(reason);
    operation.reject(reason);
  }

  /** `first`: it must be in the journal before anything else happens. */
  #note(ask: Ask, { first }: { readonly first: boolean }): void {
    this.#unwritten.push(this.#turn === 0 ? ask : { ...ask, turn: this.#turn });
    this.#mustWrite ||= first;
  }

  /** The number of an operation, and what the journal has of it. One that it lacks is new, or shows that the code differs. */
  #numberOf(identity: Identity): { recorded: Ask | undefined; number: number } {
    const known = this.#recording.numberOf(identityOf(identity));
    if (known !== undefined) {
      const recorded = this.#recording.asks[known];
      if ((recorded?.turn ?? 0) > this.#turn) this.#ranAhead = true;
      return { recorded, number: known };
    }
    if (!this.#isOver && this.#turn < this.#recording.completeTurns) {
      const missing = this.#unasked(this.#turn) ?? this.#unaskedAfter(this.#turn) ?? -1;
      this.differ(missing, `asked for ${describeOperation(identity)}`);
    }
    this.#ranAhead = true;
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    return { recorded: undefined, number };
  }

  #unasked(turn: number): number | undefined {
    return this.#recording.askedIn(turn).find((number) => !this.#byNumber.has(number));
  }

  #unaskedAfter(turn: number): number | undefined {
    for (let later = turn + 1; later <= this.#recording.turns.length; later += 1) {
      const missing = this.#unasked(later);
      if (missing !== undefined) return missing;
    }
    return undefined;
  }

  #askOf(number: number): Ask {
    return this.#recording.asks[number] ?? { kind: 'step', name: `number ${number}` };
  }

  #refused(branch: Place, kind: OperationKind, name: string, nth: number): Operation {
    const operation = new Operation({ branch, kind, name, nth, number: -1 });
    this.#reject(
      operation,
      this.#abortedAs === undefined ? new OperationWithdrawn(operation.description) : new TaskAborted(this.#abortedAs),
    );
    return operation;
  }
}

function nextIdentity(branch: Place, kind: OperationKind, name: string): { identity: Identity; nth: number } {
  const nth = branch.count(kind, name);
  const identity = {
    kind,
    name,
    ...(branch.path === '' ? {} : { branch: branch.path }),
    ...(nth === 1 ? {} : { nth }),
  };
  return { identity, nth };
}

/** What is asked and answered in the same breath: a value, a mark, a withdrawal. */
function settledOperation(branch: Place, kind: OperationKind, name: string, nth: number, number: number): Operation {
  const operation = new Operation({ branch, kind, name, nth, number });
  operation.isInternal = true;
  operation.resolve(undefined);
  return operation;
}

/**
 * A due time further ahead than the whole wait was to take: the clock has been put back since, and is not believed.
 * One without a length was given as a date, which is taken as it is.
 */
function believable(dueAt: number | undefined, afterMs: number | undefined, now: EpochMs): number | undefined {
  return dueAt === undefined || afterMs === undefined ? dueAt : Math.min(dueAt, timeAfter(now, afterMs));
}
