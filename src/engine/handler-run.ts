/**
 * One run of a handler against its journal. First it replays what the journal has, one outcome at a time and
 * each handed over only when the code can do no more with the one before; then it goes on live in the same
 * way, with every outcome in the journal before the code learns of it. So the code starts the same operations
 * in the same order in each run, and every race has the same winner. Knows no storage, no protocol, no lease.
 */
import { type CancelTimer, type Clock, type EpochMs, eventLoopTurn, type RandomBytes } from '../clock.ts';
import type { JsonValue } from '../domain/json.ts';
import type { EndCause } from '../domain/task.ts';
import { CallbackTimeoutError, OperationWithdrawn, StepInterruptedError, TaskAborted } from './aborts.ts';
import { Branch } from './branch.ts';
import { timeAfter } from './duration.ts';
import type { Ask, HandedOutcome, JournalEntry, OperationKind, Outcome } from './journal.ts';
import { isHanded } from './journal.ts';
import {
  type Action,
  type Conclusion,
  describeOperation,
  isWaitingKind,
  keyOf,
  numberOfKey,
  Operation,
} from './operation.ts';
import { recordError, StepError } from './recorded-error.ts';
import { identityOf, Recording } from './recording.ts';

export interface HandlerRunOptions {
  readonly handler: (root: Branch) => Promise<unknown>;
  /** What earlier runs have written, in order. */
  readonly recorded: readonly JournalEntry[];
  /** Resolves when the entry is durable; rejects when it is not or may not be: then the run ends. */
  readonly append: (entry: JournalEntry) => Promise<void>;
  /** When the task was created: the time of the first turn. */
  readonly startedAt: EpochMs;
  readonly clock: Clock;
  readonly random: RandomBytes;
  /** How many turns earlier runs have gone through, and have logged what there was to log. @default 0 */
  readonly seenTurns?: number;
  /**
   * How long a run that could suspend stays for code that may await something else than operations, in
   * milliseconds. @default 20
   */
  readonly graceMs?: number;
  /** How long a replay waits for code to ask for what it had asked for, in milliseconds. @default 30000 */
  readonly replayPatienceMs?: number;
  readonly observer?: RunObserver;
}

/** Told of what is worth a line in a log, and of what others may have to act on. */
export interface RunObserver {
  attemptFailed?(failed: FailedAttempt): void;
  /** The handler has ended without ever looking at this operation. */
  neverAwaited?(operation: string, isSettled: boolean): void;
  /** What the run waits for from outside has changed, and the journal has it. */
  outstandingChanged?(): void;
}

export interface FailedAttempt {
  readonly operation: string;
  readonly name: string;
  readonly attempt: number;
  readonly error: unknown;
  /** When the next try comes; absent: this was the last. */
  readonly nextAt: EpochMs | undefined;
}

/** How a run ended. */
export type RunEnd =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'threw'; readonly error: unknown }
  /** Nothing can go on before `dueAt`, or before something comes from outside. */
  | { readonly kind: 'suspended'; readonly dueAt: EpochMs | null }
  /** The code does something else than it had done. */
  | { readonly kind: 'mismatch'; readonly message: string }
  /** The journal could not be written, or the run was stopped: another run goes on from what is there. */
  | { readonly kind: 'interrupted'; readonly error: unknown };

/** Something that waits for an outcome from outside. */
export interface Outstanding {
  /** Unique over the life of the task, and the same in each run; in the order of asking. */
  readonly key: string;
  readonly kind: 'callback' | 'question';
  readonly request: unknown;
  readonly timeoutAt: EpochMs | undefined;
}

/** What came from outside. */
export interface Delivery {
  readonly key: string;
  readonly at: EpochMs;
  readonly outcome:
    | { readonly kind: 'ok'; readonly value: JsonValue }
    | { readonly kind: 'failed'; readonly message: string }
    | { readonly kind: 'timed_out' };
}

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

/** How long running steps may take to notice that the task was aborted. */
const WIND_DOWN_MS = 2_000;

