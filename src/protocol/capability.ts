/** Who speaks the tasks extension: the 2026-07-28 era, request by request. */
import type { ServerContext } from '@modelcontextprotocol/server';
import { hasTaskClientCapabilityV2, TASKS_EXTENSION_ID_V2 } from '@modelcontextprotocol/ext-tasks/core/v2';

export const TASKS_EXTENSION = TASKS_EXTENSION_ID_V2;

/** A request of the modern era carries its envelope; one of the legacy era has none. */
export function isModern(ctx: ServerContext): boolean {
  return ctx.mcpReq.envelope !== undefined;
}

/** Whether this very request declares the extension. */
export function declaresTasks(ctx: ServerContext): boolean {
  return hasTaskClientCapabilityV2({ _meta: ctx.mcpReq.envelope });
}
