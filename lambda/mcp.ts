/**
 * The MCP endpoint: API Gateway events, streamed or buffered, and direct invocations. Authenticates, then
 * hands the request to the task server.
 */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy, { executionModeStandard, executionModeStreamifyResponse } from '@middy/core';
import type { Context } from 'aws-lambda';
import { systemClock } from '../src/clock.ts';
import { composition } from './shared/composition.ts';
import { answerDirectly, isDirectMessage } from './shared/direct-invocation.ts';
import { oneOf, RESPONSE_MODES, readEnvironment } from './shared/environment.ts';
import { type HttpResult, isHttpEvent, toRequest, toResult } from './shared/http-event.ts';
import { powertoolsLogger } from './shared/observability.ts';
import { unlessListening } from './shared/buffered.ts';

/** Left for ending a stream properly. */
const END_STREAMS_MS = 2_000;

const mode = oneOf(readEnvironment(process.env), 'responseMode', RESPONSE_MODES, 'stream');

async function serve(event: unknown, context: Context): Promise<HttpResult | string> {
  const { tasks, authenticate } = await composition();
  const ending = new AbortController();
  const cancel = systemClock.after(context.getRemainingTimeInMillis() - END_STREAMS_MS, () => ending.abort());
  ending.signal.addEventListener('abort', cancel, { once: true });
  if (isDirectMessage(event)) return answerDirectly(event, tasks.fetch, ending.signal);
  if (!isHttpEvent(event)) throw new Error('This event is neither an HTTP request nor a JSON-RPC message.');
  const request = toRequest(event, ending.signal);
  const caller = await authenticate(request, event);
  const fetch = mode === 'stream' ? tasks.fetch : unlessListening(tasks.fetch);
  return toResult(caller instanceof Response ? caller : await fetch(request, caller), mode);
}

const executionMode = mode === 'stream' ? executionModeStreamifyResponse : executionModeStandard;

export const handler = middy({ executionMode, timeoutEarlyInMillis: 0 })
  .use(injectLambdaContext(powertoolsLogger, { resetKeys: true }))
  .handler(serve);
