/**
 * `subscriptions/listen` with `taskIds`: a stream of `notifications/tasks`. The SDK's HTTP entry serves
 * the method and knows no task ids; so it is asked first, for everything else that the client
 * listens to and for all its checks, and its stream is carried on here with the tasks' changes added.
 */
import {
  type AuthInfo,
  type McpHandlerRequestOptions,
  ProtocolError,
  ProtocolErrorCode,
  readRequestBody,
  SUBSCRIPTION_ID_META_KEY,
} from '@modelcontextprotocol/server';
import type { Clock } from '../clock.ts';
import type { Askable } from '../domain/askable.ts';
import { isTaskError } from '../domain/errors.ts';
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { encodeOwner, type Owner } from '../domain/owner.ts';
import { isTerminal } from '../domain/status.ts';
import type { TaskRef } from '../domain/task.ts';
import { isTaskId } from '../domain/task-id.ts';
import { present } from '../present.ts';
import type { StoredTask, TaskStore } from '../store/task-store.ts';
import { watchTask } from './awaiting.ts';
import { metaAskable, metaDeclaresTasks } from './capability.ts';
import { BUSY, tasksRequired, toProtocolError } from './errors.ts';
import { KEEP_ALIVE, readEvents, writeEvent } from './event-stream.ts';
import { detailedTask } from './wire.ts';

type Fetch = (request: Request, options?: McpHandlerRequestOptions) => Promise<Response>;

/** Tasks of one subscription. */
const MAX_TASK_IDS = 100;
const KEEP_ALIVE_MS = 15_000;
/** Streams of one owner that are open at the same time in this process. */
const MAX_STREAMS_PER_OWNER = 20;

export interface ListenOptions {
  readonly store: TaskStore;
  readonly clock: Clock;
  readonly ownerOf: (authInfo: AuthInfo | undefined) => Owner;
  /** How often the store is looked at for changes that other instances make, in milliseconds. */
  readonly lookEveryMs: number;
  /** With each of these looks. */
  readonly onLook: (stored: StoredTask) => Promise<void>;
  readonly maxRequestBodySize: number;
  /** Fires when the endpoint closes: streams then end as if their tasks had. */
  readonly closing: AbortSignal;
}

/** Wraps the entry's `fetch`; requests other than such a subscription go straight through. */
export function withTaskSubscriptions(entry: Fetch, options: ListenOptions): Fetch {
  const openStreams = new Map<string, number>();
  return async (request, requestOptions) => {
    if (request.headers.get('mcp-method')?.trim() !== 'subscriptions/listen') return entry(request, requestOptions);
    const body = requestOptions?.parsedBody ?? (await parseBody(request.clone(), options.maxRequestBodySize));
    const asked = taskFilterOf(body);
    if (asked === undefined) return entry(request, requestOptions);
    return serve(entry, request, asked, { ...options, openStreams, authInfo: requestOptions?.authInfo });
  };
}

interface TaskFilter {
  readonly message: JsonObject;
  readonly params: JsonObject;
  readonly notifications: JsonObject;
  readonly taskIds: unknown;
}

async function serve(
  entry: Fetch,
  request: Request,
  asked: TaskFilter,
  options: ListenOptions & { readonly openStreams: Map<string, number>; readonly authInfo: AuthInfo | undefined },
): Promise<Response> {
  const { message, params, notifications, taskIds } = asked;
  const { taskIds: _taskIds, ...others } = notifications;
  const forEntry = { ...message, params: { ...params, notifications: others } };
  const { authInfo } = options;
  const left = new AbortController();
  const signal = AbortSignal.any([left.signal, request.signal]);
  // Handed over parsed: writing it out again would give in to JSON that is nested deeply enough.
  const response = await entry(new Request(request.url, { method: 'POST', headers: request.headers, signal }), {
    ...present({ authInfo }),
    parsedBody: forEntry,
  });
  const streams = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  if (!response.ok || !streams || response.body === null) return response;
  try {
    if (!metaDeclaresTasks(params._meta)) throw tasksRequired();
    const owner = options.ownerOf(authInfo);
    const refs = await knownTasks(taskIds, owner, options);
    countStream(options.openStreams, encodeOwner(owner), signal);
    const stream = mergedStream(response.body, {
      id: message.id,
      refs,
      askable: metaAskable(params._meta),
      left,
      signal,
      options,
    });
    return new Response(stream, { status: response.status, headers: response.headers });
  } catch (error) {
    left.abort();
    const { code, message: text, data } = toProtocolError(error);
    const status = code === tasksRequired().code ? 400 : 200;
    return Response.json({ jsonrpc: '2.0', id: message.id, error: { code, message: text, data } }, { status });
  }
}

/** Until the stream has ended. Throws when the owner has too many. */
function countStream(openStreams: Map<string, number>, owner: string, ended: AbortSignal): void {
  if (ended.aborted) return;
  const open = openStreams.get(owner) ?? 0;
  if (open >= MAX_STREAMS_PER_OWNER) {
    throw new ProtocolError(
      BUSY,
      `There are already ${open} subscriptions of this caller; close one, or poll tasks/get.`,
    );
  }
  openStreams.set(owner, open + 1);
  const release = () => {
    const left = (openStreams.get(owner) ?? 1) - 1;
    if (left === 0) openStreams.delete(owner);
    else openStreams.set(owner, left);
  };
  ended.addEventListener('abort', release, { once: true });
}

