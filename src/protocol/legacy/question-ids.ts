/**
 * The ids of requests from the server to a client of the 2025 era. The client's answer comes by a request of its own, to
 * any instance, and carries nothing but this id: so the id says what is answered.
 */
import { isTaskId, type TaskId } from '../../domain/task-id.ts';

/** Begins every such id, so that it is told from those that the SDK counts. */
export const REQUEST_ID_PREFIX = 'mcp-durable-tasks:';

export type AnsweredRequest =
  /** A question of a task, by its key. */
  | { readonly kind: 'task'; readonly taskId: TaskId; readonly key: string }
  /** A request of a call that is being answered, by the name that the call's instance gave it. */
  | { readonly kind: 'call'; readonly name: string };

export function requestIdOf(answered: AnsweredRequest): string {
  return answered.kind === 'task'
    ? `${REQUEST_ID_PREFIX}task:${answered.taskId}:${answered.key}`
    : `${REQUEST_ID_PREFIX}call:${answered.name}`;
}

const ANSWERED = /^mcp-durable-tasks:(?:task:([0-9a-f]{44}):(.{1,200})|call:([0-9a-f]{32}))$/;

/** `undefined`: no request of this server's. */
export function answeredBy(id: unknown): AnsweredRequest | undefined {
  if (typeof id !== 'string') return undefined;
  const [, taskId, key, name] = ANSWERED.exec(id) ?? [];
  if (name !== undefined) return { kind: 'call', name };
  return isTaskId(taskId) && key !== undefined ? { kind: 'task', taskId, key } : undefined;
}
