/** Why a handler, or a part of it, is told to stop. */
import type { EndCause } from '../domain/task.ts';

/**
 * `cancelled` (by the client), `deadline` and `ended`: the task has its final status, and the handler may clean up.
 * `lease_lost`, `shutdown` and `out_of_time`: only this run ends, another goes on; handlers never catch these.
 */
export type AbortReason = EndCause | 'lease_lost' | 'shutdown' | 'out_of_time';

/** What pending operations reject with when the task was cancelled or missed its deadline; the reason of a step's `signal`. */
export class TaskAborted extends Error {
  override readonly name = 'TaskAborted';
  readonly reason: AbortReason;

  constructor(reason: AbortReason) {
    super(`The run was stopped: ${reason}.`);
    this.reason = reason;
  }
}

/** What operations of a branch reject with when what the branch was for has been decided without it. */
export class OperationWithdrawn extends Error {
  override readonly name = 'OperationWithdrawn';

  constructor(operation: string) {
    super(`Nobody waits for ${operation} any more.`);
  }
}

/** What a callback or a question rejects with when nobody answered in time. */
export class CallbackTimeoutError extends Error {
  override readonly name = 'CallbackTimeoutError';

  constructor(operation: string) {
    super(`No answer came in time to ${operation}.`);
  }
}

/** What a step that may run at most once rejects with when a run died while it was under way. */
export class StepInterruptedError extends Error {
  override readonly name = 'StepInterruptedError';

  constructor(name: string) {
    super(
      `Step "${name}" had begun when its run ended; it may run at most once, so whether it took effect is not known.`,
    );
  }
}
