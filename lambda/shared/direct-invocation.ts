/**
 * Calling the function itself with a JSON-RPC message: `{ jsonrpc, id?, method, params, owner }`. Only who
 * may invoke the function by IAM can do so, and `owner` says on whose behalf; HTTP events cannot carry it,
 * because API Gateway makes them. The answer is the JSON-RPC response. Always the 2026-07-28 era with tasks.
 */
import { CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY, TASKS_EXTENSION } from '../../src/protocol/sdk.ts';
import type { FetchHandler } from '../../src/protocol/endpoint.ts';

const PROTOCOL_VERSION = '2026-07-28';

export interface DirectMessage {
  readonly jsonrpc: '2.0';
  readonly id?: string | number;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
  /** The owner of the tasks: issuer, subject and, where there are several, tenant. */
  readonly owner?: { readonly issuer?: unknown; readonly subject?: unknown; readonly tenant?: unknown };
}

export function isDirectMessage(event: unknown): event is DirectMessage {
  return (
    typeof event === 'object' && event !== null && 'jsonrpc' in event && 'method' in event && !('requestContext' in event)
  );
}

/** The JSON-RPC response as text. An HTTP-only answer (a stream, no content) becomes its text. */
export async function answerDirectly(message: DirectMessage, fetch: FetchHandler, signal: AbortSignal): Promise<string> {
  const { owner, id = 1, method, params = {} } = message;
  const { issuer, subject, tenant } = owner ?? {};
  if (typeof issuer !== 'string' || typeof subject !== 'string' || issuer === '' || subject === '') {
    return refusal(id, 'A direct invocation needs an owner: { "issuer": …, "subject": … }.');
  }
  if (method === 'subscriptions/listen') return refusal(id, 'A direct invocation cannot stream; poll tasks/get.');
  const headers = new Headers({
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': PROTOCOL_VERSION,
    'mcp-method': method,
  });
  const name = params.taskId ?? params.name ?? params.uri;
  if (typeof name === 'string' && /^[\x20-\x7e]*$/.test(name)) headers.set('mcp-name', name);
  const body = JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta: withEnvelope(params._meta) } });
  const claims = { iss: issuer, sub: subject, ...(typeof tenant === 'string' ? { tenant } : {}) };
  const authInfo = { token: '', clientId: 'direct-invocation', scopes: [], extra: claims };
  const response = await fetch(new Request('https://localhost/mcp', { method: 'POST', headers, body, signal }), { authInfo });
  return response.text();
}

/** What a client would send with each request, where the caller left it out. */
function withEnvelope(meta: unknown): Record<string, unknown> {
  return {
    [PROTOCOL_VERSION_META_KEY]: PROTOCOL_VERSION,
    [CLIENT_INFO_META_KEY]: { name: 'direct-invocation', version: '1' },
    [CLIENT_CAPABILITIES_META_KEY]: { extensions: { [TASKS_EXTENSION]: {} }, elicitation: {}, sampling: {}, roots: {} },
    ...(typeof meta === 'object' && meta !== null ? meta : {}),
  };
}

const INVALID_REQUEST = -32600;

function refusal(id: string | number, message: string): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code: INVALID_REQUEST, message } });
}
