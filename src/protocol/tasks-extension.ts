/**
 * The tasks extension (SEP-2663, `io.modelcontextprotocol/tasks`) for a server built with the MCP SDK:
 * `tools/call` of task tools, `tasks/get`, `tasks/update` and `tasks/cancel`. One instance
 * serves any number of servers: attach it to each before connecting.
 */
import {
  type AuthInfo,
  type CallToolRequest,
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type Result,
  type ServerContext,
} from '@modelcontextprotocol/server';
import * as z from 'zod';
import { type Clock, systemClock } from '../clock.ts';
import type { Askable } from '../domain/askable.ts';
import { TaskError } from '../domain/errors.ts';
import { DEFAULT_LIFETIME, type LifetimePolicy } from '../domain/lifetime.ts';
import type { Owner } from '../domain/owner.ts';
import type { TaskRef } from '../domain/task.ts';
import { asTaskId } from '../domain/task-id.ts';
import { present } from '../present.ts';
import { describeError, type Logger, silentLogger } from '../runtime/logger.ts';
import {
  cancel,
  type Deliveries,
  deliverAnswers,
  HEALING_GRACE_MS,
  healForgotten,
} from '../runtime/queues/deliveries.ts';
import type { TaskQueue } from '../runtime/queues/queue.ts';
import type { StoredTask, TaskStore } from '../store/task-store.ts';
import { checkAnswers } from './answers.ts';
import { askableWith, declaresTasks, isModern, metaAskable, TASKS_EXTENSION } from './capability.ts';
import { tasksRequired, toProtocolError } from './errors.ts';
import { replaceStoredHandler, storedHandler } from './sdk-handlers.ts';
import { TaskSubscriptions } from './task-subscriptions.ts';
import { type AnyTool, newestOf } from './tool.ts';
import { assertArguments, TaskCreated, ToolCalls } from './tool-call.ts';
import { detailedTask } from './wire.ts';
import { refuseWrongTypes } from './wrong-parameters.ts';

export interface TasksExtensionOptions {
  readonly tools: readonly AnyTool[];
  readonly store: TaskStore;
  readonly queue: TaskQueue;
  /** The owner of what this request does; `undefined` refuses it. Must rest on verified claims alone. */
  readonly resolveOwner: (authInfo: AuthInfo | undefined) => Owner | undefined;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** @default 24 h to run, 24 h readable */
  readonly lifetime?: LifetimePolicy;
  /** Fires when the server is closing: calls that wait for a task then end, and their tasks go on. @default never */
  readonly closing?: AbortSignal;
  /** The largest answer that can be carried to a client, in bytes of its JSON text within a JSON string. @default no bound */
  readonly maxAnswerBytes?: number | undefined;
  /** How long a call by a client without task support is kept open, in milliseconds. @default 25000 */
  readonly plainCallWaitMs?: number | undefined;
  /** The same where the client asks for progress, and is sent it; `null`: nobody is. @default 240000 */
  readonly progressCallWaitMs?: number | null | undefined;
  /** How long a task must be overdue before a poll enqueues it again, in milliseconds. @default 10000 */
  readonly healingGraceMs?: number | undefined;
}

/** Below the 30 seconds after which many gateways give a request up. */
export const DEFAULT_PLAIN_CALL_WAIT_MS = 25_000;
/** A client that is sent progress waits on; below the 5 minutes after which streams end. */
export const DEFAULT_PROGRESS_CALL_WAIT_MS = 240_000;

const taskParams = z.looseObject({ taskId: z.string() });

export class TasksExtension {
  readonly id = TASKS_EXTENSION;
  /** For the wires: the SDK answers `subscriptions/listen` before a server sees it. @internal */
  readonly subscriptions: TaskSubscriptions;
  readonly #options: TasksExtensionOptions;
  readonly #tools: ReadonlyMap<string, AnyTool>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #calls: ToolCalls;
  readonly #deliveries: Deliveries;
  readonly #attached = new WeakSet<McpServer>();

