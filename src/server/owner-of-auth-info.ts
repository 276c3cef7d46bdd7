/** The owner that verified credentials name: issuer, tenant and subject of a token, or its client id. */
import { ANONYMOUS, type Owner, ownerOf } from '../domain/owner.ts';
import type { AuthInfo } from '../protocol/sdk.ts';

export interface OwnerRules {
  /** Whether callers without credentials may use tasks; they all share one owner. */
  readonly allowAnonymous: boolean;
}

/**
 * `authInfo` must come from verified credentials: claims are taken from `authInfo.extra` (`iss`, `sub`,
 * `tenant`). Without a subject the client id is the owner: a machine's token.
 */
export function ownerOfAuthInfo(authInfo: AuthInfo | undefined, rules: OwnerRules): Owner | undefined {
  if (authInfo === undefined) return rules.allowAnonymous ? ANONYMOUS : undefined;
  const { iss, sub, tenant } = authInfo.extra ?? {};
  const issuer = textOf(iss) ?? 'unspecified';
  const person = textOf(sub);
  const subject = person === undefined ? `client ${authInfo.clientId}` : `subject ${person}`;
  return ownerOf(issuer, subject, textOf(tenant));
}

function textOf(claim: unknown): string | undefined {
  return typeof claim === 'string' && claim !== '' ? claim : undefined;
}
