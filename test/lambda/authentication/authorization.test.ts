/** The endpoint as an OAuth resource server, against an issuer that signs real tokens; and callers known by IAM. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Authenticate } from '../../../lambda/authentication/authenticated.ts';
import { createAuthenticate } from '../../../lambda/authentication/authentication.ts';
import { toRequest } from '../../../lambda/endpoint/http-event.ts';
import { type Environment, readEnvironment } from '../../../lambda/shared/environment.ts';
import type { LogFields, Logger } from '../../../src/runtime/logger.ts';
import { ask, bearing, owner, refusal } from '../../support/lambda/callers.ts';
import { type EventParts, httpApiEvent, RESOURCE } from '../../support/lambda/events.ts';
import { startIssuer, type TestIssuer, unsigned } from '../../support/lambda/test-issuer.ts';

const METADATA =
  'https://abcdef1234.execute-api.eu-central-1.amazonaws.com/v1/.well-known/oauth-protected-resource/mcp';

let issuer: TestIssuer;
let logged: unknown[];

beforeEach(async () => {
  issuer = await startIssuer(RESOURCE);
  logged = [];
});

afterEach(async () => {
  await issuer[Symbol.asyncDispose]();
});

const keep = (message: string, fields?: LogFields) => void logged.push({ text: message, ...fields });
const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep };

function resourceServer(settings: Environment = {}): Promise<Authenticate> {
  return createAuthenticate(
    { authMode: 'jwt', jwtIssuer: issuer.url, jwtJwksUri: issuer.jwksUri, ...settings },
    logger,
  );
}

const INVALID = { status: 401, challenge: `Bearer error="invalid_token", resource_metadata="${METADATA}"` };

describe('a resource server', () => {
  test('lets the bearer of a good token in, as the owner that issuer and subject name [SEC-1 SEC-2]', async () => {
    expect(await owner(await resourceServer(), bearing(await issuer.sign()))).toEqual({
      issuer: issuer.url,
      subject: 'subject alice',
    });
  });

  test('takes the tenant from the claim that is set, and refuses a token without it [SEC-1]', async () => {
    const authenticate = await resourceServer({ jwtTenantClaim: 'org' });

    expect(await owner(authenticate, bearing(await issuer.sign({ org: 'acme' })))).toEqual({
      issuer: issuer.url,
      tenant: 'acme',
      subject: 'subject alice',
    });
    expect(await refusal(authenticate, bearing(await issuer.sign()))).toEqual(INVALID);
  });

  test('takes the client id for the owner where a machine’s token has no subject [SEC-1]', async () => {
    const token = await issuer.sign({ sub: undefined, client_id: 'robot' });

    expect(await owner(await resourceServer(), bearing(token))).toEqual({
      issuer: issuer.url,
      subject: 'client robot',
    });
  });

  test('keeps a client apart from a subject of the same name [SEC-1 I6]', async () => {
    const authenticate = await resourceServer();
    const machine = await issuer.sign({ sub: undefined, client_id: 'alice' });

    expect(await owner(authenticate, bearing(machine))).not.toEqual(
      await owner(authenticate, bearing(await issuer.sign())),
    );
  });

  test('refuses a token that names nobody [SEC-1]', async () => {
    expect(await refusal(await resourceServer(), bearing(await issuer.sign({ sub: undefined })))).toEqual(INVALID);
  });

  test('takes a token without audience, as Cognito makes them, where its client id is the one that is set [SEC-2]', async () => {
    const authenticate = await resourceServer({ jwtAudience: 'app-client' });

    expect(
      await owner(authenticate, bearing(await issuer.sign({ aud: undefined, client_id: 'app-client' }))),
    ).toBeDefined();
    expect(await refusal(authenticate, bearing(await issuer.sign({ aud: undefined, client_id: 'other' })))).toEqual(
      INVALID,
    );
    expect(
      await refusal(await resourceServer(), bearing(await issuer.sign({ aud: undefined, client_id: 'app-client' }))),
    ).toEqual(INVALID);
  });

  test('finds the keys through the issuer’s discovery document [SEC-2]', async () => {
    const authenticate = await createAuthenticate({ authMode: 'jwt', jwtIssuer: issuer.url }, logger);

    expect(await owner(authenticate, bearing(await issuer.sign()))).toBeDefined();
  });

  test('names its metadata to who comes without a token [SEC-2]', async () => {
    const challenge = `Bearer resource_metadata="${METADATA}"`;

    expect(await refusal(await resourceServer(), {})).toEqual({ status: 401, challenge });
  });

  test('asks for the scopes that are missing [SEC-2]', async () => {
    const authenticate = await resourceServer({ jwtScopes: 'tasks tasks:write' });

    expect(await refusal(authenticate, bearing(await issuer.sign()))).toEqual({
      status: 403,
      challenge: `Bearer error="insufficient_scope", scope="tasks tasks:write", resource_metadata="${METADATA}"`,
    });
    expect(await owner(authenticate, bearing(await issuer.sign({ scope: 'tasks:write tasks' })))).toBeDefined();
  });

  test.each(['/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource/mcp'])(
    'shows its metadata to everybody at %s [SEC-2]',
    async (path) => {
      const answer = await ask(await resourceServer({ jwtScopes: 'tasks' }), { method: 'GET', path });

      if (!(answer instanceof Response)) throw new Error('No metadata.');
      expect([answer.status, await answer.json()]).toEqual([
        200,
        {
          resource: RESOURCE,
          authorization_servers: [issuer.url],
          bearer_methods_supported: ['header'],
          scopes_supported: ['tasks'],
        },
      ]);
    },
  );

  test('goes by its own name where it has one, without the stage [SEC-2]', async () => {
    const authenticate = await resourceServer({ resourceUrl: 'https://tasks.example.com/mcp' });

    const { challenge } = await refusal(authenticate, { context: { path: '/mcp', domainName: 'tasks.example.com' } });

    expect(challenge).toBe(
      'Bearer resource_metadata="https://tasks.example.com/.well-known/oauth-protected-resource/mcp"',
    );
    expect(
      await owner(authenticate, bearing(await issuer.sign({ aud: 'https://tasks.example.com/mcp' }))),
    ).toBeDefined();
  });

  test.each(['https://tasks.example.com/api/mcp', 'https://tasks.example.com/api/mcp/'])(
    'at %s points to metadata under that base path, and serves it there [SEC-2 AWS-7]',
    async (resourceUrl) => {
      const authenticate = await resourceServer({ resourceUrl });
      const url = 'https://tasks.example.com/api/.well-known/oauth-protected-resource/mcp';
      const { pathname } = new URL(url);

      expect((await refusal(authenticate, { path: '/api/mcp' })).challenge).toBe(`Bearer resource_metadata="${url}"`);
      const answer = await ask(authenticate, { method: 'GET', path: pathname });
      expect(answer instanceof Response && (await answer.json())).toMatchObject({ resource: resourceUrl });
    },
  );

  test('goes by the stage that an HTTP API has in its path, where it has one [SEC-2]', async () => {
    const event = httpApiEvent({ path: '/prod/mcp', context: { stage: 'prod' } });

    const authenticate = await resourceServer();
    const answer = await authenticate(toRequest(event, new AbortController().signal), event);

    expect(answer instanceof Response && answer.headers.get('www-authenticate')).toBe(
      `Bearer resource_metadata="${METADATA.replace('/v1/', '/prod/')}"`,
    );
  });

  test('names the scopes to everybody whom it refuses, so that the first token asked for will do [SEC-2]', async () => {
    const authenticate = await resourceServer({ jwtScopes: 'tasks tasks:write' });
    const parameters = `scope="tasks tasks:write", resource_metadata="${METADATA}"`;

    expect((await refusal(authenticate, {})).challenge).toBe(`Bearer ${parameters}`);
    expect((await refusal(authenticate, bearing('not.a.token'))).challenge).toBe(
      `Bearer error="invalid_token", ${parameters}`,
    );
  });

  test('says in a small JSON body what is wrong, whatever it refuses [SEC-2 SEC-3]', async () => {
    const authenticate = await resourceServer({ jwtScopes: 'more' });
    const bodies = [];
    for (const parts of [{}, bearing('not.a.token'), bearing(await issuer.sign())]) {
      const answer = await ask(authenticate, parts);
      if (!(answer instanceof Response)) throw new Error('The caller was let in.');
      expect(answer.headers.get('content-type')).toBe('application/json');
      bodies.push(JSON.parse(await answer.text()));
    }

    const saying = (message: string) => ({
      jsonrpc: '2.0',
      id: null,
      error: { code: -32000, message: expect.stringContaining(message) },
    });
    expect(bodies).toEqual([saying('one bearer token'), saying('get a new one'), saying('it needs more')]);
  });

  test.each([
    ['jwtIssuer', 'TASKS_JWT_ISSUER'],
    ['jwtAudience', 'TASKS_JWT_AUDIENCE'],
    ['jwtScopes', 'TASKS_JWT_SCOPES'],
    ['jwtTenantClaim', 'TASKS_JWT_TENANT_CLAIM'],
    ['resourceUrl', 'TASKS_RESOURCE_URL'],
  ] as const)(
    'does not start with %s set to nothing, which would let in more callers [SEC-7]',
    async (name, variable) => {
      const environment = readEnvironment({ [variable]: '' });

      expect(environment).toEqual({ [name]: '' });
      await expect(resourceServer(environment)).rejects.toThrow(variable);
    },
  );

  test('does not start with a scope that no token can have [SEC-7]', async () => {
    await expect(resourceServer({ jwtScopes: 'tasks "all"' })).rejects.toThrow('names ""all"", which is no scope');
  });

  test('needs an issuer [SEC-2]', async () => {
    await expect(createAuthenticate({ authMode: 'jwt' }, logger)).rejects.toThrow('TASKS_JWT_ISSUER');
  });
});

describe('a resource server is not deceived by', () => {
  const now = () => Math.floor(Date.now() / 1000);
  const attacks: readonly [string, () => Promise<string> | string][] = [
    ['a token without signature', () => unsigned({ iss: issuer.url, aud: RESOURCE, sub: 'alice', exp: now() + 60 })],
    ['a symmetric signature with the public key', () => issuer.signWithPublicKey()],
    ['a token for another audience', () => issuer.sign({ aud: 'somebody-else' })],
    [
      'a token for another resource of the same name',
      () => issuer.sign({ aud: RESOURCE.replace('abcdef1234', 'zzzzzz9999') }),
    ],
    ['a token for another stage', () => issuer.sign({ aud: RESOURCE.replace('/v1/', '/v2/') })],
    ['another issuer', () => issuer.sign({ iss: 'https://evil.example' })],
    ['an expired token', () => issuer.sign({ exp: now() - 60 })],
    ['a token that never expires', () => issuer.sign({ exp: undefined })],
    ['a token that is not valid yet', () => issuer.sign({ nbf: now() + 60 })],
    ['a key that nobody knows', () => issuer.sign({}, { kid: 'unknown' })],
    ['text that is no token', () => 'not.a.token'],
  ];

  test.each(attacks)('%s [SEC-2]', async (_name, token) => {
    expect(await refusal(await resourceServer(), bearing(await token()))).toEqual(INVALID);
  });

  test('an algorithm that is not on the list, for which not even a key is fetched [SEC-2]', async () => {
    const authenticate = await resourceServer();

    expect(await refusal(authenticate, bearing(await issuer.signWithPublicKey()))).toEqual(INVALID);
    expect(issuer.fetches()).toBe(0);
  });

  test('a changed payload under a good signature [SEC-2]', async () => {
    const [header, , signature] = (await issuer.sign()).split('.');
    const [, payload] = (await issuer.sign({ sub: 'mallory' })).split('.');

    expect(await refusal(await resourceServer(), bearing(`${header}.${payload}.${signature}`))).toEqual(INVALID);
  });

  test('a header that comes twice, or two tokens in one header [SEC-2]', async () => {
    const authenticate = await resourceServer();
    const [good, other] = [await issuer.sign(), await issuer.sign({ sub: 'mallory' })];

    for (const parts of [bearing(good, other), bearing(`${good}, Bearer ${other}`), bearing(`${good},${other}`)]) {
      expect((await refusal(authenticate, parts)).status).toBe(401);
    }
  });

  test('a token in the query [SEC-2]', async () => {
    const path = `/mcp?access_token=${await issuer.sign()}`;

    expect((await refusal(await resourceServer(), { path })).status).toBe(401);
  });
});

describe('a caller known by IAM', () => {
  const role = 'arn:aws:sts::123456789012:assumed-role/agents';
  const as = (userArn: string | null): EventParts => ({
    context: { identity: { userArn, accountId: userArn === null ? null : '123456789012' } },
  });
  const iam = () => createAuthenticate({ authMode: 'iam' }, logger);

  test('owns tasks as the role, whatever name the session was given [SEC-1]', async () => {
    const expected = { issuer: 'iam', tenant: '123456789012', subject: `subject ${role}` };

    expect(await owner(await iam(), as(`${role}/session-a`))).toEqual(expected);
    expect(await owner(await iam(), as(`${role}/b@example.com`))).toEqual(expected);
  });

  test('of a Cognito identity pool owns tasks apart from others who share the role [SEC-1 I6]', async () => {
    const identity = (cognitoIdentityId: string): EventParts => ({
      context: {
        identity: { userArn: `${role}/CognitoIdentityCredentials`, accountId: '123456789012', cognitoIdentityId },
      },
    });

    const alice = await owner(await iam(), identity('eu-west-1:alice'));
    const bob = await owner(await iam(), identity('eu-west-1:bob'));

    expect(alice).toMatchObject({ subject: `subject ${role} eu-west-1:alice` });
    expect(bob).not.toEqual(alice);
  });

  test('owns tasks as the user [SEC-1]', async () => {
    expect(await owner(await iam(), as('arn:aws:iam::123456789012:user/team/alice'))).toMatchObject({
      subject: 'subject arn:aws:iam::123456789012:user/team/alice',
    });
  });

  const unreadable = [41, true, '', [], ['a'], {}, '\ud800'];

  test.each(unreadable)(
    'is refused where a part of the principal is %j, in both kinds of event [SEC-1 SEC-7]',
    async (wrong) => {
      const whole = { userArn: `${role}/session`, accountId: '123456789012', cognitoIdentityId: 'eu-west-1:alice' };
      const authenticate = await iam();

      for (const name of Object.keys(whole)) {
        const identity = { ...whole, [name]: wrong };
        expect((await refusal(authenticate, { context: { identity } })).status).toBe(403);
        const { userArn, accountId, cognitoIdentityId } = identity;
        const principal = { userArn, accountId, cognitoIdentity: { identityId: cognitoIdentityId } };
        const event = httpApiEvent({ context: { authorizer: { iam: principal } } });
        expect(await authenticate(toRequest(event, new AbortController().signal), event)).toMatchObject({
          status: 403,
        });
      }
    },
  );

  test('is refused where the event tells of an identity pool and of no identity in it [SEC-1 SEC-7]', async () => {
    const userArn = `${role}/CognitoIdentityCredentials`;
    const accountId = '123456789012';
    const authenticate = await iam();
    const identity = { userArn, accountId, cognitoIdentityPoolId: 'eu-west-1:pool', cognitoIdentityId: null };
    const event = httpApiEvent({ context: { authorizer: { iam: { userArn, accountId, cognitoIdentity: {} } } } });

    expect((await refusal(authenticate, { context: { identity } })).status).toBe(403);
    expect(await authenticate(toRequest(event, new AbortController().signal), event)).toMatchObject({ status: 403 });
  });

  test('is refused where the API did not check who it is [SEC-2]', async () => {
    expect((await refusal(await iam(), as(null))).status).toBe(403);
    expect((await refusal(await iam(), { rawHeaders: ['userArn', role, 'x-amz-user-arn', role] })).status).toBe(403);
  });
});

describe('no authentication', () => {
  test('is to be asked for by name [SEC-2]', async () => {
    await expect(createAuthenticate({}, logger)).rejects.toThrow(
      'TASKS_AUTH_MODE must be one of jwt, iam, none; it is not set',
    );
    expect(await ask(await createAuthenticate({ authMode: 'none' }, logger), {})).toEqual({});
  });
});
