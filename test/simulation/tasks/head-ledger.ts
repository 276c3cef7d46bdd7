/**
 * Every version of a task's head that landed, and what must be true from one to the next: I2, I3, I4 and I7, and that the
 * task is never taken for one whose code has changed.
 */
import { isDeepStrictEqual } from 'node:util';
import { isTerminal } from '../../../src/domain/status.ts';
import type { Answer, Task } from '../../../src/domain/task.ts';
import type { LandedEnd } from './journal-ledger.ts';

export type Head = Omit<Task, 'owner' | 'id'>;

export interface HeadLedgerOptions {
  readonly complain: (problem: string) => void;
  /** `undefined`: the clock was put back or forward meanwhile. */
  readonly now: () => number | undefined;
  /** What the journal knows of an input; `undefined`: nothing. */
  /** Whether others than runs write the task's variables. */
  readonly areVariablesShared: boolean;
  readonly endInJournal: (key: string) => LandedEnd | undefined;
}

export class HeadLedger {
  readonly #options: HeadLedgerOptions;
  head: Head | undefined;
  /** All that were ever accepted, by key. */
  readonly answers = new Map<string, Answer>();
  /** Keys of all inputs that were ever shown. */
  readonly shown = new Set<string>();
  constructor(options: HeadLedgerOptions) {
    this.#options = options;
  }

  /** What the runner of process `writer` or somebody else there has written. */
  add(writer: string, head: Head): void {
    const before = this.head;
    this.head = head;
    if (before === undefined) return;
    if (isTerminal(before.status)) this.#assertFinal(before, head);
    else this.#assertAnswersKept(before, head);
    this.#assertLease(before, head, writer);
    this.#assertRecorded(before, head);
    if (head.run.parked !== undefined) this.#options.complain(`parked: ${head.run.parked.reason}`);
    for (const [key, answer] of Object.entries(head.answers)) {
      const known = this.answers.get(key);
      if (known === undefined) this.answers.set(key, answer);
      else if (!isDeepStrictEqual(known, answer)) this.#options.complain(`the answer to ${key} was replaced [I4]`);
    }
  }

  #assertFinal(before: Head, after: Head): void {
    const { complain } = this.#options;
    for (const part of ['status', 'statusMessage', 'result', 'error'] as const) {
      if (!isDeepStrictEqual(before[part], after[part]))
        complain(`${part} of a task that has ended was changed [I2 I3]`);
    }
    if (before.run.cleanup === undefined) complain('a task that has ended and cleaned up was written again [I2]');
  }

  #assertAnswersKept(before: Head, after: Head): void {
    if (isTerminal(after.status)) return;
    for (const key of Object.keys(before.answers)) {
      if (Object.hasOwn(after.answers, key) || this.#options.endInJournal(key) !== 'open') continue;
      this.#options.complain(`the accepted answer to ${key} was dropped [I4]`);
    }
  }

  /** Somebody may answer what is shown from now on: no other run may ask something else under its key. */
  #assertRecorded(before: Head, after: Head): void {
    for (const key of Object.keys(after.inputs)) {
      this.shown.add(key);
      if (Object.hasOwn(before.inputs, key) || this.#options.endInJournal(key) !== undefined) continue;
      this.#options.complain(`${key} is shown, and the journal does not have it [I4 I11]`);
    }
  }

  #assertLease(before: Head, after: Head, writer: string): void {
    const { complain, now } = this.#options;
    const { epoch, lease } = before.run;
    if (after.run.epoch < epoch) complain('the epoch decreased [I7]');
    if (after.run.epoch > epoch) {
      const at = now();
      if (lease !== undefined && at !== undefined && at < lease.until)
        complain(`${writer} took a lease that ${lease.holder} has [I7]`);
      return;
    }
    const isOwn = lease?.holder.startsWith(`${writer}/`) === true;
    if (isByRun(before, after, this.#options.areVariablesShared) && !isOwn && !isTerminal(before.status))
      complain(`${writer} changed a task that ${lease?.holder ?? 'nobody'} holds [I7]`);
    // Only a run that holds the task gives it back, or sees that there is nothing to clean up.
    if (
      lease !== undefined &&
      after.run.lease === undefined &&
      !isOwn &&
      after.run.cleanup === undefined &&
      !isTerminal(after.status)
    ) {
      complain(`${writer} gave back a task that ${lease.holder} holds [I7]`);
    }
  }
}

/** Whether only a run of the handler can have made the change. */
function isByRun(before: Head, after: Head, areVariablesShared: boolean): boolean {
  return (
    after.status === 'completed' ||
    (!areVariablesShared && !isDeepStrictEqual(before.variables, after.variables)) ||
    (before.run.turns !== after.run.turns && !isTerminal(after.status)) ||
    Object.keys(after.inputs).some((key) => !Object.hasOwn(before.inputs, key))
  );
}
