/**
 * The stream of `tasks/result`, which a client can go on with where it was cut (2025-11-25, "Resumability and
 * Redelivery"): its first event has an id that says what was asked, so that any instance can ask it again. A client that
 * does not know of it waits until its own patience ends.
 */
import type { Clock } from '../../clock.ts';
import { isJsonObject, type JsonObject } from '../../domain/json.ts';
import { REQUEST_ID_PREFIX } from './question-ids.ts';

/** After how long a client is to come again. */
const COME_AGAIN_MS = 500;
const MAX_ID_LENGTH = 1_024;

export interface ResumableOptions {
  /** Of the first event. `undefined`: the stream cannot be gone on with. */
  readonly id: string | undefined;
  readonly clock: Clock;
  readonly maxStreamMs: number | null;
  readonly isBuffered: boolean;
  readonly closing: AbortSignal;
  /** Fires when the client has gone. */
  readonly gone: AbortSignal;
  /** Ends the request that the stream answers. */
  readonly leave: () => void;
}

export function resumableStream(response: Response, options: ResumableOptions): Response {
  const { id, clock, maxStreamMs, isBuffered, closing, gone, leave } = options;
  const { body, status, headers } = response;
  if (body === null || id === undefined || headers.get('content-type')?.startsWith('text/event-stream') !== true) {
    return response;
  }
  const reader = body.getReader();
  let cut = () => {};
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(`id: ${id}\nretry: ${COME_AGAIN_MS}\ndata: \n\n`));
      const cancelTimer = maxStreamMs === null ? () => {} : clock.after(maxStreamMs, () => cut());
      cut = () => {
        cut = () => {};
        cancelTimer();
        closing.removeEventListener('abort', onClosing);
        gone.removeEventListener('abort', onClosing);
        leave();
        reader.cancel().catch(() => {});
        try {
          controller.close();
        } catch {
          // It has ended, or its client has left, already.
        }
      };
      const onClosing = () => cut();
      closing.addEventListener('abort', onClosing, { once: true });
      gone.addEventListener('abort', onClosing, { once: true });
      if (closing.aborted || gone.aborted) cut();
    },
    async pull(controller) {
      const { value } = await reader.read().catch(() => ({ value: undefined }));
      if (value !== undefined) controller.enqueue(value);
      if (value === undefined || (isBuffered && asks(value))) cut();
    },
    cancel() {
      cut();
    },
  });
  return new Response(stream, { status, headers });
}

/** Whether an event is a request to the client; each chunk is a whole event. */
function asks(event: Uint8Array): boolean {
  return new TextDecoder().decode(event).includes(`"id":"${REQUEST_ID_PREFIX}`);
}

/** The request, as the id of an event. `undefined`: it is too long for one. */
export function encodeResumption({ id, params }: JsonObject): string | undefined {
  const encoded = Buffer.from(JSON.stringify({ id, params })).toString('base64url');
  return encoded.length <= MAX_ID_LENGTH ? encoded : undefined;
}

/** The request that an event's id stands for; `undefined`: it is none of ours. */
export function decodeResumption(eventId: string | null): JsonObject | undefined {
  if (eventId === null || eventId.length > MAX_ID_LENGTH) return undefined;
  try {
    const asked: unknown = JSON.parse(Buffer.from(eventId, 'base64url').toString());
    if (!isJsonObject(asked) || !isJsonObject(asked.params)) return undefined;
    const { id, params } = asked;
    if (typeof id !== 'string' && typeof id !== 'number') return undefined;
    return { jsonrpc: '2.0', id, method: 'tasks/result', params };
  } catch {
    return undefined;
  }
}
