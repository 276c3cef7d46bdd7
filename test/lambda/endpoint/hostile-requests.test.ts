/**
 * What a caller can send that cannot be parsed is never taken for a failure of ours: no 5xx, on which alarms go off,
 * and no error line; a small JSON body, nothing stored, and a function that goes on.
 */
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createAuthenticate } from '../../../lambda/authentication/authentication.ts';
import type { HttpEvent, HttpResult } from '../../../lambda/endpoint/http-event.ts';
import { createRequestHandler, type RequestHandler } from '../../../lambda/endpoint/request-handler.ts';
import type { Logger } from '../../../src/runtime/logger.ts';
import { greet } from '../../support/hostile-world.ts';
import { httpApiEvent, restProxyEvent } from '../../support/lambda/events.ts';
import { HOSTILE_EVENTS, type HostileEvent } from '../../support/lambda/hostile-events.ts';
import { HOSTILE_MESSAGES } from '../../support/lambda/hostile-messages.ts';
import { envelope, mcpHeaders } from '../../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../../support/mcp-server.ts';
import { strainOf } from '../../support/strain.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
const SMALL_BYTES = 2_048;

let held: HeldServer;
let failures: string[];
let handle: RequestHandler;
let handleBuffered: RequestHandler;
let handleAuthorized: RequestHandler;

beforeAll(async () => {
  failures = [];
  const fail = (message: string) => void failures.push(message);
  const logger: Logger = { debug() {}, info() {}, warn: fail, error: fail };
  held = holdServer([greet], { allowAnonymous: true, logger });
  const handling = async (mode: 'stream' | 'buffered', environment: object) => {
    const authenticate = await createAuthenticate(environment, logger);
    return createRequestHandler({ server: async () => ({ fetch: held.server.fetch, authenticate }), mode, logger });
  };
  handle = await handling('stream', { authMode: 'none' });
  handleBuffered = await handling('buffered', { authMode: 'none' });
  handleAuthorized = await handling('stream', { authMode: 'jwt', jwtIssuer: 'https://issuer.example' });
});

beforeEach(() => {
  failures.length = 0;
});

const KINDS = { rest: restProxyEvent, http: httpApiEvent } as const;
type Kind = keyof typeof KINDS;
const REQUESTS = HOSTILE_EVENTS.flatMap((event) => (['rest', 'http'] as const).map((kind) => ({ ...event, kind })));

const eventOf = (kind: Kind, { parts, changes }: Pick<HostileEvent, 'parts' | 'changes'>): HttpEvent => ({
  ...KINDS[kind](parts),
  ...changes,
});

async function send(handler: RequestHandler, event: HttpEvent) {
  const { statusCode, headers, body } = (await handler(event, MINUTE_MS)) as HttpResult;
  return { statusCode, headers, text: typeof body === 'string' ? body : await new Response(body).text() };
}

async function expectUnharmed(): Promise<void> {
  expect(failures).toEqual([]);
  expect((await held.stored()).size).toBe(0);
  const rawHeaders = Object.entries(mcpHeaders('server/discover', {})).flat();
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: envelope() } });
  expect((await send(handle, restProxyEvent({ rawHeaders, body }))).statusCode).toBe(200);
}

test('there are two hundred hostile requests and more', () => {
  expect(REQUESTS.length + HOSTILE_MESSAGES.length).toBeGreaterThanOrEqual(200);
  expect(new Set(HOSTILE_EVENTS.map(({ name }) => name)).size).toBe(HOSTILE_EVENTS.length);
  expect(new Set(HOSTILE_MESSAGES.map(({ name }) => name)).size).toBe(HOSTILE_MESSAGES.length);
});

