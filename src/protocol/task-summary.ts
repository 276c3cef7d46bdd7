/**
 * How a task stands, for a client that knows no tasks: as structured content, and in words for its model, which say what
 * to do next, so that the tool is not called again for work that goes on.
 */
import type { CallToolResult } from '@modelcontextprotocol/server';
import { escapedBytes, roomForValues } from '../domain/answer-size.ts';
import { neededFor } from '../domain/askable.ts';
import type { InputRequest } from '../domain/inputs.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import { pollIntervalAt } from '../domain/poll-interval.ts';
import { isTerminal } from '../domain/status.ts';
import { shownStatusMessage, type Task } from '../domain/task.ts';
import { present } from '../present.ts';
import type { TaskStore } from '../store/task-store.ts';
import { failureOf, resultOf } from './task-outcome.ts';
import { questionsOf } from './wire.ts';

/** The names of the tools in task-tools.ts. */
export const TASK_TOOLS = {
  status: 'task_status',
  respond: 'task_respond',
  cancel: 'task_cancel',
  list: 'task_list',
} as const;

/** What structured content is where it is no tool's own result, so that tools with an output schema can say it too. */
export const SUMMARY_SCHEMA = {
  type: 'object',
  description: 'The work goes on as a task: how it stands.',
  properties: { taskId: { type: 'string' }, tool: { type: 'string' }, status: { type: 'string' } },
  required: ['taskId', 'tool', 'status'],
} as const satisfies JsonObject;

/** Without result and questions. */
export function briefSummary(task: Task, now: number): JsonObject {
  const statusMessage = shownStatusMessage(task);
  return {
    taskId: task.id,
    tool: task.tool,
    status: task.status,
    ...present({ statusMessage }),
    createdAt: new Date(task.createdAt).toISOString(),
    lastUpdatedAt: new Date(task.updatedAt).toISOString(),
    pollIntervalMs: pollIntervalAt(task, now),
  };
}

/** How a task stands that has not ended; `hasTools`: whether the client finds the tools for tasks here. */
export async function goesOn(store: TaskStore, task: Task, now: number, hasTools: boolean): Promise<CallToolResult> {
  const inputRequests = task.status === 'input_required' ? await questionsOf(store, task) : undefined;
  const message = wordsFor(task, Object.entries((inputRequests ?? {}) as unknown as Questions), hasTools);
  return {
    content: [{ type: 'text', text: message }],
    // Some hosts show their model nothing else.
    structuredContent: { ...briefSummary(task, now), message, ...present({ inputRequests }) },
  };
}

/**
 * How a task stands, whether it has ended or not, with the tool's own result as the tool gave it: in both places, since
 * some hosts show their model only the one or the other, unless it is too large for an answer twice.
 */
export async function standing(
  store: TaskStore,
  task: Task,
  now: number,
  maxAnswerBytes: number | undefined,
): Promise<CallToolResult> {
  if (!isTerminal(task.status)) return goesOn(store, task, now, true);
  const summary = briefSummary(task, now);
  const told = (words: string, content: CallToolResult['content'], more: JsonObject): CallToolResult => {
    const message = `Task ${task.id} of ${task.tool} ${words}`;
    return {
      content: [{ type: 'text', text: message }, ...content],
      structuredContent: { ...summary, message, ...more },
    };
  };
  if (task.status === 'completed') {
    const result = await resultOf(store, task);
    const how = result.isError === true ? 'ended with an error of the tool:' : 'is completed. Its result:';
    const whole = told(how, result.content, { result: result as unknown as JsonObject });
    const fits = (answer: CallToolResult) =>
      escapedBytes(answer as unknown as JsonObject) <= roomForValues(maxAnswerBytes);
    if (maxAnswerBytes === undefined || fits(whole)) return whole;
    const once = told(how, result.content, {});
    return fits(once) ? once : told('is completed. Its result is too large to be shown beside how it stands.', [], {});
  }
  if (task.status === 'cancelled') return told('was cancelled.', [], {});
  const { code, message, data } = await failureOf(store, task);
  return told(`failed: ${message}`, [], {
    error: { code, message, ...present({ data: data as JsonValue | undefined }) },
  });
}

type Questions = Readonly<Record<string, InputRequest>>;

function wordsFor(task: Task, questions: readonly [string, InputRequest][], hasTools: boolean): string {
  const { id, tool } = task;
  const message = shownStatusMessage(task);
  const told = message === undefined ? '' : ` (${message})`;
  const begun = `${tool} goes on as task ${id}${told}. This is no failure: do not call ${tool} again for it.`;
  if (!hasTools) {
    const why = questions.length > 0 ? ' It waits for an answer that this client cannot be asked for.' : '';
    return `${begun}${why} A client that supports tasks can follow it with tasks/get.`;
  }
  const args = JSON.stringify({ taskId: id });
  const stop = `${TASK_TOOLS.cancel} ends it.`;
  if (questions.length === 0) return `${begun} Call ${TASK_TOOLS.status} with ${args} for its result; ${stop}`;
  const asked = questions.map(([key, request]) => `- ${key}: ${describe(request)}`).join('\n');
  const several = questions.length > 1 ? ', and "key" for each' : '';
  return (
    `${begun} It waits for an answer:\n${asked}\n` +
    `Ask the user, then call ${TASK_TOOLS.respond} with "taskId": "${id}", "action": "accept" (or "decline"), ` +
    `and "content" for a form${several}. Then call ${TASK_TOOLS.status} with ${args}; ${stop}`
  );
}

function describe(request: InputRequest): string {
  const { params = {} } = request;
  const message = typeof params.message === 'string' ? params.message : request.method;
  switch (neededFor(request)) {
    case 'elicitation.url':
      return `${message} The user has to open ${JSON.stringify(params.url)}.`;
    case 'elicitation.form':
      return `${message} Form: ${JSON.stringify(params.requestedSchema)}`;
    default:
      return `${request.method}: ${JSON.stringify(params)} (give the whole answer as "response")`;
  }
}
