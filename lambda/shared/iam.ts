/** Callers that API Gateway has authenticated by IAM (SigV4). */
import type { AuthInfo } from '../../src/protocol/sdk.ts';
import { type HttpEvent, isVersion2 } from './http-event.ts';

/** `undefined`: the event names no IAM principal, so the API is not set to check one. */
export function iamAuthInfo(event: HttpEvent): AuthInfo | undefined {
  const { arn, account } = principalOf(event);
  if (!arn || !account) return undefined;
  return { token: '', clientId: arn, scopes: [], extra: { iss: 'iam', tenant: account, sub: withoutSessionName(arn) } };
}

function principalOf(event: HttpEvent): { arn?: string | null; account?: string | null } {
  if (!isVersion2(event)) {
    const { userArn, accountId } = event.requestContext.identity;
    return { arn: userArn, account: accountId };
  }
  const { authorizer } = event.requestContext as { authorizer?: { iam?: { userArn?: string; accountId?: string } } };
  return {
    ...(authorizer?.iam === undefined
      ? {}
      : { arn: authorizer.iam.userArn ?? null, account: authorizer.iam.accountId ?? null }),
  };
}

/** Who assumes a role chooses the session's name; the role is what was granted. */
function withoutSessionName(arn: string): string {
  const assumed = /^(arn:[^:]*:sts::\d+:assumed-role\/[^/]+)\//.exec(arn);
  return assumed?.[1] ?? arn;
}
