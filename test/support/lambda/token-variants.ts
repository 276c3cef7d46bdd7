/**
 * Bearer tokens in many variants, as data: each is made by an issuer whose signature is good, unless the variant
 * says otherwise. What is expected of each is spelled out, never computed.
 */
import type { Environment } from '../../../lambda/shared/environment.ts';
import { present } from '../../../src/present.ts';
import { type TestIssuer, unsigned } from './test-issuer.ts';

type Claims = Readonly<Record<string, unknown>>;

export interface TokenVariant {
  readonly name: string;
  readonly token: (issuer: TestIssuer) => Promise<string> | string;
  readonly settings?: Environment;
  /** @default one Authorization header with the token as bearer */
  readonly rawHeaders?: (token: string) => readonly string[];
  /** The owner's subject (and tenant), for a token that is let in; else the status of the refusal. */
  readonly expected: number | { readonly subject: string; readonly tenant?: string };
}

const ALICE = { subject: 'subject alice' };
const now = () => Math.floor(Date.now() / 1_000);

const signed = (
  name: string,
  claims: Claims | (() => Claims),
  expected: TokenVariant['expected'],
  settings: Environment = {},
): TokenVariant => ({
  name,
  token: (issuer) => issuer.sign(typeof claims === 'function' ? claims() : claims),
  expected,
  settings,
});

/** JSON of every type that names nobody. */
const UNREADABLE = [41, 0, true, false, null, '', [], ['a'], {}, { a: 'b' }, '\ud800'];
const each = (what: string, values: readonly unknown[], make: (value: unknown) => Claims, settings?: Environment) =>
  values.map((value) => signed(`${what} is ${JSON.stringify(value)}`, make(value), 401, settings));

const identities: readonly TokenVariant[] = [
  ...each('a subject beside a client id', UNREADABLE, (sub) => ({ sub, client_id: 'app' })),
  ...each('a client id without subject', UNREADABLE, (id) => ({ sub: undefined, client_id: id, azp: 'app' })),
  ...each('a client id beside a subject', [41, null, ['a'], {}, ''], (id) => ({ client_id: id })),
  ...each('an authorized party', [41, null, ['app'], {}, ''], (azp) => ({ sub: undefined, client_id: 'app', azp })),
  ...each('a tenant', UNREADABLE, (org) => ({ org }), { jwtTenantClaim: 'org' }),
  signed('a tenant is missing', {}, 401, { jwtTenantClaim: 'org' }),
  signed('a tenant is to be found in what each object inherits', {}, 401, { jwtTenantClaim: 'constructor' }),
  signed('a subject', {}, ALICE),
  signed('a subject of 400 letters', { sub: 'é'.repeat(400) }, { subject: `subject ${'é'.repeat(400)}` }),
  signed('a subject and a client id', { client_id: 'app' }, ALICE),
  signed('a client id', { sub: undefined, client_id: 'app' }, { subject: 'client app' }),
  signed('an authorized party alone', { sub: undefined, azp: 'app' }, { subject: 'client app' }),
  signed('nobody', { sub: undefined }, 401),
  signed('a tenant that is read', { org: 'acme' }, { ...ALICE, tenant: 'acme' }, { jwtTenantClaim: 'org' }),
  signed('a tenant that nobody asks for, and cannot be read', { org: 41 }, ALICE),
  {
    name: 'a subject within the prototype',
    token: (issuer) => {
      const { sub: _sub, ...others } = issuer.claims();
      const text = JSON.stringify(others).replace('{', '{"__proto__":{"sub":"alice"},');
      return issuer.signText(JSON.stringify(issuer.header()), text);
    },
    expected: 401,
  },
  {
    name: 'a subject in bytes that are no UTF-8',
    token: (issuer) => {
      const [before = '', after = ''] = JSON.stringify({ ...issuer.claims(), sub: '@' }).split('@');
      const payload = new Uint8Array([...Buffer.from(before), 0xff, 0xfe, ...Buffer.from(after)]);
      return issuer.signText(JSON.stringify(issuer.header()), payload);
    },
    expected: 401,
  },
];

