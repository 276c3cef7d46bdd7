/**
 * The MCP endpoint: API Gateway events, streamed or buffered, and direct invocations. Authenticates, then
 * hands the request to the task server.
 */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import { executionModeStandard } from '@middy/core/Standard';
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse';
import type { Context } from 'aws-lambda';
import { systemClock } from '../src/clock.ts';
// The construct points this name at the team's own file; here it is lambda/tools.ts.
import tools from '#tools';
import { createTaskEndpoint } from '../src/server/create-task-endpoint.ts';
import { createAuthenticate } from './shared/authentication.ts';
import { foundation, once } from './shared/composition.ts';
import { answerDirectly, isDirectMessage } from './shared/direct-invocation.ts';
import { oneOf, RESPONSE_MODES, readEnvironment } from './shared/environment.ts';
import { type HttpResult, isHttpEvent, toRequest, toResult } from './shared/http-event.ts';
import { logger, powertoolsLogger } from './shared/observability.ts';
import { unlessListening } from './shared/buffered.ts';

/** Left for ending a stream properly. */
const END_STREAMS_MS = 2_000;

const mode = oneOf(readEnvironment(process.env), 'responseMode', RESPONSE_MODES, 'stream');

const endpoint = once(async () => {
  const { environment, store, queue } = await foundation();
  const { fetch } = createTaskEndpoint({
    name: environment.serverName ?? 'mcp-durable-tasks',
    version: environment.serverVersion ?? '0.0.0',
    allowAnonymous: environment.authMode === 'none',
    tools,
    store,
    queue,
    logger,
  });
  return { fetch, authenticate: createAuthenticate(environment) };
});

async function serve(event: unknown, context: Context): Promise<HttpResult | string> {
  const { fetch, authenticate } = await endpoint();
  const ending = new AbortController();
  const cancel = systemClock.after(context.getRemainingTimeInMillis() - END_STREAMS_MS, () => ending.abort());
  ending.signal.addEventListener('abort', cancel, { once: true });
  if (isDirectMessage(event)) return answerDirectly(event, fetch, ending.signal);
  if (!isHttpEvent(event)) throw new Error('This event is neither an HTTP request nor a JSON-RPC message.');
  const request = toRequest(event, ending.signal);
  const caller = await authenticate(request, event);
  if (caller instanceof Response) return toResult(caller, mode);
  const answer = mode === 'stream' ? fetch : unlessListening(fetch);
  return toResult(await answer(request, caller), mode);
}

const executionMode = mode === 'stream' ? executionModeStreamifyResponse : executionModeStandard;

export const handler = middy({ executionMode, timeoutEarlyInMillis: 0 })
  .use(injectLambdaContext(powertoolsLogger, { resetKeys: true }))
  .handler(serve);
