/** The MCP endpoint: API Gateway's events, streamed or buffered, and direct invocations. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
// oxlint-disable-next-line import/no-named-as-default -- its types know the default export only
import middy from '@middy/core';
import { executionModeStandard } from '@middy/core/Standard';
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse';
import type { Context } from 'aws-lambda';
// The construct points this name at the team's own file; here it is lambda/tools.ts.
import * as toolsFile from '#tools';
import { NO_ORIGINS_KNOWN, onlyOrigins } from '../src/protocol/cross-origin.ts';
import { createTaskEndpoint } from '../src/server/create-task-endpoint.ts';
import { createAuthenticate } from './authentication/authentication.ts';
import { createRequestHandler } from './endpoint/request-handler.ts';
import { foundation, once } from './shared/composition.ts';
import { oneOf, readEnvironment, unlessEmpty, wholeNumber } from './shared/environment.ts';
import { logger, powertoolsLogger } from './shared/observability.ts';
import { servedBy } from './shared/served.ts';
import { HEADER_MODES, RESPONSE_MODES, SERVICE, SWITCH } from './shared/words.ts';

const settings = readEnvironment(process.env);
const mode = oneOf(settings, 'responseMode', RESPONSE_MODES, 'stream');
const allowedOrigins = unlessEmpty(settings, 'allowedOrigins')?.split(' ');
const origins =
  allowedOrigins === undefined ? NO_ORIGINS_KNOWN : onlyOrigins((origin) => allowedOrigins.includes(origin));
const maxAnswerBytes = wholeNumber(settings, 'maxAnswerBytes');

const server = once(async () => {
  const { environment, store, queue } = await foundation();
  const { fetch } = createTaskEndpoint({
    name: environment.serverName ?? SERVICE,
    version: environment.serverVersion ?? '0.0.0',
    allowAnonymous: environment.authMode === 'none',
    ...servedBy(toolsFile),
    store,
    queue,
    logger,
    maxStreamSeconds: wholeNumber(environment, 'maxStreamSeconds'),
    maxAnswerBytes,
    headers: oneOf(environment, 'headers', HEADER_MODES, 'strict'),
    taskTools: oneOf(environment, 'taskTools', SWITCH, 'false') === 'true',
    ...(mode === 'stream' ? {} : { progressCallWaitMs: null }),
  });
  return { fetch, authenticate: await createAuthenticate(environment, logger) };
});

const handleRequest = createRequestHandler({ server, mode, logger, origins, maxAnswerBytes });

const executionMode = mode === 'stream' ? executionModeStreamifyResponse : executionModeStandard;

export const handler = middy({ executionMode, timeoutEarlyInMillis: 0 })
  .use(injectLambdaContext(powertoolsLogger, { resetKeys: true }))
  .handler((event: unknown, context: Context) => handleRequest(event, context.getRemainingTimeInMillis()));
