/**
 * Tasks for a server built with the MCP SDK: the extension `io.modelcontextprotocol/tasks` (SEP-2663) for clients of
 * the 2026-07-28 era, the tasks of revision 2025-11-25 for those of the era before, and tools for those that know
 * neither. One instance serves any number of servers: attach it to each before connecting.
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
import { type Clock, systemClock, systemRandom } from '../clock.ts';
import { TaskError } from '../domain/errors.ts';
import { isJsonObject } from '../domain/json.ts';
import { DEFAULT_LIFETIME, type LifetimePolicy } from '../domain/lifetime.ts';
import type { Owner } from '../domain/owner.ts';
import type { Task, TaskRef } from '../domain/task.ts';
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
import { type Client, clientOf, TASKS_EXTENSION } from './capability.ts';
import { tasksRequired, toProtocolError } from './errors.ts';
import { CallStream } from './legacy/call-stream.ts';
import { LegacyTasks, mayList } from './legacy/legacy-tasks.ts';
import { legacyTask } from './legacy/legacy-wire.ts';
import { takeTaskAnswer } from './legacy/taken-answers.ts';
import {
  type PromptServices,
  registerPrompts,
  registerResources,
  type ServedPrompt,
  type ServedResource,
} from './prompts.ts';
import { takeOutState } from './resumed-calls.ts';
import { changeRawRequests, replaceStoredHandler, storedHandler } from './sdk-handlers.ts';
import { showByClient } from './shown-tools.ts';
import { TaskSubscriptions } from './task-subscriptions.ts';
import { taskTools } from './task-tools.ts';
import { type AnyTool, newestOf } from './tool.ts';
import { assertArguments, TaskCreated, type ToolCallServices, ToolCalls } from './tool-call.ts';
import { detailedTask } from './wire.ts';
import { refuseWrongTypes } from './wrong-parameters.ts';

export interface TasksExtensionOptions {
  readonly tools: readonly AnyTool[];
  /** Prompts that have tasks. @default none */
  readonly prompts?: readonly ServedPrompt[] | undefined;
  /** @default none */
  readonly resources?: readonly ServedResource[] | undefined;
  /** Names of tools that are steps of the prompts' tasks: they take a task's id among their arguments. @default none */
  readonly continuing?: ReadonlySet<string> | undefined;
  /** Told of each call that is bound to a task and has ended within itself. Rejects never. @default nobody is told */
  readonly onRelatedCall?: ToolCallServices['onRelatedCall'];
  /**
   * What `tasks/cancel` does where a client of the 2025 era gives a `result` with it; `undefined`: the task is none that its
   * client completes. @default it cancels
   */
  readonly onCompletion?: ((ref: TaskRef, result: unknown) => Promise<Task | undefined>) | undefined;
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
  /** The longest that a call is kept open whose client is asked within it, in milliseconds. @default no bound */
  readonly maxCallWaitMs?: number | undefined;
  /** How long a task must be overdue before a poll enqueues it again, in milliseconds. @default 10000 */
  readonly healingGraceMs?: number | undefined;
  /**
   * Whether clients that do not declare the extension find tools with which their model follows, answers, cancels and lists
   * tasks: `task_status`, `task_respond`, `task_cancel`, `task_list`. @default false
   */
  readonly taskTools?: boolean | undefined;
}

/** Below the 30 seconds after which many gateways give a request up. */
export const DEFAULT_PLAIN_CALL_WAIT_MS = 25_000;
/** A client that is sent progress waits on; below the 5 minutes after which streams end. */
export const DEFAULT_PROGRESS_CALL_WAIT_MS = 240_000;

const taskParams = z.looseObject({ taskId: z.string() });
const cancelParams = z.looseObject({ taskId: z.string(), result: z.unknown().optional() });
const listParams = z.looseObject({ cursor: z.string().optional() });

const CONNECTION_BYTES = 8;

