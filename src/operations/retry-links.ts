/**
 * How a task and its retry name each other, without a member of their own in the stored head. The new one has an internal
 * variable with the old one's id; the old one, which has ended and is final, finds the new one by the idempotency key that
 * it was created with, so that a task has one retry, however often and from how many places it is asked for.
 */
import { isTaskError } from '../domain/errors.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Task } from '../domain/task.ts';
import { isTaskId } from '../domain/task-id.ts';
import { present } from '../present.ts';
import type { StoredTask, TaskStore } from '../store/task-store.ts';

/** Of the new task; internal, so neither its handler nor its clients see it. */
export const RETRY_OF = '_operations.retry_of';

export function retryKeyOf({ id }: Pick<Task, 'id'>): string {
  return `mcp-durable-tasks retry of ${id}`;
}

export interface RetryLinks {
  readonly retryOf?: string;
  readonly retriedAs?: string;
}

/** The retry of a task, if there is one. */
async function retryOf(store: TaskStore, task: Task, args: JsonValue): Promise<StoredTask | undefined> {
  try {
    return await store.createdBefore({
      owner: task.owner,
      tool: task.tool,
      arguments: args as JsonObject,
      idempotencyKey: retryKeyOf(task),
    });
  } catch (error) {
    // A client has used the very key for something else.
    if (isTaskError(error, 'idempotency_conflict')) return undefined;
    throw error;
  }
}

export async function linksOf(
  store: TaskStore,
  task: Task,
  args: JsonValue,
  variables: JsonObject,
): Promise<RetryLinks> {
  const before = variables[RETRY_OF];
  const after = await retryOf(store, task, args);
  return present({ retryOf: isTaskId(before) ? before : undefined, retriedAs: after?.task.id });
}