  constructor(options: TasksExtensionOptions) {
    this.#options = options;
    this.#tools = newestOf(options.tools);
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#deliveries = { store: options.store, queue: options.queue, logger: this.#logger };
    const closing = options.closing ?? new AbortController().signal;
    this.subscriptions = new TaskSubscriptions({
      store: options.store,
      clock: this.#clock,
      ownerOf: (authInfo) => this.ownerOf(authInfo),
      onLook: (stored) => this.heal(stored),
      closing,
    });
    this.#calls = new ToolCalls({
      store: options.store,
      queue: options.queue,
      clock: this.#clock,
      logger: this.#logger,
      lifetime: options.lifetime ?? DEFAULT_LIFETIME,
      plainCallWaitMs: options.plainCallWaitMs ?? DEFAULT_PLAIN_CALL_WAIT_MS,
      progressCallWaitMs:
        options.progressCallWaitMs === null ? undefined : (options.progressCallWaitMs ?? DEFAULT_PROGRESS_CALL_WAIT_MS),
      closing,
      healingGraceMs: options.healingGraceMs ?? HEALING_GRACE_MS,
      maxAnswerBytes: options.maxAnswerBytes,
    });
  }

  /**
   * Registers the tools and the extension's methods on a server, beside whatever else it offers.
   * Before connecting; a second time for the same server does nothing.
   */
  attach(mcp: McpServer): void {
    if (this.#attached.has(mcp)) return;
    if (mcp.isConnected()) throw new Error('Attach the tasks extension before connecting the server.');
    this.#attached.add(mcp);
    this.#registerTools(mcp);
    this.#routeToolCalls(mcp);
    const { server } = mcp;
    server.setRequestHandler('tasks/get', { params: taskParams }, ({ taskId }, ctx) =>
      this.#answer(ctx, () => this.#get(taskId, ctx)),
    );
    server.setRequestHandler('tasks/update', { params: taskParams }, ({ taskId }, ctx) =>
      this.#answer(ctx, () => this.#update(taskId, ctx)),
    );
    server.setRequestHandler('tasks/cancel', { params: taskParams }, ({ taskId }, ctx) =>
      this.#answer(ctx, () => this.#cancel(taskId, ctx)),
    );
    refuseWrongTypes(server);
    server.registerCapabilities({ extensions: { [TASKS_EXTENSION]: {} } });
  }

  /** Once `closing` has fired: resolves when the calls that waited for a task have their answers. */
  settled(): Promise<void> {
    return this.#calls.settled();
  }

  /** The owner on whose behalf a request comes; throws `owner_required`. */
  ownerOf(authInfo: AuthInfo | undefined): Owner {
    const owner = this.#options.resolveOwner(authInfo);
    if (owner === undefined) throw new TaskError('owner_required', 'Tasks need an authenticated caller.');
    return owner;
  }

  /** Enqueues a task that a client looks at and that should have run long ago. */
  heal(stored: StoredTask): Promise<void> {
    return healForgotten(this.#deliveries, stored, this.#clock.now(), this.#options.healingGraceMs);
  }

  async #get(taskId: string, ctx: ServerContext): Promise<Result> {
    const { store } = this.#options;
    const stored = await store.get(this.#refOf(taskId, ctx));
    await this.heal(stored);
    return {
      resultType: 'complete',
      ...(await detailedTask(store, stored.task, this.#clock.now(), metaAskable(ctx.mcpReq.envelope))),
    };
  }

  async #update(taskId: string, ctx: ServerContext): Promise<Result> {
    const { store } = this.#options;
    const { inputResponses: accepted, droppedInputResponseKeys: dropped = [] } = ctx.mcpReq;
    if (accepted === undefined) {
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        'tasks/update needs inputResponses, an object of responses by key.',
      );
    }
    const known = await store.get(this.#refOf(taskId, ctx));
    const answers = await checkAnswers(store, known.task, { accepted, dropped });
    await deliverAnswers(this.#deliveries, known, answers);
    return { resultType: 'complete' };
  }

  async #cancel(taskId: string, ctx: ServerContext): Promise<Result> {
    await cancel(this.#deliveries, this.#refOf(taskId, ctx), 'Cancelled by the client.');
    return { resultType: 'complete' };
  }

  #refOf(taskId: string, ctx: ServerContext): TaskRef {
    return { owner: this.ownerOf(ctx.http?.authInfo), id: asTaskId(taskId) };
  }

  /** The gate before each `tasks/*` method, and the translation of what it throws. */
  async #answer(ctx: ServerContext, work: () => Promise<Result>): Promise<Result> {
    if (!isModern(ctx)) throw new ProtocolError(ProtocolErrorCode.MethodNotFound, 'Method not found');
    if (!declaresTasks(ctx)) throw tasksRequired();
    return this.#translated(ctx, work);
  }

  async #translated<T>(ctx: ServerContext, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof TaskCreated) throw error;
      const translated = toProtocolError(error);
      if (translated.code === ProtocolErrorCode.InternalError && translated !== error) {
        this.#logger.error('A request failed', { method: ctx.mcpReq.method, ...describeError(error) });
      }
      throw translated;
    }
  }

  #registerTools(mcp: McpServer): void {
    for (const { name, title, description, inputSchema, outputSchema, annotations } of this.#tools.values()) {
      mcp.registerTool(
        name,
        {
          description,
          inputSchema,
          ...present({ title, outputSchema, annotations }),
        },
        // Only listed through the SDK: calls are routed before they reach it.
        () => Promise.reject(new Error(`Tool ${name} is called through the tasks extension.`)),
      );
    }
  }

  /** Our tools are called here, all others as before; a created task goes out as it is. */
  #routeToolCalls(mcp: McpServer): void {
    const { server } = mcp;
    const others = storedHandler(server, 'tools/call');
    server.setRequestHandler('tools/call', (request, ctx) => {
      // A client of the legacy era has said it once for its connection.
      const askable = isModern(ctx) ? metaAskable(ctx.mcpReq.envelope) : askableWith(server.getClientCapabilities());
      return this.#callTool(request, askable, ctx);
    });
    const ours = storedHandler(server, 'tools/call');
    if (ours === undefined || others === undefined) throw new Error('The MCP SDK did not keep the tools/call handler.');
    replaceStoredHandler(server, 'tools/call', async (request, ctx) => {
      const { params } = request as { params?: { name?: unknown; arguments?: unknown } };
      if (typeof params?.name !== 'string' || !this.#tools.has(params.name)) return others(request, ctx);
      try {
        // As they came: the SDK's own parsing leaves `__proto__` out without a word.
        await this.#translated(ctx, async () => assertArguments(params.arguments));
        return await ours(request, ctx);
      } catch (error) {
        if (error instanceof TaskCreated) return error.result;
        throw error;
      }
    });
  }

  #callTool({ params }: CallToolRequest, askable: readonly Askable[], ctx: ServerContext) {
    return this.#translated(ctx, async () => {
      const tool = this.#tools.get(params.name);
      if (tool === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Tool ${params.name} not found`);
      return this.#calls.call(tool, params, { owner: this.ownerOf(ctx.http?.authInfo), askable }, ctx);
    });
  }
}