const NEEDS = { jwtScopes: 'tasks' };
const scopes: readonly TokenVariant[] = [
  ...[41, true, null, {}, [1], ['tasks', 1], [['tasks']], [''], ['\ud800']].flatMap((wrong) => [
    signed(`scope is ${JSON.stringify(wrong)}`, { scope: wrong }, 401, NEEDS),
    signed(`scp is ${JSON.stringify(wrong)}`, { scope: undefined, scp: wrong }, 401),
  ]),
  signed('scopes in a text', { scope: 'a tasks  b' }, ALICE, NEEDS),
  signed('scopes in a list', { scope: ['a', 'tasks'] }, ALICE, NEEDS),
  signed('scp as a text, as Entra ID writes it', { scope: undefined, scp: 'a tasks' }, ALICE, NEEDS),
  signed('scp as a list, as Okta writes it', { scope: undefined, scp: ['a', 'tasks'] }, ALICE, NEEDS),
  signed('no scope', { scope: undefined }, 403, NEEDS),
  signed('an empty scope', { scope: '' }, 403, NEEDS),
  signed('an empty list of scopes', { scope: [] }, 403, NEEDS),
  signed('a longer scope', { scope: 'tasks:write' }, 403, NEEDS),
  signed('a scope in other letters', { scope: 'Tasks' }, 403, NEEDS),
  signed('scopes with commas', { scope: 'a,tasks' }, 403, NEEDS),
  signed('scopes with a tab', { scope: 'a\ttasks' }, 403, NEEDS),
  signed('two scopes in one item', { scope: ['a tasks'] }, 403, NEEDS),
  signed('one of two scopes', { scope: 'tasks' }, 403, { jwtScopes: 'tasks admin' }),
  signed('scope without, scp with it', { scope: 'a', scp: 'tasks' }, 403, NEEDS),
  signed('a role of that name', { scope: undefined, roles: ['tasks'] }, 403, NEEDS),
];

const APP = { jwtAudience: 'app' };
const audiences: readonly TokenVariant[] = [
  ...each(
    'an audience',
    [41, null, true, '', [], {}, [41], [['app']], ['app', 41], ['app', null], { 0: 'app' }],
    (aud) => ({ aud }),
    APP,
  ),
  signed('an audience', { aud: 'app' }, ALICE, APP),
  signed('an audience among others', { aud: ['other', 'app'] }, ALICE, APP),
  signed('an audience in other letters', { aud: 'App' }, 401, APP),
  signed('an audience with a space behind it', { aud: 'app ' }, 401, APP),
  signed('an audience in a list of words', { aud: 'other app' }, 401, APP),
  signed('another audience of the client that is set', { aud: 'other', client_id: 'app' }, 401, APP),
  signed('no audience, with the client that is set', { aud: undefined, client_id: 'app' }, ALICE, APP),
  signed('no audience, with another client', { aud: undefined, client_id: 'other' }, 401, APP),
  signed('no audience, with the authorized party that is set', { aud: undefined, azp: 'app' }, 401, APP),
  {
    name: 'no audience, with a client whose id is the URL of the resource',
    token: (issuer) => issuer.sign({ aud: undefined, client_id: issuer.claims()['aud'] }),
    expected: 401,
  },
];

const issuers: readonly TokenVariant[] = [
  ...each('an issuer', [41, null, '', ['a'], {}], (iss) => ({ iss })),
  signed('no issuer', { iss: undefined }, 401),
  { name: 'an issuer with a slash', token: (issuer) => issuer.sign({ iss: `${issuer.url}/` }), expected: 401 },
  { name: 'an issuer in a list', token: (issuer) => issuer.sign({ iss: [issuer.url] }), expected: 401 },
];

