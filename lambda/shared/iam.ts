/** Callers that API Gateway has authenticated by IAM (SigV4). */
import type { AuthInfo } from '../../src/protocol/sdk.ts';
import { type HttpEvent, isVersion2 } from './http-event.ts';

/** `undefined`: the event names no IAM principal, so the API is not set to check one. */
export function iamAuthInfo(event: HttpEvent): AuthInfo | undefined {
  const { arn, account, identityId } = principalOf(event);
  if (!arn || !account) return undefined;
  // All who come through a Cognito identity pool share one role; their identity is what tells them apart.
  const subject = identityId ? `${withoutSessionName(arn)} ${identityId}` : withoutSessionName(arn);
  return { token: '', clientId: arn, scopes: [], extra: { iss: 'iam', tenant: account, sub: subject } };
}

interface Principal {
  readonly arn?: string | null | undefined;
  readonly account?: string | null | undefined;
  readonly identityId?: string | null | undefined;
}

function principalOf(event: HttpEvent): Principal {
  if (!isVersion2(event)) {
    const { userArn, accountId, cognitoIdentityId } = event.requestContext.identity;
    return { arn: userArn, account: accountId, identityId: cognitoIdentityId };
  }
  const { iam } = (event.requestContext as { authorizer?: { iam?: IamAuthorizer } }).authorizer ?? {};
  return { arn: iam?.userArn, account: iam?.accountId, identityId: iam?.cognitoIdentity?.identityId };
}

/** Of payload 2.0. */
interface IamAuthorizer {
  readonly userArn?: string;
  readonly accountId?: string;
  readonly cognitoIdentity?: { readonly identityId?: string } | null;
}

/** Who assumes a role chooses the session's name; the role is what was granted. */
function withoutSessionName(arn: string): string {
  const assumed = /^(arn:[^:]*:sts::\d+:assumed-role\/[^/]+)\//.exec(arn);
  return assumed?.[1] ?? arn;
}
