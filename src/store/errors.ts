/** The one place where storage errors become task errors. */
import { BackendError } from '../backends/errors.ts';
import { isTaskError, TaskError } from '../domain/errors.ts';

/** What a client is told to wait, in milliseconds: outages last seconds, and asking costs a server that is away the most. */
const RETRY_AFTER_MS = 5_000;

/** Whether storage is away for now: the same may be tried until it is back. */
export function isOutage(error: unknown): boolean {
  return isTaskError(error, 'unavailable') || isTaskError(error, 'storage_lost');
}

/** What the engine said, for those who run the server: no client is shown it. */
export function outageReason(error: unknown): string | undefined {
  return isOutage(error) && error instanceof Error && error.cause instanceof BackendError
    ? error.cause.message
    : undefined;
}

/** Whether a write that failed so may have landed all the same. */
export function mayHaveLanded(error: unknown): boolean {
  return isOutage(error);
}

/** What a storage error is to a task's client; any other error is itself. */
export function toTaskError(error: unknown): unknown {
  if (!(error instanceof BackendError)) return error;
  switch (error.code) {
    case 'conflict':
    case 'limit':
      return new TaskError('contention', 'The record changed at the same time; try again.', { cause: error });
    case 'unavailable':
      return new TaskError('unavailable', 'Storage does not answer or refuses to write; try again in some seconds.', {
        cause: error,
        detail: { retryAfterMs: RETRY_AFTER_MS },
      });
    case 'lost':
      return new TaskError(
        'storage_lost',
        'The database of this server was deleted or replaced while it was in use. ' +
          'Nothing is accepted until whoever runs the server has put it back or restarted the server.',
        { cause: error },
      );
    case 'format':
      return new TaskError('unreadable_record', error.message, { cause: error });
    case 'invalid':
      return new TaskError('value_too_large', `Storage refused the record: ${error.message}`, { cause: error });
  }
}
