/**
 * The owner that verified credentials name: issuer, tenant and subject of a token, or its client id. A claim that
 * is there and cannot be read is refused: without it, the owner would be a coarser one that others share.
 */
import { TaskError } from '../domain/errors.ts';
import { ANONYMOUS, isOwnerPart, type Owner } from '../domain/owner.ts';
import type { AuthInfo } from '../protocol/sdk.ts';

export interface OwnerRules {
  /** Whether callers without credentials may use tasks; they all share one owner. */
  readonly allowAnonymous: boolean;
}

/**
 * `authInfo` must come from verified credentials: claims are taken from `authInfo.extra` (`iss`, `sub`,
 * `tenant`). Without a subject the client id is the owner: a machine's token. Throws `invalid_owner` for a claim
 * that is there and is no non-empty, valid text.
 */
export function ownerOfAuthInfo(authInfo: AuthInfo | undefined, rules: OwnerRules): Owner | undefined {
  if (authInfo === undefined) return rules.allowAnonymous ? ANONYMOUS : undefined;
  const { extra = {} } = membersOf(authInfo, 'authInfo');
  const claims = membersOf(extra, 'authInfo.extra');
  const issuer = claimOf(claims, 'iss') ?? 'unspecified';
  const person = claimOf(claims, 'sub');
  const tenant = claimOf(claims, 'tenant');
  const subject = person === undefined ? `client ${clientOf(authInfo)}` : `subject ${person}`;
  return tenant === undefined ? { issuer, subject } : { issuer, tenant, subject };
}

function membersOf(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new TaskError('invalid_owner', `${name} of verified credentials must be an object, or left out.`);
}

/** `undefined` only where the claim is missing. */
function claimOf(claims: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const claim = claims[name];
  if (claim === undefined || isOwnerPart(claim)) return claim;
  throw new TaskError('invalid_owner', `The claim "${name}" must be non-empty, valid text, or left out.`);
}

function clientOf({ clientId }: AuthInfo): string {
  if (isOwnerPart(clientId)) return clientId;
  throw new TaskError(
    'invalid_owner',
    'Credentials without a subject need a client id, which is non-empty, valid text.',
  );
}
