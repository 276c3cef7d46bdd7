/**
 * What the DynamoDB client rejects with, told apart and translated. A failed condition is not an
 * error here: only the caller knows what it means. Sends nothing.
 */
import type { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { type BackendError, BackendInvalidError, BackendLostError, BackendUnavailableError } from './errors.ts';

export interface DynamoDbCall {
  readonly operation: 'GetItem' | 'PutItem' | 'UpdateItem' | 'DeleteItem' | 'Query';
  readonly table: string;
}

export function isConditionFailure(error: unknown): error is ConditionalCheckFailedException {
  // By name, not by class: a bundle may hold more than one copy of the client.
  return error instanceof Error && error.name === 'ConditionalCheckFailedException';
}

/** How often the client sent the request that failed. */
export function attemptsOf(error: ConditionalCheckFailedException): number {
  return error.$metadata.attempts ?? 1;
}

export function translate(call: DynamoDbCall, error: unknown): BackendError {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (name === 'ResourceNotFoundException') {
    const remedy = 'create it with --create-table (or createTable), or check its name, account and region';
    return new BackendLostError(`the DynamoDB table ${call.table} does not exist: ${remedy}`, { cause: error });
  }
  if (name === 'ValidationException') {
    return new BackendInvalidError(`DynamoDB refused ${call.operation} on ${call.table}: ${message}`, { cause: error });
  }
  // Throttling, conflicts with transactions, server faults, connections, credentials: not the caller's fault.
  return unavailable(call, `${name}: ${message}`, error);
}

export function unavailable(call: DynamoDbCall, why: string, cause: unknown): BackendUnavailableError {
  return new BackendUnavailableError(`DynamoDB ${call.operation} on ${call.table}: ${why}`, { cause });
}
