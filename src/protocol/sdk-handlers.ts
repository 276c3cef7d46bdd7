/**
 * The one place that reaches below the MCP SDK's public surface. The SDK completes every result of
 * `tools/call` to a tool result (`content: []`), which a created task must not carry, and has no hook
 * for extensions there. So the handler it has stored is wrapped in place. Fails at start, not at the
 * first call, should the SDK's inside change.
 */
import type { Result, Server, ServerContext } from '@modelcontextprotocol/server';

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

function tableOf(server: Server): Map<string, StoredHandler> {
  const { _requestHandlers: table } = server as unknown as HandlerTable;
  if (!(table instanceof Map)) {
    throw new Error('This version of @modelcontextprotocol/server keeps its handlers elsewhere; use the pinned one.');
  }
  return table;
}
