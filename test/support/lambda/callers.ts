/** Callers of the endpoint: what authentication makes of them, as their refusal or as the owner that they are. */
import type { Authenticate } from '../../../lambda/authentication/authenticated.ts';
import { toRequest } from '../../../lambda/endpoint/http-event.ts';
import { ownerOfAuthInfo } from '../../../src/server/owner-of-auth-info.ts';
import { type EventParts, restProxyEvent } from './events.ts';

export async function ask(authenticate: Authenticate, parts: EventParts) {
  const event = restProxyEvent(parts);
  return authenticate(toRequest(event, new AbortController().signal), event);
}

export const bearing = (...tokens: string[]): EventParts => ({
  rawHeaders: tokens.flatMap((token) => ['Authorization', `Bearer ${token}`]),
});

/** Status and challenge of the refusal; fails where the caller was let in. */
export async function refusal(authenticate: Authenticate, parts: EventParts) {
  const answer = await ask(authenticate, parts);
  if (!(answer instanceof Response)) throw new Error('The caller was let in.');
  return { status: answer.status, challenge: answer.headers.get('www-authenticate') };
}

export async function owner(authenticate: Authenticate, parts: EventParts) {
  const answer = await ask(authenticate, parts);
  if (answer instanceof Response) throw new Error(`Refused with ${answer.status}.`);
  return ownerOfAuthInfo(answer.authInfo, { allowAnonymous: false });
}
