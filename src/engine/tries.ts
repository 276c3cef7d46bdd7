/**
 * Everything that can happen to a run's operations: tries of steps and looks at conditions begin and end, waits
 * fall due, outcomes come from outside. What has happened stands ready to be recorded; nothing here hands it over.
 */
import type { Clock, EpochMs } from '../clock.ts';
import type { JsonValue } from '../domain/json.ts';
import { present } from '../present.ts';
import { StepInterruptedError } from './aborts.ts';
import { timeAfter } from './duration.ts';
import type { Outcome, Progress } from './journal.ts';
import { type Conclusion, numberOfKey, type Operation } from './operation.ts';
import type { Operations } from './operations.ts';
import { recordError } from './recorded-error.ts';

export interface FailedAttempt {
  readonly operation: string;
  readonly attempt: number;
  readonly error: unknown;
  /** When the next try comes; absent: this was the last. */
  readonly nextAt: EpochMs | undefined;
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

export interface TriesOptions {
  readonly operations: Operations;
  readonly clock: Clock;
  readonly onFailed: (failed: FailedAttempt) => void;
  /** Something has happened. */
  readonly wake: () => void;
}

export class Tries {
  readonly #options: TriesOptions;
  /** Operations whose next try may begin. */
  #startable: Operation[] = [];
  /** Operations that the clock moves on. */
  readonly #timed = new Set<Operation>();
  readonly #running = new Set<Operation>();
  #deliveries: Delivery[] = [];
  readonly #delivered = new Set<string>();
  #ready: { readonly outcome: Outcome; readonly at: EpochMs }[] = [];
  /** Tries that fail now have been told to stop: they are rejected with everything else. */
  isWindingDown = false;
  #isClosed = false;

  constructor(options: TriesOptions) {
    this.#options = options;
  }

  get areRunning(): boolean {
    return this.#running.size > 0;
  }

  /** What the clock moves on next, in milliseconds since the epoch. */
  get nextDueAt(): EpochMs | undefined {
    let next: EpochMs | undefined;
    for (const operation of this.#timed) {
      const { dueAt, isSettled } = operation;
      if (isSettled) this.#timed.delete(operation);
      else if (dueAt !== undefined && (next === undefined || dueAt < next)) next = dueAt;
    }
    return next;
  }

  /** Looks after an operation that was asked for. */
  add(operation: Operation): void {
    // First: a try that had begun is over, whatever was due before it.
    if (operation.begun > operation.attempts) this.#interrupted(operation);
    else if (operation.dueAt !== undefined) this.#timed.add(operation);
    else if (operation.action !== undefined) this.#startable.push(operation);
  }

  deliver(deliveries: Iterable<Delivery>): void {
    for (const delivery of deliveries) {
      if (this.#delivered.has(delivery.key)) continue;
      this.#delivered.add(delivery.key);
      this.#deliveries.push(delivery);
    }
  }

  close(): void {
    this.#isClosed = true;
  }

  aborted(outcome: Extract<Outcome, { kind: 'aborted' }>): void {
    this.#ready.push({ outcome, at: this.#options.clock.now() });
  }

  /** What has happened, in order of time; what it happened to may have been given up since. */
  takeReady(): Outcome[] {
    this.#takeInDeliveries();
    this.#takeInDue();
    const ready = this.#ready.filter(({ outcome }) => outcome.kind === 'aborted' || this.#awaits(outcome.of));
    this.#ready = [];
    return ready.sort((a, b) => a.at - b.at).map(({ outcome }) => outcome);
  }

  /** Begins what may begin; a try that may not be repeated is ready to be recorded first. */
  start(): void {
    const startable = this.#startable;
    this.#startable = [];
    for (const operation of startable) {
      const { action, attempts } = operation;
      if (operation.isSettled || action === undefined) continue;
      const attempt = attempts + 1;
      if (operation.mayRunOnce && operation.begun < attempt) {
        this.#push({ kind: 'begun', of: operation.number, attempt });
        continue;
      }
      this.#running.add(operation);
      action(attempt, operation.state).then(
        (conclusion) => this.#concluded(operation, attempt, conclusion),
        (error: unknown) => this.#concluded(operation, attempt, { kind: 'failed', error }),
      );
    }
  }

  get isSomethingReady(): boolean {
    return this.#ready.length > 0;
  }

  /** What was recorded without being handed over. */
  apply(outcome: Progress): void {
    const operation = this.#options.operations.awaiting(outcome.of);
    if (operation === undefined) return;
    if (outcome.kind === 'due') {
      operation.isDueEarlier = false;
      return;
    }
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

  /**
   * What is due earlier than the journal says. To be recorded before the run suspends: the next one would not believe the
   * journal either, and wait as long again, each time.
   */
  get dueEarlier(): Progress[] {
    return [...this.#timed].flatMap(({ isSettled, isDueEarlier, number: of, dueAt }) =>
      isSettled || !isDueEarlier || dueAt === undefined ? [] : [{ kind: 'due', of, dueAt }],
    );
  }

  #awaits(number: number): boolean {
    return this.#options.operations.awaiting(number) !== undefined;
  }

  #takeInDeliveries(): void {
    const deliveries = this.#deliveries;
    this.#deliveries = [];
    for (const { key, at, outcome } of deliveries) {
      const of = numberOfKey(key);
      if (outcome.kind !== 'failed') this.#push({ ...outcome, of }, at);
      else this.#push({ kind: 'failed', of, error: { name: 'CallbackError', message: outcome.message } }, at);
    }
  }

  #takeInDue(): void {
    const now = this.#options.clock.now();
    for (const operation of this.#timed) {
      const { kind, dueAt, number, isSettled } = operation;
      if (!isSettled && (dueAt === undefined || dueAt > now)) continue;
      this.#timed.delete(operation);
      if (isSettled) continue;
      operation.dueAt = undefined;
      if (kind === 'wait') this.#push({ kind: 'ok', of: number }, dueAt);
      else this.#startable.push(operation);
    }
  }

  /** A try that may not be repeated had begun when its run died. */
  #interrupted(operation: Operation): void {
    const attempt = operation.attempts + 1;
    const error = new StepInterruptedError(operation.name);
    this.#concluded(operation, attempt, operation.afterFailure(error, attempt));
  }

  #concluded(operation: Operation, attempt: number, conclusion: Conclusion): void {
    this.#running.delete(operation);
    const gaveWay = this.isWindingDown && conclusion.kind !== 'ok';
    if (!operation.isSettled && !this.#isClosed && !gaveWay)
      this.#push(this.#outcomeOf(operation, attempt, conclusion));
    this.#options.wake();
  }

  #outcomeOf(operation: Operation, attempt: number, conclusion: Conclusion): Outcome {
    const { number: of, description } = operation;
    switch (conclusion.kind) {
      case 'ok':
        return { kind: 'ok', of, ...present({ value: conclusion.value }) };
      case 'failed':
        this.#options.onFailed({ operation: description, attempt, error: conclusion.error, nextAt: undefined });
        return { kind: 'failed', of, error: recordError(conclusion.error) };
      case 'again': {
        const { afterMs: delayMs, state, error } = conclusion;
        const now = this.#options.clock.now();
        const dueAt = timeAfter(now, delayMs);
        if (error !== undefined) this.#options.onFailed({ operation: description, attempt, error, nextAt: dueAt });
        const retry = { kind: 'retry', of, attempt, dueAt, afterMs: dueAt - now } as const;
        return state === undefined ? retry : { ...retry, state };
      }
    }
  }

  #push(outcome: Outcome, at = this.#options.clock.now()): void {
    this.#ready.push({ outcome, at });
  }
}