type Settled = Extract<RunEnd, { kind: 'returned' | 'threw' }>;

export class HandlerRun {
  readonly #options: HandlerRunOptions;
  readonly #recording: Recording;
  readonly #operations = new Map<number, Operation>();
  /** Not settled, in the order of asking. */
  readonly #pending = new Set<Operation>();
  /** Asked and not in the journal yet. */
  #unwritten: Ask[] = [];
  /** Whether something of that must be in the journal before anything else happens. */
  #mustWrite = false;
  /** Operations whose next try may begin. */
  #startable: Operation[] = [];
  /** Operations that the clock moves on. */
  readonly #timed = new Set<Operation>();
  #ready: { readonly outcome: Outcome; readonly at: EpochMs }[] = [];
  readonly #running = new Set<Operation>();
  #deliveries: Delivery[] = [];
  readonly #delivered = new Set<string>();
  readonly #patches = new Map<string, boolean>();
  #nextNumber: number;
  #turn = 0;
  #turnAt: EpochMs;
  #isLive = false;
  /** In this turn the code asked for something that the journal has later, or not at all. */
  #ranAhead = false;
  #abort: { readonly cause: EndCause; patienceOver: boolean } | undefined;
  #abortedAs: EndCause | undefined;
  #settled: Settled | undefined;
  #mismatch: string | undefined;
  #stopped: { readonly error: unknown } | undefined;
  #isClosed = false;
  #wake: () => void = () => {};
  #cancelWindDown: CancelTimer = () => {};

  constructor(options: HandlerRunOptions) {
    this.#options = options;
    this.#recording = new Recording(options.recorded);
    this.#nextNumber = this.#recording.asks.length;
    this.#turnAt = options.startedAt;
  }

