/** What a call carries in its `_meta` for us: the task that it belongs to, its idempotency key, its trace. */
import {
  BAGGAGE_META_KEY,
  RELATED_TASK_META_KEY,
  type ServerContext,
  TRACEPARENT_META_KEY,
  TRACESTATE_META_KEY,
} from '@modelcontextprotocol/server';
import { TaskError } from '../domain/errors.ts';
import { isJsonObject } from '../domain/json.ts';
import type { TraceContext } from '../domain/task.ts';
import { asTaskId, type TaskId } from '../domain/task-id.ts';
import { MAX_IDEMPOTENCY_KEY_LENGTH } from '../store/task-store.ts';
import { RESUMES_META_KEY } from './resumed-calls.ts';
import { IDEMPOTENCY_META_KEY } from './wire.ts';

const MAX_TRACE_LENGTH = 512;

/** The task that a call is bound to. */
export function relatedIdOf(ctx: ServerContext): TaskId | undefined {
  const related = ctx.mcpReq._meta?.[RELATED_TASK_META_KEY];
  if (related === undefined) return undefined;
  return asTaskId(isJsonObject(related) ? related.taskId : undefined);
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
