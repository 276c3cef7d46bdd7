/** The one place where storage errors become task errors. */
import { BackendError } from '../backends/errors.ts';
import { isTaskError, TaskError } from '../domain/errors.ts';

/** Runs a storage call; a `BackendError` that the caller did not handle becomes a `TaskError`. */
export async function translated<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw error instanceof BackendError ? toTaskError(error) : error;
  }
}

/** Whether a write that failed so may have landed all the same. */
export function mayHaveLanded(error: unknown): boolean {
  const code = error instanceof BackendError || isTaskError(error) ? error.code : undefined;
  return code === 'unavailable' || code === 'lost' || code === 'storage_lost';
}

function toTaskError(error: BackendError): TaskError {
  switch (error.code) {
    case 'conflict':
    case 'limit':
      return new TaskError('contention', 'The record changed at the same time; try again.', { cause: error });
    case 'unavailable':
      return new TaskError('unavailable', 'Storage did not answer; try again.', { cause: error });
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
