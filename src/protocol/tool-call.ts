/**
 * `tools/call` for our tools. A call of a task tool by a client that declares the extension becomes a task;
 * by any other client it is run as a task all the same, and awaited for a while, so that it too
 * survives what a task survives.
 */
import {
  type CallToolRequest,
  type CallToolResult,
  type InputRequiredResult,
  isInputRequiredResult,
  ProtocolError,
  ProtocolErrorCode,
  type Result,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { systemRandom } from '../clock.ts';
import { assertCarried } from '../domain/answer-size.ts';
import { type Askable, includesAskable } from '../domain/askable.ts';
import { isTaskError, TaskError } from '../domain/errors.ts';
import { findJsonFault, isJsonObject, type JsonObject, type JsonValue } from '../domain/json.ts';
import { grantLifetime, type LifetimePolicy } from '../domain/lifetime.ts';
import type { Owner } from '../domain/owner.ts';
import { BY_AGE } from '../domain/poll-interval.ts';
import { attend, type ProgressTarget, type Task, type TaskRef } from '../domain/task.ts';
import type { TaskId } from '../domain/task-id.ts';
import { shorten } from '../domain/text.ts';
import { MisuseError } from '../engine/misuse.ts';
import { recordable } from '../engine/recordable.ts';
import { describeThrown } from '../engine/thrown.ts';
import { present } from '../present.ts';
import { describeFailure } from '../runtime/logger.ts';
import { deliverAnswers, healForgotten, nudge } from '../runtime/queues/deliveries.ts';
import { relatedTask } from '../runtime/running/related-task.ts';
import { isOutage } from '../store/errors.ts';
import { checkAnswers } from './answers.ts';
import { idempotencyKeyOf, relatedIdOf, resumedTask, takeOutTaskId, traceOf } from './call-meta.ts';
import { progressTokenOf } from './call-progress.ts';
import { type Client, LEGACY_TASKS_REVISION } from './capability.ts';
import { tasksRequired } from './errors.ts';
import type { CallStream } from './legacy/call-stream.ts';
import { createdLegacyTask } from './legacy/legacy-wire.ts';
import { objectSchema } from './object-schema.ts';
import { attendedUntil, awaitPlainCall, type PlainCallOptions } from './plain-call.ts';
import {
  type AnyTool,
  type CallContext,
  checkResult,
  isTaskTool,
  parseArguments,
  type RelatedCall,
  type TaskTool,
  ToolInputError,
  toolError,
} from './tool.ts';
import { createTaskResult, questionsOf } from './wire.ts';

/** Nesting of arguments that is accepted. */
const MAX_ARGUMENT_DEPTH = 64;
/** A path is made of the caller's own keys, which may be of any length. */
const MAX_SHOWN_PATH_LENGTH = 200;
const DEFAULT_MAX_ATTEMPTS = 5;
const CALL_ID_BYTES = 12;
/** What a call waits for, at most, until somebody has been told of it. */
const TELLING_MS = 1_000;

export interface ToolCallServices extends PlainCallOptions {
  readonly lifetime: LifetimePolicy;
  /** The largest answer that can be carried to a client; see `answer-size.ts`. */
  readonly maxAnswerBytes: number | undefined;
  /** Told of each call that is bound to a task and has ended within itself. Rejects never. */
  readonly onRelatedCall?: ((related: TaskRef, call: RelatedCall) => Promise<void>) | undefined;
}

/** Who calls. */
export interface Caller {
  readonly owner: Owner;
  readonly client: Client;
  /** By which a client of the 2025 era is reached until it is answered; `undefined`: it is not. */
  readonly stream: CallStream | undefined;
}

/** A created task leaves the handler by this way, past what the SDK does to tool results. */
export class TaskCreated extends Error {
  override readonly name = 'TaskCreated';
  readonly result: Result;

  constructor(result: Result) {
    super('A task was created.');
    this.result = result;
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
    const { owner } = caller;
    const form = formOf(tool, params, caller.client);
    const given = (params.arguments ?? {}) as JsonObject;
    // Only a server with workflows has told of it.
    const { raw, id: named } =
      this.#services.onRelatedCall === undefined
        ? { raw: given, id: undefined }
        : takeOutTaskId(given, (name) => Object.hasOwn(objectSchema(tool.inputSchema).properties, name));
    const related = relatedIdOf(ctx) ?? named;
    if (related !== undefined) await this.#assertRelated({ owner, id: related });
    let args: unknown;
    try {
      args = await parseArguments(tool, raw);
    } catch (error) {
      if (error instanceof ToolInputError) return toolError(error.message);
      throw error;
    }
    const call = this.#contextOf(caller, related, ctx);
    if (!isTaskTool(tool)) {
      const result = await this.#callPlain(tool, args, call);
      if (related !== undefined && !isInputRequiredResult(result)) {
        const ended = { id: newCallId(), tool: tool.name, arguments: raw, result: result as unknown as JsonObject };
        await this.#told({ owner, id: related }, ended);
      }
      return result;
    }
    const resumed = resumedTask(ctx);
    if (resumed !== undefined) {
      return this.#answer(tool, await this.#resume(tool, resumed, caller, form, ctx), form, caller, ctx);
    }

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
      made === undefined
        ? await this.#createTask(tool, { raw, recorded, admission, related, caller, form, ctx })
        : await this.#attended(made, form, ctx);
    return this.#answer(tool, task, form, caller, ctx);
  }

  /** Of this owner, or nothing is done. Storage that does not answer is no reason not to call a tool that may do without it. */
  async #assertRelated(ref: TaskRef): Promise<void> {
    await this.#services.store.get(ref).catch((error: unknown) => {
      if (!isOutage(error)) throw error;
    });
  }

  /** Holds the call up for a moment at the most; what takes longer goes on behind it. */
  async #told(related: TaskRef, call: RelatedCall): Promise<void> {
    const telling = this.#services.onRelatedCall?.(related, call);
    if (telling === undefined) return;
    this.#waiting.add(telling);
    void telling.finally(() => this.#waiting.delete(telling));
    await new Promise<void>((resolve) => {
      const cancel = this.#services.clock.after(TELLING_MS, resolve);
      void telling.then(() => {
        cancel();
        resolve();
      });
    });
  }

  /** The answer to a call that is a task. */
  #answer(tool: TaskTool, task: Task, form: CallForm, caller: Caller, ctx: ServerContext) {
    const now = this.#services.clock.now();
    if (form.kind === 'task') throw new TaskCreated(createTaskResult(task, now));
    if (form.kind === 'legacy_task') throw new TaskCreated(createdLegacyTask(task, now, tool.immediateResponse));
    return this.#awaitResult(task, caller, ctx);
  }

  /** A task that another call has made: this one waits for it too, or its client holds it. */
  async #attended(task: Task, form: CallForm, ctx: ServerContext): Promise<Task> {
    if (task.attendedUntil === undefined) return task;
    const until = form.kind === 'plain' ? attendedUntil(ctx, this.#services) : undefined;
    return (await this.#services.store.update(task, (current) => attend(current, until))).task;
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
      readonly related: TaskId | undefined;
      readonly caller: Caller;
      readonly form: CallForm;
      readonly ctx: ServerContext;
    },
  ): Promise<Task> {
    const { store, clock, lifetime, logger, healingGraceMs } = this.#services;
    const { caller, form, ctx } = input;
    const policy = {
      ...lifetime,
      ...present({
        runDeadlineMs: tool.runDeadlineMs,
        retentionMs: tool.retentionMs,
        retentionFromEnd: tool.retentionMs === undefined ? undefined : (true as const),
      }),
    };
    const { stored, created } = await store.create({
      owner: caller.owner,
      tool: tool.name,
      arguments: input.recorded,
      given: input.raw,
      lifetime: grantLifetime(policy, form.kind === 'legacy_task' ? form.ttlMs : undefined),
      pollIntervalMs: tool.pollIntervalMs ?? BY_AGE,
      maxAttempts: tool.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
      mayAsk: this.#mayAsk(caller, form),
      ...present({
        toolVersion: tool.version,
        admission: input.admission,
        related: input.related,
        trace: traceOf(ctx),
        idempotencyKey: idempotencyKeyOf(ctx),
        progressTo: form.kind === 'legacy_task' ? progressTarget(caller.client, ctx) : undefined,
        attendedUntil: form.kind === 'plain' ? attendedUntil(ctx, this.#services) : undefined,
      }),
    });
    const { task } = stored;
    if (created) {
      logger.info('Task created', { task: task.id, tool: tool.name });
      await nudge(this.#services, task);
      return task;
    }
    await healForgotten(this.#services, stored, clock.now(), healingGraceMs);
    return this.#attended(task, form, ctx);
  }

  /** Where a plain client finds the tools for tasks, people are asked by them, whatever the client has declared. */
  #mayAsk({ client, stream }: Caller, form: CallForm): readonly Askable[] {
    const isReached = form.kind !== 'plain' || client.era === 'modern' || stream !== undefined;
    const askable = isReached ? client.askable : [];
    if (form.kind !== 'plain' || !this.#services.hasTaskTools) return askable;
    return [...new Set<Askable>([...askable, 'elicitation.form', 'elicitation.url'])];
  }

  /** The task that a repeated call brings answers for, with those answers. */
  async #resume(tool: TaskTool, id: TaskId, { owner }: Caller, form: CallForm, ctx: ServerContext): Promise<Task> {
    const { store } = this.#services;
    const known = await store.get({ owner, id });
    if (known.task.tool !== tool.name) {
      throw new TaskError('invalid_arguments', `The requestState is of a call of another tool than ${tool.name}.`);
    }
    const { inputResponses: accepted = {}, droppedInputResponseKeys: dropped = [] } = ctx.mcpReq;
    const answers = await checkAnswers(store, known.task, { accepted, dropped });
    // Before the answers, which have the task go on.
    const attended = await this.#attended(known.task, form, ctx);
    await deliverAnswers(this.#services, await store.get(attended), answers);
    return (await store.get(attended)).task;
  }

  /** For a client that cannot hold a task: its result, or where it stands when the client has waited long enough. */
  #awaitResult(task: Task, { client, stream }: Caller, ctx: ServerContext) {
    const askable = client.era === 'legacy' ? [] : client.askable;
    const answerable = (now: Task) => questionsOf(this.#services.store, now, askable);
    const waiting: Promise<CallToolResult | InputRequiredResult> = awaitPlainCall(
      task,
      { stream, answerable },
      ctx,
      this.#services,
    ).finally(() => this.#waiting.delete(waiting));
    this.#waiting.add(waiting);
    return waiting;
  }

  #contextOf({ owner, client, stream }: Caller, related: TaskId | undefined, ctx: ServerContext): CallContext {
    const { store, logger } = this.#services;
    const askable = client.era === 'legacy' && stream === undefined ? [] : client.askable;
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

function newCallId(): string {
  return Buffer.from(systemRandom(CALL_ID_BYTES)).toString('hex');
}

/** In which form a call is answered, if it becomes a task. */
type CallForm =
  | { readonly kind: 'task' }
  | { readonly kind: 'legacy_task'; readonly ttlMs: number | undefined }
  | { readonly kind: 'plain' };

/** Throws where the tool and the client do not agree on tasks. */
function formOf(tool: AnyTool, { task, name }: CallToolRequest['params'], client: Client): CallForm {
  const support = tool.taskSupport;
  if (client.era === 'modern') {
    if (support === 'required' && !client.declaresTasks) throw tasksRequired();
    return { kind: client.declaresTasks ? 'task' : 'plain' };
  }
  const offered = 'This server offers tasks for tools/call of the tools whose execution.taskSupport says so.';
  if (task !== undefined && client.knowsLegacyTasks) {
    if (support !== 'forbidden') return { kind: 'legacy_task', ttlMs: task.ttl };
    throw new ProtocolError(
      ProtocolErrorCode.MethodNotFound,
      `Tool ${name} cannot be called as a task: call it without the task parameter. ${offered}`,
    );
  }
  if (support !== 'required') return { kind: 'plain' };
  throw new ProtocolError(
    ProtocolErrorCode.MethodNotFound,
    `Tool ${name} can only be called as a task: call it with the task parameter, in revision ${LEGACY_TASKS_REVISION}. ${offered}`,
  );
}

function progressTarget({ session }: Client, ctx: ServerContext): ProgressTarget | undefined {
  const token = progressTokenOf(ctx);
  return token === undefined ? undefined : { token, session };
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
