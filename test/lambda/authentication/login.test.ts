/**
 * How a client finds out where to log in, through gateways that rename `WWW-Authenticate` as the services do: by the
 * official client's own discovery, from the endpoint's URL alone.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { discoverOAuthProtectedResourceMetadata, extractWWWAuthenticateParams } from '@modelcontextprotocol/client';
import { createAuthenticate } from '../../../lambda/authentication/authentication.ts';
import { createRequestHandler } from '../../../lambda/endpoint/request-handler.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { type Gateway, type GatewayOptions, startGateway } from '../../support/lambda/gateway.ts';

const ISSUER = 'https://issuer.example.com';

let gateway: Gateway | undefined;
afterEach(() => gateway?.close());

async function endpointBehind(options: Omit<GatewayOptions, 'invoke'>): Promise<string> {
  const authenticate = await createAuthenticate(
    { authMode: 'jwt', jwtIssuer: ISSUER, jwtJwksUri: `${ISSUER}/keys` },
    silentLogger,
  );
  const fetch = async () => new Response('served');
  const handle = createRequestHandler({
    server: async () => ({ fetch, authenticate }),
    mode: 'buffered',
    logger: silentLogger,
  });
  const invoke = async (event: unknown) =>
    ({ kind: 'response', body: JSON.stringify(await handle(event, 60_000)) }) as const;
  gateway = await startGateway({ ...options, invoke });
  return gateway.url;
}

describe.each([
  ['a REST API with a domain of its own', { api: 'rest', ownDomain: true }],
  ['an HTTP API, or a function URL', { api: 'http' }],
] as const)('behind %s', (_name, options) => {
  test('the challenge does not come through, and the login is found without it [AWS-7 SEC-1]', async () => {
    const url = await endpointBehind(options);

    const refused = await fetch(url, { method: 'POST', body: '{}' });
    const metadata = await discoverOAuthProtectedResourceMetadata(url);

    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toBeNull();
    expect(refused.headers.get('x-amzn-remapped-www-authenticate')).toMatch(/^Bearer .*resource_metadata="https:/);
    expect(extractWWWAuthenticateParams(refused)).toEqual({});
    expect(metadata.authorization_servers).toEqual([ISSUER]);
  });
});

test('behind a stage of a REST API it is not found, which is why tokens are refused there at synthesis [AWS-7]', async () => {
  const url = await endpointBehind({ api: 'rest' });

  await expect(discoverOAuthProtectedResourceMetadata(url)).rejects.toThrow(/metadata/i);
});
