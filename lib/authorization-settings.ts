/** The settings of who may call, out of the context. */
import { AUTH_MODES } from '../lambda/shared/words.ts';
import { present } from '../src/present.ts';
import { type Authorization, problemWithScopes } from './authorization.ts';
import type { ContextReader } from './context-reader.ts';

/** They decide who callers are and what they may do. */
export const JWT_SETTINGS = ['jwtIssuer', 'jwtAudience', 'jwtJwksUri', 'jwtScopes', 'jwtTenantClaim'] as const;

export function readAuthorization(reader: ContextReader): Authorization {
  for (const name of ['auth', ...JWT_SETTINGS]) reader.refuseEmpty(name);
  const mode = reader.oneOf('auth', AUTH_MODES, 'iam');
  const issuer = reader.httpsUrl('jwtIssuer');
  if (mode !== 'jwt') return { mode };
  if (reader.text('jwtIssuer') === undefined) {
    reader.problems.push('Context "auth" is "jwt", so the issuer of the tokens is needed: -c jwtIssuer=https://…');
  }
  const audience = reader.text('jwtAudience');
  const jwksUri = reader.httpsUrl('jwtJwksUri');
  const tenantClaim = reader.text('jwtTenantClaim');
  return {
    mode,
    issuer: issuer ?? '',
    scopes: readScopes(reader),
    ...present({ audience, jwksUri, tenantClaim }),
  };
}

function readScopes(reader: ContextReader): readonly string[] {
  const scopes = reader.list('jwtScopes') ?? [];
  const problem = problemWithScopes(scopes);
  if (problem !== undefined) reader.problems.push(`Context "jwtScopes" is wrong. ${problem}`);
  return scopes;
}
