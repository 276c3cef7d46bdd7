/**
 * `subscriptions/listen` with `taskIds` over HTTP: a stream of `notifications/tasks`. The SDK's HTTP entry serves the
 * method and knows no task ids; so it is asked first, for everything else that the client listens to and for all its
 * checks, and its stream is carried on here with the tasks' changes added.
 */
import type { AuthInfo } from '@modelcontextprotocol/server';
import type { Clock } from '../clock.ts';
import { present } from '../present.ts';
import { type Fetch, readParsed } from './entry.ts';
import { tasksRequired, toProtocolError } from './errors.ts';
import { KEEP_ALIVE, readEvents, writeEvent } from './event-stream.ts';
import { type TaskFilter, type TaskSubscription, type TaskSubscriptions, taskFilterOf } from './task-subscriptions.ts';

const KEEP_ALIVE_MS = 15_000;

export interface ListenOptions {
  readonly subscriptions: TaskSubscriptions;
  readonly clock: Clock;
  readonly maxRequestBodySize: number;
}

/** Wraps the entry's `fetch`; requests other than such a subscription go straight through. */
export function withTaskSubscriptions(entry: Fetch, options: ListenOptions): Fetch {
  return async (request, requestOptions) => {
    if (request.headers.get('mcp-method')?.trim() !== 'subscriptions/listen') return entry(request, requestOptions);
    const body = requestOptions?.parsedBody ?? (await readParsed(request, options.maxRequestBodySize));
    const asked = taskFilterOf(body);
    if (asked === undefined) return entry(request, requestOptions);
    return serve(entry, request, asked, { ...options, authInfo: requestOptions?.authInfo });
  };
}

async function serve(
  entry: Fetch,
  request: Request,
  asked: TaskFilter,
  options: ListenOptions & { readonly authInfo: AuthInfo | undefined },
): Promise<Response> {
  const { authInfo, clock, subscriptions } = options;
  const left = new AbortController();
  const signal = AbortSignal.any([left.signal, request.signal]);
  // Handed over parsed: writing it out again would give in to JSON that is nested deeply enough.
  const response = await entry(new Request(request.url, { method: 'POST', headers: request.headers, signal }), {
    ...present({ authInfo }),
    parsedBody: asked.withoutTasks,
  });
  const streams = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  if (!response.ok || !streams || response.body === null) return response;
  try {
    const subscription = await subscriptions.open(asked, authInfo, signal);
    const stream = mergedStream(response.body, { subscription, left, signal, clock });
    return new Response(stream, { status: response.status, headers: response.headers });
  } catch (error) {
    left.abort();
    const { code, message: text, data } = toProtocolError(error);
    const status = code === tasksRequired().code ? 400 : 200;
    return Response.json({ jsonrpc: '2.0', id: asked.id, error: { code, message: text, data } }, { status });
  }
}

interface Merge {
  readonly subscription: TaskSubscription;
  /** Fired by us when the client cancels the stream. */
  readonly left: AbortController;
  /** Fires when the client is gone, by whatever way; ends the entry's stream too. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** The entry's stream with the tasks in its acknowledgement, their changes in between, and its end once both are done. */
function mergedStream(entry: ReadableStream<Uint8Array>, merge: Merge): ReadableStream<Uint8Array> {
  const { left, signal, clock } = merge;
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
  send(merge.subscription.acknowledgement(acknowledged.value));
  const tasks = merge.subscription.show(send);
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
