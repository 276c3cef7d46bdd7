/** An endpoint that cannot stream (HTTP API) refuses what would never end there. */
import type { FetchHandler } from '../../src/protocol/endpoint.ts';

const METHOD_NOT_FOUND = -32601;

export function unlessListening(fetch: FetchHandler): FetchHandler {
  return async (request, options) => {
    if (request.headers.get('mcp-method')?.trim() !== 'subscriptions/listen') return fetch(request, options);
    const message = 'This endpoint cannot stream, so it has no subscriptions; poll tasks/get.';
    const { id = null } = (await request.json().catch(() => ({}))) as { id?: unknown };
    return Response.json({ jsonrpc: '2.0', id, error: { code: METHOD_NOT_FOUND, message } }, { status: 404 });
  };
}
