/**
 * Which HTTP requests get as far as the MCP endpoint, and the one shape in which the others are refused: a small
 * JSON-RPC error without an id. What a caller can send is never a failure of ours, so it is no 5xx and no error line.
 */

/** The endpoint itself refuses all but POST; of the others, a web-standard request cannot even express some. */
export const HTTP_METHODS: readonly string[] = ['POST', 'GET', 'DELETE', 'OPTIONS', 'HEAD', 'PUT', 'PATCH'];

/** Anything that ends in `/mcp`: whoever is in front may add a stage or a base path, and a client a slash at the end. */
const MCP_PATH = /^(?!\/\.well-known\/)(?:\/[\w.~-]+)*\/mcp\/?$/;

export function isMcpPath(path: string): boolean {
  return MCP_PATH.test(path);
}

/** For paths that are none. */
export const NO_MCP_PATH =
  'Not found. The MCP endpoint is /mcp; what is in front of it may put more before that, and nothing behind.';

/** The SDK's own code for requests that are refused before they are read as messages. */
const REFUSED = -32000;

/** For answers that are written by hand. */
export function refusalBody(message: string): string {
  return JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: REFUSED, message } });
}

export function refusedRequest(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(refusalBody(message), { status, headers: { 'content-type': 'application/json', ...headers } });
}
