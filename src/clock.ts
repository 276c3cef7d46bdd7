/**
 * Time and randomness, the two things that make a run unrepeatable. Everything in this
 * project takes them from here, injected, so that a test can hold them still
 * (`src/testing/manual-clock.ts`). Nothing else calls `Date.now`, `setTimeout` or a
 * random source.
 */

/** Milliseconds since the Unix epoch. */
export type EpochMs = number;

export interface Clock {
  /** Does not step back: what is due would wait for as long again. See {@link steadyNow}. */
  now(): EpochMs;
  /** Calls `action` once, `delayMs` from now, unless the returned function is called first. */
  after(delayMs: number, action: () => void): CancelTimer;
}

export type CancelTimer = () => void;

/** A source of unguessable bytes. */
export type RandomBytes = (count: number) => Uint8Array;

/** Node cannot represent a longer timeout and would fire it at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** How much slower than real a clock goes that waits for the wall clock to come up with it. */
const SLOWING = 0.1;
/** Put back by more, the wall clock was wrong before, and is believed. */
const LONGEST_STEP_BACK_MS = 24 * 60 * 60 * 1000;

/**
 * The wall clock, as long as it goes forward. When it is put back, ten minutes say, the time goes on from where it was,
 * a little slower, until the wall clock has come up with it: whatever is due, held or waited for in this process is so
 * after as long as was meant, and at most a tenth longer. `elapsedMs` only ever counts up, at the pace of real time.
 */
export function steadyNow(wallNow: () => EpochMs, elapsedMs: () => number): () => EpochMs {
  let latest = wallNow();
  let countedMs = elapsedMs();
  return () => {
    const shown = wallNow();
    const counted = elapsedMs();
    const slowed = latest + (counted - countedMs) * (1 - SLOWING);
    countedMs = counted;
    latest = slowed - shown > LONGEST_STEP_BACK_MS ? shown : Math.max(shown, slowed);
    return Math.floor(latest);
  };
}

export const systemClock: Clock = {
  now: steadyNow(
    () => Date.now(),
    () => performance.now(),
  ),
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

/**
 * What the work resolves to; rejects with `otherwise` once `timeoutMs` are over, while the work goes on. In real time,
 * whatever clock was injected elsewhere: it is the network that is waited for.
 */
export async function within<T>(work: Promise<T>, timeoutMs: number, otherwise: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const cancel = systemClock.after(timeoutMs, () => reject(new Error(otherwise)));
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
  }
}
