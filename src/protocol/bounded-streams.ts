/**
 * Ends each `subscriptions/listen` after a while, in good order: with the result that ends it on its own, so that the
 * client knows that nothing was lost, and listens anew if it still wants to; it is then shown how everything stands.
 * Where nobody says that a client has gone (AWS Lambda), a stream would else be paid for until the platform cuts it
 * off.
 */
import { SUBSCRIPTION_ID_META_KEY } from '@modelcontextprotocol/server';
import type { CancelTimer, Clock } from '../clock.ts';
import { isJsonObject } from '../domain/json.ts';
import type { Fetch } from './entry.ts';
import { readEvents, writeEvent } from './event-stream.ts';

/** As long as a stream stays open unless told otherwise. */
export const DEFAULT_MAX_STREAM_SECONDS = 300;

export function withBoundedStreams(fetch: Fetch, maxSeconds: number, clock: Clock): Fetch {
  return async (request, options) => {
    const response = await fetch(request, options);
    if (request.headers.get('mcp-method')?.trim() !== 'subscriptions/listen') return response;
    if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true || response.body === null) {
      return response;
    }
    const { status, headers } = response;
    return new Response(bounded(response.body, maxSeconds * 1000, clock), { status, headers });
  };
}

/** The stream up to its own end or, after `ms`, between two of its events, an end in its name. Each chunk is a whole event. */
function bounded(body: ReadableStream<Uint8Array>, ms: number, clock: Clock): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let cancelTimer: CancelTimer = () => {};
  let first: Uint8Array | undefined;
  let isOver = false;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      cancelTimer = clock.after(ms, () => {
        isOver = true;
        void subscriptionIdOf(first)
          .then((id) => {
            if (id !== undefined) controller.enqueue(writeEvent(endOf(id)));
            controller.close();
          })
          .catch(() => {})
          .then(() => reader.cancel())
          .catch(() => {});
      });
    },
    async pull(controller) {
      const { value } = await reader.read().catch((error: unknown) => {
        cancelTimer();
        throw error;
      });
      if (isOver) return;
      if (value === undefined) {
        cancelTimer();
        controller.close();
        return;
      }
      first ??= value;
      controller.enqueue(value);
    },
    async cancel(reason) {
      cancelTimer();
      await reader.cancel(reason);
    },
  });
}

/** As the acknowledgement names it, which comes first. `undefined`: nothing has come yet. */
async function subscriptionIdOf(first: Uint8Array | undefined): Promise<string | number | undefined> {
  if (first === undefined) return undefined;
  const { value: event } = await readEvents(ReadableStream.from([first])).next();
  const params: unknown = event?.params;
  const meta = isJsonObject(params) ? params._meta : undefined;
  const id = isJsonObject(meta) ? meta[SUBSCRIPTION_ID_META_KEY] : undefined;
  return typeof id === 'string' || typeof id === 'number' ? id : undefined;
}

function endOf(id: string | number): object {
  return { jsonrpc: '2.0', id, result: { resultType: 'complete', _meta: { [SUBSCRIPTION_ID_META_KEY]: id } } };
}
