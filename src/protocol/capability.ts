/** Who sends a request: its era, and what it has declared, with each request or, in the 2025 era, once for its session. */
import { CLIENT_CAPABILITIES_META_KEY, type Server, type ServerContext } from '@modelcontextprotocol/server';
import type { Askable } from '../domain/askable.ts';
import { isJsonObject } from '../domain/json.ts';
import { type LegacySession, sessionOf } from './legacy/session.ts';

/** SEP-2663. */
export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';
/** The one revision of the 2025 era that knows tasks. */
export const LEGACY_TASKS_REVISION = '2025-11-25';

/** The client of one request. */
export interface Client {
  /** `modern`: 2026-07-28 and what follows; `legacy`: what `initialize` negotiates. */
  readonly era: 'modern' | 'legacy';
  /** Whether this very request declares the tasks extension; of the modern era only. */
  readonly declaresTasks: boolean;
  /** Whether it may speak of tasks as the revision 2025-11-25 does. */
  readonly knowsLegacyTasks: boolean;
  /** What it has declared that it can be asked for. */
  readonly askable: readonly Askable[];
  /** Tells the connections of one client apart, where it says that it has one; legacy era only. */
  readonly session: string;
}

/** A request of the modern era carries its envelope; one of the legacy era has none. */
export function isModern(ctx: ServerContext): boolean {
  return ctx.mcpReq.envelope !== undefined;
}

/**
 * `server`: the one that the request reached, which has seen the client's `initialize` where it serves a connection, which
 * `connection` then names.
 */
export function clientOf(server: Server, ctx: ServerContext, connection: string): Client {
  if (isModern(ctx)) {
    const { envelope } = ctx.mcpReq;
    return {
      era: 'modern',
      declaresTasks: metaDeclaresTasks(envelope),
      knowsLegacyTasks: false,
      askable: metaAskable(envelope),
      session: '',
    };
  }
  const { revision, askable, id } = legacySession(server, ctx, connection);
  return {
    era: 'legacy',
    declaresTasks: false,
    knowsLegacyTasks: revision === LEGACY_TASKS_REVISION,
    askable,
    session: id,
  };
}

function legacySession(server: Server, ctx: ServerContext, connection: string): LegacySession {
  const headers = ctx.http?.req?.headers;
  if (headers === undefined) {
    return {
      revision: server.getNegotiatedProtocolVersion() ?? '',
      askable: askableWith(server.getClientCapabilities()),
      id: connection,
    };
  }
  const session = sessionOf(headers);
  return {
    revision: headers.get('mcp-protocol-version') ?? session?.revision ?? '',
    askable: session?.askable ?? [],
    id: session?.id ?? '',
  };
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
