/**
 * The endpoint as an OAuth 2.0 resource server, as MCP defines it: its metadata (RFC 9728), challenges that
 * point to it, and bearer tokens (JWT) that are verified against issuer, audience, time, scopes and a list
 * of algorithms. Tokens are neither kept nor logged.
 */
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { AuthInfo } from '../../src/protocol/sdk.ts';
import { describeError, type Logger } from '../../src/runtime/logger.ts';
import type { Authenticate } from './authenticated.ts';
import { type Environment, required } from './environment.ts';
import { type HttpEvent, isVersion2 } from './http-event.ts';
import { FULL_METADATA_PATH, MCP_PATH, METADATA_PATHS } from './paths.ts';

/** Asymmetric only: with a symmetric algorithm the issuer's public key would be a password that everybody knows. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const CLOCK_TOLERANCE_SECONDS = 5;
const FETCH_TIMEOUT_MS = 3_000;
/** Between two fetches of the issuer's keys, however many unknown key ids come in. */
const KEYS_COOLDOWN_MS = 30_000;
const KEYS_MAX_AGE_MS = 10 * 60_000;
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

interface Rules {
  readonly issuer: string;
  /** Absent: the resource's own URL. */
  readonly audience: string | undefined;
  readonly scopes: readonly string[];
  readonly tenantClaim: string | undefined;
  readonly keys: JWTVerifyGetKey;
}

/** Throws an error that names the variable when the issuer is not set. */
export function createResourceServer(environment: Environment, logger: Logger): Authenticate {
  const issuer = required(environment, 'jwtIssuer');
  const rules: Rules = {
    issuer,
    audience: environment.jwtAudience,
    scopes: (environment.jwtScopes ?? '').split(' ').filter((scope) => scope !== ''),
    tenantClaim: environment.jwtTenantClaim,
    keys: keysOf(issuer, environment.jwtJwksUri),
  };
  return async (request, event) => {
    const resource = environment.resourceUrl ?? resourceOf(event);
    const { pathname } = new URL(request.url);
    if (METADATA_PATHS.includes(pathname)) return metadata(resource, rules);
    const token = BEARER.exec(request.headers.get('authorization') ?? '')?.[1];
    if (token === undefined) return challenge(resource, 401, {});
    try {
      const authInfo = await verify(token, resource, rules);
      const missing = rules.scopes.filter((scope) => !authInfo.scopes.includes(scope));
      if (missing.length === 0) return { authInfo };
      return challenge(resource, 403, { error: 'insufficient_scope', scope: rules.scopes.join(' ') });
    } catch (error) {
      if (isRefusal(error)) return challenge(resource, 401, { error: 'invalid_token' });
      logger.warn("The token issuer's keys cannot be read", describeError(error));
      return new Response("The token issuer's keys cannot be read now; try again.", {
        status: 503,
        headers: { 'retry-after': '5' },
      });
    }
  };
}

async function verify(token: string, resource: string, rules: Rules): Promise<AuthInfo> {
  const { payload } = await jwtVerify(token, rules.keys, {
    issuer: rules.issuer,
    algorithms: ALGORITHMS,
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    requiredClaims: ['exp'],
  });
  assertAudience(payload, rules.audience ?? resource);
  const client = textOf(payload.client_id) ?? textOf(payload.azp);
  const subject = textOf(payload.sub);
  if (client === undefined && subject === undefined)
    throw new errors.JWTClaimValidationFailed('no subject', payload, 'sub');
  const tenant = rules.tenantClaim === undefined ? undefined : textOf(payload[rules.tenantClaim]);
  if (rules.tenantClaim !== undefined && tenant === undefined) {
    throw new errors.JWTClaimValidationFailed('no tenant', payload, rules.tenantClaim);
  }
  return {
    token: '',
    clientId: client ?? String(subject),
    scopes: scopesOf(payload),
    expiresAt: Number(payload.exp),
    extra: {
      iss: rules.issuer,
      ...(subject === undefined ? {} : { sub: subject }),
      ...(tenant === undefined ? {} : { tenant }),
    },
  };
}

