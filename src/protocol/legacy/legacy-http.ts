/**
 * What the 2025 era needs of HTTP beyond the SDK's stateless entry, so that a client may reach another instance with each
 * request: a session that the client carries, answers that come by requests of their own, and streams of results that
 * go on elsewhere when one is cut.
 */
import {
  type AuthInfo,
  isJsonContentType,
  LATEST_PROTOCOL_VERSION,
  type McpHandlerRequestOptions,
  ProtocolErrorCode,
  SUPPORTED_PROTOCOL_VERSIONS,
} from '@modelcontextprotocol/server';
import type { Clock, RandomBytes } from '../../clock.ts';
import { isJsonObject, type JsonObject } from '../../domain/json.ts';
import type { Owner } from '../../domain/owner.ts';
import { present } from '../../present.ts';
import { askableWith } from '../capability.ts';
import { type Fetch, readParsed } from '../entry.ts';
import { BUSY, toProtocolError } from '../errors.ts';
import type { RelayedRequests } from './relayed-requests.ts';
import { decodeResumption, encodeResumption, resumableStream } from './resumable-results.ts';
import { encodeSession, SESSION_HEADER, sessionOf } from './session.ts';
import { isAnswer } from './taken-answers.ts';

export interface LegacyHttpOptions {
  readonly relay: RelayedRequests;
  /** Takes a client's answer to what a task or a call asked. */
  readonly takeAnswer: (answer: JsonObject, authInfo: AuthInfo | undefined) => Promise<void>;
  /** `undefined`: the caller can have no tasks. */
  readonly ownerOf: (authInfo: AuthInfo | undefined) => Owner | undefined;
  readonly random: RandomBytes;
  readonly clock: Clock;
  readonly maxRequestBodySize: number;
  /** How long a stream of a result stays open before its client is to come again, in milliseconds; `null`: no bound. */
  readonly maxStreamMs: number | null;
  /** Whether clients get a stream only when it is over: one that asks something is then ended, so that it is asked. */
  readonly isBuffered: boolean;
  /** Fires when the endpoint closes: clients then come again, to the process that follows. */
  readonly closing: AbortSignal;
}

const SESSION_BYTES = 8;
/** The revisions before the one with an envelope in each request. */
const LEGACY_VERSIONS: readonly string[] = SUPPORTED_PROTOCOL_VERSIONS;

export function withLegacyEra(entry: Fetch, options: LegacyHttpOptions): Fetch {
  return async (request, requestOptions = {}) => {
    if (!isLegacy(request)) return entry(request, requestOptions);
    const { authInfo } = requestOptions;
    if (request.method === 'GET') {
      const resumed = decodeResumption(request.headers.get('last-event-id'));
      return resumed === undefined
        ? entry(request, requestOptions)
        : answer(entry, postOf(request), { ...present({ authInfo }), parsedBody: resumed }, options);
    }
    if (request.method !== 'POST' || !isJsonContentType(request.headers.get('content-type'))) {
      return entry(request, requestOptions);
    }
    const parsedBody = requestOptions.parsedBody ?? (await readParsed(request, options.maxRequestBodySize));
    if (parsedBody === undefined) return entry(request, requestOptions);
    return answer(entry, request, { ...present({ authInfo }), parsedBody }, options);
  };
}

async function answer(
  entry: Fetch,
  request: Request,
  requestOptions: McpHandlerRequestOptions & { readonly parsedBody: unknown },
  options: LegacyHttpOptions,
): Promise<Response> {
  const { parsedBody: message, authInfo } = requestOptions;
  if (Array.isArray(message) && message.some(isAnswer)) {
    const refused = await takeAnswers(message.filter(isAnswer) as JsonObject[], authInfo, options);
    if (refused !== undefined) return refused;
    const others = message.filter((each) => !isAnswer(each));
    if (others.length > 0) return entry(request, { ...requestOptions, parsedBody: others });
    return new Response(null, { status: 202 });
  }
  if (!isJsonObject(message)) return entry(request, requestOptions);
  if (isAnswer(message)) {
    return (await takeAnswers([message], authInfo, options)) ?? new Response(null, { status: 202 });
  }
  switch (message.method) {
    case 'initialize':
      return withSession(await entry(request, requestOptions), message, options);
    case 'notifications/cancelled': {
      const session = sessionOf(request.headers);
      if (session !== undefined)
        options.relay.cancelled(message, { owner: options.ownerOf(authInfo), session: session.id });
      return entry(request, requestOptions);
    }
    case 'tasks/result': {
      const left = new AbortController();
      const signal = AbortSignal.any([left.signal, request.signal]);
      const response = await entry(new Request(request, { signal, body: null }), requestOptions);
      const resumable = { id: encodeResumption(message), leave: () => left.abort(), gone: request.signal };
      return resumableStream(response, { ...resumable, ...options });
    }
    default:
      return entry(request, requestOptions);
  }
}

/** The answer to who could not be heard, `undefined` where all were: they may send their answers again. */
async function takeAnswers(
  answers: readonly JsonObject[],
  authInfo: AuthInfo | undefined,
  { takeAnswer }: LegacyHttpOptions,
): Promise<Response | undefined> {
  try {
    for (const each of answers) await takeAnswer(each, authInfo);
    return undefined;
  } catch (error) {
    const { code, message, data } = toProtocolError(error);
    const status = code === BUSY ? 503 : code === ProtocolErrorCode.InternalError ? 500 : 400;
    return Response.json({ jsonrpc: '2.0', id: null, error: { code, message, data } }, { status });
  }
}

/** A request that names a later revision carries all that it needs. */
function isLegacy(request: Request): boolean {
  const version = request.headers.get('mcp-protocol-version');
  return version === null || LEGACY_VERSIONS.includes(version);
}

function withSession(response: Response, { params }: JsonObject, { random }: LegacyHttpOptions): Response {
  if (!response.ok || !isJsonObject(params)) return response;
  const { protocolVersion, capabilities } = params;
  const session = encodeSession({
    revision: LEGACY_VERSIONS.find((known) => known === protocolVersion) ?? LATEST_PROTOCOL_VERSION,
    askable: askableWith(capabilities),
    id: Buffer.from(random(SESSION_BYTES)).toString('hex'),
  });
  const headers = new Headers(response.headers);
  headers.set(SESSION_HEADER, session);
  return new Response(response.body, { status: response.status, headers });
}

/** The request that a client goes on with, as it sent it first. */
function postOf(request: Request): Request {
  const headers = new Headers(request.headers);
  headers.set('accept', 'application/json, text/event-stream');
  headers.set('content-type', 'application/json');
  headers.delete('last-event-id');
  return new Request(request.url, { method: 'POST', headers, signal: request.signal });
}
