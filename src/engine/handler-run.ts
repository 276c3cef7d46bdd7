/**
 * One run of a handler against its journal. First it replays what the journal has, one outcome at a time and
 * each handed over only when the code can do no more with the one before; then it goes on live in the same
 * way, with every outcome in the journal before the code learns of it. So the code starts the same operations
 * in the same order in each run, and every race has the same winner. Knows no storage, no protocol, no lease.
 */
import { type CancelTimer, type Clock, type EpochMs, eventLoopTurn, type RandomBytes } from '../clock.ts';
import type { EndCause } from '../domain/task.ts';
import { TaskAborted } from './aborts.ts';
import { Branch, outsideSteps } from './branch.ts';
import { isHanded, type JournalEntry, type Outcome } from './journal.ts';
import { isInput, type Operation } from './operation.ts';
import { Operations } from './operations.ts';
import { Recording } from './recording.ts';
import { type Delivery, type FailedAttempt, Tries } from './tries.ts';

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
  readonly graceMs?: number | undefined;
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

/** How long running steps may take to notice that the task was aborted, or that the run is to stop. */
const WIND_DOWN_MS = 2_000;
const DEFAULT_GRACE_MS = 20;
const DEFAULT_REPLAY_PATIENCE_MS = 30_000;

export class HandlerRun {
  readonly #options: HandlerRunOptions;
  readonly #recording: Recording;
  readonly #operations: Operations;
  readonly #tries: Tries;
  #isLive = false;
  #isToldToAbort = false;
  #isLeaving = false;
  /** Steps under way are given a moment to notice what comes next. */
  #windDown: { isPatienceOver: boolean; readonly end: () => void } | undefined;
  #settled: Extract<RunEnd, { kind: 'returned' | 'threw' }> | undefined;
  #stopped: { readonly error: unknown } | undefined;
  #wake: () => void = () => {};
  #cancelWindDown: CancelTimer = () => {};