const expiring = (json: string): TokenVariant => ({
  name: `exp is ${json}`,
  token: (issuer) =>
    issuer.signText(
      JSON.stringify(issuer.header()),
      JSON.stringify({ ...issuer.claims(), exp: 0 }).replace('"exp":0', `"exp":${json}`),
    ),
  expected: 401,
});
const lifetimes: readonly TokenVariant[] = [
  ...['null', 'true', '""', '"9999999999"', '[9999999999]', '{}', '0', '-1', '1e999', '-1e999'].map(expiring),
  signed('no exp', { exp: undefined }, 401),
  signed('exp a minute ago', () => ({ exp: now() - 60 }), 401),
  signed('exp a second ago, which clocks may differ by', () => ({ exp: now() - 1 }), ALICE),
  signed('exp with a fraction', () => ({ exp: now() + 60.5 }), ALICE),
  signed('exp in milliseconds', () => ({ exp: Date.now() + 60_000 }), ALICE),
  signed('nbf in a minute', () => ({ nbf: now() + 60 }), 401),
  signed('nbf now', () => ({ nbf: now() }), ALICE),
  signed('nbf in a text', () => ({ nbf: String(now() - 60) }), 401),
  signed('nbf that is null', { nbf: null }, 401),
  signed('iat in a text', () => ({ iat: String(now()) }), 401),
  signed('iat missing', { iat: undefined }, ALICE),
];

const typed = (typ: unknown, expected: TokenVariant['expected'], claims: Claims = {}): TokenVariant => ({
  name: `the header says typ ${JSON.stringify(typ)}${claims['nonce'] === undefined ? '' : ' beside a nonce'}`,
  token: (issuer) =>
    issuer.signText(JSON.stringify({ ...issuer.header(), typ }), JSON.stringify({ ...issuer.claims(), ...claims })),
  expected,
});
const kinds: readonly TokenVariant[] = [
  ...['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt'].map((typ) => typed(typ, ALICE)),
  typed('at+jwt', ALICE, { nonce: 'n' }),
  typed('JWT', 401, { nonce: 'n' }),
  ...['id_token+jwt', 'logout+jwt', 'dpop+jwt', 'secevent+jwt', 'JWE', '', 41, null, true, ['at+jwt'], {}].map((typ) =>
    typed(typ, 401),
  ),
  signed('an ID token of Cognito', { token_use: 'id', aud: 'app' }, 401, APP),
  signed('an access token of Cognito', { token_use: 'access', aud: undefined, client_id: 'app' }, ALICE, APP),
  signed('an ID token of Keycloak', { typ: 'ID' }, 401),
  signed('a refresh token of Keycloak', { typ: 'Refresh' }, 401),
  signed('an access token of Keycloak, with its nonce', { typ: 'Bearer', nonce: 'n' }, ALICE),
  signed('an access token that says so twice, once otherwise', { typ: 'Bearer', token_use: 'id' }, 401),
  signed('token_type refresh', { token_type: 'refresh' }, 401),
  ...each('token_use', [41, null, ['access'], {}, ''], (use) => ({ token_use: use })),
  ...each('the claim typ', [41, null, ['Bearer'], {}], (typ) => ({ typ })),
  ...['nonce', 'at_hash', 'c_hash', 's_hash', 'events'].map((name) =>
    signed(`a claim of ID tokens, ${name}`, { [name]: 'x' }, 401),
  ),
  signed('nothing but who logged in, for the client that is set', { aud: 'app', scope: undefined }, 401, APP),
  signed(
    'the same with a client id, as access tokens have it',
    { aud: 'app', scope: undefined, client_id: 'c' },
    ALICE,
    APP,
  ),
  signed('no scope, for the resource’s own URL', { scope: undefined }, ALICE),
];

const headed = (name: string, header: Claims, expected: TokenVariant['expected'] = 401): TokenVariant => ({
  name,
  token: (issuer) =>
    issuer.signText(JSON.stringify({ ...issuer.header(), ...header }), JSON.stringify(issuer.claims())),
  expected,
});
const headers: readonly TokenVariant[] = [
  ...[
    'none',
    'None',
    '',
    'HS256',
    'HS512',
    'RS1',
    'rs256',
    'RS256 ',
    'ES256',
    'PS256',
    'EdDSA',
    'dir',
    'constructor',
    '__proto__',
  ].map((alg) => headed(`the algorithm ${JSON.stringify(alg)}`, { alg })),
  ...[41, null, true, ['RS256'], {}].map((alg) => headed(`the algorithm ${JSON.stringify(alg)}`, { alg })),
  headed('no algorithm', { alg: undefined }),
  ...[41, null, true, ['key-1'], {}, '', '\ud800', 'x'.repeat(5_000), '../../keys', 'key-1\u0000', "' OR 1=1 --"].map(
    (kid) => headed(`the key id ${JSON.stringify(kid).slice(0, 30)}`, { kid }),
  ),
  headed('no key id, with one key', { kid: undefined }, ALICE),
  headed('a key of its own', { kid: 'own', jwk: { kty: 'RSA', n: 'AQAB', e: 'AQAB' } }),
  headed('a place of its own for keys', { kid: 'own', jku: 'https://evil.example/keys' }),
  headed('an extension that must be understood', { crit: ['exp'] }),
  headed('an unknown extension that must be understood', { crit: ['x'], x: 1 }),
  headed('a payload that is not encoded', { b64: false, crit: ['b64'] }),
];

