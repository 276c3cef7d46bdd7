/** What the MCP function makes of its events: HTTP of both payloads, direct invocations, and failures of each kind. */
import { describe, expect, jest, test } from '@jest/globals';
import type { Authenticate } from '../../../lambda/authentication/authenticated.ts';
import { isDirectMessage } from '../../../lambda/endpoint/direct-invocation.ts';
import { type HttpEvent, type HttpResult, toRequest } from '../../../lambda/endpoint/http-event.ts';
import { createRequestHandler } from '../../../lambda/endpoint/request-handler.ts';
import type { ResponseMode } from '../../../lambda/shared/words.ts';
import type { FetchHandler } from '../../../src/protocol/endpoint.ts';
import type { LogFields } from '../../../src/runtime/logger.ts';
import { httpApiEvent, restProxyEvent } from '../../support/lambda/events.ts';

const MINUTE_MS = 60_000;
const OWNER = { issuer: 'https://issuer.example', subject: 'alice' };
const nobody: Authenticate = async () => ({});

function handling(
  fetch: FetchHandler,
  { mode = 'stream', authenticate = nobody }: { mode?: ResponseMode; authenticate?: Authenticate } = {},
) {
  const logged: unknown[] = [];
  const keep = (text: string, fields?: LogFields) => void logged.push({ text, ...fields });
  const logger = { debug: keep, info: keep, warn: keep, error: keep };
  const handle = createRequestHandler({ server: async () => ({ fetch, authenticate }), mode, logger });
  return { handle, logged };
}

async function http(handle: ReturnType<typeof handling>['handle'], event: HttpEvent, remainingMs = MINUTE_MS) {
  const { statusCode, headers, body } = (await handle(event, remainingMs)) as HttpResult;
  return { statusCode, headers, body: typeof body === 'string' ? body : await new Response(body).text() };
}

const echo: FetchHandler = async (request) =>
  Response.json({
    url: request.url,
    method: request.method,
    headers: Object.fromEntries(request.headers),
    body: await request.text(),
  });
const signalOf = () => new AbortController().signal;

describe('an HTTP event', () => {
  test('becomes a request with its body, headers and host [AWS-2]', async () => {
    const { handle } = handling(echo);

    const { body } = await http(
      handle,
      restProxyEvent({ rawHeaders: ['Content-Type', 'application/json'], body: '{"a":"ü"}' }),
    );

    expect(JSON.parse(body)).toEqual({
      url: 'https://abcdef1234.execute-api.eu-central-1.amazonaws.com/mcp',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"a":"ü"}',
    });
  });

  test('may bring its body in base64 [AWS-2]', async () => {
    const event = {
      ...restProxyEvent(),
      body: Buffer.from('{"a":"ü"}').toString('base64'),
      isBase64Encoded: true,
    } as HttpEvent;

    expect(await toRequest(event, signalOf()).text()).toBe('{"a":"ü"}');
  });

  test('keeps all values of a header that comes more than once, in whatever letters [SEC-3]', () => {
    const event = restProxyEvent({ rawHeaders: ['Mcp-Name', 'a', 'mcp-name', 'b', 'MCP-NAME', 'c'] });

    expect(toRequest(event, signalOf()).headers.get('mcp-name')).toBe('a, b, c');
  });

  test('cannot name another host by its path [SEC-3]', () => {
    const event = { ...restProxyEvent(), path: '//evil.example/mcp' } as HttpEvent;

    expect(new URL(toRequest(event, signalOf()).url).host).toBe('abcdef1234.execute-api.eu-central-1.amazonaws.com');
  });

  test.each([
    '/',
    '/mcp/x',
    '/mcp//',
    '/other',
    '/.well-known/openid-configuration',
    '//mcp',
    '/.well-known/oauth-protected-resource/other',
    '/.well-known/oauth-protected-resource/api/mcp',
  ])('for %s is answered with 404, whoever sends it [SEC-3]', async (path) => {
    const { handle } = handling(echo);

    expect((await http(handle, { ...restProxyEvent(), path })).statusCode).toBe(404);
  });

  test.each(['/mcp', '/mcp/', '/prod/mcp', '/api/v1/mcp/'])(
    'for %s, with a stage or base path that was not taken off, reaches the server [AWS-1]',
    async (path) => {
      const { handle } = handling(echo);

      for (const event of [restProxyEvent({ path }), httpApiEvent({ path })]) {
        expect((await http(handle, event)).statusCode).toBe(200);
      }
    },
  );

  test('for the metadata is answered with 404 where nobody publishes any [SEC-2]', async () => {
    const { handle } = handling(echo);

    expect(
      (await http(handle, restProxyEvent({ method: 'GET', path: '/.well-known/oauth-protected-resource' }))).statusCode,
    ).toBe(404);
  });

  test('reaches the server only with the authentication’s leave [SEC-2]', async () => {
    const authenticate: Authenticate = async () => new Response('no', { status: 401 });
    const { handle } = handling(echo, { authenticate });

    expect(await http(handle, restProxyEvent())).toMatchObject({ statusCode: 401, body: 'no' });
  });

  test('that fails tells its sender nothing of why; the log has it [SEC-4]', async () => {
    const { handle, logged } = handling(async () => {
      throw new Error('the table tasks-42 is gone');
    });

    const { statusCode, body } = await http(handle, restProxyEvent());

    expect([statusCode, JSON.parse(body)]).toEqual([
      500,
      { jsonrpc: '2.0', id: null, error: { code: -32603, message: 'Internal error' } },
    ]);
    expect(logged).toEqual([{ text: 'A request failed', error: 'Error', message: 'the table tasks-42 is gone' }]);
  });

  test('of an unknown kind is refused [SEC-3]', async () => {
    await expect(handling(echo).handle({ Records: [] }, MINUTE_MS)).rejects.toThrow(
      'neither an HTTP request nor a JSON-RPC message',
    );
  });
});

