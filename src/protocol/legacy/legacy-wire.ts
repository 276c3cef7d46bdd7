/** A task as the revision 2025-11-25 shows it. */
import { isCallToolResult, RELATED_TASK_META_KEY } from '@modelcontextprotocol/server';
import { isJsonObject, type JsonObject } from '../../domain/json.ts';
import { pollIntervalAt } from '../../domain/poll-interval.ts';
import type { TaskStatus } from '../../domain/status.ts';
import { shownStatusMessage, type Task } from '../../domain/task.ts';
import { shorten } from '../../domain/text.ts';
import { present } from '../../present.ts';
import type { TaskStore } from '../../store/task-store.ts';

/** In `_meta` of the answer to a call that became a task: what the client may tell its model at once. */
export const IMMEDIATE_RESPONSE_META_KEY = 'io.modelcontextprotocol/model-immediate-response';

const MAX_REASON_LENGTH = 500;

/** In this era a tool's own error is a failure of the task, and some clients show nothing of it but the message. */
export async function legacyTask(store: TaskStore, task: Task, now: number): Promise<JsonObject> {
  const error = task.status === 'completed' ? await errorOf(store, task) : undefined;
  return error === undefined
    ? shown(task, task.status, shownStatusMessage(task), now)
    : shown(task, 'failed', error, now);
}

export function createdLegacyTask(task: Task, now: number, immediateResponse: string | undefined): JsonObject {
  const meta = present({ [IMMEDIATE_RESPONSE_META_KEY]: immediateResponse });
  return {
    task: shown(task, task.status, shownStatusMessage(task), now),
    ...(Object.keys(meta).length > 0 ? { _meta: meta } : {}),
  };
}

/** What the task belongs to, for messages that do not say it otherwise. */
export function relatedTo(task: Task, meta: unknown = {}): JsonObject {
  return { ...(isJsonObject(meta) ? meta : {}), [RELATED_TASK_META_KEY]: { taskId: task.id } };
}

function shown(task: Task, status: TaskStatus, statusMessage: string | undefined, now: number): JsonObject {
  return {
    taskId: task.id,
    status,
    ...present({ statusMessage }),
    createdAt: new Date(task.createdAt).toISOString(),
    lastUpdatedAt: new Date(task.updatedAt).toISOString(),
    ttl: task.promisedUntil === null ? null : task.promisedUntil - task.createdAt,
    pollInterval: pollIntervalAt(task, now),
  };
}

/** What a tool's own error says. `undefined`: the result is none. */
async function errorOf(store: TaskStore, task: Task): Promise<string | undefined> {
  const result = task.result === undefined ? undefined : await store.load(task, task.result);
  if (!isCallToolResult(result) || result.isError !== true) return undefined;
  const words = result.content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('\n');
  return shorten(words === '' ? 'The tool failed.' : words, MAX_REASON_LENGTH);
}
