/**
 * `tools/call` for our tools. A call of a task tool by a client that declares the extension becomes a task;
 * by any other client it is run as a task all the same, and awaited for a while, so that it too
 * survives what a task survives.
 */
import {
  BAGGAGE_META_KEY,
  type CallToolRequest,
  type CallToolResult,
  type InputRequiredResult,
  isInputRequiredResult,
  ProtocolError,
  ProtocolErrorCode,
  RELATED_TASK_META_KEY,
  type Result,
  type ServerContext,
  TRACEPARENT_META_KEY,
  TRACESTATE_META_KEY,
} from '@modelcontextprotocol/server';
import type { Clock } from '../clock.ts';
import { assertCarried } from '../domain/answer-size.ts';
import { type Askable, includesAskable } from '../domain/askable.ts';
import { isTaskError, TaskError } from '../domain/errors.ts';
import { findJsonFault, isJsonObject, type JsonObject, type JsonValue } from '../domain/json.ts';
import { grantLifetime, type LifetimePolicy } from '../domain/lifetime.ts';
import type { Owner } from '../domain/owner.ts';
import { BY_AGE } from '../domain/poll-interval.ts';
import { isTerminal } from '../domain/status.ts';
import { type Failure, shownStatusMessage, type Task, type TraceContext } from '../domain/task.ts';
import { asTaskId, type TaskId } from '../domain/task-id.ts';
import { shorten } from '../domain/text.ts';
import { MisuseError } from '../engine/misuse.ts';
import { recordable } from '../engine/recordable.ts';
import { describeThrown } from '../engine/thrown.ts';
import { present } from '../present.ts';
import { describeFailure, type Logger } from '../runtime/logger.ts';
import { cancel, healForgotten, nudge } from '../runtime/queues/deliveries.ts';
import type { TaskQueue } from '../runtime/queues/queue.ts';
import { relatedTask } from '../runtime/running/related-task.ts';
import { MAX_IDEMPOTENCY_KEY_LENGTH, type StoredTask, type TaskStore } from '../store/task-store.ts';
import { awaitTask } from './awaiting.ts';
import { keepOpen } from './call-progress.ts';
import { declaresTasks, isModern } from './capability.ts';
import { tasksRequired } from './errors.ts';
import {
  type AnyTool,
  type CallContext,
  checkResult,
  isTaskTool,
  parseArguments,
  type TaskTool,
  ToolInputError,
  toolError,
} from './tool.ts';
import { createTaskResult, IDEMPOTENCY_META_KEY } from './wire.ts';

/** Nesting of arguments that is accepted. */
const MAX_ARGUMENT_DEPTH = 64;
/** A path is made of the caller's own keys, which may be of any length. */
const MAX_SHOWN_PATH_LENGTH = 200;
const MAX_TRACE_LENGTH = 512;
/** A call that is kept open is answered soon after its task has ended, also where another machine runs it. */
const LOOK_EVERY_MS = 1_000;
const DEFAULT_MAX_ATTEMPTS = 5;

export interface ToolCallServices {
  readonly store: TaskStore;
  readonly queue: TaskQueue;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lifetime: LifetimePolicy;
  /** How long a call without task support is waited for, in milliseconds. */
  readonly plainCallWaitMs: number;
  /** The same where the client is sent progress; `undefined`: nobody is. */
  readonly progressCallWaitMs: number | undefined;
  /** Fires when the server is closing: waiting ends, and the tasks go on. */
  readonly closing: AbortSignal;
  /** How long a task must be overdue before it is enqueued again, in milliseconds. */
  readonly healingGraceMs: number;
  /** The largest answer that can be carried to a client; see `answer-size.ts`. */
  readonly maxAnswerBytes: number | undefined;
}

/** Who calls. */
export interface Caller {
  readonly owner: Owner;
  /** What the client has declared that it can be asked for. */
  readonly askable: readonly Askable[];
}

/** A created task leaves the handler by this way, past what the SDK does to tool results. */
export class TaskCreated extends Error {
  override readonly name = 'TaskCreated';
  readonly result: Result;

  constructor(task: Task, now: number) {
    super('A task was created.');
    this.result = createTaskResult(task, now);
  }
}

export class ToolCalls {
  readonly #services: ToolCallServices;
  readonly #waiting = new Set<Promise<unknown>>();

  constructor(services: ToolCallServices) {
    this.#services = services;
  }

