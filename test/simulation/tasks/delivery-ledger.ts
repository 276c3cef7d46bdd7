/**
 * That a task which a run has given back comes to a worker again when it is due. Not only by the agenda, which would see
 * to it later: a run that has done its part has left a delivery in the queue, and that one is taken or stays.
 */
import { isTerminal } from '../../../src/domain/status.ts';
import type { DeliveryQueue } from './delivery-queue.ts';
import type { Head } from './head-ledger.ts';

/** What is due later than that is left to the agenda, which sees it in time. */
const LONGEST_DELAY_MS = 5 * 60_000;

export interface DeliveryLedgerOptions {
  readonly queue: DeliveryQueue;
  readonly complain: (problem: string) => void;
  readonly now: () => number;
  /** Whether a worker has a delivery in hand, of which something may come yet. */
  readonly isInHand: () => boolean;
}

interface GivenBack {
  readonly holder: string;
  readonly dueAt: number;
  /** Whether the run that gave it back has ended since: now there must be a delivery. */
  hasEnded: boolean;
}

export class DeliveryLedger {
  readonly #options: DeliveryLedgerOptions;
  #givenBack: GivenBack | undefined;

  constructor(options: DeliveryLedgerOptions) {
    this.#options = options;
  }

  /** A head that has landed. Who changes one that was given back (cancels, answers, heals) also enqueues the task. */
  landed(before: Head, { status, run }: Head): void {
    this.#givenBack = undefined;
    const isOver = isTerminal(status) && run.cleanup === undefined;
    const { lease: held } = before.run;
    if (isOver || held === undefined || run.lease !== undefined || run.dueAt === null) return;
    if (run.dueAt - this.#options.now() > LONGEST_DELAY_MS) return;
    this.#givenBack = { holder: held.holder, dueAt: run.dueAt, hasEnded: false };
  }

  /** The run of that holder has ended, in a process that lives. */
  ended(holder: string): void {
    if (this.#givenBack?.holder === holder) this.#givenBack.hasEnded = true;
    this.check();
  }

  /** A process has died, and deliveries with it, or the clock was put back or forward: only the agenda is certain now. */
  forget(): void {
    this.#givenBack = undefined;
  }

  /** When a worker has done with a delivery. */
  check(): void {
    const { queue, now, complain, isInHand } = this.#options;
    if (this.#givenBack?.hasEnded !== true || isInHand()) return;
    const { holder, dueAt } = this.#givenBack;
    const waitMs = Math.max(0, dueAt - now());
    const { untilNext } = queue;
    if (untilNext !== undefined && untilNext <= waitMs) return;
    const instead = untilNext === undefined ? 'none' : `one in ${untilNext} ms`;
    complain(
      `${holder} gave the task back, due in ${waitMs} ms, and there is no delivery for then, but ${instead} [I5]`,
    );
  }
}