describe('an HTTP request', () => {
  test.each(REQUESTS)('with $name ($kind) is refused with $status, and is no failure [SEC-3]', async (request) => {
    const { statusCode, headers, text } = await send(handle, eventOf(request.kind, request));

    expect(statusCode).toBe(request.status);
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(JSON.parse(text)).toMatchObject({ jsonrpc: '2.0', error: { code: expect.any(Number) } });
    expect(text.length).toBeLessThan(SMALL_BYTES);
    await expectUnharmed();
  });

  test.each(REQUESTS)(
    'with $name ($kind) is refused before anybody’s token is looked at [SEC-2 SEC-3]',
    async (request) => {
      const { statusCode, text } = await send(handleAuthorized, eventOf(request.kind, request));

      expect([400, 401, 404, 405, ...(isMetadata(request) ? [200] : [])]).toContain(statusCode);
      expect(JSON.parse(text)).toEqual(expect.any(Object));
      await expectUnharmed();
    },
  );

  test.each(['null', '5', '"x"', '[]', '{', '', '{"id":{}}', '{"id":[1]}'])(
    'for a subscription with the body %s is told that this endpoint cannot stream, where it cannot [SEC-3]',
    async (body) => {
      const event = restProxyEvent({ rawHeaders: ['mcp-method', 'subscriptions/listen'], body });

      const { statusCode, text } = await send(handleBuffered, event);

      expect([statusCode, JSON.parse(text)]).toMatchObject([404, { id: null, error: { code: -32601 } }]);
      await expectUnharmed();
    },
  );

  test('that names the method that it may not use is told those that it may [SEC-3]', async () => {
    const { headers } = await send(handle, restProxyEvent({ method: 'TRACE' }));

    expect(headers['allow']).toBe('POST, GET, DELETE, OPTIONS, HEAD, PUT, PATCH');
  });

  test.each([
    ['a list for a header', { multiValueHeaders: { x: 'text' }, headers: {} }, 404],
    ['a host that is none', { requestContext: { domainName: 'a b' } }, 400],
    ['no identity', { requestContext: {} }, 404],
  ])('that an invoker has made up, with %s, is no failure either [AWS-3 SEC-3]', async (_what, changes, status) => {
    const event = { ...restProxyEvent({ path: '/other' }), ...changes } as unknown as HttpEvent;

    expect((await send(handle, event)).statusCode).toBe(status);
    await expectUnharmed();
  });
});

function isMetadata({ changes }: Pick<HostileEvent, 'changes'>): boolean {
  return changes?.['path'] === '/.well-known/oauth-protected-resource';
}

describe('a direct invocation', () => {
  test.each(HOSTILE_MESSAGES)(
    'with $name is told what is wrong, and is no failure [AWS-3 SEC-3 SEC-7]',
    async (row) => {
      const answer = await handleBuffered(row.message, MINUTE_MS);

      expect(answer).toMatchObject({
        jsonrpc: '2.0',
        id: row.id ?? null,
        error: { code: row.code, message: expect.any(String) },
      });
      expect(JSON.stringify(answer).length).toBeLessThan(12_000);
      await expectUnharmed();
    },
  );

  test.each([{ Records: [] }, { version: '0', 'detail-type': 'x', source: 'aws.s3' }])(
    'by a service that is wired to the function by mistake fails, and loses nothing: %j [SEC-3]',
    async (event) => {
      await expect(handle(event, MINUTE_MS)).rejects.toThrow('neither an HTTP request nor a JSON-RPC message');
    },
  );
});

test('hostile requests keep no memory, and hold nobody up [SEC-8]', async () => {
  const all = [
    ...REQUESTS.map((request) => () => send(handle, eventOf(request.kind, request))),
    ...HOSTILE_MESSAGES.map(
      ({ message }) =>
        () =>
          handleBuffered(message, MINUTE_MS),
    ),
  ];
  await strainOf(all);

  const { keptBytes, longestHoldMs } = await strainOf([...all, ...all, ...all, ...all, ...all]);

  expect(keptBytes).toBeLessThan(32 * MIB);
  expect(longestHoldMs).toBeLessThan(3_000);
  await expectUnharmed();
});