interface WatchedTask extends TaskRef {
  readonly lookEveryMs: number;
}

/** The acknowledged subset: what exists and is the caller's. Unknown and foreign ids are left out alike. */
async function knownTasks(taskIds: unknown, owner: Owner, options: ListenOptions): Promise<WatchedTask[]> {
  const { store, lookEveryMs } = options;
  if (!Array.isArray(taskIds) || taskIds.length > MAX_TASK_IDS || !taskIds.every((id) => typeof id === 'string')) {
    const text = `notifications.taskIds must be an array of at most ${MAX_TASK_IDS} task ids.`;
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, text);
  }
  const found: WatchedTask[] = [];
  for (const id of new Set(taskIds.filter(isTaskId))) {
    try {
      const { task } = await store.get({ owner, id });
      found.push({ owner, id, lookEveryMs: Math.max(lookEveryMs, task.pollIntervalMs) });
    } catch (error) {
      if (!isTaskError(error, 'task_not_found')) throw error;
    }
  }
  return found;
}

interface Merge {
  readonly id: unknown;
  readonly refs: readonly WatchedTask[];
  /** What the client can be asked for. */
  readonly askable: readonly Askable[];
  /** Fired by us when the client cancels the stream. */
  readonly left: AbortController;
  /** Fires when the client is gone, by whatever way; ends the entry's stream too. */
  readonly signal: AbortSignal;
  readonly options: ListenOptions;
}

/** The entry's stream with the tasks in its acknowledgement, their changes in between, and its end once both are done. */
function mergedStream(entry: ReadableStream<Uint8Array>, merge: Merge): ReadableStream<Uint8Array> {
  const { left, signal, options } = merge;
  const { clock } = options;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (message: object) => {
        if (!signal.aborted) controller.enqueue(writeEvent(message));
      };
      let cancelKeepAlive = () => {};
      const keepAlive = () => {
        cancelKeepAlive = clock.after(KEEP_ALIVE_MS, () => {
          if (!signal.aborted) controller.enqueue(KEEP_ALIVE);
          keepAlive();
        });
      };
      keepAlive();
      void carry(entry, merge, send)
        .catch(() => {})
        .then(() => {
          cancelKeepAlive();
          left.abort();
          try {
            controller.close();
          } catch {
            // The client has left already.
          }
        });
    },
    async cancel() {
      left.abort();
    },
  });
}

async function carry(entry: ReadableStream<Uint8Array>, merge: Merge, send: (message: object) => void): Promise<void> {
  const events = readEvents(entry);
  const acknowledged = await events.next();
  if (acknowledged.done === true) return;
  send(withTaskIds(acknowledged.value, merge.refs));
  const tasks = Promise.all(merge.refs.map((ref) => notify(ref, merge, send)));
  // A task that cannot be read any more ends the stream, also while the entry's own goes on.
  tasks.catch(() => merge.left.abort());
  for await (const event of events) {
    if ('result' in event) {
      await tasks;
      send(event);
      return;
    }
    send(event);
  }
}

/** Sends the task as it is, then each change, until it has ended or the client leaves. */
async function notify(ref: WatchedTask, merge: Merge, send: (message: object) => void): Promise<void> {
  const { lookEveryMs } = ref;
  const { store, clock, closing, onLook } = merge.options;
  const signal = AbortSignal.any([merge.signal, closing]);
  let shown = '';
  try {
    for await (const { task } of watchTask(ref, { store, clock, lookEveryMs, signal, onLook })) {
      const detail = await detailedTask(store, task, clock.now(), merge.askable);
      // With a grown interval alone a task has not changed.
      const text = JSON.stringify({ ...detail, pollIntervalMs: undefined });
      if (text !== shown) {
        shown = text;
        const meta = { ...(isJsonObject(detail._meta) ? detail._meta : {}), [SUBSCRIPTION_ID_META_KEY]: merge.id };
        send({ jsonrpc: '2.0', method: 'notifications/tasks', params: { ...detail, _meta: meta } });
      }
      if (isTerminal(task.status)) return;
    }
  } catch (error) {
    if (!isTaskError(error, 'task_not_found')) throw error;
  }
}

function withTaskIds(acknowledgement: Record<string, unknown>, refs: readonly TaskRef[]): object {
  const params = isJsonObject(acknowledgement.params) ? acknowledgement.params : {};
  const notifications = isJsonObject(params.notifications) ? params.notifications : {};
  const taskIds = refs.map(({ id }) => id);
  return { ...acknowledgement, params: { ...params, notifications: { ...notifications, taskIds } } };
}

/** The request's message if it asks for tasks. */
function taskFilterOf(body: unknown): TaskFilter | undefined {
  if (!isJsonObject(body) || body.method !== 'subscriptions/listen' || !isJsonObject(body.params)) return undefined;
  const { notifications } = body.params;
  if (!isJsonObject(notifications) || !('taskIds' in notifications)) return undefined;
  return { message: body, params: body.params, notifications, taskIds: notifications.taskIds };
}

/** `undefined` for what is no JSON or too large: the entry answers that. */
async function parseBody(request: Request, maxBytes: number): Promise<unknown> {
  try {
    const body = await readRequestBody(request, maxBytes);
    return body.tooLarge ? undefined : JSON.parse(body.text);
  } catch {
    return undefined;
  }
}
