/** An endpoint that cannot stream (HTTP API) refuses what would never end there. */
import type { FetchHandler } from '../../src/protocol/endpoint.ts';
import { idOf } from './direct-invocation.ts';

const METHOD_NOT_FOUND = -32601;
const LISTEN = 'subscriptions/listen';

export function unlessListening(fetch: FetchHandler): FetchHandler {
  return async (request, options) => {
    const named = request.headers.get('mcp-method')?.trim();
    if (named !== undefined && named !== LISTEN) return fetch(request, options);
    const asked = await readable(request);
    if (named === undefined && !isListen(asked)) return fetch(request, options);
    const message = 'This endpoint cannot stream, so it has no subscriptions; poll tasks/get.';
    const id = idOf(asked);
    return Response.json({ jsonrpc: '2.0', id, error: { code: METHOD_NOT_FOUND, message } }, { status: 404 });
  };
}

/** A server with `headers: 'lenient'` serves it without the header. */
function isListen(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'method' in message && message.method === LISTEN;
}

/** The body is left for whoever answers. */
async function readable(request: Request): Promise<unknown> {
  if (request.method !== 'POST') return undefined;
  return request
    .clone()
    .json()
    .catch(() => undefined);
}
