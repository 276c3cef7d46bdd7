/**
 * What the MCP function does with an event, whatever sent it: authenticates HTTP requests and hands them to the
 * task server, answers direct invocations, ends streams before the function's time is over. What fails is logged;
 * a caller learns no more than that it did.
 */
import { systemClock } from '../../src/clock.ts';
import type { FetchHandler } from '../../src/protocol/endpoint.ts';
import { describeError, type Logger } from '../../src/runtime/logger.ts';
import type { Authenticate } from './authenticated.ts';
import { unlessListening } from './buffered.ts';
import { answerDirectly, internalError, isDirectMessage } from './direct-invocation.ts';
import type { ResponseMode } from './environment.ts';
import { type HttpEvent, type HttpResult, isHttpEvent, type TimeLimit, toRequest, toResult } from './http-event.ts';
import { MCP_PATH, METADATA_PATHS } from './paths.ts';

/** Left for ending a stream properly. */
const END_STREAMS_MS = 2_000;

export interface Server {
  readonly fetch: FetchHandler;
  readonly authenticate: Authenticate;
}

export interface RequestHandlerOptions {
  /** Made with the first event, so that a wrong setting is answered like any other failure. */
  readonly server: () => Promise<Server>;
  readonly mode: ResponseMode;
  readonly logger: Logger;
}

/** For direct invocations: text where the function streams, which sends it as it is, else the JSON-RPC response itself. */
export type RequestHandler = (event: unknown, remainingMs: number) => Promise<HttpResult | string | object>;

export function createRequestHandler({ server, mode, logger }: RequestHandlerOptions): RequestHandler {
  const serve = async (event: HttpEvent, signal: AbortSignal): Promise<Response> => {
    try {
      const { fetch, authenticate } = await server();
      return await answerRequest(event, signal, {
        fetch: mode === 'stream' ? fetch : unlessListening(fetch),
        authenticate,
      });
    } catch (error) {
      logger.error('A request failed', describeError(error));
      return Response.json(internalError(null), { status: 500 });
    }
  };
  const direct = async (message: Parameters<typeof answerDirectly>[0], signal: AbortSignal): Promise<object> => {
    try {
      return await answerDirectly(message, (await server()).fetch, signal);
    } catch (error) {
      logger.error('A direct invocation failed', describeError(error));
      return internalError(message.id ?? null);
    }
  };
  return async (event, remainingMs) => {
    const limit = timeLimit(remainingMs - END_STREAMS_MS);
    if (isDirectMessage(event)) {
      const answer = await direct(event, limit.signal).finally(limit.cancel);
      return mode === 'stream' ? JSON.stringify(answer) : answer;
    }
    if (!isHttpEvent(event)) {
      limit.cancel();
      throw new Error('This event is neither an HTTP request nor a JSON-RPC message.');
    }
    return toResult(await serve(event, limit.signal), mode, limit);
  };
}

async function answerRequest(
  event: HttpEvent,
  signal: AbortSignal,
  { fetch, authenticate }: Server,
): Promise<Response> {
  const request = toRequest(event, signal);
  const { pathname } = new URL(request.url);
  if (pathname !== MCP_PATH && !METADATA_PATHS.includes(pathname)) return notFound();
  const caller = await authenticate(request, event);
  if (caller instanceof Response) return caller;
  return pathname === MCP_PATH ? fetch(request, caller) : notFound();
}

function notFound(): Response {
  return new Response('Not found', { status: 404 });
}

function timeLimit(ms: number): TimeLimit {
  const ending = new AbortController();
  const cancel = systemClock.after(ms, () => ending.abort());
  return { signal: ending.signal, cancel };
}
