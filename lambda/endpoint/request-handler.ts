/**
 * What the MCP function does with an event, whatever sent it: authenticates HTTP requests and hands them to the
 * task server, answers direct invocations, ends streams before the function's time is over. What fails is logged;
 * a caller learns no more than that it did. What cannot be read is the sender's fault: told to them, and no failure.
 */
import { systemClock } from '../../src/clock.ts';
import {
  answeredBeforehand,
  NO_ORIGINS_KNOWN,
  type OriginPolicy,
  publicPreflight,
  withHeaders,
} from '../../src/protocol/cross-origin.ts';
import type { FetchHandler } from '../../src/protocol/endpoint.ts';
import { isMcpPath, NO_MCP_PATH, refusedRequest } from '../../src/protocol/http-requests.ts';
import { describeError, type Logger } from '../../src/runtime/logger.ts';
import type { Authenticate } from '../authentication/authenticated.ts';
import type { ResponseMode } from '../shared/words.ts';
import { isMetadataPath } from '../shared/words.ts';
import { carriedResult } from './answer-limit.ts';
import { unlessListening } from './buffered.ts';
import { answerDirectly, idOf, internalError, isServiceEvent } from './direct-invocation.ts';
import {
  type HttpEvent,
  type HttpResult,
  isHttpEvent,
  originOf,
  type TimeLimit,
  toRequest,
  toResult,
  UnreadableRequest,
} from './http-event.ts';

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
  /** Which web pages may call. @default - none is refused, and no page of another origin can read an answer */
  readonly origins?: OriginPolicy;
  /** Of a buffered answer, in bytes of its text within a JSON string. @default no bound */
  readonly maxAnswerBytes?: number | undefined;
}

/** For direct invocations: text where the function streams, which sends it as it is, else the JSON-RPC response itself. */
export type RequestHandler = (event: unknown, remainingMs: number) => Promise<HttpResult | string | object>;

export function createRequestHandler(options: RequestHandlerOptions): RequestHandler {
  const { server, mode, logger, origins = NO_ORIGINS_KNOWN, maxAnswerBytes } = options;
  const respond = async (event: HttpEvent, signal: AbortSignal): Promise<Response> => {
    try {
      const request = toRequest(event, signal);
      // Before anybody is authenticated: a browser asks without credentials.
      const answered = answerWithoutCaller(request, origins);
      if (answered !== undefined) return answered;
      const { fetch, authenticate } = await server();
      return await answerRequest(event, request, {
        fetch: mode === 'stream' ? fetch : unlessListening(fetch),
        authenticate,
      });
    } catch (error) {
      if (error instanceof UnreadableRequest) return error.response;
      logger.error('A request failed', describeError(error));
      return Response.json(internalError(null), { status: 500 });
    }
  };
  const serve = async (event: HttpEvent, signal: AbortSignal): Promise<Response> =>
    withHeaders(await respond(event, signal), origins.headersFor(originOf(event)));
  const direct = async (message: unknown, signal: AbortSignal): Promise<object> => {
    try {
      return await answerDirectly(message, async () => (await server()).fetch, signal);
    } catch (error) {
      logger.error('A direct invocation failed', describeError(error));
      return internalError(idOf(message));
    }
  };
  return async (event, remainingMs) => {
    // Nobody would read an answer, and a queue would take it for done: the function is wired to the wrong thing.
    if (isServiceEvent(event)) throw new Error('This event is neither an HTTP request nor a JSON-RPC message.');
    const limit = timeLimit(remainingMs - END_STREAMS_MS);
    if (isHttpEvent(event)) {
      const result = await toResult(await serve(event, limit.signal), mode, limit);
      return carriedResult(result, maxAnswerBytes);
    }
    const answer = await direct(event, limit.signal).finally(limit.cancel);
    return mode === 'stream' ? JSON.stringify(answer) : answer;
  };
}

/** Metadata is for everybody. */
function answerWithoutCaller(request: Request, origins: OriginPolicy): Response | undefined {
  if (isMetadataPath(new URL(request.url).pathname)) return publicPreflight(request);
  return answeredBeforehand(origins, request.method, (name) => request.headers.get(name));
}

async function answerRequest(event: HttpEvent, request: Request, { fetch, authenticate }: Server): Promise<Response> {
  const { pathname } = new URL(request.url);
  const isForServer = isMcpPath(pathname);
  if (!isForServer && !isMetadataPath(pathname)) return notFound();
  const caller = await authenticate(request, event);
  if (caller instanceof Response) return caller;
  return isForServer ? fetch(request, caller) : notFound();
}

function notFound(): Response {
  return refusedRequest(404, NO_MCP_PATH);
}

function timeLimit(ms: number): TimeLimit {
  const ending = new AbortController();
  const cancel = systemClock.after(ms, () => ending.abort());
  return { signal: ending.signal, cancel };
}
