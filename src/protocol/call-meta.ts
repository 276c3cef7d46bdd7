/** What a call carries in its `_meta` for us: the task that it belongs to, its idempotency key, its trace. */
import {
  BAGGAGE_META_KEY,
  RELATED_TASK_META_KEY,
  type ServerContext,
  TRACEPARENT_META_KEY,
  TRACESTATE_META_KEY,
} from '@modelcontextprotocol/server';
import { TaskError } from '../domain/errors.ts';
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import type { TraceContext } from '../domain/task.ts';
import { asTaskId, type TaskId } from '../domain/task-id.ts';
import { MAX_IDEMPOTENCY_KEY_LENGTH } from '../store/task-store.ts';
import { RESUMES_META_KEY } from './resumed-calls.ts';
import { IDEMPOTENCY_META_KEY } from './wire.ts';

const MAX_TRACE_LENGTH = 512;

/** As pmcp-tasks names a call's task: in its `_meta`, or among its arguments, for models that can set nothing else. */
export const TASK_ID_KEY = '_task_id';

/** The task that a call is bound to. */
export function relatedIdOf(ctx: ServerContext): TaskId | undefined {
  const { [RELATED_TASK_META_KEY]: related, [TASK_ID_KEY]: id } = ctx.mcpReq._meta ?? {};
  if (related !== undefined) return asTaskId(isJsonObject(related) ? related.taskId : undefined);
  return id === undefined ? undefined : asTaskId(id);
}

/** The arguments without the task's id, where they have it and their tool has no argument of that name. */
export function takeOutTaskId(
  raw: JsonObject,
  hasArgument: (name: string) => boolean,
): { readonly raw: JsonObject; readonly id: TaskId | undefined } {
  if (!Object.hasOwn(raw, TASK_ID_KEY) || hasArgument(TASK_ID_KEY)) return { raw, id: undefined };
  const { [TASK_ID_KEY]: id, ...others } = raw;
  return { raw: others, id: asTaskId(id) };
}

export function idempotencyKeyOf(ctx: ServerContext): string | undefined {
  const key = ctx.mcpReq._meta?.[IDEMPOTENCY_META_KEY];
  if (key === undefined) return undefined;
  const isText = typeof key === 'string' && key.isWellFormed();
  if (isText && key.length > 0 && key.length <= MAX_IDEMPOTENCY_KEY_LENGTH) return key;
  throw new TaskError(
    'invalid_arguments',
    `_meta["${IDEMPOTENCY_META_KEY}"] must be a string of 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} characters of valid Unicode.`,
  );
}

/** W3C trace context from `_meta` (SEP-414); what does not look like it is left out. */
export function traceOf(ctx: ServerContext): TraceContext | undefined {
  const {
    [TRACEPARENT_META_KEY]: traceparent,
    [TRACESTATE_META_KEY]: tracestate,
    [BAGGAGE_META_KEY]: baggage,
  } = ctx.mcpReq._meta ?? {};
  if (typeof traceparent !== 'string' || !/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent))
    return undefined;
  return {
    traceparent,
    ...(isShortText(tracestate) ? { tracestate } : {}),
    ...(isShortText(baggage) ? { baggage } : {}),
  };
}

function isShortText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_TRACE_LENGTH;
}

/** The task that asked for what a repeated call brings; see resumed-calls.ts. */
export function resumedTask(ctx: ServerContext): TaskId | undefined {
  const id = ctx.mcpReq._meta?.[RESUMES_META_KEY];
  return id === undefined ? undefined : asTaskId(id);
}
