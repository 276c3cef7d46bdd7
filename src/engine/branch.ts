/**
 * Where a handler, or one branch of it, asks for its operations. Checks what it is given, names the operation,
 * and says how a try of it runs and ends. Everything that MCP adds to it is made above the engine.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { JsonValue } from '../domain/json.ts';
import { present } from '../present.ts';
import { TaskAborted } from './aborts.ts';
import { type Duration, durationMs, timeAt } from './duration.ts';
import type { OperationKind } from './journal.ts';
import { assertFunction, assertName, assertOptions, describe, MisuseError } from './misuse.ts';
import type { Conclusion, Operation, OperationPromise } from './operation.ts';
import type { AskOptions, Operations } from './operations.ts';
import type { Place } from './place.ts';
import { assertRecordableSize, recordable } from './recordable.ts';
import { errorOf } from './recorded-error.ts';
import { DEFAULT_STEP_RETRY, NO_RETRY, type RetryStrategy, type WaitStrategy } from './retry.ts';

/** How a value that is no JSON is recorded and read back. */
export interface Serdes<T> {
  serialize(value: T): JsonValue;
  deserialize(stored: JsonValue): T;
}

export interface StepConfig<T> {
  /** @default DEFAULT_STEP_RETRY; for a step that may run at most once: no other try */
  readonly retryStrategy?: RetryStrategy;
  /**
   * A try whose run dies is not repeated: the step fails with `StepInterruptedError`, unless `retryStrategy` wants
   * another. Costs one write more. @default false
   */
  readonly atMostOnce?: boolean;
  readonly serdes?: Serdes<T>;
  /** Withdraws the step: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}
const STEP_OPTIONS = ['retryStrategy', 'atMostOnce', 'serdes', 'signal'];

export interface ConditionConfig<T> {
  readonly initialState: T;
  readonly waitStrategy: WaitStrategy<T>;
  readonly signal?: AbortSignal;
}

export interface WaitConfig {
  readonly signal?: AbortSignal;
}

/** For what waits for somebody else. */
export interface InputConfig extends WaitConfig {
  readonly timeout?: Duration;
}

/** What a try of a step is given. */
export interface StepTry {
  /** 1 for the first. */
  readonly attempt: number;
  /** Fires when the step is withdrawn, when the task is aborted, and when the run ends. */
  readonly signal: AbortSignal;
}

interface StepUnderWay {
  readonly name: string;
  /** What the action did that no replay, which does not run it again, would do; the step fails with it. */
  misuse?: MisuseError;
}

const insideStep = new AsyncLocalStorage<StepUnderWay | undefined>();

/** The name of the step whose action runs now, if one does: operations are not allowed there. */
export function stepUnderWay(): string | undefined {
  return insideStep.getStore()?.name;
}

/** Whatever has led to `work`: a handler's run may well begin because a step of another one has let it. */
export function outsideSteps<T>(work: () => T): T {
  return insideStep.run(undefined, work);
}

async function runAsStep<T>(name: string, action: () => Promise<T>): Promise<T> {
  const step: StepUnderWay = { name };
  const returned = await insideStep.run(step, action);
  if (step.misuse !== undefined) throw step.misuse;
  return returned;
}

export class Branch implements Place {
  readonly path: string;
  #isWithdrawn = false;
  readonly #operations: Operations;
  readonly #parent: Branch | undefined;
  readonly #counts = new Map<string, number>();

  constructor(operations: Operations, path = '', parent?: Branch) {
    this.#operations = operations;
    this.path = path;
    this.#parent = parent;
  }

  /** Nobody waits for the operation any more. */
  withdraw(operation: Operation, reason: unknown): void {
    this.#operations.withdraw(operation, reason);
  }

  /** Nobody waits for anything in this branch any more. */
  withdrawAll(): void {
    this.#operations.withdrawBranch(this);
  }

  get isWithdrawn(): boolean {
    return this.#isWithdrawn || this.#parent?.isWithdrawn === true;
  }

  set isWithdrawn(value: boolean) {
    this.#isWithdrawn = value;
  }

  isWithin(other: Place): boolean {
    return this === other || this.#parent?.isWithin(other) === true;
  }