  async execute(): Promise<RunEnd> {
    const root = new Branch(this);
    Promise.resolve()
      .then(() => this.#options.handler(root))
      .then(
        (value) => this.#settle({ kind: 'returned', value }),
        (error: unknown) => this.#settle({ kind: 'threw', error }),
      );
    let end: RunEnd;
    try {
      await this.#replay();
      end = this.#overBy() ?? (await this.#goOn());
    } catch (error) {
      end = { kind: 'interrupted', error };
    }
    this.#close(end);
    return end;
  }

  /** Takes in what came from outside. What nothing waits for is ignored. */
  deliver(deliveries: Iterable<Delivery>): void {
    for (const delivery of deliveries) {
      if (this.#delivered.has(delivery.key)) continue;
      this.#delivered.add(delivery.key);
      this.#deliveries.push(delivery);
    }
    this.#wake();
  }

  /** The task has its final status: everything pending is rejected with `TaskAborted`, so that the handler can clean up. */
  abort(cause: EndCause): void {
    if (this.#abort !== undefined || this.isAborted) return;
    this.#abort = { cause, patienceOver: false };
    for (const operation of this.#pending) operation.abortWith(new TaskAborted(cause));
    this.#cancelWindDown = this.#options.clock.after(WIND_DOWN_MS, () => {
      if (this.#abort !== undefined) this.#abort.patienceOver = true;
      this.#wake();
    });
    this.#wake();
  }

  /** Ends the run where it stands: the handler is told nothing, and nothing that it does counts any more. */
  stop(error: unknown): void {
    this.#stopped ??= { error };
    for (const operation of this.#pending) operation.abortWith(error);
    this.#wake();
  }

  /** Whether `TaskAborted` has been handed over: the handler cleans up. */
  get isAborted(): boolean {
    return this.#abortedAs !== undefined;
  }

  /** How many turns the run has gone through, the one under way included. */
  get turns(): number {
    return this.#turn + 1;
  }

  /** Whether the code does what an earlier run did: what it says was said. */
  get isReplaying(): boolean {
    return this.#turn < Math.max(this.#recording.turns.length, this.#options.seenTurns ?? 0);
  }

  /** The time of the turn, in milliseconds since the epoch: the same in each replay. */
  get now(): EpochMs {
    return this.#turnAt;
  }

  get outstanding(): Outstanding[] {
    const outstanding: Outstanding[] = [];
    for (const { kind, number, request, timeoutAt } of this.#pending) {
      if (kind === 'callback' || kind === 'question')
        outstanding.push({ key: keyOf(number), kind, request, timeoutAt });
    }
    return outstanding;
  }

  // What branches ask for.

  /** Asks for an operation; one that the journal has gets what is recorded of it. */
  ask(branch: Branch, kind: OperationKind, name: string, more: AskOptions): Operation {
    const { identity, nth } = nextIdentity(branch, kind, name);
    if (isWaitingKind(kind) && (this.isAborted || branch.isWithdrawn)) return this.#refused(branch, kind, name, nth);
    const { recorded, number } = this.#numberOf(identity);
    const operation = new Operation({ branch, kind, name, nth, number });
    operation.action = more.action;
    operation.request = more.request;
    if (this.#isClosed || this.#mismatch !== undefined) return operation;
    this.#operations.set(number, operation);
    this.#pending.add(operation);
    if (recorded !== undefined) this.#restore(operation, recorded);
    else {
      const now = this.#options.clock.now();
      if (kind === 'wait') operation.dueAt = more.dueAt ?? timeAfter(now, more.afterMs ?? 0);
      if (more.timeoutMs !== undefined) operation.timeoutAt = timeAfter(now, more.timeoutMs);
      this.#note({
        ...identity,
        ...(operation.dueAt === undefined ? {} : { dueAt: operation.dueAt }),
        ...(kind === 'wait' && more.dueAt === undefined ? { afterMs: more.afterMs ?? 0 } : {}),
        ...(operation.timeoutAt === undefined ? {} : { timeoutAt: operation.timeoutAt }),
      });
      // A step's beginning may be forgotten; that of a wait or a question may not.
      if (kind !== 'step' && kind !== 'condition') this.#mustWrite = true;
    }
    if (operation.dueAt !== undefined) this.#timed.add(operation);
    else if (operation.action !== undefined && this.#isLive) this.#startable.push(operation);
    this.#wake();
    return operation;
  }

  /** A value that is made once and recorded; it is in the journal before anything that may depend on it happens. */
  value(branch: Branch, name: string, make: () => JsonValue): JsonValue {
    const { identity, nth } = nextIdentity(branch, 'value', name);
    const { recorded, number } = this.#numberOf(identity);
    if (recorded?.value !== undefined) {
      this.#operations.set(number, settledOperation(branch, 'value', name, nth, number));
      return recorded.value;
    }
    const value = make();
    if (this.#isClosed || this.#mismatch !== undefined) return value;
    this.#operations.set(number, settledOperation(branch, 'value', name, nth, number));
    this.#note({ ...identity, value });
    this.#mustWrite = true;
    return value;
  }

  /** Whether the task came to this place first with code that has the change; the first answer stays. */
  patched(branch: Branch, name: string): boolean {
    const known = this.#patches.get(name);
    if (known !== undefined) return known;
    const number = this.#recording.numberOf(identityOf({ kind: 'patch', name }));
    let isPatched = number !== undefined;
    if (number !== undefined) {
      this.#operations.set(number, settledOperation(branch, 'patch', name, 1, number));
    } else if (this.#turn >= this.#recording.turns.length && this.#unasked(this.#turn) === undefined) {
      isPatched = true;
      this.#operations.set(this.#nextNumber, settledOperation(branch, 'patch', name, 1, this.#nextNumber));
      this.#nextNumber += 1;
      this.#note({ kind: 'patch', name });
      this.#mustWrite = true;
    }
    this.#patches.set(name, isPatched);
    return isPatched;
  }

  /** Nobody waits for the operation any more: it rejects with `reason`, and what still comes of it is ignored. */
  withdraw(operation: Operation, reason: unknown): void {
    if (operation.isSettled || this.#isClosed || this.#mismatch !== undefined) return;
    const { branch, name, number } = operation;
    const { identity, nth } = nextIdentity(branch, 'withdraw', name);
    const { recorded, number: own } = this.#numberOf(identity);
    if (this.#mismatch !== undefined) return;
    this.#operations.set(own, settledOperation(branch, 'withdraw', name, nth, own));
    if (recorded === undefined) this.#note({ ...identity, target: number });
    operation.abortWith(reason);
    this.#drop(operation);
    operation.reject(reason);
    if (operation.kind === 'callback' || operation.kind === 'question') this.#options.observer?.outstandingChanged?.();
    this.#wake();
  }

  /** Withdraws everything in the branch, and what is asked for in it from now on. */
  withdrawBranch(branch: Branch): void {
    branch.isWithdrawn = true;
    for (const operation of [...this.#pending]) {
      if (!operation.branch.isWithin(branch)) continue;
      this.withdraw(operation, new OperationWithdrawn(operation.description));
    }
  }

  random(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#options.random(4);
    return (a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d) / 2 ** 32;
  }

  randomBytes(count: number): Uint8Array {
    return this.#options.random(count);
  }

  observe(failed: FailedAttempt): void {
    this.#options.observer?.attemptFailed?.(failed);
  }

  get clockNow(): EpochMs {
    return this.#options.clock.now();
  }

  // Replay.

  async #replay(): Promise<void> {
    await eventLoopTurn();
    for (const { outcome, at } of this.#recording.turns) {
      await this.#askedAllOf(this.#turn);
      if (this.#overBy() !== undefined) return;
      this.#handOver(outcome, at);
      await eventLoopTurn();
    }
    await this.#askedAllOf(this.#turn);
    this.#isLive = true;
    for (const operation of this.#pending) {
      if (operation.action === undefined || operation.dueAt !== undefined) continue;
      if (operation.begun > operation.attempts) this.#interruptedOnce(operation);
      else this.#startable.push(operation);
    }
  }

  /**
   * Until the code has asked for everything that is recorded of the turn. Code that awaits something of its own may
   * need a moment for that; code that has asked for something else instead, or has ended, never will.
   */
  async #askedAllOf(turn: number): Promise<void> {
    const limit = this.#options.clock.now() + (this.#options.replayPatienceMs ?? 30_000);
    for (;;) {
      if (this.#mismatch !== undefined || this.#stopped !== undefined) return;
      const missing = this.#unasked(turn) ?? (this.#settled === undefined ? undefined : this.#unaskedAfter(turn));
      if (missing === undefined) break;
      const left = limit - this.#options.clock.now();
      if (this.#settled !== undefined) return this.#differ(missing, 'ended');
      if (this.#ranAhead || left <= 0) return this.#differ(missing, 'did not ask for it');
      await this.#event(left);
    }
    this.#ranAhead = false;
  }

  #unasked(turn: number): number | undefined {
    return this.#recording.askedIn(turn).find((number) => !this.#operations.has(number));
  }

  #unaskedAfter(turn: number): number | undefined {
    for (let later = turn + 1; later <= this.#recording.turns.length; later += 1) {
      const missing = this.#unasked(later);
      if (missing !== undefined) return missing;
    }
    return undefined;
  }

  /** The number of an operation, and what the journal has of it. One that it lacks is new, or shows that the code differs. */
  #numberOf(identity: Identity): { recorded: Ask | undefined; number: number } {
    const known = this.#recording.numberOf(identityOf(identity));
    if (known !== undefined) {
      const recorded = this.#recording.asks[known];
      if ((recorded?.turn ?? 0) > this.#turn) this.#ranAhead = true;
      return { recorded, number: known };
    }
    if (!this.#isClosed && this.#turn < this.#recording.turns.length) this.#differByAsking(identity);
    this.#ranAhead = true;
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    return { recorded: undefined, number };
  }

  #restore(operation: Operation, recorded: Ask): void {
    const now = this.#options.clock.now();
    operation.timeoutAt = recorded.timeoutAt;
    operation.dueAt = believable(recorded.dueAt, recorded.afterMs, now);
    const progress = this.#recording.progressOf(operation.number);
    if (progress === undefined) return;
    operation.attempts = progress.attempts;
    operation.begun = progress.begun;
    operation.state = progress.state;
    operation.dueAt = believable(progress.dueAt, progress.afterMs, now) ?? operation.dueAt;
  }

  #differByAsking(asked: Identity): void {
    const missing = this.#unasked(this.#turn) ?? this.#unaskedAfter(this.#turn);
    const recorded = missing === undefined ? 'nothing more' : describeOperation(this.#askOf(missing));
    this.#differAs(`recorded is ${recorded}, and the code asked for ${describeOperation(asked)}`);
  }

  #differ(missing: number, instead: string): void {
    this.#differAs(`recorded is ${describeOperation(this.#askOf(missing))}, and the code ${instead}`);
  }

  #differAs(difference: string): void {
    const before = this.#recording.turns[this.#turn - 1]?.outcome;
    const where =
      before === undefined
        ? 'At its beginning'
        : before.kind === 'aborted'
          ? 'After the task was aborted'
          : `After ${describeOperation(this.#askOf(before.of))}`;
    this.#mismatch ??= `${where} (turn ${this.#turn}): ${difference}.`;
    this.#wake();
  }

  #askOf(number: number): Ask {
    return this.#recording.asks[number] ?? { kind: 'step', name: `number ${number}` };
  }

  // Going on.

  async #goOn(): Promise<RunEnd> {
    for (;;) {
      const over = this.#overBy();
      if (over !== undefined) return over;
      this.#takeInDeliveries();
      this.#takeInDue();
      if (this.#ready.length > 0) await this.#record();
      else if (this.#mustWrite) await this.#write([]);
      else if (this.#abort !== undefined && (this.#running.size === 0 || this.#abort.patienceOver)) {
        this.#ready.push({ outcome: { kind: 'aborted', cause: this.#abort.cause }, at: this.clockNow });
      } else {
        if (this.#abort === undefined) this.#start();
        if (this.#ready.length > 0) continue;
        if (!(await this.#rest())) return this.#suspend();
      }
    }
  }

  #overBy(): RunEnd | undefined {
    if (this.#stopped !== undefined) return { kind: 'interrupted', error: this.#stopped.error };
    if (this.#mismatch !== undefined) return { kind: 'mismatch', message: this.#mismatch };
    return this.#settled;
  }

  /** Appends what is ready, in order of time, and hands it over one by one. */
  async #record(): Promise<void> {
    const ready = this.#ready.filter(({ outcome }) => outcome.kind === 'aborted' || this.#awaits(outcome.of));
    this.#ready = [];
    if (ready.length === 0) return;
    ready.sort((a, b) => a.at - b.at);
    const outcomes = ready.map(({ outcome }) => outcome);
    const at = await this.#write(outcomes);
    for (const outcome of outcomes) {
      if (!isHanded(outcome)) {
        this.#apply(outcome);
        continue;
      }
      this.#handOver(outcome, at);
      await eventLoopTurn();
      if (this.#overBy() !== undefined) return;
    }
  }

  #awaits(number: number): boolean {
    return this.#operations.get(number)?.isSettled === false;
  }

  async #write(outcomes: readonly Outcome[]): Promise<EpochMs> {
    const at = this.clockNow;
    const asks = this.#unwritten;
    this.#unwritten = [];
    this.#mustWrite = false;
    await this.#options.append({
      at,
      ...(asks.length === 0 ? {} : { asks }),
      ...(outcomes.length === 0 ? {} : { outcomes }),
    });
    if (asks.some(({ kind }) => kind === 'callback' || kind === 'question')) {
      this.#options.observer?.outstandingChanged?.();
    }
    return at;
  }

  #apply(outcome: Extract<Outcome, { kind: 'retry' | 'begun' }>): void {
    const operation = this.#operations.get(outcome.of);
    if (operation === undefined || operation.isSettled) return;
    if (outcome.kind === 'begun') {
      operation.begun = outcome.attempt;
      this.#startable.push(operation);
      return;
    }
    operation.attempts = outcome.attempt;
    operation.begun = 0;
    operation.state = outcome.state;
    operation.dueAt = outcome.dueAt;
    this.#timed.add(operation);
  }

  #handOver(outcome: HandedOutcome, at: EpochMs): void {
    this.#turn += 1;
    this.#turnAt = Math.max(this.#turnAt, at);
    if (outcome.kind === 'aborted') return this.#handOverAbort(outcome.cause);
    const operation = this.#operations.get(outcome.of);
    if (operation === undefined || operation.isSettled) return;
    this.#drop(operation);
    switch (outcome.kind) {
      case 'ok':
        try {
          operation.resolve(operation.decode(outcome.value));
        } catch (error) {
          operation.reject(error);
        }
        return;
      case 'failed':
        operation.reject(new StepError(outcome.error));
        return;
      case 'timed_out':
        operation.reject(new CallbackTimeoutError(operation.description));
    }
  }

  #handOverAbort(cause: EndCause): void {
    this.#abortedAs = cause;
    this.#abort = undefined;
    this.#cancelWindDown();
    for (const operation of [...this.#pending]) {
      const aborted = new TaskAborted(cause);
      operation.abortWith(aborted);
      this.#drop(operation);
      operation.reject(aborted);
    }
  }

  #drop(operation: Operation): void {
    this.#pending.delete(operation);
    this.#timed.delete(operation);
    this.#running.delete(operation);
  }

  #takeInDeliveries(): void {
    const deliveries = this.#deliveries;
    this.#deliveries = [];
    for (const { key, at, outcome } of deliveries) {
      const of = numberOfKey(key);
      if (!this.#awaits(of)) continue;
      switch (outcome.kind) {
        case 'ok':
          this.#ready.push({ at, outcome: { kind: 'ok', of, value: outcome.value } });
          break;
        case 'failed':
          this.#ready.push({
            at,
            outcome: { kind: 'failed', of, error: { name: 'CallbackError', message: outcome.message } },
          });
          break;
        case 'timed_out':
          this.#ready.push({ at, outcome: { kind: 'timed_out', of } });
      }
    }
  }

  #takeInDue(): void {
    const now = this.clockNow;
    for (const operation of this.#timed) {
      const { kind, dueAt, number } = operation;
      if (dueAt === undefined || dueAt > now) continue;
      this.#timed.delete(operation);
      operation.dueAt = undefined;
      if (kind === 'wait') this.#ready.push({ at: dueAt, outcome: { kind: 'ok', of: number } });
      else this.#startable.push(operation);
    }
  }

  #start(): void {
    const startable = this.#startable;
    this.#startable = [];
    for (const operation of startable) {
      if (operation.isSettled || operation.isRunning || operation.action === undefined) continue;
      const attempt = operation.attempts + 1;
      if (operation.mayRunOnce && operation.begun < attempt) {
        this.#ready.push({ at: this.clockNow, outcome: { kind: 'begun', of: operation.number, attempt } });
        continue;
      }
      operation.isRunning = true;
      this.#running.add(operation);
      operation.action(attempt, operation.state).then(
        (conclusion) => this.#concluded(operation, attempt, conclusion),
        (error: unknown) => this.#concluded(operation, attempt, { kind: 'failed', error }),
      );
    }
  }

