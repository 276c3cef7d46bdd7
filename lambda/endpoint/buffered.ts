/** An endpoint that cannot stream (HTTP API) refuses what would never end there. */
import type { FetchHandler } from '../../src/protocol/endpoint.ts';
import { idOf } from './direct-invocation.ts';

const METHOD_NOT_FOUND = -32601;

export function unlessListening(fetch: FetchHandler): FetchHandler {
  return async (request, options) => {
    if (request.headers.get('mcp-method')?.trim() !== 'subscriptions/listen') return fetch(request, options);
    const message = 'This endpoint cannot stream, so it has no subscriptions; poll tasks/get.';
    const id = idOf(await request.json().catch(() => undefined));
    return Response.json({ jsonrpc: '2.0', id, error: { code: METHOD_NOT_FOUND, message } }, { status: 404 });
  };
}