/** `aud` must name this resource. Amazon Cognito's access tokens may have none; there the client id is compared. */
function assertAudience(payload: JWTPayload, audience: string): void {
  const { aud } = payload;
  const named = aud === undefined ? [textOf(payload.client_id)] : [aud].flat();
  if (!named.includes(audience)) throw new errors.JWTClaimValidationFailed('another audience', payload, 'aud');
}

function scopesOf(payload: JWTPayload): string[] {
  const { scope, scp } = payload;
  if (typeof scope === 'string') return scope.split(' ');
  return Array.isArray(scp) ? scp.filter((item) => typeof item === 'string') : [];
}

/** The token is at fault, not our reading of the issuer's keys. */
function isRefusal(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return false;
  return error instanceof errors.JOSEError && error.constructor !== errors.JOSEError;
}

function metadata(resource: string, { issuer, scopes }: Rules): Response {
  return Response.json(
    {
      resource,
      authorization_servers: [issuer],
      bearer_methods_supported: ['header'],
      ...(scopes.length === 0 ? {} : { scopes_supported: scopes }),
    },
    { headers: { 'cache-control': 'max-age=3600', 'access-control-allow-origin': '*' } },
  );
}

function challenge(resource: string, status: 401 | 403, parameters: Readonly<Record<string, string>>): Response {
  const url = new URL(resource);
  const prefix = url.pathname.slice(0, -MCP_PATH.length);
  const all = { ...parameters, resource_metadata: `${url.origin}${prefix}${FULL_METADATA_PATH}` };
  const text = Object.entries(all).map(([name, value]) => `${name}="${value}"`);
  return new Response(null, { status, headers: { 'www-authenticate': `Bearer ${text.join(', ')}` } });
}

/** From what API Gateway says of itself, which no caller can choose. */
function resourceOf(event: HttpEvent): string {
  const { domainName = 'localhost' } = event.requestContext;
  return `https://${domainName}${stagePrefixOf(event)}${MCP_PATH}`;
}

/** API Gateway's own name has the stage in its path; a custom domain has not. */
function stagePrefixOf(event: HttpEvent): string {
  if (isVersion2(event)) return '';
  const { path, stage } = event.requestContext;
  return path === event.path ? '' : `/${stage}`;
}

/** The issuer's keys, found through its discovery document unless their address is given. */
function keysOf(issuer: string, jwksUri: string | undefined): JWTVerifyGetKey {
  let keys: Promise<JWTVerifyGetKey> | undefined;
  const find = async () => {
    const uri = jwksUri ?? (await discover(issuer));
    return createRemoteJWKSet(new URL(uri), {
      timeoutDuration: FETCH_TIMEOUT_MS,
      cooldownDuration: KEYS_COOLDOWN_MS,
      cacheMaxAge: KEYS_MAX_AGE_MS,
    });
  };
  return async (header, token) => {
    keys ??= find().catch((error: unknown) => {
      keys = undefined;
      throw error;
    });
    return (await keys)(header, token);
  };
}

/** OpenID Connect discovery, then OAuth's own (RFC 8414). */
async function discover(issuer: string): Promise<string> {
  const base = new URL(issuer);
  const path = base.pathname.replace(/\/$/, '');
  for (const candidate of [
    `${path}/.well-known/openid-configuration`,
    `/.well-known/oauth-authorization-server${path}`,
  ]) {
    const response = await fetch(new URL(candidate, base.origin), { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (!response.ok) continue;
    const { issuer: named, jwks_uri: jwksUri } = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
    if (named === issuer && typeof jwksUri === 'string') return jwksUri;
  }
  throw new Error('The token issuer publishes no keys.');
}

function textOf(claim: unknown): string | undefined {
  return typeof claim === 'string' && claim !== '' ? claim : undefined;
}
