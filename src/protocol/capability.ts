/** Who speaks the tasks extension: the 2026-07-28 era, request by request. */
import { CLIENT_CAPABILITIES_META_KEY, type ServerContext } from '@modelcontextprotocol/server';
import { isJsonObject } from '../domain/json.ts';

/** SEP-2663. */
export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';

/** A request of the modern era carries its envelope; one of the legacy era has none. */
export function isModern(ctx: ServerContext): boolean {
  return ctx.mcpReq.envelope !== undefined;
}

/** Whether this very request declares the extension. */
export function declaresTasks(ctx: ServerContext): boolean {
  return metaDeclaresTasks(ctx.mcpReq.envelope);
}

/** Whether a request's `_meta` declares the extension among the client's capabilities. */
export function metaDeclaresTasks(meta: unknown): boolean {
  const capabilities = isJsonObject(meta) ? meta[CLIENT_CAPABILITIES_META_KEY] : undefined;
  const extensions = isJsonObject(capabilities) ? capabilities.extensions : undefined;
  return isJsonObject(extensions) && isJsonObject(extensions[TASKS_EXTENSION]);
}
