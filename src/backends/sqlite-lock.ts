/**
 * Waiting for another process that holds a lock on the SQLite file, while everything else of this process goes on.
 * SQLite's own waiting (`busy_timeout`) would stop the event loop for as long; it is off.
 */
import { type Clock, eventLoopTurn, sleep } from '../clock.ts';
import { isBusy } from './sqlite-file.ts';

/** The first pause, doubled up to the longest: most writes of others take a few milliseconds. */
const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 50;

interface Waiter {
  readonly attempt: () => void;
  readonly giveUp: (busy: unknown) => void;
  leftMs: number;
}

/** One line of callers: while the first of them waits, the others do not even try, and none overtakes. */
export class LockQueue {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #waiting: Waiter[] = [];
  #serving = false;

  /** `timeoutMs`: how long a caller waits before it is told that the file is busy. */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** At once where nobody waits and no lock is in the way. Rejects with what `action` throws, SQLite's "busy" after the timeout. */
  run<T>(action: () => T): T | Promise<T> {
    if (this.#waiting.length > 0) return this.#wait(action);
    try {
      return action();
    } catch (error) {
      if (!isBusy(error)) throw error;
      const outcome = this.#wait(action);
      if (!this.#serving) void this.#serve(error);
      return outcome;
    }
  }

  #wait<T>(action: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ attempt: () => resolve(action()), giveUp: reject, leftMs: this.#timeoutMs });
    });
  }

  async #serve(firstBusy: unknown): Promise<void> {
    this.#serving = true;
    let busy = firstBusy;
    for (let pauseMs = FIRST_PAUSE_MS; this.#waiting.length > 0; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      await sleep(this.#clock, pauseMs);
      // What was waited is added up from the pauses: a wall clock that is put back makes nobody wait longer.
      for (const waiter of this.#waiting) waiter.leftMs -= pauseMs;
      for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
        try {
          first.attempt();
        } catch (error) {
          if (isBusy(error)) {
            busy = error;
            break;
          }
          first.giveUp(error);
        }
        this.#waiting.shift();
        pauseMs = FIRST_PAUSE_MS;
        await eventLoopTurn();
      }
      for (const late of this.#waiting.filter(({ leftMs }) => leftMs <= 0)) late.giveUp(busy);
      this.#waiting = this.#waiting.filter(({ leftMs }) => leftMs > 0);
    }
    this.#serving = false;
  }
}
