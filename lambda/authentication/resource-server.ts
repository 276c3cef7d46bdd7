/**
 * The endpoint as an OAuth 2.0 resource server, as MCP defines it: its metadata (RFC 9728), bearer tokens that are
 * verified, and challenges that point to the metadata and name the scopes. What a token must say is in
 * `access-token.ts`, where keys come from in `issuer-keys.ts`. Tokens are neither kept nor logged.
 */
import { errors } from 'jose';
import type { Clock } from '../../src/clock.ts';
import { present } from '../../src/present.ts';
import { refusedRequest } from '../../src/protocol/http-requests.ts';
import { describeError, type Logger } from '../../src/runtime/logger.ts';
import { type HttpEvent, isVersion2 } from '../endpoint/http-event.ts';
import { type Environment, required, unlessEmpty } from '../shared/environment.ts';
import { FULL_METADATA_PATH, isMetadataPath, MCP_PATH, VARIABLES } from '../shared/words.ts';
import { readAccessToken, type TokenRules } from './access-token.ts';
import type { Authenticate } from './authenticated.ts';
import { createIssuerKeys, KeysNotAsked, KeysUnavailable } from './issuer-keys.ts';

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;
/** RFC 6749, section 3.3. */
const SCOPE = /^[!#-[\]-~]+$/;
/** While the issuer does not answer. */
const RETRY_AFTER_SECONDS = 5;

/** Throws an error that names the variable when a setting is missing or wrong. */
export function createResourceServer(environment: Environment, logger: Logger, clock: Clock): Authenticate {
  const rules = rulesOf(environment, clock);
  const resourceUrl = unlessEmpty(environment, 'resourceUrl');
  return async (request, event) => {
    const resource = resourceUrl ?? resourceOf(event);
    const { pathname } = new URL(request.url);
    if (isMetadataPath(pathname)) return metadata(resource, rules);
    const refuse = (status: 401 | 403, message: string, error?: string) =>
      refusedRequest(status, message, { 'www-authenticate': challenge(resource, rules, error) });
    const token = BEARER.exec(request.headers.get('authorization') ?? '')?.[1];
    if (token === undefined) return refuse(401, 'This endpoint needs one bearer token, in the Authorization header.');
    try {
      const authInfo = await readAccessToken(token, resource, rules);
      const missing = rules.scopes.filter((scope) => !authInfo.scopes.includes(scope));
      if (missing.length === 0) return { authInfo };
      return refuse(403, `The token lacks scopes; it needs ${rules.scopes.join(' ')}.`, 'insufficient_scope');
    } catch (error) {
      if (error instanceof KeysNotAsked) {
        // The caller's doing, so no 5xx: a caller that makes up key ids must not raise an alarm.
        return retry(429, 'The token’s key is not known yet; try again.', error.retryAfterSeconds);
      }
      if (error instanceof KeysUnavailable) {
        logger.warn("The token issuer's keys cannot be read", describeError(error.cause));
        return retry(503, "The token issuer's keys cannot be read now; try again.", RETRY_AFTER_SECONDS);
      }
      if (error instanceof errors.JOSEError) {
        return refuse(401, 'The token is not valid here, or no access token; get a new one.', 'invalid_token');
      }
      throw error;
    }
  };
}

function rulesOf(environment: Environment, clock: Clock): TokenRules {
  const issuer = required(environment, 'jwtIssuer');
  const scopes = (unlessEmpty(environment, 'jwtScopes') ?? '').split(' ').filter((scope) => scope !== '');
  const wrong = scopes.find((scope) => !SCOPE.test(scope));
  if (wrong !== undefined) {
    throw new Error(`The environment variable ${VARIABLES.jwtScopes} names "${wrong}", which is no scope of OAuth.`);
  }
  return {
    issuer,
    scopes,
    audience: unlessEmpty(environment, 'jwtAudience'),
    tenantClaim: unlessEmpty(environment, 'jwtTenantClaim'),
    keys: createIssuerKeys({ issuer, jwksUri: unlessEmpty(environment, 'jwtJwksUri'), clock }),
  };
}

function metadata(resource: string, { issuer, scopes }: TokenRules): Response {
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

/** Names the scopes also to a caller without a token, so that the first token that it asks for will do. */
function challenge(resource: string, { scopes }: TokenRules, error: string | undefined): string {
  const url = new URL(resource);
  const prefix = url.pathname.replace(/\/mcp\/?$/, '');
  const parameters = {
    ...present({ error }),
    ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
    resource_metadata: `${url.origin}${prefix}${FULL_METADATA_PATH}`,
  };
  const text = Object.entries(parameters).map(([name, value]) => `${name}="${value}"`);
  return `Bearer ${text.join(', ')}`;
}

function retry(status: 429 | 503, message: string, afterSeconds: number): Response {
  return refusedRequest(status, message, { 'retry-after': String(afterSeconds) });
}

/** From what API Gateway says of itself, which no caller can choose. */
function resourceOf(event: HttpEvent): string {
  const { domainName = 'localhost' } = event.requestContext;
  return `https://${domainName}${stagePrefixOf(event)}${MCP_PATH}`;
}

/** API Gateway's own name has the stage in its path, unless it is the one without a name; a custom domain has not. */
function stagePrefixOf(event: HttpEvent): string {
  if (isVersion2(event)) {
    const prefix = `/${event.requestContext.stage}`;
    return event.rawPath.startsWith(`${prefix}/`) ? prefix : '';
  }
  const { path, stage } = event.requestContext;
  return path === event.path ? '' : `/${stage}`;
}
