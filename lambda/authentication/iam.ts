/**
 * Callers that API Gateway has authenticated by IAM (SigV4). A caller that comes through a Cognito identity pool is
 * known by its identity there. If that cannot be read, the caller is refused: all callers of the pool share one role.
 */
import { isOwnerPart } from '../../src/domain/owner.ts';
import type { AuthInfo } from '../../src/protocol/sdk.ts';
import { type HttpEvent, isVersion2 } from '../endpoint/http-event.ts';

/** `undefined`: the event names no IAM principal (the API is not set to check one), or not all of it can be read. */
export function iamAuthInfo(event: HttpEvent): AuthInfo | undefined {
  const { arn, account, isFromPool, identityId } = principalOf(event);
  if (!isOwnerPart(arn) || !isOwnerPart(account)) return undefined;
  if (isFromPool && !isOwnerPart(identityId)) return undefined;
  const role = withoutSessionName(arn);
  const subject = isOwnerPart(identityId) ? `${role} ${identityId}` : role;
  return { token: '', clientId: arn, scopes: [], extra: { iss: 'iam', tenant: account, sub: subject } };
}

interface Principal {
  readonly arn: unknown;
  readonly account: unknown;
  /** The event says anything at all of a Cognito identity. */
  readonly isFromPool: boolean;
  readonly identityId: unknown;
}

function principalOf(event: HttpEvent): Principal {
  if (!isVersion2(event)) {
    const { userArn, accountId, cognitoIdentityId, cognitoIdentityPoolId } = event.requestContext.identity ?? {};
    const isFromPool = isSaid(cognitoIdentityId) || isSaid(cognitoIdentityPoolId);
    return { arn: userArn, account: accountId, isFromPool, identityId: cognitoIdentityId };
  }
  const { iam } = (event.requestContext as { authorizer?: { iam?: IamAuthorizer | null } | null }).authorizer ?? {};
  const identity = iam?.cognitoIdentity;
  return {
    arn: iam?.userArn,
    account: iam?.accountId,
    isFromPool: isSaid(identity),
    identityId: identity?.identityId,
  };
}

/** Of payload 2.0. */
interface IamAuthorizer {
  readonly userArn?: string;
  readonly accountId?: string;
  readonly cognitoIdentity?: { readonly identityId?: string } | null;
}

/** API Gateway writes `null` for what does not apply. */
function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** Who assumes a role chooses the session's name; the role is what was granted. */
function withoutSessionName(arn: string): string {
  const assumed = /^(arn:[^:]*:sts::\d+:assumed-role\/[^/]+)\//.exec(arn);
  return assumed?.[1] ?? arn;
}
