/**
 * What a backend can reject with: one root, closed codes. Engine errors are translated here,
 * once, and keep the engine's error as `cause`. Nothing above the store sees these.
 */

export type BackendErrorCode =
  /** The stored version was another one than expected. */
  | 'conflict'
  /** A bounded counter would have passed its ceiling. */
  | 'limit'
  /** The call itself is wrong: key or value too large, unknown cursor, value of a wrong form. */
  | 'invalid'
  /** The engine did not do it: unreachable, throttled, timed out. Whether a write landed is unknown. */
  | 'unavailable'
  /** What was stored is gone from under the backend, and what it accepted now would be lost: somebody has to act. */
  | 'lost'
  /** The stored data is of a newer format than this build writes, or damaged. */
  | 'format';

export class BackendError extends Error {
  override readonly name: string = 'BackendError';
  readonly code: BackendErrorCode;

  constructor(code: BackendErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** Whether the same call may succeed later. */
  get retryable(): boolean {
    return this.code === 'unavailable';
  }

  toJSON(): Record<string, unknown> {
    return { name: this.name, code: this.code, message: this.message };
  }
}

export class BackendConflictError extends BackendError {
  override readonly name = 'BackendConflictError';
  readonly expected: number;
  /** 0: no record was there. */
  readonly actual: number;

  constructor(expected: number, actual: number, options?: ErrorOptions) {
    super('conflict', `expected version ${expected}, found ${actual}`, options);
    this.expected = expected;
    this.actual = actual;
  }

  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), expected: this.expected, actual: this.actual };
  }
}

export class BackendLimitError extends BackendError {
  override readonly name = 'BackendLimitError';
  readonly current: number;
  readonly ceiling: number;

  constructor(current: number, ceiling: number, options?: ErrorOptions) {
    super('limit', `the count is ${current} and may not pass ${ceiling}`, options);
    this.current = current;
    this.ceiling = ceiling;
  }

  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), current: this.current, ceiling: this.ceiling };
  }
}

export class BackendInvalidError extends BackendError {
  override readonly name = 'BackendInvalidError';

  constructor(message: string, options?: ErrorOptions) {
    super('invalid', message, options);
  }
}

export class BackendUnavailableError extends BackendError {
  override readonly name = 'BackendUnavailableError';

  constructor(message: string, options?: ErrorOptions) {
    super('unavailable', message, options);
  }
}

export class BackendLostError extends BackendError {
  override readonly name = 'BackendLostError';

  constructor(message: string, options?: ErrorOptions) {
    super('lost', message, options);
  }
}

export class BackendFormatError extends BackendError {
  override readonly name = 'BackendFormatError';

  constructor(message: string, options?: ErrorOptions) {
    super('format', message, options);
  }
}
