/** The HTTP face of a server with tasks: the SDK's entry, with what tasks need of either era added. */
import { type AuthInfo, createMcpHandler, type McpServerFactory } from '@modelcontextprotocol/server';
import { type Clock, systemRandom } from '../clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { RelayedAnswers } from '../store/relayed-answers.ts';
import { withBoundedStreams } from './bounded-streams.ts';
import { withBodiesReadBefore } from './http-bodies.ts';
import { type HeaderMode, reportRefusals, withFilledHeaders } from './http-headers.ts';
import { withLegacyEra } from './legacy/legacy-http.ts';
import { RelayedRequests } from './legacy/relayed-requests.ts';
import { capabilitiesWith, sessionOf } from './legacy/session.ts';
import { withTaskSubscriptions } from './listen.ts';
import { declareFor } from './sdk-handlers.ts';
import { type ServedAs, serverFactory } from './server-factory.ts';

/** Room for the largest value that is kept, and what surrounds it. */
export const MAX_REQUEST_BYTES = 6 * 1024 * 1024;

export interface FetchOptions {
  /** Of a caller whose credentials the host has verified. */
  readonly authInfo?: AuthInfo;
  /** What was made of the body by something that has read it before, such as `express.json()`. */
  readonly parsedBody?: unknown;
}

export type FetchHandler = (request: Request, options?: FetchOptions) => Promise<Response>;

export interface EndpointOptions extends ServedAs {
  /** By which an answer reaches a call of another instance. */
  readonly relayedAnswers: RelayedAnswers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Fires before `close`: streams that a client can go on with elsewhere then end. */
  readonly closing: AbortSignal;
  /** How long a stream stays open, in seconds; `null`: no bound. */
  readonly maxStreamSeconds: number | null;
  /** Where clients get an answer only when it is whole: how long one may take, in milliseconds. @default answers are streamed */
  readonly bufferedWaitMs?: number | undefined;
  readonly headers: HeaderMode;
}

export interface Endpoint {
  readonly fetch: FetchHandler;
  /** Ends open streams. */
  close(): Promise<void>;
}

export function createEndpoint(options: EndpointOptions): Endpoint {
  const { extension, clock, logger, closing, relayedAnswers, maxStreamSeconds, bufferedWaitMs } = options;
  const relay = new RelayedRequests({ answers: relayedAnswers, random: systemRandom, clock, logger });
  // Who cannot be told is answered by what the request reaches, and has no calls until then.
  const ownerOf = (authInfo: AuthInfo | undefined) => {
    try {
      return extension.knownOwner(authInfo);
    } catch {
      return undefined;
    }
  };
  const answerWaitMs = maxStreamSeconds === null ? undefined : maxStreamSeconds * 1000;
  const createServer = serverFactory({ ...options, answerWaitMs });
  const createForRequest = async (ctx: Parameters<McpServerFactory>[0]) => {
    const server = await createServer(ctx);
    if (ctx.era === 'modern') return server;
    const session = ctx.requestInfo === undefined ? undefined : sessionOf(ctx.requestInfo.headers);
    // Behind something that buffers, a client would be asked when its call is over: it counts as not to be asked.
    if (session !== undefined && bufferedWaitMs === undefined) {
      declareFor(server.server, capabilitiesWith(session.askable));
    }
    relay.watch(server, { owner: ownerOf(ctx.authInfo), session: session?.id });
    return server;
  };
  const handler = createMcpHandler(createForRequest, {
    maxRequestBodySize: MAX_REQUEST_BYTES,
    onerror: reportRefusals(logger),
  });
  const bothEras = withLegacyEra(handler.fetch, {
    relay,
    ownerOf,
    takeAnswer: async (answer, authInfo) => {
      await relay.take(answer, extension.knownOwner(authInfo));
      await extension.takeAnswer(answer, authInfo);
    },
    random: systemRandom,
    clock,
    maxRequestBodySize: MAX_REQUEST_BYTES,
    maxStreamMs: bufferedWaitMs ?? (maxStreamSeconds === null ? null : maxStreamSeconds * 1000),
    isBuffered: bufferedWaitMs !== undefined,
    closing,
  });
  const unbounded = withTaskSubscriptions(bothEras, {
    subscriptions: extension.subscriptions,
    clock,
    maxRequestBodySize: MAX_REQUEST_BYTES,
  });
  const strict = maxStreamSeconds === null ? unbounded : withBoundedStreams(unbounded, maxStreamSeconds, clock);
  const lenient = () => withFilledHeaders(strict, { logger, maxRequestBytes: MAX_REQUEST_BYTES });
  const fetch = withBodiesReadBefore(options.headers === 'lenient' ? lenient() : strict, logger);
  return {
    fetch: (request, requestOptions) => fetch(request, requestOptions ?? {}),
    close: () => handler.close(),
  };
}