  constructor(options: HandlerRunOptions) {
    const { recorded, startedAt, clock, random, observer } = options;
    this.#options = options;
    this.#recording = new Recording(recorded);
    this.#operations = new Operations({
      recording: this.#recording,
      startedAt,
      clock,
      random,
      onChange: (operation) => this.#changed(operation),
    });
    this.#tries = new Tries({
      operations: this.#operations,
      clock,
      onFailed: (failed) => observer?.attemptFailed?.(failed),
      wake: () => this.#wake(),
    });
  }

  /** Runs the handler as far as it comes. Once. */
  async execute(): Promise<RunEnd> {
    const root = new Branch(this.#operations);
    Promise.resolve()
      .then(() => outsideSteps(() => this.#options.handler(root)))
      .then(
        (value) => this.#settle({ kind: 'returned', value }),
        (error: unknown) => this.#settle({ kind: 'threw', error }),
      );
    let end: RunEnd;
    try {
      await this.#replay();
      end = this.#over ?? (await this.#goOn());
      // What the handler ended with may rest on values that nothing was written after.
      if (end === this.#settled && this.#operations.mustWrite) await this.#write([]);
    } catch (error) {
      end = { kind: 'interrupted', error };
    }
    this.#operations.close();
    this.#tries.close();
    this.#cancelWindDown();
    if (end === this.#settled) this.#reportNeverAwaited();
    return end;
  }

  /** Takes in what came from outside. What nothing waits for is ignored. */
  deliver(deliveries: Iterable<Delivery>): void {
    this.#tries.deliver(deliveries);
    this.#wake();
  }

  /**
   * The task has its final status: everything pending is rejected with `TaskAborted`, so that the handler can clean up.
   * Told once, however often it is said.
   */
  abort(cause: EndCause): void {
    if (this.#isToldToAbort || this.#isLeaving) return;
    this.#isToldToAbort = true;
    this.#windDownTo(new TaskAborted(cause), () => this.#tries.aborted({ kind: 'aborted', cause }));
  }

  /** Ends the run where it stands: the handler is told nothing, and nothing that it does counts any more. */
  stop(error: unknown): void {
    this.#stopped ??= { error };
    for (const operation of this.#operations.pending) operation.abortWith(error);
    this.#wake();
  }

  /** The same for a run that could go on: steps under way are told, and what they finish in the next moments is recorded. */
  leave(error: unknown): void {
    if (this.#stopped !== undefined || this.#isLeaving) return;
    this.#isLeaving = true;
    this.#windDownTo(error, () => this.stop(error));
  }

  #windDownTo(reason: unknown, end: () => void): void {
    const windDown = { isPatienceOver: false, end };
    this.#cancelWindDown();
    this.#windDown = windDown;
    this.#tries.isWindingDown = true;
    for (const operation of this.#operations.pending) operation.abortWith(reason);
    this.#cancelWindDown = this.#options.clock.after(WIND_DOWN_MS, () => {
      windDown.isPatienceOver = true;
      this.#wake();
    });
    this.#wake();
  }

  /** How many turns the run has gone through, the one under way included. */
  get turns(): number {
    return this.#operations.turn + 1;
  }

  /** Whether the code does what an earlier run did: what it says was said. */
  get isReplaying(): boolean {
    return this.#operations.turn < Math.max(this.#recording.completeTurns, this.#options.seenTurns ?? 0);
  }

  /** Nobody is shown what the journal does not have: another run might ask for something else under that key. */
  get outstanding(): Outstanding[] {
    const outstanding: Outstanding[] = [];
    for (const operation of this.#operations.pending) {
      const { kind, key, request, timeoutAt } = operation;
      if (kind !== 'callback' && kind !== 'question') continue;
      if (this.#operations.isWritten(operation)) outstanding.push({ key, kind, request, timeoutAt });
    }
    return outstanding;
  }

  async #replay(): Promise<void> {
    await eventLoopTurn();
    for (const { outcome, at } of this.#recording.turns) {
      await this.#askedAgain();
      if (this.#over !== undefined) return;
      this.#operations.handOver(outcome, at);
      await eventLoopTurn();
    }
    await this.#askedAgain();
    if (this.#over !== undefined) return;
    this.#isLive = true;
    // Told before, in an earlier run.
    if (this.#operations.isAborted && this.#isToldToAbort && !this.#isLeaving) this.#endWindDown();
    for (const operation of this.#operations.pending) this.#tries.add(operation);
    this.#options.observer?.outstandingChanged?.();
  }

  /**
   * Until the code has asked for everything that is recorded of the turn. Code that awaits something of its own may
   * need a moment for that.
   */
  async #askedAgain(): Promise<void> {
    const { clock, replayPatienceMs = DEFAULT_REPLAY_PATIENCE_MS } = this.#options;
    let limit: EpochMs | undefined;
    while (this.#operations.mismatch === undefined && this.#stopped === undefined) {
      const missing = this.#operations.missing(this.#settled !== undefined);
      if (missing === undefined) return;
      limit ??= clock.now() + replayPatienceMs;
      const leftMs = limit - clock.now();
      if (missing.isLost || leftMs <= 0) {
        this.#operations.differ(missing.number, this.#settled === undefined ? 'did not ask for it' : 'ended');
        return;
      }
      await this.#event(leftMs);
    }
  }

  async #goOn(): Promise<RunEnd> {
    for (;;) {
      if (this.#over !== undefined) return this.#over;
      const outcomes = this.#tries.takeReady();
      if (outcomes.length > 0) await this.#record(outcomes);
      else if (this.#operations.mustWrite) await this.#write([]);
      else if (this.#windDown !== undefined && (!this.#tries.areRunning || this.#windDown.isPatienceOver)) {
        const { end } = this.#windDown;
        this.#endWindDown();
        end();
      } else {
        if (this.#windDown === undefined) this.#tries.start();
        if (!this.#tries.isSomethingReady && !(await this.#rest())) return this.#suspend();
      }
    }
  }

  /** From now on tries fail again: those of the clean-up. */
  #endWindDown(): void {
    this.#windDown = undefined;
    this.#tries.isWindingDown = false;
    this.#cancelWindDown();
  }

  get #over(): RunEnd | undefined {
    if (this.#stopped !== undefined) return { kind: 'interrupted', error: this.#stopped.error };
    const { mismatch } = this.#operations;
    return mismatch === undefined ? this.#settled : { kind: 'mismatch', message: mismatch };
  }

  /** Appends what has happened and hands it over, one by one. */
  async #record(outcomes: readonly Outcome[]): Promise<void> {
    const at = await this.#write(outcomes);
    for (const outcome of outcomes) {
      if (!isHanded(outcome)) {
        this.#tries.apply(outcome);
        continue;
      }
      this.#operations.handOver(outcome, at);
      await eventLoopTurn();
      if (this.#over !== undefined) return;
    }
  }

  async #write(outcomes: readonly Outcome[]): Promise<EpochMs> {
    const { append, clock, observer } = this.#options;
    const at = clock.now();
    const asks = this.#operations.takeUnwritten();
    await append({
      at,
      ...(asks.length === 0 ? {} : { asks }),
      ...(outcomes.length === 0 ? {} : { outcomes }),
    });
    this.#operations.wrote(asks);
    if (asks.some(isInput)) observer?.outstandingChanged?.();
    return at;
  }

  /** Until something happens; `false`: nothing can, and the run suspends. */
  async #rest(): Promise<boolean> {
    const { clock, graceMs = DEFAULT_GRACE_MS } = this.#options;
    const { nextDueAt } = this.#tries;
    const untilDue = nextDueAt === undefined ? undefined : nextDueAt - clock.now();
    // Code that awaits nothing of ours is at something of its own; and what cleans up does not suspend.
    const isSuspendable =
      !this.#tries.areRunning && this.#windDown === undefined && !this.#operations.isAborted && this.#isAwaited;
    if (!isSuspendable || (untilDue !== undefined && untilDue <= graceMs)) {
      await this.#event(untilDue);
      return true;
    }
    return graceMs > 0 && (await this.#event(graceMs));
  }

  get #isAwaited(): boolean {
    for (const { promise } of this.#operations.pending) if (promise.isAwaited) return true;
    return false;
  }

  async #suspend(): Promise<RunEnd> {
    const { dueEarlier } = this.#tries;
    if (dueEarlier.length > 0 || this.#operations.hasUnwritten) await this.#write(dueEarlier);
    for (const outcome of dueEarlier) this.#tries.apply(outcome);
    return { kind: 'suspended', dueAt: this.#tries.nextDueAt ?? null };
  }

  /** Resolves to `true` when something has happened, or to `false` after `limitMs`. */
  #event(limitMs: number | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (happened: boolean) => {
        cancel();
        this.#wake = () => {};
        resolve(happened);
      };
      const cancel = limitMs === undefined ? () => {} : this.#options.clock.after(limitMs, () => end(false));
      this.#wake = () => end(true);
    });
  }

  #changed(operation: Operation | undefined): void {
    if (operation !== undefined && this.#isLive) {
      if (!operation.isSettled) this.#tries.add(operation);
      else if (isInput(operation)) this.#options.observer?.outstandingChanged?.();
    }
    this.#wake();
  }

  #settle(settled: Extract<RunEnd, { kind: 'returned' | 'threw' }>): void {
    this.#settled ??= settled;
    this.#wake();
  }

  #reportNeverAwaited(): void {
    for (const operation of this.#operations.all()) {
      if (operation.promise.isAwaited || operation.isInternal) continue;
      this.#options.observer?.neverAwaited?.(operation.description, operation.isSettled);
    }
  }
}
