/**
 * Time and randomness, the two things that make a run unrepeatable. Everything in this
 * project takes them from here, injected, so that a test can hold them still
 * (`src/testing/manual-clock.ts`). Nothing else calls `Date.now`, `setTimeout` or a
 * random source.
 */

/** Milliseconds since the Unix epoch. */
export type EpochMs = number;

export interface Clock {
  now(): EpochMs;
  /** Calls `action` once, `delayMs` from now, unless the returned function is called first. */
  after(delayMs: number, action: () => void): CancelTimer;
}

export type CancelTimer = () => void;

/** A source of unguessable bytes. */
export type RandomBytes = (count: number) => Uint8Array;

/** Node cannot represent a longer timeout and would fire it at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, Math.min(Math.max(0, delayMs), MAX_TIMEOUT_MS));
    return () => clearTimeout(timer);
  },
};

export const systemRandom: RandomBytes = (count) => globalThis.crypto.getRandomValues(new Uint8Array(count));

/**
 * Resolves after one turn of the event loop, when every promise that could settle by itself has, and everything else of
 * the process has had its turn: awaiting an engine that answers at once does not give it one.
 */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Resolves after `delayMs` on the given clock; rejects with the signal's reason when aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
