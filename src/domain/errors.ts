/**
 * What can go wrong with a task: one error class, a closed list of codes. Codes are a promise to
 * callers, messages are not. Storage errors are translated into these in `src/store`; these are
 * translated into JSON-RPC errors in `src/protocol/errors.ts`.
 */

export const TASK_ERROR_CODES = [
  /** Unknown, expired or somebody else's: deliberately one and the same. */
  'task_not_found',
  /** The status table does not allow it; terminal is final. */
  'invalid_transition',
  /** Another runner holds the task; `detail.until` says how long. */
  'lease_held',
  /** The runner's lease ended or was taken over: it must stop. */
  'lease_lost',
  /** No owner could be told from the request and anonymous use is off. */
  'owner_required',
  /** The owner cannot be encoded (too long, empty, no valid text). */
  'invalid_owner',
  /** A variable's key or value breaks a bound; `detail.path`. */
  'invalid_variables',
  /** An answer breaks a bound or does not fit its request; `detail.key`. */
  'invalid_answer',
  /** Arguments break a bound; `detail.path`. */
  'invalid_arguments',
  /** A listing cursor that this store did not give for this owner. */
  'invalid_cursor',
  /** The owner has as many unfinished tasks as are allowed; `detail.limit`; `detail.retryAfterMs`: sooner makes little sense. */
  'too_many_tasks',
  /** The same idempotency key was used with other arguments. */
  'idempotency_conflict',
  /** Larger than the largest value that is kept; `detail.bytes`, `detail.limitBytes`. */
  'value_too_large',
  /** Lost the race for a record too often; may be tried again. */
  'contention',
  /** Storage did not answer, or does not write for now; may be tried again after `detail.retryAfterMs`. */
  'unavailable',
  /** Storage is gone from under the server, which accepts nothing until its operators have acted. */
  'storage_lost',
  /** A stored record is damaged, or of a newer format: then `detail.format` and `detail.knownFormat`. */
  'unreadable_record',
  /** A tool is defined wrongly; the message names it. */
  'invalid_definition',
] as const;

export type TaskErrorCode = (typeof TASK_ERROR_CODES)[number];

export class TaskError extends Error {
  override readonly name = 'TaskError';
  readonly code: TaskErrorCode;
  readonly detail: Readonly<Record<string, string | number>>;

  constructor(
    code: TaskErrorCode,
    message: string,
    options: ErrorOptions & { readonly detail?: Readonly<Record<string, string | number>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail ?? {};
  }

  toJSON(): Record<string, unknown> {
    return { name: this.name, code: this.code, message: this.message, detail: this.detail };
  }
}

export function isTaskError(error: unknown, code?: TaskErrorCode): error is TaskError {
  return error instanceof TaskError && (code === undefined || error.code === code);
}

/** One wording for unknown, expired and foreign, so that nobody can tell them apart. */
export function taskNotFound(): TaskError {
  return new TaskError('task_not_found', 'Task not found: the id is unknown or the task has expired.');
}

export function valueTooLarge(bytes: number, limitBytes: number): TaskError {
  return new TaskError('value_too_large', `A value of ${bytes} bytes is larger than the ${limitBytes} that are kept.`, {
    detail: { bytes, limitBytes },
  });
}
