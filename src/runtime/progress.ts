/** Progress messages, coalesced: the newest is written, at most one a second. */
import type { CancelTimer, Clock } from '../clock.ts';

const INTERVAL_MS = 1000;

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
    this.#pending = message;
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