  #interruptedOnce(operation: Operation): void {
    const attempt = operation.attempts + 1;
    const conclusion = operation.afterFailure(new StepInterruptedError(operation.name), attempt);
    this.#concluded(operation, attempt, conclusion);
  }

  #concluded(operation: Operation, attempt: number, conclusion: Conclusion): void {
    operation.isRunning = false;
    this.#running.delete(operation);
    const { isSettled, number: of } = operation;
    const at = this.clockNow;
    // What was told to stop and says so has not failed: it is rejected with everything else.
    const gaveWay = this.#abort !== undefined && conclusion.kind !== 'ok';
    if (!isSettled && !this.#isClosed && !gaveWay && this.#stopped === undefined) {
      switch (conclusion.kind) {
        case 'ok':
          this.#ready.push({
            at,
            outcome: { kind: 'ok', of, ...(conclusion.value === undefined ? {} : { value: conclusion.value }) },
          });
          break;
        case 'failed':
          this.#report(operation, attempt, conclusion.error, undefined);
          this.#ready.push({ at, outcome: { kind: 'failed', of, error: recordError(conclusion.error) } });
          break;
        case 'again': {
          const { afterMs, state, error } = conclusion;
          const dueAt = timeAfter(at, afterMs);
          if (error !== undefined) this.#report(operation, attempt, error, dueAt);
          this.#ready.push({
            at,
            outcome: {
              kind: 'retry',
              of,
              attempt,
              dueAt,
              afterMs: dueAt - at,
              ...(state === undefined ? {} : { state }),
            },
          });
        }
      }
    }
    this.#wake();
  }

  #report(operation: Operation, attempt: number, error: unknown, nextAt: EpochMs | undefined): void {
    const { name } = operation;
    this.#options.observer?.attemptFailed?.({ operation: operation.description, name, attempt, error, nextAt });
  }

  /** Until something happens; `false`: nothing can, and the run suspends. */
  async #rest(): Promise<boolean> {
    const nextDue = this.#nextDue();
    const untilDue = nextDue === undefined ? undefined : nextDue - this.clockNow;
    // Code that awaits nothing of ours is at something of its own; and what cleans up does not suspend.
    const isOurs = [...this.#pending].some(({ promise }) => promise.isAwaited);
    if (this.#running.size > 0 || !isOurs || this.#abort !== undefined || this.isAborted) {
      await this.#event(untilDue);
      return true;
    }
    const graceMs = this.#options.graceMs ?? 20;
    if (untilDue !== undefined && untilDue <= graceMs) {
      await this.#event(untilDue);
      return true;
    }
    return graceMs > 0 && (await this.#event(graceMs));
  }

  async #suspend(): Promise<RunEnd> {
    if (this.#unwritten.length > 0) await this.#write([]);
    return { kind: 'suspended', dueAt: this.#nextDue() ?? null };
  }

  #nextDue(): EpochMs | undefined {
    let next: EpochMs | undefined;
    for (const { dueAt } of this.#timed) if (dueAt !== undefined && (next === undefined || dueAt < next)) next = dueAt;
    return next;
  }

  /** Resolves to `true` when something has happened, or to `false` after `limitMs`. */
  #event(limitMs: number | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = limitMs === undefined ? () => {} : this.#options.clock.after(limitMs, () => end(false));
      const end = (happened: boolean) => {
        cancel();
        this.#wake = () => {};
        resolve(happened);
      };
      this.#wake = () => end(true);
    });
  }

  #note(ask: Ask): void {
    this.#unwritten.push(this.#turn === 0 ? ask : { ...ask, turn: this.#turn });
  }

  #refused(branch: Branch, kind: OperationKind, name: string, nth: number): Operation {
    const operation = new Operation({ branch, kind, name, nth, number: -1 });
    const reason =
      this.#abortedAs !== undefined ? new TaskAborted(this.#abortedAs) : new OperationWithdrawn(operation.description);
    operation.abortWith(reason);
    operation.reject(reason);
    return operation;
  }

  #settle(settled: Settled): void {
    this.#settled ??= settled;
    this.#wake();
  }

  #close(end: RunEnd): void {
    this.#isClosed = true;
    this.#cancelWindDown();
    if (end.kind !== 'returned' && end.kind !== 'threw') return;
    for (const operation of this.#operations.values()) {
      if (operation.promise.isAwaited || operation.isInternal) continue;
      this.#options.observer?.neverAwaited?.(operation.description, operation.isSettled);
    }
  }
}

type Identity = Pick<Ask, 'branch' | 'kind' | 'name' | 'nth'>;

function nextIdentity(branch: Branch, kind: OperationKind, name: string): { identity: Identity; nth: number } {
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
function settledOperation(branch: Branch, kind: OperationKind, name: string, nth: number, number: number): Operation {
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
