/**
 * Time and randomness that a test holds in its hand: nothing moves but by `advance` or `set`,
 * and the same seed gives the same bytes. Not fake timers: the global ones stay as they are.
 */
import { type CancelTimer, type Clock, type EpochMs, eventLoopTurn, type RandomBytes } from '../clock.ts';

/**
 * 2100-01-01. Far ahead on purpose: an engine that expires records by its own, real clock then
 * does not interfere with a test in which only the manual clock decides.
 */
const DEFAULT_START_MS: EpochMs = Date.UTC(2100, 0, 1);

interface Timer {
  readonly dueAt: EpochMs;
  readonly action: () => void;
}

export class ManualClock implements Clock {
  #now: EpochMs;
  /** In the order of their making, which breaks ties. */
  readonly #timers = new Set<Timer>();
  #advancing = false;

  constructor(startMs: EpochMs = DEFAULT_START_MS) {
    this.#now = startMs;
  }

  now(): EpochMs {
    return this.#now;
  }

  after(delayMs: number, action: () => void): CancelTimer {
    const timer: Timer = { dueAt: this.#now + Math.max(0, delayMs), action };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** How many timers wait; 0 at the end of a test means that nothing was left behind. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /**
   * Moves time forward and fires what falls due on the way, earliest first, each at its own
   * instant, those included that a fired action sets up. Before the first, between any two and
   * after the last, every promise that can settle does. Rejects with what an action throws; time
   * then stands where that happened. One at a time: await it.
   */
  async advance(ms: number): Promise<void> {
    if (!(Number.isFinite(ms) && ms >= 0)) throw new RangeError(`time advances by 0 ms or more, not by ${ms}`);
    if (this.#advancing) throw new Error('this clock is already advancing: await the earlier advance() first');
    this.#advancing = true;
    try {
      const target = this.#now + ms;
      await eventLoopTurn();
      for (let timer = this.#nextDue(target); timer !== undefined; timer = this.#nextDue(target)) {
        this.#timers.delete(timer);
        this.#now = Math.max(this.#now, timer.dueAt);
        timer.action();
        await eventLoopTurn();
      }
      this.#now = target;
      await eventLoopTurn();
    } finally {
      this.#advancing = false;
    }
  }

  /**
   * Puts the clock to an instant, forwards or backwards, as an adjusted system clock would.
   * Fires nothing; timers that became overdue fire on the next `advance`, even `advance(0)`.
   */
  set(now: EpochMs): void {
    this.#now = now;
  }

  #nextDue(target: EpochMs): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueAt <= target && (next === undefined || timer.dueAt < next.dueAt)) next = timer;
    }
    return next;
  }
}

/** Bytes that look random and repeat with the seed. For tests only: anybody can predict them. */
export function manualRandom(seed: number): RandomBytes {
  let state = seed >>> 0;
  return (count) =>
    Uint8Array.from({ length: count }, () => {
      // mulberry32, of which the top byte is kept.
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return (mixed ^ (mixed >>> 14)) >>> 24;
    });
}
