/** Policies: whether and when a failed step is tried again, and whether and when a condition is looked at again. */
import { type Duration, durationMs } from './duration.ts';
import { assertOptions, MisuseError } from './misuse.ts';

export type RetryDecision =
  /** @default delay: at once */
  { readonly shouldRetry: true; readonly delay?: Duration } | { readonly shouldRetry: false };

/**
 * Asked after each failed try with what was thrown and how many tries there were (1 after the first). `random`
 * gives numbers from 0 up to 1, for jitter. Runs once for each failure, never in a replay.
 */
export type RetryStrategy = (error: Error, attempt: number, random: () => number) => RetryDecision;

/** `full`: from nothing to the whole delay; `half`: from half of it. */
export type Jitter = 'none' | 'half' | 'full';

export interface BackoffConfig {
  /** Tries in all. @default 3 */
  readonly maxAttempts?: number;
  /** Before the second try. @default 5 s */
  readonly initialDelay?: Duration;
  /** @default 5 min */
  readonly maxDelay?: Duration;
  /** What each delay is multiplied with to get the next. @default 2 */
  readonly backoffRate?: number;
  /** @default 'full' */
  readonly jitter?: Jitter;
}

const BACKOFF_OPTIONS = ['maxAttempts', 'initialDelay', 'maxDelay', 'backoffRate', 'jitter'] as const;

export interface RetryConfig extends BackoffConfig {
  /** Errors that are worth another try; all of them where it is absent. */
  readonly isRetryable?: (error: Error) => boolean;
}

/** A retry strategy with exponential back-off. */
export function createRetryStrategy(config: RetryConfig = {}): RetryStrategy {
  assertOptions('createRetryStrategy', config, [...BACKOFF_OPTIONS, 'isRetryable']);
  const { maxAttempts = 3, isRetryable = () => true } = config;
  const delay = backoff(config);
  return (error, attempt, random) =>
    attempt < maxAttempts && isRetryable(error)
      ? { shouldRetry: true, delay: { milliseconds: delay(attempt, random) } }
      : { shouldRetry: false };
}

/** Six tries, 5 s apart at first, doubling up to a minute, with full jitter. */
export const DEFAULT_STEP_RETRY = createRetryStrategy({ maxAttempts: 6, maxDelay: { seconds: 60 } });

export const NO_RETRY: RetryStrategy = () => ({ shouldRetry: false });

export type WaitDecision =
  | { readonly shouldContinue: true; readonly delay: Duration }
  | { readonly shouldContinue: false };

/** Asked after each look with the state that it left and how many looks there were; runs once for each, never in a replay. */
export type WaitStrategy<T> = (state: T, attempt: number, random: () => number) => WaitDecision;

export interface WaitStrategyConfig<T> extends BackoffConfig {
  readonly shouldContinuePolling: (state: T) => boolean;
}

/** A wait strategy with exponential back-off. After `maxAttempts` looks (default 60) it throws, which fails the operation. */
export function createWaitStrategy<T>(config: WaitStrategyConfig<T>): WaitStrategy<T> {
  assertOptions('createWaitStrategy', config, [...BACKOFF_OPTIONS, 'shouldContinuePolling']);
  const { maxAttempts = 60, shouldContinuePolling } = config;
  const delay = backoff(config);
  return (state, attempt, random) => {
    if (!shouldContinuePolling(state)) return { shouldContinue: false };
    if (attempt >= maxAttempts) throw new Error(`The condition was not met after ${attempt} looks.`);
    return { shouldContinue: true, delay: { milliseconds: delay(attempt, random) } };
  };
}

function backoff(config: BackoffConfig): (attempt: number, random: () => number) => number {
  const { backoffRate = 2, jitter = 'full' } = config;
  const initialMs = durationMs(config.initialDelay ?? { seconds: 5 }, 'initialDelay');
  const maxMs = durationMs(config.maxDelay ?? { minutes: 5 }, 'maxDelay');
  if (!(backoffRate >= 1)) throw new MisuseError(`backoffRate must be 1 or more, not ${backoffRate}.`);
  return (attempt, random) => {
    // Never infinite, which would make nothing of a delay of 0.
    const factor = Math.min(backoffRate ** (attempt - 1), Number.MAX_VALUE);
    const delayMs = Math.min(initialMs * factor, maxMs);
    switch (jitter) {
      case 'none':
        return delayMs;
      case 'half':
        return delayMs * (0.5 + random() / 2);
      case 'full':
        return delayMs * random();
    }
  };
}
