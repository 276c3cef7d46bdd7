/**
 * Who is calling: verified before anything else happens. One way for each `TASKS_AUTH_MODE`; what comes out is
 * the `authInfo` from which the owner is taken, or the response that refuses the caller.
 */
import { type Clock, systemClock } from '../../src/clock.ts';
import { refusedRequest } from '../../src/protocol/http-requests.ts';
import type { Logger } from '../../src/runtime/logger.ts';
import { type Environment, oneOf } from '../shared/environment.ts';
import { AUTH_MODES } from '../shared/words.ts';
import type { Authenticate } from './authenticated.ts';
import { iamAuthInfo } from './iam.ts';

const NOT_SIGNED =
  'This request names no IAM principal that can be read: the API must authorize callers by IAM (SigV4).';

/** Rejects with an error that names the variable when a setting is missing or wrong. */
export async function createAuthenticate(
  environment: Environment,
  logger: Logger,
  clock: Clock = systemClock,
): Promise<Authenticate> {
  const mode = oneOf(environment, 'authMode', AUTH_MODES);
  switch (mode) {
    case 'none':
      return async () => ({});
    case 'iam':
      return async (_request, event) => {
        const authInfo = iamAuthInfo(event);
        return authInfo === undefined ? refusedRequest(403, NOT_SIGNED) : { authInfo };
      };
    case 'jwt': {
      // Only where it is used: it costs as much of a cold start as the rest of the authentication together.
      const { createResourceServer } = await import('./resource-server.ts');
      return createResourceServer(environment, logger, clock);
    }
  }
}
