/**
 * The place that reaches below the MCP SDK's public surface, with `json-schema.ts`. The SDK completes every result of
 * `tools/call` to a tool result (`content: []`), which a created task must not carry, and takes `inputResponses` of any
 * type for an object, before a handler sees the request; it has no hook for extensions at either point. So what it has
 * stored is wrapped in place. Fails at start, not at the first call, should the SDK's inside change.
 */
import type { ClientCapabilities, Result, Server, ServerContext } from '@modelcontextprotocol/server';

export type StoredHandler = (request: unknown, ctx: ServerContext) => Promise<Result>;

interface HandlerTable {
  readonly _requestHandlers: Map<string, StoredHandler>;
}

export function storedHandler(server: Server, method: string): StoredHandler | undefined {
  return tableOf(server).get(method);
}

/** Replaces a handler without the SDK's own treatment of its results. */
export function replaceStoredHandler(server: Server, method: string, handler: StoredHandler): void {
  tableOf(server).set(method, handler);
}

export function storedMethods(server: Server): readonly string[] {
  return [...tableOf(server).keys()];
}

export interface RawRequest {
  readonly method: string;
  readonly params?: unknown;
}

/** Lets `change` make another request of each, before the SDK takes it apart. */
export function changeRawRequests(server: Server, change: (request: RawRequest) => RawRequest): void {
  const inside = server as unknown as { _onrequest?: (request: RawRequest, extra: unknown) => void };
  const { _onrequest: handle } = inside;
  if (typeof handle !== 'function') throw movedError();
  inside._onrequest = (request, extra) => handle.call(server, change(request), extra);
}

/** What the client of a server of one request has declared, which another request's server was told. */
export function declareFor(server: Server, capabilities: ClientCapabilities): void {
  if (!('_clientCapabilities' in server)) throw movedError();
  Object.assign(server, { _clientCapabilities: capabilities });
}

function tableOf(server: Server): Map<string, StoredHandler> {
  const { _requestHandlers: table } = server as unknown as HandlerTable;
  if (!(table instanceof Map)) throw movedError();
  return table;
}

function movedError(): Error {
  return new Error('This version of @modelcontextprotocol/server keeps its handlers elsewhere; use the pinned one.');
}
