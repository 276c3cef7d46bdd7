/** A task as the 2026-07-28 extension shows it. */
import { type Askable, includesAskable, neededFor } from '../domain/askable.ts';
import type { InputRequest } from '../domain/inputs.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import { pollIntervalAt } from '../domain/poll-interval.ts';
import { shownStatusMessage, type Task } from '../domain/task.ts';
import { visibleVariables } from '../domain/variables.ts';
import { present } from '../present.ts';
import type { TaskStore } from '../store/task-store.ts';

/** In `_meta` of `tasks/get`: the task's variables, or a marker where they do not fit its head. */
export const VARIABLES_META_KEY = 'mcp-durable-tasks/variables';
/** In `_meta` of `tools/call`: calls with the same key and arguments give the same task. */
export const IDEMPOTENCY_META_KEY = 'mcp-durable-tasks/idempotency-key';

/** Status and times, flat: what `CreateTaskResult` and every `DetailedTask` have. */
export function baseTask(task: Task, now: number): JsonObject {
  const statusMessage = shownStatusMessage(task);
  return {
    taskId: task.id,
    status: task.status,
    ...present({ statusMessage }),
    createdAt: new Date(task.createdAt).toISOString(),
    lastUpdatedAt: new Date(task.updatedAt).toISOString(),
    ttlMs: task.promisedUntil === null ? null : task.promisedUntil - task.createdAt,
    pollIntervalMs: pollIntervalAt(task, now),
  };
}

export function createTaskResult(task: Task, now: number): JsonObject {
  return { resultType: 'task', ...baseTask(task, now) };
}

/**
 * With what its status adds: the outstanding requests that a client which can be asked for `askable` can answer, result or
 * error. Reads more than the head only for large values.
 */
export async function detailedTask(
  store: TaskStore,
  task: Task,
  now: number,
  askable: readonly Askable[],
): Promise<JsonObject> {
  return { ...baseTask(task, now), ...(await statusDetail(store, task, askable)), ...variablesMeta(task) };
}

async function statusDetail(store: TaskStore, task: Task, askable: readonly Askable[]): Promise<JsonObject> {
  switch (task.status) {
    case 'input_required':
      return { inputRequests: await inputRequests(store, task, askable) };
    case 'completed': {
      const result = task.result === undefined ? {} : await store.load(task, task.result);
      return { result: { resultType: 'complete', ...(result as JsonObject) } };
    }
    case 'failed':
      return { error: task.error === undefined ? {} : await store.load(task, task.error) };
    case 'working':
    case 'cancelled':
      return {};
  }
}

/** The others stay for the client that can answer them. A task that notes no client's declarations shows all. */
async function inputRequests(store: TaskStore, task: Task, askable: readonly Askable[]): Promise<JsonObject> {
  return questionsOf(store, task, task.mayAsk === undefined ? undefined : askable);
}

/** The task's open questions by key, of those that a client can answer which can be asked for `askable`. @default all */
export async function questionsOf(
  store: TaskStore,
  task: Task,
  askable?: readonly Askable[],
): Promise<Record<string, JsonValue>> {
  const shown: Record<string, JsonValue> = {};
  for (const [key, { request }] of Object.entries(task.inputs)) {
    if (request === undefined) continue;
    const asked = await store.load(task, request);
    const needed = neededFor(asked as unknown as InputRequest);
    if (askable === undefined || includesAskable(askable, needed)) shown[key] = asked;
  }
  return shown;
}

function variablesMeta(task: Task): JsonObject {
  const { variables } = task;
  if (variables === undefined) return {};
  if ('ref' in variables) return { _meta: { [VARIABLES_META_KEY]: { _omitted: true, _bytes: variables.ref.bytes } } };
  const visible = visibleVariables(variables.json as JsonObject);
  return Object.keys(visible).length === 0 ? {} : { _meta: { [VARIABLES_META_KEY]: visible } };
}
