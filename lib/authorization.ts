/** How callers of the endpoint prove who they are: what the API checks and what the function is told. */
import type { Environment } from '../lambda/shared/environment.ts';

export type Authorization =
  /** OAuth 2.0 bearer tokens (JWT), as MCP defines a resource server. */
  | {
      readonly mode: 'jwt';
      /** The issuer, as in the tokens' `iss`; its keys are found through its discovery document. */
      readonly issuer: string;
      /** What the tokens' `aud` must contain: usually the endpoint's URL. @default - the endpoint's own URL */
      readonly audience?: string;
      /** Where the issuer's keys are. @default - found through the issuer's discovery document */
      readonly jwksUri?: string;
      /** Scopes that each token must have. @default - none */
      readonly scopes?: readonly string[];
      /** The claim that names the caller's organisation. @default - none */
      readonly tenantClaim?: string;
    }
  /** SigV4; API Gateway checks it. */
  | { readonly mode: 'iam' }
  /** Everybody is one anonymous owner. For trials only. */
  | { readonly mode: 'none' };

/** A scope is written into a quoted part of a header, separated by spaces (RFC 6749, section 3.3). */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** A sentence, or `undefined` if every scope is one. */
export function problemWithScopes(scopes: readonly string[]): string | undefined {
  const wrong = scopes.find((scope) => !SCOPE.test(scope));
  if (wrong === undefined) return undefined;
  return `A scope is made of printable ASCII characters without blanks, quotation marks and "\\"; one is ${JSON.stringify(wrong)}.`;
}

/**
 * Throws for a part that is there and empty, as one is that was read from a file or variable which has none: left
 * out in silence, it would let in more callers than it was meant to, or let them share what they own.
 */
export function authorizationEnvironment(authorization: Authorization, resourceUrl: string | undefined): Environment {
  if (authorization.mode !== 'jwt') return { authMode: authorization.mode };
  const { issuer, audience, jwksUri, scopes, tenantClaim } = authorization;
  for (const [name, value] of Object.entries({ issuer, audience, jwksUri, tenantClaim, scopes })) {
    const empty = [value].flat().some((part) => part !== undefined && part.trim() === '');
    if (empty) throw new Error(`authorization.${name} must not be empty: give it a value, or leave it out.`);
  }
  const problem = problemWithScopes(scopes ?? []);
  if (problem !== undefined) throw new Error(problem);
  return {
    authMode: 'jwt',
    jwtIssuer: issuer,
    resourceUrl,
    jwtAudience: audience,
    jwtJwksUri: jwksUri,
    ...(scopes === undefined || scopes.length === 0 ? {} : { jwtScopes: scopes.join(' ') }),
    jwtTenantClaim: tenantClaim,
  };
}