describe('the answer', () => {
  const endless: FetchHandler = async (request) => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\n')),
    });
    return new Response(request.url === '' ? null : body, { headers: { 'content-type': 'text/event-stream' } });
  };

  test('of a stream ends properly before the function’s time is over [AWS-2]', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    try {
      let body: unknown;
      const answer = http(handling(endless).handle, restProxyEvent(), MINUTE_MS).then((result) => {
        body = result.body;
      });

      await jest.advanceTimersByTimeAsync(MINUTE_MS - 2_001);
      expect(body).toBeUndefined();
      await jest.advanceTimersByTimeAsync(1);
      await answer;

      expect(body).toBe('data: 1\n\n');
    } finally {
      jest.useRealTimers();
    }
  });

  test.each([
    ['no body', () => new Response(null, { status: 202 })],
    ['an empty body', () => new Response('', { status: 202 })],
    ['a stream of nothing', () => new Response(new Blob([]).stream(), { status: 202 })],
  ])('with %s gets one where the function streams, since it might never end else [AWS-2]', async (_what, empty) => {
    const answering: FetchHandler = async () => empty();

    expect(await http(handling(answering).handle, restProxyEvent())).toMatchObject({ statusCode: 202, body: '\n' });
    expect(await http(handling(answering, { mode: 'buffered' }).handle, httpApiEvent())).toMatchObject({
      statusCode: 202,
      body: '',
    });
  });

  test.each(['stream', 'buffered'] as const)('leaves no timer behind in a warm instance (%s) [AWS-2]', async (mode) => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const { handle } = handling(echo, { mode });
    await http(handle, restProxyEvent());
    const before = timers();

    for (let request = 0; request < 20; request += 1) await http(handle, restProxyEvent());

    expect(timers()).toBe(before);
  });

  test.each([
    ['that names it in its headers', ['mcp-method', 'subscriptions/listen'], '{"jsonrpc":"2.0","id":5}'],
    ['that does not, as lenient servers let it', [], '{"jsonrpc":"2.0","id":5,"method":"subscriptions/listen"}'],
  ])('to a subscription %s says that this endpoint cannot stream [AWS-2]', async (_which, rawHeaders, message) => {
    const { handle } = handling(echo, { mode: 'buffered' });

    const { statusCode, body } = await http(handle, restProxyEvent({ rawHeaders, body: message }));

    expect(statusCode).toBe(404);
    expect(JSON.parse(body)).toMatchObject({
      id: 5,
      error: { code: -32601, message: expect.stringContaining('poll tasks/get') },
    });
  });
});

