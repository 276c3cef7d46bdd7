/** The HTTP face of a server with tasks: the SDK's entry, with what tasks need of either era added. */
import { type AuthInfo, createMcpHandler, McpServer, type McpServerFactory } from '@modelcontextprotocol/server';
import { type Clock, systemRandom } from '../clock.ts';
import { present } from '../present.ts';
import type { Logger } from '../runtime/logger.ts';
import type { TaskStore } from '../store/task-store.ts';
import { withBoundedStreams } from './bounded-streams.ts';
import { withLegacyEra } from './legacy/legacy-http.ts';
import { RelayedRequests } from './legacy/relayed-requests.ts';
import { capabilitiesWith, sessionOf } from './legacy/session.ts';
import { withTaskSubscriptions } from './listen.ts';
import { declareFor } from './sdk-handlers.ts';
import type { TasksExtension } from './tasks-extension.ts';

/** Room for the largest value that is kept, and what surrounds it. */
export const MAX_REQUEST_BYTES = 6 * 1024 * 1024;
const LOOK_EVERY_MS = 1_000;

export type FetchHandler = (request: Request, options?: { readonly authInfo?: AuthInfo }) => Promise<Response>;

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
  /** Where clients get an answer only when it is whole: how long one may take, in milliseconds. @default answers are streamed */
  readonly bufferedWaitMs?: number | undefined;
  /** Makes the server of one request, for one that offers more than task tools. @default a bare one */
  readonly createServer?: McpServerFactory | undefined;
}

export interface Endpoint {
  readonly fetch: FetchHandler;
  /** Ends open streams. */
  close(): Promise<void>;
}

export function createEndpoint(options: EndpointOptions): Endpoint {
  const { name, version, instructions, extension, store, clock, logger, closing, bufferedWaitMs } = options;
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
        if (session !== undefined && bufferedWaitMs === undefined) {
          declareFor(server.server, capabilitiesWith(session.askable));
        }
        relay.watch(server, { owner: extension.knownOwner(ctx.authInfo), session: session?.id });
      }
      return server;
    },
    {
      maxRequestBodySize: MAX_REQUEST_BYTES,
      onerror: (error) => logger.debug('A request was refused', { error: error.name, message: error.message }),
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
    maxStreamMs: bufferedWaitMs ?? (maxStreamSeconds === null ? null : maxStreamSeconds * 1000),
    isBuffered: bufferedWaitMs !== undefined,
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
  const fetch = maxStreamSeconds === null ? unbounded : withBoundedStreams(unbounded, maxStreamSeconds, clock);
  return {
    fetch: (request, requestOptions) => fetch(request, requestOptions ?? {}),
    close: () => handler.close(),
  };
}
