/** What a queue's client complains of, for the log: each outage is a line now and then, and not one for each attempt. */
import type { Clock } from '../../clock.ts';
import { describeError, type Logger } from '../logger.ts';

const QUIET_MS = 30_000;

export class QueueTrouble {
  readonly #logger: Logger;
  readonly #clock: Clock;
  #saidAt = Number.NEGATIVE_INFINITY;
  #unsaid = 0;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Says the error, unless something was said within the last half minute; what was left out is counted. */
  report(error: unknown): void {
    const now = this.#clock.now();
    if (now - this.#saidAt < QUIET_MS) {
      this.#unsaid += 1;
      return;
    }
    this.#logger.warn('The queue does not answer as it should', { ...describeError(error), alsoUnsaid: this.#unsaid });
    this.#saidAt = now;
    this.#unsaid = 0;
  }
}