  /** Resolves to the tool's result; throws `TaskCreated` where the answer is a task. */
  async call(
    tool: AnyTool,
    params: CallToolRequest['params'],
    caller: Caller,
    ctx: ServerContext,
  ): Promise<CallToolResult | InputRequiredResult> {
    const { owner, askable } = caller;
    if (isTaskTool(tool) && tool.taskSupport === 'required' && !declaresTasks(ctx)) throw taskUnsupported(ctx, tool);
    const raw = (params.arguments ?? {}) as JsonObject;
    const related = relatedIdOf(ctx);
    if (related !== undefined) await this.#services.store.get({ owner, id: related });
    let args: unknown;
    try {
      args = await parseArguments(tool, raw);
    } catch (error) {
      if (error instanceof ToolInputError) return toolError(error.message);
      throw error;
    }
    const call = this.#contextOf(caller, related, ctx);
    if (!isTaskTool(tool)) return this.#callPlain(tool, args, call);

    const made = tool.admit === undefined ? undefined : await this.#madeBefore(tool, raw, owner, ctx);
    const admission = made === undefined ? await tool.admit?.(args, call) : undefined;
    if (isInputRequiredResult(admission)) return admission;
    let recorded: JsonObject;
    try {
      // Parsed once: this is what every run of the task gets.
      recorded = recordable(args, `The input schema of tool "${tool.name}" makes`) as JsonObject;
    } catch (error) {
      if (error instanceof MisuseError) return toolError(error.message);
      throw error;
    }
    const task =
      made ?? (await this.#createTask(tool, { raw, recorded, admission, owner, related, mayAsk: askable, ctx }));
    if (declaresTasks(ctx)) throw new TaskCreated(task, this.#services.clock.now());
    const answer: Promise<CallToolResult> = this.#awaitResult(task, ctx).finally(() => this.#waiting.delete(answer));
    this.#waiting.add(answer);
    return answer;
  }

  /** Resolves when no call waits for a task any more: soon after `closing` has fired. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#waiting);
  }

  async #callPlain(
    tool: Extract<AnyTool, { taskSupport: 'forbidden' }>,
    args: unknown,
    call: CallContext,
  ): Promise<CallToolResult | InputRequiredResult> {
    try {
      const result = await tool.run(args, call);
      const answer = isInputRequiredResult(result) ? result : await checkResult(tool, result);
      assertCarried(answer as unknown as JsonObject, this.#services.maxAnswerBytes, 'The result');
      return answer;
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      if (isTaskError(error, 'value_too_large')) return toolError(error.message);
      this.#services.logger.warn('The tool threw', { tool: tool.name, ...describeFailure(error) });
      return toolError(describeThrown(error));
    }
  }

  /** The task that an earlier call with the same idempotency key made: it was admitted, and is not again. */
  async #madeBefore(tool: TaskTool, raw: JsonObject, owner: Owner, ctx: ServerContext): Promise<Task | undefined> {
    const { store, clock, healingGraceMs } = this.#services;
    const idempotencyKey = idempotencyKeyOf(ctx);
    if (idempotencyKey === undefined) return undefined;
    const stored = await store.createdBefore({ owner, tool: tool.name, arguments: raw, idempotencyKey });
    if (stored !== undefined) await healForgotten(this.#services, stored, clock.now(), healingGraceMs);
    return stored?.task;
  }

  async #createTask(
    tool: TaskTool,
    input: {
      readonly raw: JsonObject;
      readonly recorded: JsonObject;
      readonly admission: JsonValue | undefined;
      readonly owner: Owner;
      readonly related: TaskId | undefined;
      readonly mayAsk: readonly Askable[];
      readonly ctx: ServerContext;
    },
  ): Promise<Task> {
    const { store, clock, lifetime, logger, healingGraceMs } = this.#services;
    const policy = {
      ...lifetime,
      ...present({
        runDeadlineMs: tool.runDeadlineMs,
        retentionMs: tool.retentionMs,
        retentionFromEnd: tool.retentionMs === undefined ? undefined : (true as const),
      }),
    };
    const trace = traceOf(input.ctx);
    const idempotencyKey = idempotencyKeyOf(input.ctx);
    const { stored, created } = await store.create({
      owner: input.owner,
      tool: tool.name,
      arguments: input.recorded,
      given: input.raw,
      ...present({ toolVersion: tool.version }),
      lifetime: grantLifetime(policy, undefined),
      pollIntervalMs: tool.pollIntervalMs ?? BY_AGE,
      maxAttempts: tool.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
      mayAsk: input.mayAsk,
      ...present({ admission: input.admission, related: input.related, trace, idempotencyKey }),
    });
    const { task } = stored;
    if (created) {
      logger.info('Task created', { task: task.id, tool: tool.name });
      await nudge(this.#services, task);
    } else {
      await healForgotten(this.#services, stored, clock.now(), healingGraceMs);
    }
    return task;
  }

  /** For a client that cannot hold a task: its result, or where it stands when the client has waited long enough. */
  async #awaitResult(task: Task, ctx: ServerContext): Promise<CallToolResult> {
    const { store, clock, closing, healingGraceMs } = this.#services;
    const { signal } = ctx.mcpReq;
    const kept = keepOpen(ctx, this.#services);
    const isOver = ({ task: now }: StoredTask) => {
      if (isTerminal(now.status) || now.status === 'input_required') return true;
      kept.show(shownStatusMessage(now));
      return false;
    };
    const ended = await awaitTask(task, isOver, {
      store,
      clock,
      lookEveryMs: task.pollIntervalMs === BY_AGE ? LOOK_EVERY_MS : Math.min(task.pollIntervalMs, LOOK_EVERY_MS),
      maxMs: kept.maxMs,
      onLook: (stored) => healForgotten(this.#services, stored, clock.now(), healingGraceMs),
      signal: AbortSignal.any([signal, closing]),
    }).finally(() => kept.stop());
    if (ended === undefined && signal.aborted && !closing.aborted) {
      await cancel(this.#services, task, 'The caller went away.');
      return toolError('Cancelled.');
    }
    const now = ended?.task ?? task;
    switch (now.status) {
      case 'completed':
        return (now.result === undefined
          ? { content: [] }
          : await store.load(now, now.result)) as unknown as CallToolResult;
      case 'failed': {
        const failure = (now.error === undefined ? undefined : await store.load(now, now.error)) as Failure | undefined;
        throw new ProtocolError(
          failure?.code ?? ProtocolErrorCode.InternalError,
          failure?.message ?? 'The task failed.',
          failure?.data,
        );
      }
      case 'cancelled':
        return toolError('The task was cancelled.');
      case 'working':
      case 'input_required':
        return toolError(whereItGoesOn(now));
    }
  }

  #contextOf({ owner, askable }: Caller, related: TaskId | undefined, ctx: ServerContext): CallContext {
    const { store, logger } = this.#services;
    return {
      owner,
      signal: ctx.mcpReq.signal,
      logger,
      related: related === undefined ? undefined : relatedTask(store, { owner, id: related }),
      canAsk: (kind) => includesAskable(askable, kind),
      inputResponses: ctx.mcpReq.inputResponses,
      requestState: ctx.mcpReq.requestState<JsonValue>(),
    };
  }
}

function whereItGoesOn(task: Task): string {
  const why =
    task.status === 'input_required'
      ? 'it needs input that this client cannot be asked for'
      : 'it takes longer than a call is kept open';
  return (
    `The tool goes on as task ${task.id}: ${why}. ` +
    'Its result can be read with tasks/get by a client that supports the tasks extension.'
  );
}

/** -32021 in the modern era; the legacy era has its own code for the same. */
function taskUnsupported(ctx: ServerContext, tool: AnyTool): ProtocolError {
  return isModern(ctx)
    ? tasksRequired()
    : new ProtocolError(ProtocolErrorCode.MethodNotFound, `Tool ${tool.name} can only be called as a task.`);
}

/** Throws `invalid_arguments` for what is no object, too deep, or names a prototype's key. */
export function assertArguments(raw: unknown): void {
  if (raw === undefined) return;
  const fault = isJsonObject(raw)
    ? findJsonFault(raw, { maxDepth: MAX_ARGUMENT_DEPTH })
    : { path: '(root)', problem: 'not an object' };
  if (fault === undefined) return;
  const path = shorten(fault.path, MAX_SHOWN_PATH_LENGTH);
  throw new TaskError('invalid_arguments', `Invalid arguments at ${path}: ${fault.problem}.`, { detail: { path } });
}

function relatedIdOf(ctx: ServerContext): TaskId | undefined {
  const related = ctx.mcpReq._meta?.[RELATED_TASK_META_KEY];
  if (related === undefined) return undefined;
  return asTaskId(isJsonObject(related) ? related.taskId : undefined);
}

function idempotencyKeyOf(ctx: ServerContext): string | undefined {
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
function traceOf(ctx: ServerContext): TraceContext | undefined {
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
