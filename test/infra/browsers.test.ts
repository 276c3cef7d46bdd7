/** Web pages of other origins: what the templates let through without credentials, so that browsers can ask beforehand. */
import { describe, expect, test } from '@jest/globals';
import { ORIGIN as DEPLOYED_ORIGIN } from '../../lib/front.ts';
import { readSettings, SettingsError } from '../../lib/settings.ts';
import { onlyOrigins, withOrigins } from '../../src/protocol/cross-origin.ts';
import { ORIGIN } from '../../src/server/allowed-origins.ts';
import { type Context, JWT, OWN_DOMAIN, ofType, only, synthesize } from './synthesized.ts';

const PAGES: Context = { allowedOrigins: 'https://app.example.com,http://localhost:6274' };

function openMethods(context: Context): unknown[] {
  return ofType(synthesize(context).server, 'AWS::ApiGateway::Method')
    .filter(({ properties }) => properties['AuthorizationType'] === 'NONE')
    .map(({ properties }) => String(properties['HttpMethod']))
    .toSorted();
}

function openRoutes(context: Context): unknown[] {
  return ofType(synthesize(context).server, 'AWS::ApiGatewayV2::Route')
    .filter(({ properties }) => properties['AuthorizationType'] === 'NONE')
    .map(({ properties }) => String(properties['RouteKey']))
    .toSorted();
}

function originsTold(context: Context): unknown {
  const { properties } = only(synthesize(context).server, 'AWS::Lambda::Function', /^ServerEndpointFunction/);
  return (properties['Environment'] as { Variables: Record<string, unknown> }).Variables['TASKS_ALLOWED_ORIGINS'];
}

describe('where IAM authorizes', () => {
  test('a browser may ask without a signature, if pages may connect at all [SEC-6]', () => {
    expect([openMethods({}), openRoutes({ api: 'http' })]).toEqual([[], []]);
    expect(openMethods(PAGES)).toEqual(['OPTIONS']);
    expect(openRoutes({ ...PAGES, api: 'http' })).toEqual(['OPTIONS /mcp']);
  });

  test('a policy for other accounts lets everybody ask, and only ask [SEC-6]', () => {
    const { properties } = only(
      synthesize({ ...PAGES, callerAccounts: '222222222222' }).server,
      'AWS::ApiGateway::RestApi',
    );
    const { Statement } = properties['Policy'] as { Statement: { Principal: unknown; Resource: unknown }[] };

    expect(
      Statement.filter(({ Principal }) => JSON.stringify(Principal).includes('"*"')).map(({ Resource }) => Resource),
    ).toEqual(['execute-api:/v1/OPTIONS/mcp']);
  });

  test('a function URL answers browsers itself, as the function would, which then is silent [SEC-6]', async () => {
    const context = { ...PAGES, api: 'url' };
    const { properties } = only(synthesize(context).server, 'AWS::Lambda::Url');
    const { headers } = await withOrigins(
      async () => new Response(),
      onlyOrigins(() => true),
    )(
      new Request('https://url.example/mcp', {
        method: 'OPTIONS',
        headers: { origin: 'https://app.example.com', 'access-control-request-method': 'POST' },
      }),
    );
    const listed = (name: string) => headers.get(name)?.split(', ');

    expect(originsTold(context)).toBeUndefined();
    expect(properties['Cors']).toEqual({
      AllowOrigins: ['https://app.example.com', 'http://localhost:6274'],
      AllowMethods: listed('access-control-allow-methods'),
      AllowHeaders: listed('access-control-allow-headers'),
      ExposeHeaders: listed('access-control-expose-headers'),
      MaxAge: 7200,
    });
  });
});

test.each([
  ['a REST API', { ...PAGES }],
  ['a REST API with tokens', { ...PAGES, ...JWT, ...OWN_DOMAIN }],
  ['an HTTP API', { ...PAGES, api: 'http' }],
  ['a function URL with tokens', { ...PAGES, ...JWT, api: 'url' }],
])('behind %s the function is told the origins [SEC-6]', (_name, context) => {
  expect(originsTold(context)).toBe('https://app.example.com http://localhost:6274');
});

test('with tokens a browser may ask before it reads the metadata, which is for everybody [SEC-6]', () => {
  expect(openMethods({ ...JWT, ...OWN_DOMAIN })).toEqual(['ANY', 'GET', 'GET', 'OPTIONS', 'OPTIONS']);
  expect(openRoutes({ ...JWT, api: 'http' }).filter((key) => String(key).startsWith('OPTIONS'))).toHaveLength(2);
});

test('what a REST API refuses by itself can be read by pages, if any may connect [SEC-6]', () => {
  const responses = (context: Context) => ofType(synthesize(context).server, 'AWS::ApiGateway::GatewayResponse');

  expect(responses({})).toEqual([]);
  expect(
    responses(PAGES)
      .map(({ properties }) => properties)
      .toSorted((a, b) => String(a['ResponseType']).localeCompare(String(b['ResponseType']))),
  ).toMatchObject(
    ['DEFAULT_4XX', 'DEFAULT_5XX'].map((type) => ({
      ResponseType: type,
      ResponseParameters: { 'gatewayresponse.header.Access-Control-Allow-Origin': "'*'" },
    })),
  );
});

test('an origin is the same for deployments and for servers of one’s own [SEC-6]', () => {
  expect(DEPLOYED_ORIGIN).toEqual(ORIGIN);
});

test.each([
  '*',
  'app.example.com',
  'https://app.example.com/',
  'https://app.example.com:443',
  'https://App.example.com',
])('allowedOrigins=%s is refused in one sentence [SEC-6]', (allowedOrigins) => {
  expect(() => readSettings({ allowedOrigins })).toThrow(SettingsError);
  expect(() => readSettings({ allowedOrigins })).toThrow(/"allowedOrigins" must be origins such as/);
});
