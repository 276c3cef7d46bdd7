/** One operation of a running handler: what it is, how far it has come, and the promise that the handler holds. */
import type { JsonValue } from '../domain/json.ts';
import type { OperationKind } from './journal.ts';
import type { Place } from './place.ts';

/** Waiting operations cost nothing: a run that has only such ones left suspends. */
const WAITING_KINDS: readonly OperationKind[] = ['wait', 'callback', 'question', 'condition'];

/** Answered by somebody outside. */
export function isInput({ kind }: { readonly kind: OperationKind }): boolean {
  return kind === 'callback' || kind === 'question';
}

export function isWaitingKind(kind: OperationKind): boolean {
  return WAITING_KINDS.includes(kind);
}

/** A promise that knows whether anybody has asked for its outcome. What it rejects with unheard ends no process. */
export class OperationPromise<T> extends Promise<T> {
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  isAwaited = false;

  // `await` calls it, which is how it is known that somebody waits.
  // biome-ignore lint/suspicious/noThenProperty: that is the purpose
  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.isAwaited = true;
    return super.then(onFulfilled, onRejected);
  }
}

/** Kept in the order of asking; `number` is its place in the journal. */
export interface OperationOptions {
  readonly branch: Place;
  readonly kind: OperationKind;
  readonly name: string;
  readonly nth: number;
  readonly number: number;
}

/** Runs a try of a step, or a look at a condition; given by who asked for the operation. */
export type Action = (attempt: number, state: JsonValue | undefined) => Promise<Conclusion>;

/** How a try ended. */
export type Conclusion =
  | { readonly kind: 'ok'; readonly value: JsonValue | undefined }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'again'; readonly afterMs: number; readonly state?: JsonValue; readonly error?: unknown };

export class Operation {
  readonly branch: Place;
  readonly kind: OperationKind;
  readonly name: string;
  readonly nth: number;
  readonly number: number;
  readonly promise: OperationPromise<unknown>;
  /** Turns what was recorded into what the handler gets. */
  decode: (value: JsonValue | undefined) => unknown = (value) => value;
  action: Action | undefined;
  /** What is asked of somebody: opaque to the engine. */
  request: unknown;
  isSettled = false;
  /** Tries that have ended. */
  attempts = 0;
  /** The try that may not be repeated and has begun; 0: none. */
  begun = 0;
  /** Of a condition: what the last look left. */
  state: JsonValue | undefined;
  /** Of a wait, or of a step that is tried again: when. */
  dueAt: number | undefined;
  /** Whether that is earlier than the journal has it. */
  isDueEarlier = false;
  timeoutAt: number | undefined;
  /** Whether a try that has begun may not be repeated by a run that does not know how it ended. */
  mayRunOnce = false;
  /** Of a step: what follows from a try's failure. */
  afterFailure: (error: unknown, attempt: number) => Conclusion = (error) => ({ kind: 'failed', error });
  /** Asked for by the runtime's own code, not by the handler: nobody is told that it was never awaited. */
  isInternal = false;
  #abort: AbortController | undefined;
  #abortReason: unknown;
  #resolve!: (value: unknown) => void;
  #reject!: (reason: unknown) => void;

  constructor(options: OperationOptions) {
    this.branch = options.branch;
    this.kind = options.kind;
    this.name = options.name;
    this.nth = options.nth;
    this.number = options.number;
    this.promise = new OperationPromise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Not through `then`, which would count as being awaited.
    void Promise.prototype.then.call(this.promise, undefined, () => {});
  }

  /** Fires when nobody waits for the operation any more, and when the run ends. Made when it is first looked at. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#abortReason !== undefined) this.#abort.abort(this.#abortReason);
    }
    return this.#abort.signal;
  }

  abortWith(reason: unknown): void {
    this.#abortReason ??= reason;
    this.#abort?.abort(reason);
  }

  /** What the outside calls it: unique over the life of the task, the same in each run, in the order of asking. */
  get key(): string {
    return keyOf(this.number);
  }

  /** For messages. */
  get description(): string {
    const { kind, name, nth, branch } = this;
    return describeOperation({ kind, name, nth, branch: branch.path });
  }

  resolve(value: unknown): void {
    this.isSettled = true;
    this.#resolve(value);
  }

  reject(reason: unknown): void {
    this.isSettled = true;
    this.#reject(reason);
  }
}

/** Names an operation in messages: `step "fetch"`, `wait "pause" (the 3rd in branch …)`. */
export function describeOperation(of: {
  readonly kind: OperationKind;
  readonly name: string;
  readonly nth?: number;
  readonly branch?: string;
}): string {
  const where = of.branch === undefined || of.branch === '' ? '' : ` of branch ${of.branch}`;
  const which = of.nth === undefined || of.nth === 1 ? '' : ` (number ${of.nth} of that name)`;
  return `${of.kind} "${of.name}"${which}${where}`;
}

const KEY_DIGITS = 6;

export function keyOf(number: number): string {
  return `input-${String(number).padStart(KEY_DIGITS, '0')}`;
}

/** The number that a key was made of; `NaN` for what is none. */
export function numberOfKey(key: string): number {
  return Number(key.replace(/^input-/, ''));
}
