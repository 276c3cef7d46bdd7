/**
 * Bodies that something in front of the endpoint has read already, as `express.json()` or `c.req.json()` do. Where what it
 * made of the body comes along (`parsedBody`), the request is served; where it does not, the answer says what to write.
 */
import type { McpHandlerRequestOptions } from '@modelcontextprotocol/server';
import type { Logger } from '../runtime/logger.ts';
import type { Fetch } from './entry.ts';
import { refusedRequest } from './http-requests.ts';

const HAND_IT_ON =
  'Hand on what was made of it: `createNodeHandler(server)(req, res, body)` or `server.fetch(request, { parsedBody })`; ' +
  'or do not let it be read before.';
const READ_BEFORE = `The body of this request was read before it came to the MCP endpoint. ${HAND_IT_ON}`;
const NOT_HERE = `The headers of this request announce a body, and none came to the MCP endpoint: something in front of it, such as \`express.json()\`, has read it. ${HAND_IT_ON}`;

export function withBodiesReadBefore(entry: Fetch, logger: Logger): Fetch {
  return async (request, options) => {
    const parsed: unknown = options?.parsedBody;
    if (parsed !== undefined) return entry(...unparsed(request, options, parsed));
    if (request.method !== 'POST') return entry(request, options);
    if (request.bodyUsed || request.body?.locked === true) {
      // No caller can bring this about, so it is a failure of the host.
      logger.error(READ_BEFORE);
      return refusedRequest(500, READ_BEFORE);
    }
    if (request.body === null && announcesBody(request.headers)) return refusedRequest(400, NOT_HERE);
    return entry(request, options);
  };
}

/** Text and bytes, as `express.text()` and `express.raw()` leave them, are a body that is not parsed yet. */
function unparsed(
  request: Request,
  options: McpHandlerRequestOptions | undefined,
  parsed: unknown,
): [Request, McpHandlerRequestOptions | undefined] {
  if (typeof parsed !== 'string' && !ArrayBuffer.isView(parsed)) return [request, options];
  const { url, method, signal } = request;
  const headers = new Headers(request.headers);
  headers.delete('content-length');
  const { parsedBody: _parsedBody, ...others } = options ?? {};
  const body =
    typeof parsed === 'string' ? parsed : new Uint8Array(parsed.buffer, parsed.byteOffset, parsed.byteLength);
  return [new Request(url, { method, headers, signal, body }), others];
}

function announcesBody(headers: Headers): boolean {
  return Number(headers.get('content-length')) > 0 || headers.has('transfer-encoding');
}