describe('a direct invocation', () => {
  const asked: { body: Record<string, unknown>; headers: Headers; authInfo: unknown }[] = [];
  const answering: FetchHandler = async (request, options) => {
    asked.push({
      body: (await request.json()) as Record<string, unknown>,
      headers: request.headers,
      authInfo: options?.authInfo,
    });
    return Response.json({ jsonrpc: '2.0', id: 3, result: {} });
  };
  const get = {
    jsonrpc: '2.0',
    id: 3,
    method: 'tasks/get',
    params: { taskId: 't', _meta: { mine: 1 } },
    owner: { ...OWNER, tenant: 'acme' },
  };

  test('reaches the server in its owner’s name, with the envelope filled in [AWS-3]', async () => {
    await handling(answering).handle(get, MINUTE_MS);

    const { body, headers, authInfo } = asked.at(-1) ?? { body: {}, headers: new Headers(), authInfo: undefined };
    expect(body).toEqual({
      jsonrpc: '2.0',
      id: 3,
      method: 'tasks/get',
      params: {
        taskId: 't',
        _meta: {
          mine: 1,
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientInfo': { name: 'direct-invocation', version: '1' },
          'io.modelcontextprotocol/clientCapabilities': expect.objectContaining({
            extensions: { 'io.modelcontextprotocol/tasks': {} },
          }),
        },
      },
    });
    expect([headers.get('mcp-method'), headers.get('mcp-name')]).toEqual(['tasks/get', 't']);
    expect(authInfo).toMatchObject({ extra: { iss: OWNER.issuer, sub: OWNER.subject, tenant: 'acme' } });
  });

  test('is answered with text by a function that streams, and with an object by one that does not [AWS-3]', async () => {
    expect(await handling(answering).handle(get, MINUTE_MS)).toBe('{"jsonrpc":"2.0","id":3,"result":{}}');
    expect(await handling(answering, { mode: 'buffered' }).handle(get, MINUTE_MS)).toEqual({
      jsonrpc: '2.0',
      id: 3,
      result: {},
    });
  });

  test('gets the last message of an answer that is streamed [AWS-3]', async () => {
    const streaming: FetchHandler = async () =>
      new Response('data: {"method":"notifications/message"}\n\ndata: {"jsonrpc":"2.0","id":3,"result":{"a":1}}\n\n', {
        headers: { 'content-type': 'text/event-stream' },
      });

    expect(await handling(streaming, { mode: 'buffered' }).handle(get, MINUTE_MS)).toEqual({
      jsonrpc: '2.0',
      id: 3,
      result: { a: 1 },
    });
  });

  test.each([
    ['without an owner', undefined],
    ['with an owner without subject', { issuer: 'i' }],
    ['with an owner without issuer', { subject: 's' }],
    ['with an empty subject', { issuer: 'i', subject: '' }],
    ['with a tenant that is no text', { ...OWNER, tenant: 5 }],
    ['with a list for an owner', ['i', 's']],
  ])('%s is refused [AWS-3 SEC-1]', async (_name, owner) => {
    const before = asked.length;

    const answer = await handling(answering, { mode: 'buffered' }).handle({ ...get, owner }, MINUTE_MS);

    expect(answer).toMatchObject({
      id: 3,
      error: { code: -32600, message: expect.stringContaining('needs an owner') },
    });
    expect(asked.length).toBe(before);
  });

  test.each([
    ['for a subscription', { method: 'subscriptions/listen' }, 'cannot stream'],
    ['with params that are no object', { params: [1] }, 'params an object'],
    ['with a method that is no text', { method: 4 }, 'must be text'],
  ])('%s is refused [AWS-3]', async (_name, changes, message) => {
    const answer = await handling(answering, { mode: 'buffered' }).handle({ ...get, ...changes }, MINUTE_MS);

    expect(answer).toMatchObject({ error: { code: -32600, message: expect.stringContaining(message) } });
  });

  test('cannot be smuggled in by HTTP, nor its owner: API Gateway makes the event [AWS-3 SEC-1]', async () => {
    const event = restProxyEvent({
      body: JSON.stringify(get),
      rawHeaders: ['owner', 'x', 'jsonrpc', '2.0', 'method', 'tasks/get'],
    });
    const authenticate: Authenticate = async () => new Response(null, { status: 401 });

    expect(isDirectMessage(event)).toBe(false);
    expect(isDirectMessage({ ...get, ...event })).toBe(false);
    expect((await http(handling(answering, { authenticate }).handle, { ...get, ...event })).statusCode).toBe(401);
  });

  test('that fails tells nothing of why [SEC-4]', async () => {
    const { handle, logged } = handling(async () => {
      throw new Error('the table tasks-42 is gone');
    });

    expect(await handle(get, MINUTE_MS)).toBe(
      '{"jsonrpc":"2.0","id":3,"error":{"code":-32603,"message":"Internal error"}}',
    );
    expect(logged).toHaveLength(1);
  });
});

