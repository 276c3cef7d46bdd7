/** The side of a task server that answers requests: the MCP endpoint over a store and a queue. Runs no tasks. */
import { type Clock, systemClock } from '../clock.ts';
import { assertAnswerBound } from '../domain/answer-size.ts';
import { TaskError } from '../domain/errors.ts';
import type { JsonValue } from '../domain/json.ts';
import { DEFAULT_LIFETIME, type LifetimePolicy } from '../domain/lifetime.ts';
import type { Owner } from '../domain/owner.ts';
import type { AnswerOutcome } from '../domain/task.ts';
import { DEFAULT_MAX_STREAM_SECONDS } from '../protocol/bounded-streams.ts';
import { onlyOrigins, withOrigins } from '../protocol/cross-origin.ts';
import { createEndpoint, type FetchHandler } from '../protocol/endpoint.ts';
import { HEADER_MODES, type HeaderMode } from '../protocol/http-headers.ts';
import type { AuthInfo, McpServerFactory } from '../protocol/sdk.ts';
import {
  DEFAULT_PLAIN_CALL_WAIT_MS,
  DEFAULT_PROGRESS_CALL_WAIT_MS,
  TasksExtension,
} from '../protocol/tasks-extension.ts';
import type { AnyTool } from '../protocol/tool.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { type Deliveries, deliverAnswers, HEALING_GRACE_MS } from '../runtime/queues/deliveries.ts';
import type { TaskQueue } from '../runtime/queues/queue.ts';
import { decodeCallbackToken } from '../runtime/running/callback-token.ts';
import type { TaskStore } from '../store/task-store.ts';
import type { TaskResource } from '../workflow/resources.ts';
import { serveWorkflows } from '../workflow/serving.ts';
import type { Workflow } from '../workflow/workflow.ts';
import { assertOrigins } from './allowed-origins.ts';
import { assertTools } from './define-task-tool.ts';
import { ownerOfAuthInfo } from './owner-of-auth-info.ts';

export { HEADER_MODES, type HeaderMode } from '../protocol/http-headers.ts';

