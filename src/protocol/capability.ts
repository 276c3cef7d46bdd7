/** What clients declare, in the 2026-07-28 era with each request: the tasks extension, and what they can be asked for. */
import { CLIENT_CAPABILITIES_META_KEY, type ServerContext } from '@modelcontextprotocol/server';
import type { Askable } from '../domain/askable.ts';
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
  const capabilities = capabilitiesOf(meta);
  const extensions = isJsonObject(capabilities) ? capabilities.extensions : undefined;
  return isJsonObject(extensions) && isJsonObject(extensions[TASKS_EXTENSION]);
}

/** What a request's `_meta` declares that its client can be asked for. */
export function metaAskable(meta: unknown): readonly Askable[] {
  return askableWith(capabilitiesOf(meta));
}

/** What a client with these capabilities can be asked for: elicitation that names no mode is that of forms. */
export function askableWith(capabilities: unknown): readonly Askable[] {
  if (!isJsonObject(capabilities)) return [];
  const { elicitation, sampling, roots } = capabilities;
  const askable: Askable[] = [];
  if (isJsonObject(elicitation)) {
    const { form, url } = elicitation;
    if (form !== undefined || url === undefined) askable.push('elicitation.form');
    if (url !== undefined) askable.push('elicitation.url');
  }
  if (isJsonObject(sampling)) {
    askable.push('sampling');
    if (sampling.tools !== undefined) askable.push('sampling.tools');
  }
  if (isJsonObject(roots)) askable.push('roots');
  return askable;
}

function capabilitiesOf(meta: unknown): unknown {
  return isJsonObject(meta) ? meta[CLIENT_CAPABILITIES_META_KEY] : undefined;
}
