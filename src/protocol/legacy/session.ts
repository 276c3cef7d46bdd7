/**
 * What a client of the 2025 era says once, in `initialize`, carried by the client itself: its session id is no key to
 * anything that the server keeps, but the revision and what the client can be asked for, so that any instance can read
 * it, also after a restart. A client that writes another one only says other things of itself.
 */
import type { ClientCapabilities } from '@modelcontextprotocol/server';
import type { Askable } from '../../domain/askable.ts';

export const SESSION_HEADER = 'mcp-session-id';

export interface LegacySession {
  /** The negotiated revision of the protocol. */
  readonly revision: string;
  readonly askable: readonly Askable[];
  /** Random; tells the sessions of one client apart. */
  readonly id: string;
}

const LETTERS = {
  'elicitation.form': 'f',
  'elicitation.url': 'u',
  sampling: 's',
  'sampling.tools': 't',
  roots: 'r',
} as const satisfies Record<Askable, string>;
const ALL = Object.entries(LETTERS) as [Askable, string][];

const SESSION = /^(\d{4}-\d{2}-\d{2})\.([a-z]{0,26})\.([0-9a-f]{16})$/;

export function encodeSession({ revision, askable, id }: LegacySession): string {
  return `${revision}.${askable.map((kind) => LETTERS[kind]).join('')}.${id}`;
}

/** `undefined`: the request is of no session, or of one that this server did not name. */
export function sessionOf(headers: Headers): LegacySession | undefined {
  const [, revision, letters, id] = SESSION.exec(headers.get(SESSION_HEADER) ?? '') ?? [];
  if (revision === undefined || letters === undefined || id === undefined) return undefined;
  return { revision, askable: ALL.flatMap(([kind, letter]) => (letters.includes(letter) ? [kind] : [])), id };
}

/** As a client declares what it can be asked for. */
export function capabilitiesWith(askable: readonly Askable[]): ClientCapabilities {
  const has = (kind: Askable) => askable.includes(kind);
  const elicitation = {
    ...(has('elicitation.form') ? { form: {} } : {}),
    ...(has('elicitation.url') ? { url: {} } : {}),
  };
  return {
    ...(Object.keys(elicitation).length > 0 ? { elicitation } : {}),
    ...(has('sampling') ? { sampling: has('sampling.tools') ? { tools: {} } : {} } : {}),
    ...(has('roots') ? { roots: {} } : {}),
  };
}
