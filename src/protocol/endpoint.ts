/** The HTTP face of a server with tasks: the SDK's entry, with what tasks need of either era added. */
import { type AuthInfo, createMcpHandler, McpServer, type McpServerFactory } from '@modelcontextprotocol/server';
import { type Clock, systemRandom } from '../clock.ts';
import { present } from '../present.ts';
import type { Logger } from '../runtime/logger.ts';
import type { TaskStore } from '../store/task-store.ts';
import { withBoundedStreams } from './bounded-streams.ts';
import { withBodiesReadBefore } from './http-bodies.ts';
import { type HeaderMode, reportRefusals, withFilledHeaders } from './http-headers.ts';
import { withLegacyEra } from './legacy/legacy-http.ts';
import { RelayedRequests } from './legacy/relayed-requests.ts';
import { capabilitiesWith, sessionOf } from './legacy/session.ts';
import { withTaskSubscriptions } from './listen.ts';
import { declareFor } from './sdk-handlers.ts';
import type { TasksExtension } from './tasks-extension.ts';

/** Room for the largest value that is kept, and what surrounds it. */
export const MAX_REQUEST_BYTES = 6 * 1024 * 1024;
const LOOK_EVERY_MS = 1_000;

export interface FetchOptions {
  /** Of a caller whose credentials the host has verified. */
  readonly authInfo?: AuthInfo;
  /** What was made of the body by something that has read it before, such as `express.json()`. */
  readonly parsedBody?: unknown;
}

export type FetchHandler = (request: Request, options?: FetchOptions) => Promise<Response>;

export interface EndpointOptions {
  readonly name: string;
  readonly version: string;
  readonly instructions?: string | undefined;
  readonly extension: TasksExtension;
  readonly store: TaskStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Fires before `close`: open subscriptions of tasks then end. */
  readonly closing: AbortSignal;
  /** How long a subscription stays open, in seconds; `null`: no bound. */
  readonly maxStreamSeconds: number | null;
  readonly headers: HeaderMode;
  /** Makes the server of one request, for one that offers more than task tools. @default a bare one */
  readonly createServer?: McpServerFactory | undefined;
}

export interface Endpoint {
  readonly fetch: FetchHandler;
  /** Ends open streams. */
  close(): Promise<void>;
}

export function createEndpoint(options: EndpointOptions): Endpoint {
  const { name, version, instructions, extension, store, clock, logger, closing } = options;
  const createServer =
    options.createServer ??
    (() =>
      // Tools are fixed when the server starts, so there is no change to tell of.
      new McpServer(
        { name, version },
        { capabilities: { tools: { listChanged: false } }, ...present({ instructions }) },
      ));
  const relay = new RelayedRequests({ answers: store.relayedAnswers, random: systemRandom, clock, logger });
  const handler = createMcpHandler(
    async (ctx) => {
      const server = await createServer(ctx);
      if (!(server instanceof McpServer)) throw new Error('createServer must return an McpServer.');
      extension.attach(server);
      if (ctx.era === 'legacy') {
        const session = ctx.requestInfo === undefined ? undefined : sessionOf(ctx.requestInfo.headers);
        if (session !== undefined) declareFor(server.server, capabilitiesWith(session.askable));
        relay.watch(server, { owner: extension.knownOwner(ctx.authInfo), session: session?.id });
      }
      return server;
    },
    {
      maxRequestBodySize: MAX_REQUEST_BYTES,
      onerror: reportRefusals(logger),
    },
  );
  const { maxStreamSeconds } = options;
  const bothEras = withLegacyEra(handler.fetch, {
    relay,
    takeAnswer: async (answer, authInfo) => {
      await relay.take(answer, extension.knownOwner(authInfo));
      await extension.takeAnswer(answer, authInfo);
    },
    random: systemRandom,
    clock,
    maxRequestBodySize: MAX_REQUEST_BYTES,
    maxStreamMs: maxStreamSeconds === null ? null : maxStreamSeconds * 1000,
    closing,
  });
  const unbounded = withTaskSubscriptions(bothEras, {
    store,
    clock,
    ownerOf: (authInfo) => extension.ownerOf(authInfo),
    onLook: (stored) => extension.heal(stored),
    lookEveryMs: LOOK_EVERY_MS,
    maxRequestBodySize: MAX_REQUEST_BYTES,
    closing,
  });
  const strict = maxStreamSeconds === null ? unbounded : withBoundedStreams(unbounded, maxStreamSeconds, clock);
  const lenient = () => withFilledHeaders(strict, { logger, maxRequestBytes: MAX_REQUEST_BYTES });
  const fetch = withBodiesReadBefore(options.headers === 'lenient' ? lenient() : strict, logger);
  return {
    fetch: (request, requestOptions) => fetch(request, requestOptions ?? {}),
    close: () => handler.close(),
  };
}
