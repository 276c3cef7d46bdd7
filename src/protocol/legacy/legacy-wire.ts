/** A task as the revision 2025-11-25 shows it. */
import { RELATED_TASK_META_KEY } from '@modelcontextprotocol/server';
import { isJsonObject, type JsonObject } from '../../domain/json.ts';
import { pollIntervalAt } from '../../domain/poll-interval.ts';
import type { TaskStatus } from '../../domain/status.ts';
import { shownStatusMessage, type Task } from '../../domain/task.ts';
import { present } from '../../present.ts';
import { toolErrorIn } from '../tool.ts';

/** In `_meta` of the answer to a call that became a task: what the client may tell its model at once. */
const IMMEDIATE_RESPONSE_META_KEY = 'io.modelcontextprotocol/model-immediate-response';

/** In this era a tool's own error is a failure of the task, and some clients show nothing of it but the message. */
export function legacyTask(task: Task, now: number): JsonObject {
  const error = task.toolError ?? inlineToolError(task);
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

/** Of a task that an older build completed, which noted nothing: no result is loaded for it. */
function inlineToolError({ result }: Task): string | undefined {
  return result !== undefined && 'json' in result ? toolErrorIn(result.json) : undefined;
}