describe('a buffered answer', () => {
  const LIMIT = 6 * 1024 * 1024;
  const answering = (response: () => Response) => {
    const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const server = async () => ({ fetch: async () => response(), authenticate: nobody });
    return createRequestHandler({ server, mode: 'buffered', logger, maxAnswerBytes: LIMIT });
  };
  const escaped = (result: object) => Buffer.byteLength(JSON.stringify(result));
  /** 3.5 MB of it are 7 MB where they are escaped. */
  const QUOTES = '"'.repeat(1_750_000);

  test('that Lambda could not carry is an error of JSON-RPC that says so, to the same request [AWS-2 LIFE-10]', async () => {
    const handle = answering(() => Response.json({ jsonrpc: '2.0', id: 7, result: { text: QUOTES } }));

    const answer = await http(handle, restProxyEvent());

    expect(answer.statusCode).toBe(200);
    expect(JSON.parse(answer.body)).toEqual({
      jsonrpc: '2.0',
      id: 7,
      error: {
        code: -32603,
        message: expect.stringMatching(/^This answer takes 7\d{6} bytes, .* carries 6291456\. .*api=rest or api=url/),
        data: { reason: 'answer_too_large', bytes: expect.any(Number), limitBytes: LIMIT },
      },
    });
  });

  test('is told so too where it was to be a stream of events [AWS-2 LIFE-10]', async () => {
    const events = `: keepalive\n\nevent: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress' })}\n\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: 'b', result: { text: QUOTES } })}\n\n`;
    const headers = { 'content-type': 'text/event-stream', 'x-kept': '1' };
    const handle = answering(() => new Response(events, { headers }));

    const answer = await http(handle, restProxyEvent());

    expect(answer.headers).toEqual({ 'content-type': 'application/json', 'x-kept': '1' });
    expect(JSON.parse(answer.body)).toMatchObject({ id: 'b', error: { code: -32603 } });
  });

  test.each([
    ['the last byte that fits', 0, 200],
    ['one byte more', 1, 'refused'],
  ])('of %s is what it is [AWS-2 LIFE-10]', async (_what, more, outcome) => {
    const text = (length: number) => JSON.stringify({ jsonrpc: '2.0', id: 1, result: 'x'.repeat(length) });
    const headers = { 'content-type': 'application/json' };
    const around = escaped({ statusCode: 200, headers, body: text(0) });
    const body = text(LIMIT - around + more);
    const handle = answering(() => new Response(body, { headers }));

    const answer = await http(handle, restProxyEvent());

    expect(answer.body === body ? answer.statusCode : 'refused').toBe(outcome);
  });

  test('does not repeat an id that is itself too large [AWS-2 LIFE-10]', async () => {
    const handle = answering(() => Response.json({ jsonrpc: '2.0', id: QUOTES, result: {} }));

    expect(JSON.parse((await http(handle, restProxyEvent())).body)).toMatchObject({
      id: null,
      error: { code: -32603 },
    });
  });
});
