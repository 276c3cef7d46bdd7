/** The HTTP face of a server with tasks: the SDK's entry for both eras, with task subscriptions added. */
import { type AuthInfo, createMcpHandler } from '@modelcontextprotocol/server';
import type { Clock } from '../clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { withBoundedStreams } from './bounded-streams.ts';
import { withTaskSubscriptions } from './listen.ts';
import { type ServedAs, serverFactory } from './server-factory.ts';

/** Room for the largest value that is kept, and what surrounds it. */
export const MAX_REQUEST_BYTES = 6 * 1024 * 1024;

export type FetchHandler = (request: Request, options?: { readonly authInfo?: AuthInfo }) => Promise<Response>;

export interface EndpointOptions extends ServedAs {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a subscription stays open, in seconds; `null`: no bound. */
  readonly maxStreamSeconds: number | null;
}

export interface Endpoint {
  readonly fetch: FetchHandler;
  /** Ends open streams. */
  close(): Promise<void>;
}

export function createEndpoint(options: EndpointOptions): Endpoint {
  const { extension, clock, logger } = options;
  const handler = createMcpHandler(serverFactory(options), {
    maxRequestBodySize: MAX_REQUEST_BYTES,
    onerror: (error) => logger.debug('A request was refused', { error: error.name, message: error.message }),
  });
  const unbounded = withTaskSubscriptions(handler.fetch, {
    subscriptions: extension.subscriptions,
    clock,
    maxRequestBodySize: MAX_REQUEST_BYTES,
  });
  const { maxStreamSeconds } = options;
  const fetch = maxStreamSeconds === null ? unbounded : withBoundedStreams(unbounded, maxStreamSeconds, clock);
  return {
    fetch: (request, requestOptions) => fetch(request, requestOptions ?? {}),
    close: () => handler.close(),
  };
}
