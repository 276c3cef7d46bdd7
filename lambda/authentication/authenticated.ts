/** What authentication comes to, whichever way it is done. */
import type { AuthInfo } from '../../src/protocol/sdk.ts';
import type { HttpEvent } from '../endpoint/http-event.ts';

export interface Authenticated {
  /** Absent: anonymous, where that is allowed. */
  readonly authInfo?: AuthInfo;
}

/** Resolves to a `Response` for requests that it answers itself: refusals and the resource's metadata. */
export type Authenticate = (request: Request, event: HttpEvent) => Promise<Authenticated | Response>;
