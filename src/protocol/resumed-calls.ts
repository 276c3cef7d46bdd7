/**
 * Calls that a client of the 2026-07-28 era repeats with the answers to what their task asked. The `requestState` with
 * which the task's question was sent names the task; it is taken out of the request before the SDK hands it to a
 * host's `requestState.verify`, which knows only the host's own.
 */
import { isJsonObject } from '../domain/json.ts';
import type { TaskId } from '../domain/task-id.ts';
import type { RawRequest } from './sdk-handlers.ts';

/** In `_meta` of a request, once it is here. Whoever sends it finds the tasks of its owner, and no others. */
export const RESUMES_META_KEY = 'mcp-durable-tasks/resumes';

const STATE_PREFIX = 'mcp-durable-tasks:task:';

export function stateOf(id: TaskId): string {
  return `${STATE_PREFIX}${id}`;
}

export function takeOutState(request: RawRequest): RawRequest {
  const { method, params } = request;
  if (method !== 'tools/call' || !isJsonObject(params)) return request;
  const { requestState, ...others } = params;
  if (typeof requestState !== 'string' || !requestState.startsWith(STATE_PREFIX)) return request;
  // What is no task's id finds none.
  const id = requestState.slice(STATE_PREFIX.length);
  const meta = isJsonObject(params._meta) ? params._meta : {};
  return { ...request, params: { ...others, _meta: { ...meta, [RESUMES_META_KEY]: id } } };
}