const whole = (name: string, token: TokenVariant['token'], rawHeaders?: TokenVariant['rawHeaders']): TokenVariant => ({
  name,
  token,
  expected: 401,
  ...present({ rawHeaders }),
});
const good = (issuer: TestIssuer) => issuer.sign();
const payload = (text: string) => (issuer: TestIssuer) => issuer.signText(JSON.stringify(issuer.header()), text);
const wholes: readonly TokenVariant[] = [
  ...['null', '5', '"x"', '[]', '{}', '', '{"sub":', `${'['.repeat(20_000)}${']'.repeat(20_000)}`].map((text) =>
    whole(`the payload ${text.slice(0, 20)}`, payload(text)),
  ),
  ...['null', '5', '[]', '{}', '', '{"alg":'].map((text) =>
    whole(`the header ${text}`, (issuer) => issuer.signText(text, JSON.stringify(issuer.claims()))),
  ),
  whole('no signature', (issuer) => unsigned(issuer.claims(), issuer.header())),
  whole('a signature of zeros', (issuer) => unsigned(issuer.claims(), issuer.header(), 'A'.repeat(342))),
  whole('a signature that is cut off', async (issuer) => (await good(issuer)).slice(0, -8)),
  whole('a part too few', async (issuer) => (await good(issuer)).split('.').slice(0, 2).join('.')),
  whole('a part too many', async (issuer) => `${await good(issuer)}.x`),
  whole('an encrypted token’s five parts', () => 'a.b.c.d.e'),
  whole('dots alone', () => '..'),
  whole('8,000 dots', () => '.'.repeat(8_000)),
  whole('8,000 letters', () => 'A'.repeat(8_000)),
  whole('padding alone', () => '===='),
  whole('two headers', good, (token) => ['Authorization', `Bearer ${token}`, 'Authorization', `Bearer ${token}`]),
  whole('two headers in other letters', good, (token) => [
    'authorization',
    `Bearer ${token}`,
    'AUTHORIZATION',
    'Bearer x',
  ]),
  whole('a good header and an empty one', good, (token) => ['Authorization', `Bearer ${token}`, 'Authorization', '']),
  whole('two tokens with a comma', good, (token) => ['Authorization', `Bearer ${token}, Bearer ${token}`]),
  whole('two tokens with a space', good, (token) => ['Authorization', `Bearer ${token} ${token}`]),
  whole('no scheme', good, (token) => ['Authorization', token]),
  whole('another scheme', good, (token) => ['Authorization', `Basic ${token}`]),
  whole('a scheme that only starts like ours', good, (token) => ['Authorization', `BearerX ${token}`]),
  whole('a proof of possession', good, (token) => ['Authorization', `DPoP ${token}`]),
  whole('another header', good, (token) => ['X-Authorization', `Bearer ${token}`]),
  whole('a proxy’s header', good, (token) => ['Proxy-Authorization', `Bearer ${token}`]),
  whole('a cookie', good, (token) => ['Cookie', `access_token=${token}`]),
  whole(
    'an empty token',
    () => '',
    () => ['Authorization', 'Bearer '],
  ),
  {
    name: 'the scheme in other letters',
    token: good,
    rawHeaders: (token) => ['authorization', `bEARER  ${token}`],
    expected: ALICE,
  },
];

export const TOKEN_VARIANTS: readonly TokenVariant[] = [
  ...identities,
  ...scopes,
  ...audiences,
  ...issuers,
  ...lifetimes,
  ...kinds,
  ...headers,
  ...wholes,
];
