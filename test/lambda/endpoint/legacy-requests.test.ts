/**
 * What a client of the 2025 era sends besides its requests, as events of API Gateway: answers to questions, and a GET that
 * goes on with a stream. Both are authenticated like all else, and serve their owner alone.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { createAuthenticate } from '../../../lambda/authentication/authentication.ts';
import type { HttpResult } from '../../../lambda/endpoint/http-event.ts';
import { createRequestHandler } from '../../../lambda/endpoint/request-handler.ts';
import type { Environment } from '../../../lambda/shared/environment.ts';
import { inputRequired, inputResponse } from '../../../src/protocol/sdk.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { bearing } from '../../support/lambda/callers.ts';
import { type EventParts, RESOURCE, restProxyEvent } from '../../support/lambda/events.ts';
import { startIssuer, type TestIssuer } from '../../support/lambda/test-issuer.ts';
import { LegacyClient, readerOf } from '../../support/legacy-client.ts';
import { type HeldServer, holdServer } from '../../support/mcp-server.ts';

const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
const QUESTION = { message: 'Who?', requestedSchema: { type: 'object' as const, properties: {} } };

const asks = defineTaskTool({
  name: 'asks',
  description: 'Asks as a task.',
  inputSchema: z.object({}),
  run: async (_args, task) => text((await task.elicit(QUESTION)).action),
});
const asksWithin = defineTaskTool({
  name: 'asks_within',
  description: 'Asks within the call.',
  taskSupport: 'forbidden',
  inputSchema: z.object({}),
  run: async (_args, call) => {
    const answer = inputResponse(call.inputResponses ?? {}, 'who');
    if (answer.kind === 'missing') return inputRequired({ inputRequests: { who: inputRequired.elicit(QUESTION) } });
    return text(answer.kind === 'elicit' ? answer.action : answer.kind);
  },
});

let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startIssuer(RESOURCE);
});

afterAll(async () => {
  await issuer[Symbol.asyncDispose]();
});

interface Way {
  readonly environment: () => Environment;
  readonly caller: (name: string) => Promise<EventParts>;
  /** Of a caller without credentials. */
  readonly refused: number;
}

const WAYS: Readonly<Record<string, Way>> = {
  IAM: {
    environment: () => ({ authMode: 'iam' }),
    caller: async (name) => {
      const account = '111111111111';
      return { context: { identity: { userArn: `arn:aws:iam::${account}:user/${name}`, accountId: account } } };
    },
    refused: 403,
  },
  OAuth: {
    environment: () => ({ authMode: 'jwt', jwtIssuer: issuer.url, jwtJwksUri: issuer.jwksUri }),
    caller: async (name) => bearing(await issuer.sign({ sub: name })),
    refused: 401,
  },
};

const NOBODY: EventParts = { context: { identity: {} } };
const MINUTE_MS = 60_000;
const STREAM_SECONDS = 30;
const outcome = (action: string) => ({ result: { action, content: {} } });

describe.each(Object.entries(WAYS))('with authorization by %s', (_name, { environment, caller, refused }) => {
  let held: HeldServer;
  /** Whichever instance the next request reaches. */
  let serving: HeldServer;
  /** Serves requests of the caller as the function does. */
  let as: (caller: EventParts) => (request: Request) => Promise<Response>;
  let alice: LegacyClient;
  let bob: LegacyClient;

  beforeEach(async () => {
    held = holdServer([asks, asksWithin], { maxStreamSeconds: STREAM_SECONDS });
    serving = held;
    const authenticate = await createAuthenticate(environment(), silentLogger);
    const handle = createRequestHandler({
      server: async () => ({ fetch: serving.server.fetch, authenticate }),
      mode: 'stream',
      logger: silentLogger,
    });
    as = (parts) => async (request) => {
      const rawHeaders = [...[...request.headers].flat(), ...(parts.rawHeaders ?? [])];
      const event = restProxyEvent({ ...parts, method: request.method, rawHeaders, body: await request.text() });
      const { statusCode, headers, body } = (await handle(event, MINUTE_MS)) as HttpResult;
      return new Response(body, { status: statusCode, headers });
    };
    alice = await LegacyClient.connect(as(await caller('alice')));
    bob = alice.at(as(await caller('bob')));
  });

  test('an answer to a task changes nothing unless it is its owner’s [SEC-2 I6 LEG-4]', async () => {
    const taskId = await alice.createTask('asks');
    await held.runDue();
    const [question] = await alice.messages('tasks/get', { taskId });
    expect(question).toMatchObject({ method: 'elicitation/create' });
    const before = await held.stored();

    expect(await bob.answer(question?.id, outcome('decline'))).toBe(202);
    expect(await alice.at(as(NOBODY)).answer(question?.id, outcome('decline'))).toBe(refused);
    expect(await held.stored()).toEqual(before);

    expect(await alice.answer(question?.id, outcome('accept'))).toBe(202);
    await held.runDue();
    expect(await alice.result('tasks/result', { taskId })).toMatchObject(text('accept'));
  });

  test('an answer to a call that is being answered changes nothing unless it is its owner’s [SEC-2 I6 LEG-5]', async () => {
    const stream = await alice.stream('tools/call', { name: 'asks_within', arguments: {} });
    const question = await stream.message();
    expect(question).toMatchObject({ method: 'elicitation/create' });
    const before = await held.stored();
    serving = holdServer([asks, asksWithin], { backend: held.backend, clock: held.clock });

    expect(await bob.answer(question.id, outcome('decline'))).toBe(202);
    expect(await alice.at(as(NOBODY)).answer(question.id, outcome('decline'))).toBe(refused);
    expect(await held.stored()).toEqual(before);

    expect(await alice.answer(question.id, outcome('accept'))).toBe(202);
    await held.clock.advance(1_000);
    expect((await stream.rest()).at(-1)?.result).toMatchObject(text('accept'));
  });

  test('a stream is gone on with by its owner alone [SEC-2 I6 LEG-2]', async () => {
    const taskId = await alice.createTask('asks');
    const stream = await alice.stream('tasks/result', { taskId });
    await stream.next();
    const at = String(stream.lastEventId);
    await held.clock.advance(STREAM_SECONDS * 1_000);
    expect(await stream.rest()).toEqual([]);

    const foreign = readerOf(await bob.resume(at));
    expect((await foreign.rest()).map(({ error }) => error?.code)).toEqual([-32602]);
    const anonymous = await alice.at(as(NOBODY)).resume(at);
    expect([anonymous.status, await anonymous.json()]).toMatchObject([refused, { error: { code: -32000 } }]);

    const own = readerOf(await alice.resume(at));
    await held.runDue();
    expect(await own.message()).toMatchObject({ params: { taskId, status: 'input_required' } });
    await alice.answer((await own.message()).id, outcome('accept'));
    await held.runDue();
    expect((await own.rest()).at(-1)?.result).toMatchObject(text('accept'));
  });
});
