/** Progress messages, coalesced: the newest is written, at most one a second. */
import type { CancelTimer, Clock } from '../../clock.ts';
import { shorten } from '../../domain/text.ts';

const INTERVAL_MS = 1000;
/** Of a message for people, which lives in the task's head. */
const MAX_LENGTH = 1000;

/** The message, cut to what a task's head has room for. */
export function shortMessage(message: string): string {
  return shorten(message, MAX_LENGTH);
}

export class Progress {
  readonly #clock: Clock;
  readonly #write: (message: string) => void;
  #pending: string | undefined;
  #cancel: CancelTimer | undefined;

  constructor(clock: Clock, write: (message: string) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  report(message: string): void {
    this.#pending = shortMessage(message);
    this.#cancel ??= this.#clock.after(INTERVAL_MS, () => {
      this.#cancel = undefined;
      const newest = this.take();
      if (newest !== undefined) this.#write(newest);
    });
  }

  /** The message that is not written yet, for a write that happens anyway. */
  take(): string | undefined {
    const message = this.#pending;
    this.#pending = undefined;
    this.#cancel?.();
    this.#cancel = undefined;
    return message;
  }
}
