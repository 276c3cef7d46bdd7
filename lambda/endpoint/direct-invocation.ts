/**
 * Calling the function itself with a JSON-RPC message: `{ jsonrpc, id?, method, params, owner }`. Only who
 * may invoke the function by IAM can do so, and `owner` says on whose behalf; HTTP events cannot carry it,
 * because API Gateway makes them. The answer is the JSON-RPC response, also to what is no such message. Always the
 * 2026-07-28 era with tasks.
 */
import { isOwnerPart } from '../../src/domain/owner.ts';
import type { FetchHandler } from '../../src/protocol/endpoint.ts';
import { readEvents } from '../../src/protocol/event-stream.ts';
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  PROTOCOL_VERSION_META_KEY,
  TASKS_EXTENSION,
} from '../../src/protocol/sdk.ts';

const PROTOCOL_VERSION = '2026-07-28';

export interface DirectMessage {
  readonly jsonrpc: unknown;
  readonly id?: unknown;
  readonly method: unknown;
  readonly params?: unknown;
  /** The owner of the tasks: issuer, subject and, where there are several, tenant. */
  readonly owner?: unknown;
}

export function isDirectMessage(event: unknown): event is DirectMessage {
  return isObject(event) && 'jsonrpc' in event && 'method' in event && !('requestContext' in event);
}

/** What another service of AWS sends to a function that is wired to it. */
export function isServiceEvent(event: unknown): boolean {
  return isObject(event) && ('Records' in event || 'detail-type' in event);
}

/** The id that an answer to this message carries. */
export function idOf(message: unknown): string | number | null {
  const id = isObject(message) ? message.id : undefined;
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}

/** Resolves to the JSON-RPC response, also where the endpoint streams it. `open` is asked only for what can be read. */
export async function answerDirectly(
  message: unknown,
  open: () => Promise<FetchHandler>,
  signal: AbortSignal,
): Promise<object> {
  if (!isDirectMessage(message)) return refusal(idOf(message), NO_MESSAGE);
  const { id = 1, method, params = {} } = message;
  if (typeof id !== 'string' && typeof id !== 'number') return refusal(null, 'The id must be text or a number.');
  const claims = claimsOf(message.owner);
  if (claims === undefined)
    return refusal(id, 'A direct invocation needs an owner: { "issuer": …, "subject": …, "tenant"?: … }.');
  if (typeof method !== 'string' || !isObject(params))
    return refusal(id, 'The method must be text and the params an object.');
  if (params._meta !== undefined && !isObject(params._meta)) return refusal(id, 'The params’ _meta must be an object.');
  if (method === 'subscriptions/listen') return refusal(id, 'A direct invocation cannot stream; poll tasks/get.');
  const body = written({
    jsonrpc: message.jsonrpc,
    id,
    method,
    params: { ...params, _meta: withEnvelope(params._meta) },
  });
  if (body === undefined) return refusal(id, 'The params are nested too deeply.');
  const fetch = await open();
  const request = new Request('https://localhost/mcp', {
    method: 'POST',
    headers: headersOf(method, params),
    body,
    signal,
  });
  const authInfo = { token: '', clientId: 'direct-invocation', scopes: [], extra: claims };
  return responseOf(await fetch(request, { authInfo }));
}

export function internalError(id: unknown): object {
  return { jsonrpc: '2.0', id, error: { code: -32603, message: 'Internal error' } };
}

/** `undefined` for what JSON can say and we cannot write again. */
function written(message: object): string | undefined {
  try {
    return JSON.stringify(message);
  } catch {
    return undefined;
  }
}

/**
 * As a token's claims. `undefined`: no owner, or one that says less than it means to, as with a part whose name we
 * do not know: without it, the owner would be a coarser one.
 */
function claimsOf(owner: unknown): Record<string, string> | undefined {
  if (!isObject(owner)) return undefined;
  const { issuer: iss, subject: sub, tenant, ...unknown } = owner;
  if (!isOwnerPart(iss) || !isOwnerPart(sub) || Object.keys(unknown).length > 0) return undefined;
  if (tenant === undefined) return { iss, sub };
  return isOwnerPart(tenant) ? { iss, sub, tenant } : undefined;
}

function headersOf(method: string, { taskId, name, uri }: Record<string, unknown>): Headers {
  const headers = new Headers({
    'content-type': 'application/json',
    accept: 'application/json',
    'mcp-protocol-version': PROTOCOL_VERSION,
  });
  for (const [header, value] of [
    ['mcp-method', method],
    ['mcp-name', taskId ?? name ?? uri],
  ] as const) {
    if (typeof value === 'string' && /^[\x20-\x7e]*$/.test(value)) headers.set(header, value);
  }
  return headers;
}

/** What a client would send with each request, where the caller left it out. */
function withEnvelope(meta: unknown): Record<string, unknown> {
  return {
    [PROTOCOL_VERSION_META_KEY]: PROTOCOL_VERSION,
    [CLIENT_INFO_META_KEY]: { name: 'direct-invocation', version: '1' },
    [CLIENT_CAPABILITIES_META_KEY]: {
      extensions: { [TASKS_EXTENSION]: {} },
      elicitation: { form: {}, url: {} },
      sampling: { tools: {} },
      roots: {},
    },
    ...(isObject(meta) ? meta : {}),
  };
}

/** Of a stream, the message that ends it. */
async function responseOf(response: Response): Promise<object> {
  const streams = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  if (!streams || response.body === null) return (await response.json()) as object;
  for await (const event of readEvents(response.body)) if ('result' in event || 'error' in event) return event;
  throw new Error('The stream ended without a response.');
}

const INVALID_REQUEST = -32600;
const NO_MESSAGE =
  'This event is neither an HTTP request nor a JSON-RPC message: { "jsonrpc": "2.0", "id"?: …, "method": …, "params"?: …, "owner": … }.';

function refusal(id: unknown, message: string): object {
  return { jsonrpc: '2.0', id, error: { code: INVALID_REQUEST, message } };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