/** What a method does for a client of its era; `undefined`: the era has no such method. */
interface Served {
  readonly modern?: (client: Client) => Promise<Result>;
  readonly legacy?: (client: Client) => Promise<Result>;
}

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
  readonly #legacy: LegacyTasks;
  readonly #attached = new WeakSet<McpServer>();

  /** Throws `invalid_definition` when a tool has the name of one of those for tasks, where these are wanted. */
  constructor(options: TasksExtensionOptions) {
    this.#options = options;
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
    const services: ToolCallServices = {
      ...this.#deliveries,
      clock: this.#clock,
      lifetime: options.lifetime ?? DEFAULT_LIFETIME,
      plainCallWaitMs: options.plainCallWaitMs ?? DEFAULT_PLAIN_CALL_WAIT_MS,
      progressCallWaitMs:
        options.progressCallWaitMs === null ? undefined : (options.progressCallWaitMs ?? DEFAULT_PROGRESS_CALL_WAIT_MS),
      maxCallWaitMs: options.maxCallWaitMs ?? Number.POSITIVE_INFINITY,
      closing,
      healingGraceMs: options.healingGraceMs ?? HEALING_GRACE_MS,
      maxAnswerBytes: options.maxAnswerBytes,
      hasTaskTools: options.taskTools === true,
      onRelatedCall: options.onRelatedCall,
    };
    const forTasks = services.hasTaskTools ? taskTools({ ...services, maxWaitMs: services.plainCallWaitMs }) : [];
    this.#tools = newestOf([...options.tools, ...forTasks]);
    for (const { name } of options.tools) {
      if (!forTasks.some((tool) => tool.name === name)) continue;
      const problem = `Tool "${name}": the name is that of a tool for tasks; choose another, or leave those out (taskTools: false, --no-task-tools).`;
      throw new TaskError('invalid_definition', problem);
    }
    this.#calls = new ToolCalls(services);
    this.#legacy = new LegacyTasks(services);
  }

  /**
   * Registers the tools and the extension's methods on a server, beside whatever else it offers.
   * Before connecting; a second time for the same server does nothing.
   */
  attach(mcp: McpServer): void {
    if (this.#attached.has(mcp)) return;
    if (mcp.isConnected()) throw new Error('Attach the tasks extension before connecting the server.');
    this.#attached.add(mcp);
    const { server } = mcp;
    const connection = Buffer.from(systemRandom(CONNECTION_BYTES)).toString('hex');
    const client = (ctx: ServerContext) => clientOf(server, ctx, connection);
    const streamOf = (caller: Client, ctx: ServerContext) =>
      new CallStream(caller, server, ctx, { store: this.#options.store, clock: this.#clock });

    this.#registerTools(mcp);
    const prompts: PromptServices = {
      knownOwner: (ctx) => this.knownOwner(ctx.http?.authInfo),
      clientOf: client,
      askableByTools: this.#options.taskTools === true ? ['elicitation.form', 'elicitation.url'] : [],
      translated: (ctx, work) => this.#translated(ctx, work),
    };
    registerPrompts(mcp, this.#options.prompts ?? [], prompts);
    registerResources(mcp, this.#options.resources ?? [], prompts);
    this.#routeToolCalls(mcp, client, streamOf);
    server.setRequestHandler('tasks/get', { params: taskParams }, ({ taskId }, ctx) =>
      this.#answer(ctx, client(ctx), {
        modern: (caller) => this.#get(taskId, caller, ctx),
        legacy: (caller) => this.#legacy.get(this.#refOf(taskId, ctx), streamOf(caller, ctx), ctx),
      }),
    );
    server.setRequestHandler('tasks/result', { params: taskParams }, ({ taskId }, ctx) =>
      this.#answer(ctx, client(ctx), {
        legacy: (caller) => this.#legacy.result(this.#refOf(taskId, ctx), streamOf(caller, ctx), ctx),
      }),
    );
    server.setRequestHandler('tasks/list', { params: listParams }, ({ cursor }, ctx) =>
      this.#answer(ctx, client(ctx), { legacy: () => this.#legacy.list(this.#ownerOf(ctx), cursor) }),
    );
    server.setRequestHandler('tasks/update', { params: taskParams }, ({ taskId }, ctx) =>
      this.#answer(ctx, client(ctx), { modern: () => this.#update(taskId, ctx) }),
    );
    server.setRequestHandler('tasks/cancel', { params: cancelParams }, ({ taskId, result }, ctx) =>
      this.#answer(ctx, client(ctx), {
        modern: () => this.#cancel(taskId, ctx),
        legacy: () => this.#cancelOrComplete(this.#refOf(taskId, ctx), result),
      }),
    );
    showByClient(server, {
      tools: this.#tools,
      continuing: this.#options.continuing ?? new Set(),
      clientOf: client,
      mayList: (ctx) => this.#mayList(ctx),
    });
    changeRawRequests(server, takeOutState);
    refuseWrongTypes(server);
    server.registerCapabilities({ extensions: { [TASKS_EXTENSION]: {} } });
  }

  /**
   * Takes the answer of a client of the 2025 era to a question that one of its tasks asked; see `legacy/question-ids.ts`.
   * Such answers come by themselves. What answers nothing of this owner's changes nothing.
   */
  async takeAnswer(answer: unknown, authInfo: AuthInfo | undefined): Promise<void> {
    const owner = this.knownOwner(authInfo);
    if (owner !== undefined && isJsonObject(answer)) await takeTaskAnswer(answer, owner, this.#deliveries);
  }

  /** Once `closing` has fired: resolves when the calls that waited for a task have their answers. */
  settled(): Promise<void> {
    return this.#calls.settled();
  }

  /** The owner on whose behalf a request comes; throws `owner_required`. */
  ownerOf(authInfo: AuthInfo | undefined): Owner {
    const owner = this.knownOwner(authInfo);
    if (owner === undefined) throw new TaskError('owner_required', 'Tasks need an authenticated caller.');
    return owner;
  }

  /** The same; `undefined` for a caller who can have no tasks. */
  knownOwner(authInfo: AuthInfo | undefined): Owner | undefined {
    return this.#options.resolveOwner(authInfo);
  }

  /** Enqueues a task that a client looks at and that should have run long ago. */
  heal(stored: StoredTask): Promise<void> {
    return healForgotten(this.#deliveries, stored, this.#clock.now(), this.#options.healingGraceMs);
  }

  async #get(taskId: string, { askable }: Client, ctx: ServerContext): Promise<Result> {
    const { store } = this.#options;
    const stored = await store.get(this.#refOf(taskId, ctx));
    await this.heal(stored);
    return {
      resultType: 'complete',
      ...(await detailedTask(store, stored.task, this.#clock.now(), askable)),
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

  async #cancelOrComplete(ref: TaskRef, result: unknown): Promise<Result> {
    const { onCompletion } = this.#options;
    const completed = result === undefined ? undefined : await onCompletion?.(ref, result);
    return completed === undefined ? this.#legacy.cancel(ref) : legacyTask(completed, this.#clock.now());
  }

  #refOf(taskId: string, ctx: ServerContext): TaskRef {
    return { owner: this.#ownerOf(ctx), id: asTaskId(taskId) };
  }

  #ownerOf(ctx: ServerContext): Owner {
    return this.ownerOf(ctx.http?.authInfo);
  }

  #mayList(ctx: ServerContext): boolean {
    const owner = this.knownOwner(ctx.http?.authInfo);
    return owner !== undefined && mayList(owner);
  }

  /** The gate before each `tasks/*` method, and the translation of what it throws. */
  async #answer(ctx: ServerContext, client: Client, { modern, legacy }: Served): Promise<Result> {
    if (client.era === 'legacy') {
      if (legacy === undefined || !client.knowsLegacyTasks) throw methodNotFound();
      return this.#translated(ctx, () => legacy(client));
    }
    if (modern === undefined) throw methodNotFound();
    if (!client.declaresTasks) throw tasksRequired();
    return this.#translated(ctx, () => modern(client));
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
  #routeToolCalls(
    mcp: McpServer,
    clientOfCall: (ctx: ServerContext) => Client,
    streamOf: (client: Client, ctx: ServerContext) => CallStream,
  ): void {
    const { server } = mcp;
    const others = storedHandler(server, 'tools/call');
    server.setRequestHandler('tools/call', (request, ctx) => {
      const client = clientOfCall(ctx);
      // Behind something that buffers, a client would be asked when its call is over.
      const isReached = client.era === 'legacy' && this.#options.progressCallWaitMs !== null;
      return this.#callTool(request, client, isReached ? streamOf(client, ctx) : undefined, ctx);
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

  #callTool({ params }: CallToolRequest, client: Client, stream: CallStream | undefined, ctx: ServerContext) {
    return this.#translated(ctx, async () => {
      const tool = this.#tools.get(params.name);
      if (tool === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Tool ${params.name} not found`);
      return this.#calls.call(tool, params, { owner: this.#ownerOf(ctx), client, stream }, ctx);
    });
  }
}

function methodNotFound(): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.MethodNotFound, 'Method not found');
}
