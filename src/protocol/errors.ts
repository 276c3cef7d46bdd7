/** The one table between task errors and JSON-RPC errors. What is not in it becomes an internal error without detail. */
import { MissingRequiredClientCapabilityError, ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';
import { isTaskError, type TaskErrorCode } from '../domain/errors.ts';
import { TASKS_EXTENSION } from './capability.ts';

/** Implementation-defined server error (JSON-RPC 2.0, section 5.1): try again later. */
export const BUSY = -32000;

const CODES: Readonly<Record<TaskErrorCode, number>> = {
  task_not_found: ProtocolErrorCode.InvalidParams,
  invalid_transition: ProtocolErrorCode.InvalidParams,
  invalid_variables: ProtocolErrorCode.InvalidParams,
  invalid_answer: ProtocolErrorCode.InvalidParams,
  invalid_arguments: ProtocolErrorCode.InvalidParams,
  invalid_cursor: ProtocolErrorCode.InvalidParams,
  idempotency_conflict: ProtocolErrorCode.InvalidParams,
  value_too_large: ProtocolErrorCode.InvalidParams,
  owner_required: ProtocolErrorCode.InvalidRequest,
  invalid_owner: ProtocolErrorCode.InvalidRequest,
  too_many_tasks: BUSY,
  contention: BUSY,
  unavailable: BUSY,
  lease_held: ProtocolErrorCode.InternalError,
  lease_lost: ProtocolErrorCode.InternalError,
  storage_lost: ProtocolErrorCode.InternalError,
  unreadable_record: ProtocolErrorCode.InternalError,
  invalid_definition: ProtocolErrorCode.InternalError,
};

/** What a client is told. */
export function toProtocolError(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  if (!isTaskError(error)) return new ProtocolError(ProtocolErrorCode.InternalError, 'Internal error');
  const code = CODES[error.code];
  // A fault of the server, and told to the caller all the same, who can tell those that run the server.
  if (error.code === 'storage_lost') return new ProtocolError(code, error.message, { reason: error.code });
  if (code === ProtocolErrorCode.InternalError) return new ProtocolError(code, 'Internal error');
  // Nothing may distinguish an unknown task from another owner's.
  if (error.code === 'task_not_found') return new ProtocolError(code, error.message);
  return new ProtocolError(code, error.message, { reason: error.code, ...error.detail });
}

/** -32021, with the capability that is missing. */
export function tasksRequired(): MissingRequiredClientCapabilityError {
  return new MissingRequiredClientCapabilityError(
    { requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } },
    `This needs a client that declares the ${TASKS_EXTENSION} extension in the request's capabilities.`,
  );
}