export interface EndpointSettings {
  readonly name: string;
  readonly version: string;
  /** Shown to the client's model. */
  readonly instructions?: string;
  readonly tools: readonly AnyTool[];
  /** Prompts that own tasks: see `defineWorkflow`. @default none */
  readonly workflows?: readonly Workflow[] | undefined;
  /** What workflows read, and clients with them: see `defineResource`. @default none */
  readonly resources?: readonly TaskResource[] | undefined;
  /**
   * How long getting a workflow's prompt waits for the steps that the server runs, in milliseconds, from 1 to an hour; they go
   * on after it. @default 20000
   */
  readonly promptBudgetMs?: number | undefined;
  /** The largest reply of a workflow's prompt, about, in bytes; what is larger is there by its beginning and a link. @default 65536 */
  readonly maxPromptBytes?: number | undefined;
  /** Makes the MCP server of a request, for one that offers more than these tools. */
  readonly createServer?: McpServerFactory;
  /** The owner of what a request does. @default from `authInfo`: issuer, tenant, subject or client id */
  readonly resolveOwner?: (authInfo: AuthInfo | undefined) => Owner | undefined;
  /** Whether callers without credentials may use tasks, all as one owner. @default false */
  readonly allowAnonymous?: boolean;
  /**
   * Origins of web pages that may call, such as `https://app.example.com`: `fetch` answers their browsers' questions (CORS)
   * and refuses other origins. @default none is refused, and no page of another origin can read an answer
   */
  readonly allowedOrigins?: readonly string[];
  /**
   * `lenient`: requests that lack the header `Mcp-Name` or `Mcp-Method` are served, for clients that do not send them; the log
   * says so once. Wrong ones are refused all the same. @default 'strict', as the specification has it
   */
  readonly headers?: HeaderMode | undefined;
  /** @default 24 h to run, 24 h readable */
  readonly lifetime?: LifetimePolicy;
  /** How long a call by a client without task support is kept open, in milliseconds. @default 25000 */
  readonly plainCallWaitMs?: number;
  /**
   * The same for a call that asks for progress (`progressToken`), in milliseconds, up to a day: its client is told every
   * 10 seconds that the work goes on. At least `plainCallWaitMs`, at most `maxStreamSeconds`. `null`: no progress is
   * sent, for a server behind something that buffers answers. @default 240000
   */
  readonly progressCallWaitMs?: number | null | undefined;
  /**
   * The largest answer that can be carried to a client, in bytes of its JSON text within a JSON string: what a buffered
   * function's answer is. What a tool answers within the call is refused above it; what workers store is
   * refused by theirs; at least 65536.
   * @default no bound but that of values, 5 MiB
   */
  readonly maxAnswerBytes?: number | undefined;
  /**
   * How long a stream stays open, in seconds, from 1 to a day: a subscription, the wait for a result, and a call that is kept
   * open; one of a tool without tasks that asks its client, for as long for each answer, and ten minutes at most. It ends
   * in good order, and a client that listens anew is shown how everything stands. `null`: no bound. @default 300
   */
  readonly maxStreamSeconds?: number | null | undefined;
  /**
   * Whether clients that do not support tasks find tools with which their model follows, answers, cancels and lists tasks:
   * `task_status`, `task_respond`, `task_cancel`, `task_list`. Without them such a client cannot come back to a task
   * that takes longer than its call is kept open. Callers that cannot be told apart (`allowAnonymous`) are one owner, and
   * find each other's tasks by `task_list`. @default false
   */
  readonly taskTools?: boolean;
  /** How long a task must be overdue before a client's poll takes its delivery for lost, in milliseconds. @default 10000 */
  readonly healingGraceMs?: number;
  /** @default silent */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export interface TaskEndpointOptions extends EndpointSettings {
  readonly store: TaskStore;
  /** Where due tasks go. */
  readonly queue: TaskQueue;
}

export type CallbackCompletion = { readonly value: JsonValue } | { readonly failure: string };

export interface TaskEndpoint {
  /** The MCP endpoint, web-standard. `authInfo` must rest on verified credentials. */
  readonly fetch: FetchHandler;
  /** Attach it to MCP servers that the host serves itself. */
  readonly extension: TasksExtension;
  /** Completes a `waitForCallback` by the token that its handler gave away. Unknown or repeated: nothing happens. */
  completeCallback(token: string, outcome: CallbackCompletion): Promise<void>;
  /** Ends open streams. */
  close(): Promise<void>;
}

/** Throws `invalid_definition` for tools, origins or bounds that cannot work. */
export function createTaskEndpoint(options: TaskEndpointOptions): TaskEndpoint {
  assertTools(options.tools);
  const { store, queue, tools, allowAnonymous = false, allowedOrigins } = options;
  assertOrigins(allowedOrigins ?? []);
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const { maxAnswerBytes } = options;
  assertAnswerBound(maxAnswerBytes);
  const maxStreamSeconds = within('maxStreamSeconds', options.maxStreamSeconds, {
    most: DAY_SECONDS,
    otherwise: DEFAULT_MAX_STREAM_SECONDS,
    none: 'no bound',
  });
  const maxWaitMs = maxStreamSeconds === null ? Number.POSITIVE_INFINITY : maxStreamSeconds * 1000;
  const plainCallWaitMs = Math.min(options.plainCallWaitMs ?? DEFAULT_PLAIN_CALL_WAIT_MS, maxWaitMs);
  const progressWaitMs = within('progressCallWaitMs', options.progressCallWaitMs, {
    most: DAY_SECONDS * 1000,
    otherwise: DEFAULT_PROGRESS_CALL_WAIT_MS,
    none: 'no progress',
  });
  const closing = new AbortController();
  const lifetime = options.lifetime ?? DEFAULT_LIFETIME;
  const healingGraceMs = options.healingGraceMs ?? HEALING_GRACE_MS;
  const shared = { store, queue, clock, logger, lifetime, healingGraceMs, closing: closing.signal };
  const workflows = serveWorkflows({
    ...shared,
    tools,
    workflows: options.workflows ?? [],
    resources: options.resources ?? [],
    budgetMs: options.promptBudgetMs,
    maxReplyBytes: options.maxPromptBytes,
    maxAnswerBytes,
  });
  const extension = new TasksExtension({
    ...shared,
    ...workflows,
    resolveOwner: options.resolveOwner ?? ((authInfo) => ownerOfAuthInfo(authInfo, { allowAnonymous })),
    plainCallWaitMs,
    progressCallWaitMs: progressWaitMs === null ? null : Math.max(plainCallWaitMs, Math.min(progressWaitMs, maxWaitMs)),
    maxCallWaitMs: maxWaitMs,
    maxAnswerBytes,
    taskTools: options.taskTools,
  });
  const { name, version, instructions, createServer } = options;
  const endpoint = createEndpoint({
    closing: closing.signal,
    relayedAnswers: store.relayedAnswers,
    maxStreamSeconds,
    bufferedWaitMs: progressWaitMs === null ? plainCallWaitMs : undefined,
    headers: headerModeOf(options),
    name,
    version,
    extension,
    clock,
    logger,
    instructions,
    createServer,
  });
  return {
    fetch:
      allowedOrigins === undefined
        ? endpoint.fetch
        : withOrigins(
            endpoint.fetch,
            onlyOrigins((origin) => allowedOrigins.includes(origin)),
          ),
    close: async () => {
      closing.abort();
      await extension.settled();
      // The answers are on their way out; what closes now would cut them off.
      await new Promise((resume) => setImmediate(resume));
      await endpoint.close();
    },
    extension,
    completeCallback: (token, outcome) => completeCallback({ store, queue, logger }, token, outcome),
  };
}

async function completeCallback(deliveries: Deliveries, token: string, outcome: CallbackCompletion): Promise<void> {
  const { store } = deliveries;
  const { ref, key } = decodeCallbackToken(token);
  const known = await store.get(ref);
  if (!Object.hasOwn(known.task.inputs, key)) return;
  const answer: AnswerOutcome =
    'failure' in outcome
      ? { outcome: 'failed', message: outcome.failure }
      : { outcome: 'answered', value: await store.keep(known.task, 'answer', outcome.value) };
  await deliverAnswers(deliveries, known, { [key]: answer });
}

function headerModeOf({ headers = 'strict' }: EndpointSettings): HeaderMode {
  if (HEADER_MODES.includes(headers)) return headers;
  throw new TaskError('invalid_definition', `headers must be ${HEADER_MODES.join(' or ')}, not ${headers}.`);
}

const DAY_SECONDS = 24 * 60 * 60;

interface Bound {
  /** The largest that it may be; 1 is the smallest. */
  readonly most: number;
  readonly otherwise: number;
  /** What `null` means. */
  readonly none: string;
}

function within(name: string, value: number | null | undefined, { most, otherwise, none }: Bound): number | null {
  if (value === undefined) return otherwise;
  if (value === null || (value >= 1 && value <= most)) return value;
  throw new TaskError('invalid_definition', `${name} must be from 1 to ${most}, or null for ${none}, not ${value}.`);
}
