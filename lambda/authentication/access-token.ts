/**
 * What a bearer token must say to be taken for an access token for this resource, and who then is calling. Each
 * claim that decides who somebody is, or what they may do, is either missing or can be read; a token whose claim
 * cannot be read is refused as a whole, because what is left of it would name an owner whom others share.
 */
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { isOwnerPart } from '../../src/domain/owner.ts';
import { present } from '../../src/present.ts';
import type { AuthInfo } from '../../src/protocol/sdk.ts';

/** Asymmetric only: with a symmetric algorithm the issuer's public key would be a password that everybody knows. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const CLOCK_TOLERANCE_SECONDS = 5;

export interface TokenRules {
  readonly issuer: string;
  /** As it is set. Absent: the resource's own URL. */
  readonly audience: string | undefined;
  /** That each token must have. */
  readonly scopes: readonly string[];
  readonly tenantClaim: string | undefined;
  readonly keys: JWTVerifyGetKey;
}

/** Throws jose's errors for a token that is refused, and what `rules.keys` throws. Scopes are read, not compared. */
export async function readAccessToken(token: string, resource: string, rules: TokenRules): Promise<AuthInfo> {
  const { payload, protectedHeader } = await jwtVerify(token, rules.keys, {
    issuer: rules.issuer,
    algorithms: ALGORITHMS,
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    requiredClaims: ['exp'],
  });
  // JSON has no infinity, but 1e999 is read as one.
  if (!Number.isFinite(payload.exp)) throw unreadable(payload, 'exp');
  assertAudience(payload, resource, rules.audience);
  assertAccessToken(payload, protectedHeader.typ, rules);
  const authorizedParty = textOf(payload, 'azp');
  const client = textOf(payload, 'client_id') ?? authorizedParty;
  const subject = textOf(payload, 'sub');
  const clientId = client ?? subject;
  if (clientId === undefined) throw unreadable(payload, 'sub');
  const tenant = rules.tenantClaim === undefined ? undefined : textOf(payload, rules.tenantClaim);
  if (rules.tenantClaim !== undefined && tenant === undefined) throw unreadable(payload, rules.tenantClaim);
  return {
    token: '',
    clientId,
    scopes: scopesOf(payload),
    expiresAt: Number(payload.exp),
    extra: {
      iss: rules.issuer,
      ...present({ sub: subject, tenant }),
    },
  };
}

/**
 * `aud` must name this resource. Amazon Cognito's access tokens may have none; there the client id is compared with
 * the audience that is set. Not with the resource's own URL, which a client could choose for its id.
 */
function assertAudience(payload: JWTPayload, resource: string, audience: string | undefined): void {
  const aud: unknown = payload.aud;
  if (aud === undefined && audience !== undefined && textOf(payload, 'client_id') === audience) return;
  const named: unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!named.every(isOwnerPart) || !named.includes(audience ?? resource)) throw unreadable(payload, 'aud');
}

/** RFC 9068, and what says no more than that it is a JWT. */
const HEADER_TYPES = ['at+jwt', 'application/at+jwt', 'jwt', 'application/jwt'];
/** Where issuers say what a token is for: Amazon Cognito, Keycloak, others. */
const KIND_CLAIMS = ['token_use', 'typ', 'token_type'];
const ACCESS_KINDS = ['access', 'access_token', 'at', 'at+jwt', 'bearer', 'jwt'];
/** OpenID Connect Core, sections 2 and 3.3.2.11; and RFC 8417. */
const CLAIMS_OF_OTHERS = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events'];
/** Each kind of access token has one of them: RFC 9068, Amazon Cognito, Entra ID, Okta. */
const CLAIMS_OF_ACCESS = ['scope', 'scp', 'client_id', 'cid', 'appid', 'azp'];

/**
 * An ID token tells a client who logged in; a server that gets hold of one must not be able to call tools with it. What
 * the issuer says of the token's kind decides; where it says nothing, the claims do.
 */
function assertAccessToken(payload: JWTPayload, type: unknown, { audience, scopes }: TokenRules): void {
  const headerType = type === undefined ? 'jwt' : lowerCased(type);
  if (headerType === undefined || !HEADER_TYPES.includes(headerType)) throw unreadable(payload, 'typ');
  const kinds = KIND_CLAIMS.filter((name) => payload[name] !== undefined);
  for (const name of kinds) {
    const kind = lowerCased(payload[name]);
    if (kind === undefined || !ACCESS_KINDS.includes(kind)) throw unreadable(payload, name);
  }
  if (kinds.length > 0 || headerType.endsWith('at+jwt')) return;
  const foreign = CLAIMS_OF_OTHERS.find((name) => payload[name] !== undefined);
  if (foreign !== undefined) throw unreadable(payload, foreign);
  // An audience that is set may be a client's id, which is what ID tokens are for; their scopes tell them apart, too.
  const mayBeIdToken = audience !== undefined && scopes.length === 0;
  if (mayBeIdToken && !CLAIMS_OF_ACCESS.some((name) => payload[name] !== undefined)) throw unreadable(payload, 'scope');
}

function lowerCased(value: unknown): string | undefined {
  return typeof value === 'string' ? value.toLowerCase() : undefined;
}

/** `scope` is text with spaces (RFC 9068), at some issuers a list; `scp` a list (Okta) or text (Entra ID). */
function scopesOf(payload: JWTPayload): string[] {
  const [scope, scp] = [scopeList(payload, 'scope'), scopeList(payload, 'scp')];
  return scope ?? scp ?? [];
}

function scopeList(payload: JWTPayload, name: string): string[] | undefined {
  const claim = payload[name];
  if (claim === undefined) return undefined;
  if (typeof claim === 'string') return claim.split(' ').filter((scope) => scope !== '');
  if (Array.isArray(claim) && claim.every(isOwnerPart)) return claim;
  throw unreadable(payload, name);
}

/** `undefined` only where the claim is missing. */
function textOf(payload: JWTPayload, name: string): string | undefined {
  const claim = Object.hasOwn(payload, name) ? payload[name] : undefined;
  if (claim === undefined || isOwnerPart(claim)) return claim;
  throw unreadable(payload, name);
}

function unreadable(payload: JWTPayload, claim: string): errors.JWTClaimValidationFailed {
  return new errors.JWTClaimValidationFailed(`the claim "${claim}" is missing or says something else`, payload, claim);
}