  count(kind: string, name: string): number {
    const key = `${kind}\n${name}`;
    const nth = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, nth);
    return nth;
  }

  /** A branch of this one; `index` where there are several of one name. */
  child(kind: string, name: string, nth: number, index?: number): Branch {
    const which = nth === 1 ? '' : `#${nth}`;
    const place = index === undefined ? '' : `[${index}]`;
    return new Branch(this.#operations, `${this.path}/${kind}:${encodeURIComponent(name)}${which}${place}`, this);
  }

  step<T>(name: string, action: (step: StepTry) => Promise<T>, config: StepConfig<T> = {}): OperationPromise<T> {
    assertName('step', name);
    assertFunction('step', 'an action', action);
    assertOptions('step', config, STEP_OPTIONS);
    const { atMostOnce = false, serdes, signal } = config;
    const retry = config.retryStrategy ?? (atMostOnce ? NO_RETRY : DEFAULT_STEP_RETRY);
    assertFunction('step', 'retryStrategy', retry);
    const afterFailure = (error: unknown, attempt: number): Conclusion => this.#retried(retry, error, attempt);
    const run = async (attempt: number): Promise<Conclusion> => {
      try {
        const returned = await runAsStep(name, () => action(this.#tryOf(operation, attempt)));
        const value = serdes === undefined ? returned : serdes.serialize(returned);
        return { kind: 'ok', value: recordableOutcome(value, `Step "${name}" returned`) };
      } catch (error) {
        return afterFailure(error, attempt);
      }
    };
    const operation = this.#ask('step', name, { action: run, signal });
    operation.mayRunOnce = atMostOnce;
    operation.afterFailure = afterFailure;
    if (serdes !== undefined) operation.decode = (value) => serdes.deserialize(value as JsonValue);
    return operation.promise as OperationPromise<T>;
  }

  wait(name: string, duration: Duration, config: WaitConfig = {}): OperationPromise<void> {
    assertName('wait', name);
    const afterMs = durationMs(duration, `wait "${name}"`);
    assertOptions('wait', config, ['signal']);
    return this.#ask('wait', name, { afterMs, signal: config.signal }).promise as OperationPromise<void>;
  }

  waitUntil(name: string, date: Date | number, config: WaitConfig = {}): OperationPromise<void> {
    assertName('waitUntil', name);
    assertOptions('waitUntil', config, ['signal']);
    const dueAt = date instanceof Date ? date.getTime() : date;
    if (typeof dueAt !== 'number' || !Number.isFinite(dueAt)) {
      throw new MisuseError(
        `waitUntil "${name}" takes a Date, or milliseconds since the epoch, not ${date instanceof Date ? 'an invalid date' : describe(date)}.`,
      );
    }
    return this.#ask('wait', name, { dueAt: timeAt(dueAt), signal: config.signal }).promise as OperationPromise<void>;
  }

  waitForCondition<T>(
    name: string,
    check: (state: T, step: StepTry) => Promise<T>,
    config: ConditionConfig<T>,
  ): OperationPromise<T> {
    assertName('waitForCondition', name);
    assertFunction('waitForCondition', 'a check', check);
    assertOptions('waitForCondition', config, ['initialState', 'waitStrategy', 'signal']);
    assertFunction('waitForCondition', 'waitStrategy', config?.waitStrategy);
    const { waitStrategy, signal } = config;
    const initial = recordable(config.initialState, `The initial state of condition "${name}" has`);
    const run = async (attempt: number, state: JsonValue | undefined): Promise<Conclusion> => {
      const before = (attempt === 1 ? initial : state) as T;
      const looked = await runAsStep(name, () => check(before, this.#tryOf(operation, attempt)));
      const after = recordableOutcome(looked, `Condition "${name}" returned`);
      const decision = waitStrategy(after as T, attempt, () => this.#operations.random());
      if (!decision.shouldContinue) return { kind: 'ok', value: after };
      const afterMs = durationMs(decision.delay, `the delay of condition "${name}"`);
      return { kind: 'again', afterMs, ...present({ state: after }) };
    };
    const operation = this.#ask('condition', name, { action: run, signal });
    return operation.promise as OperationPromise<T>;
  }

  /** Waits for an outcome from outside; `request` is whatever the world above makes of it. */
  input(
    kind: 'callback' | 'question',
    name: string,
    input: InputConfig & { readonly request: unknown; readonly decode?: (value: JsonValue | undefined) => unknown },
  ): Operation {
    assertName(kind, name);
    const { timeout, signal, request, decode } = input;
    const timeoutMs = timeout === undefined ? undefined : durationMs(timeout, `the timeout of ${kind} "${name}"`);
    const operation = this.#ask(kind, name, { request, signal, timeoutMs });
    if (decode !== undefined) operation.decode = decode;
    return operation;
  }

  /** The time of what the code reacts to, in milliseconds since the epoch. */
  now(): number {
    return this.#operations.now;
  }

  /** From 0 up to 1. */
  randomNumber(): number {
    return this.#value('random', () => this.#operations.random()) as number;
  }

  uuid(): string {
    return this.#value('uuid', () => uuidOf(this.#operations.randomBytes(16))) as string;
  }

  patched(name: string): boolean {
    assertName('patched', name);
    this.#assertOutsideSteps('patched', name);
    return this.#operations.patched(this, name);
  }

  #value(name: string, make: () => JsonValue): JsonValue {
    this.#assertOutsideSteps('value', name);
    return this.#operations.value(this, name, make);
  }

  #ask(
    kind: OperationKind,
    name: string,
    { signal, ...more }: AskOptions & { readonly signal?: AbortSignal | undefined },
  ): Operation {
    this.#assertOutsideSteps(kind, name);
    const operation = this.#operations.ask(this, kind, name, more);
    if (signal !== undefined) this.#withdrawOn(signal, operation);
    return operation;
  }

  #withdrawOn(signal: AbortSignal, operation: Operation): void {
    if (!(signal instanceof AbortSignal)) {
      throw new MisuseError(
        `The signal of ${operation.kind} "${operation.name}" must be an AbortSignal, not ${describe(signal)}.`,
      );
    }
    const withdraw = () => {
      // The task's own signal says nothing that every run would see: what follows from it, the engine hands over.
      if (signal.reason instanceof TaskAborted) return;
      const step = insideStep.getStore();
      if (step === undefined) this.#operations.withdraw(operation, signal.reason);
      else step.misuse ??= withdrawnInside(step.name, operation);
    };
    if (signal.aborted) withdraw();
    else signal.addEventListener('abort', withdraw, { once: true });
  }

  #tryOf(operation: Operation, attempt: number): StepTry {
    return {
      attempt,
      get signal() {
        return operation.signal;
      },
    };
  }

  #retried(retry: RetryStrategy, thrown: unknown, attempt: number): Conclusion {
    // What is wrong with the code is as wrong the next time.
    if (thrown instanceof MisuseError) return { kind: 'failed', error: thrown };
    try {
      const decision = retry(errorOf(thrown), attempt, () => this.#operations.random());
      if (!decision.shouldRetry) return { kind: 'failed', error: thrown };
      const afterMs = decision.delay === undefined ? 0 : durationMs(decision.delay, 'the delay of a retryStrategy');
      return { kind: 'again', afterMs, error: thrown };
    } catch (fault) {
      return { kind: 'failed', error: fault };
    }
  }

  #assertOutsideSteps(kind: string, name: string): void {
    const step = stepUnderWay();
    if (step === undefined) return;
    throw new MisuseError(
      `${kind} "${name}" was asked for inside step "${step}": a step is one unit that is recorded as a whole. ` +
        (kind === 'value'
          ? 'Ask for it before the step, so that each try of it gets the same.'
          : 'Ask for it after the step, or group operations with runInChildContext.'),
    );
  }
}

function recordableOutcome(value: unknown, what: string): JsonValue | undefined {
  const recorded = recordable(value, what);
  assertRecordableSize(recorded, what);
  return recorded;
}

function withdrawnInside(step: string, { kind, name }: Operation): MisuseError {
  return new MisuseError(
    `${kind} "${name}" was withdrawn inside step "${step}", which a replay does not run again. ` +
      'Return from the step what there is to decide, and abort the signal after the step.',
  );
}

/** RFC 9562, version 4. */
function uuidOf(random: Uint8Array): string {
  const bytes = Uint8Array.from(random);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
