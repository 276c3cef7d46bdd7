/**
 * Time that passes only when a world lets it. Timers go by how much time has passed, as a machine's do; the clock on the
 * wall can be put forwards and back without them.
 */
import type { CancelTimer, Clock, EpochMs } from '../../../src/clock.ts';

interface Timer {
  readonly dueAt: number;
  readonly action: () => void;
  readonly isAlive: () => boolean;
}

const START: EpochMs = Date.UTC(2100, 0, 1);

export class VirtualTime {
  /** What has passed, and how far the clock has been put forward since, in milliseconds. */
  #passed = 0;
  #offset = 0;
  readonly #timers = new Set<Timer>();

  /** A clock whose timers fire while `isAlive`. */
  clock(isAlive: () => boolean): Clock {
    return {
      now: () => this.now,
      after: (delayMs, action) => this.after(delayMs, action, isAlive),
    };
  }

  get now(): EpochMs {
    return START + this.#passed + this.#offset;
  }

  /** In milliseconds since the beginning, whatever the clock on the wall says. */
  get passed(): number {
    return this.#passed;
  }

  after(delayMs: number, action: () => void, isAlive: () => boolean = () => true): CancelTimer {
    const timer: Timer = { dueAt: this.#passed + Math.max(0, delayMs), action, isAlive };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** How long until the next timer; `undefined`: there is none. */
  get untilNext(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : Math.max(0, next.dueAt - this.#passed);
  }

  /** Lets time pass, at most up to the next timer, which fires if it is reached. */
  pass(ms: number): void {
    const next = this.#next();
    const untilNext = next === undefined ? Number.POSITIVE_INFINITY : next.dueAt - this.#passed;
    this.#passed += Math.max(0, Math.min(ms, untilNext));
    if (next === undefined || ms < untilNext) return;
    this.#timers.delete(next);
    next.action();
  }

  /** Puts the clock on the wall forward, or back. */
  jump(ms: number): void {
    this.#offset += ms;
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (!timer.isAlive()) this.#timers.delete(timer);
      else if (next === undefined || timer.dueAt < next.dueAt) next = timer;
    }
    return next;
  }
}
