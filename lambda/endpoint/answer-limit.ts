/**
 * What a buffered answer may take. Tasks hold nothing that is larger, but for what they held before the deployment had
 * this API; an answer of another kind may be. The caller is told then, by JSON-RPC, and not by the API that something
 * failed.
 */
import { readEvents } from '../../src/protocol/event-stream.ts';
import { idOf } from './direct-invocation.ts';
import type { HttpResult } from './http-event.ts';

const INTERNAL_ERROR = -32603;

/** The result as it is, or one that says why it cannot be carried. A stream is not bounded. */
export async function carriedResult(result: HttpResult, maxBytes: number | undefined): Promise<HttpResult> {
  const { body } = result;
  if (maxBytes === undefined || typeof body !== 'string') return result;
  const bytes = Buffer.byteLength(JSON.stringify(result));
  if (bytes <= maxBytes) return result;
  const message =
    `This answer takes ${bytes} bytes, each quote and backslash counted twice; the HTTP API of this server carries ${maxBytes}. ` +
    'Whoever runs the server can deploy it with an API that streams (api=rest or api=url), or have the tool give a link.';
  const error = { code: INTERNAL_ERROR, message, data: { reason: 'answer_too_large', bytes, limitBytes: maxBytes } };
  const { 'content-length': _length, ...headers } = result.headers;
  return {
    statusCode: 200,
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: await idIn(body), error }),
  };
}

/** Of the response in the body, which may be the last of a stream's events. */
async function idIn(body: string): Promise<string | number | null> {
  try {
    return shortId(idOf(JSON.parse(body)));
  } catch {
    let id: string | number | null = null;
    for await (const event of readEvents(ReadableStream.from([Buffer.from(body)]))) {
      if ('result' in event || 'error' in event) id = shortId(idOf(event));
    }
    return id;
  }
}

/** One that is itself too large would make this answer so. */
function shortId(id: string | number | null): string | number | null {
  return typeof id === 'string' && id.length > 1024 ? null : id;
}
