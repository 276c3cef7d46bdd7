/** A web page calls the deployed endpoint: its browser asks without a token, and everything that comes back may be read. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { createAuthenticate } from '../../../lambda/authentication/authentication.ts';
import { createRequestHandler } from '../../../lambda/endpoint/request-handler.ts';
import { present } from '../../../src/present.ts';
import { NO_ORIGINS_KNOWN, type OriginPolicy, onlyOrigins } from '../../../src/protocol/cross-origin.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { restProxyEvent } from '../../support/lambda/events.ts';
import { type Gateway, type GatewayOptions, startGateway } from '../../support/lambda/gateway.ts';

const ISSUER = 'https://issuer.example.com';
const PAGE = 'https://app.example.com';
const ASKS = {
  origin: PAGE,
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'authorization,content-type,mcp-protocol-version',
};
const pages = onlyOrigins((origin) => origin === PAGE);

let gateway: Gateway | undefined;
afterEach(() => gateway?.close());

async function handlerWith(origins: OriginPolicy | undefined) {
  const authenticate = await createAuthenticate(
    { authMode: 'jwt', jwtIssuer: ISSUER, jwtJwksUri: `${ISSUER}/keys` },
    silentLogger,
  );
  return createRequestHandler({
    server: async () => ({ fetch: async () => new Response('served'), authenticate }),
    mode: 'buffered',
    logger: silentLogger,
    ...present({ origins }),
  });
}

async function endpointBehind(options: Omit<GatewayOptions, 'invoke'>, origins?: OriginPolicy): Promise<string> {
  const handle = await handlerWith(origins);
  const invoke = async (event: unknown) =>
    ({ kind: 'response', body: JSON.stringify(await handle(event, 60_000)) }) as const;
  gateway = await startGateway({ ...options, invoke });
  return gateway.url;
}

describe.each([
  ['a REST API', { api: 'rest', ownDomain: true }],
  ['an HTTP API, or a function URL', { api: 'http' }],
] as const)('behind %s', (_name, options) => {
  test('a preflight needs no token, and is let in by the list of origins [SEC-6]', async () => {
    const url = await endpointBehind(options, pages);

    const answer = await fetch(url, { method: 'OPTIONS', headers: ASKS });

    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, PAGE]);
    expect(answer.headers.get('access-control-allow-headers')).toMatch(/\bauthorization\b.*\bmcp-protocol-version\b/);
  });

  test('the page reads that it has to log in, and the challenge under its renamed name [SEC-6]', async () => {
    const url = await endpointBehind(options, pages);

    const refused = await fetch(url, { method: 'POST', headers: { origin: PAGE }, body: '{}' });

    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, PAGE]);
    expect(refused.headers.get('access-control-expose-headers')).toContain('x-amzn-remapped-www-authenticate');
  });

  test('the metadata, and the preflight for it, are for pages of any origin [SEC-6]', async () => {
    const url = new URL('/.well-known/oauth-protected-resource/mcp', await endpointBehind(options));

    const asked = await fetch(url, {
      method: 'OPTIONS',
      headers: { ...ASKS, origin: 'https://other.example', 'access-control-request-method': 'GET' },
    });
    const metadata = await fetch(url, { headers: { origin: 'https://other.example' } });

    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([200, '*']);
    expect(asked.headers.get('access-control-allow-headers')).toContain('mcp-protocol-version');
    expect([metadata.status, metadata.headers.get('access-control-allow-origin')]).toEqual([200, '*']);
  });

  test('without a list no page is refused, and none can read an answer [SEC-6]', async () => {
    const url = await endpointBehind(options);

    const asked = await fetch(url, { method: 'OPTIONS', headers: ASKS });
    const refused = await fetch(url, { method: 'POST', headers: { origin: PAGE }, body: '{}' });

    expect([asked.status, refused.status]).toEqual([200, 401]);
    for (const { headers } of [asked, refused]) expect(headers.has('access-control-allow-origin')).toBe(false);
  });

  test('pages that are not on the list are refused before they are authenticated [SEC-6 SEC-3]', async () => {
    const url = await endpointBehind(options, pages);

    const refused = await fetch(url, { method: 'POST', headers: { origin: 'https://evil.example' }, body: '{}' });

    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([403, null]);
  });
});

describe('what fails before there is a request, or after it', () => {
  async function headersOf(event: object): Promise<{ statusCode: number; headers: Record<string, string> }> {
    const handle = createRequestHandler({
      server: () => Promise.reject(new Error('a setting is wrong')),
      mode: 'buffered',
      logger: silentLogger,
      origins: pages,
    });
    return (await handle(event, 60_000)) as never;
  }

  test.each([
    ['an HTTP method that is not served', restProxyEvent({ method: 'TRACE', rawHeaders: ['Origin', PAGE] }), 405],
    ['a failure of ours', restProxyEvent({ rawHeaders: ['ORIGIN', PAGE] }), 500],
  ])('%s may be read by the page all the same [SEC-6]', async (_what, event, status) => {
    const { statusCode, headers } = await headersOf(event);

    expect([statusCode, headers['access-control-allow-origin']]).toEqual([status, PAGE]);
  });
});

test('nothing is added where nobody has said which origins there are [SEC-6]', () => {
  expect(NO_ORIGINS_KNOWN.headersFor(PAGE)).toEqual({});
});
