/** Every variant of a token: whose it is, or that it is refused; and that none of them costs more than a token should. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Authenticate } from '../../../lambda/authentication/authenticated.ts';
import { createAuthenticate } from '../../../lambda/authentication/authentication.ts';
import { type HttpEvent, toRequest } from '../../../lambda/endpoint/http-event.ts';
import type { Environment } from '../../../lambda/shared/environment.ts';
import type { Logger } from '../../../src/runtime/logger.ts';
import { ownerOfAuthInfo } from '../../../src/server/owner-of-auth-info.ts';
import { type EventParts, httpApiEvent, RESOURCE, restProxyEvent } from '../../support/lambda/events.ts';
import { startIssuer, type TestIssuer } from '../../support/lambda/test-issuer.ts';
import { TOKEN_VARIANTS, type TokenVariant } from '../../support/lambda/token-variants.ts';
import { strainOf } from '../../support/strain.ts';

const MIB = 1024 * 1024;

let issuer: TestIssuer;
let logged: string[];
/** By their settings: one for all variants that share them, so that the keys are fetched once. */
let servers: Map<string, Promise<Authenticate>>;

beforeAll(async () => {
  issuer = await startIssuer(RESOURCE);
  logged = [];
  servers = new Map();
});

afterAll(async () => {
  await issuer[Symbol.asyncDispose]();
});

const keep = (message: string) => void logged.push(message);
const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep };

function serverFor(settings: Environment): Promise<Authenticate> {
  const key = JSON.stringify(settings);
  const known = servers.get(key);
  if (known !== undefined) return known;
  const environment = { authMode: 'jwt', jwtIssuer: issuer.url, jwtJwksUri: issuer.jwksUri, ...settings };
  const made = createAuthenticate(environment, logger);
  servers.set(key, made);
  return made;
}

async function outcomeOf(
  { token, settings = {}, rawHeaders }: TokenVariant,
  toEvent: (parts: EventParts) => HttpEvent,
) {
  const made = await token(issuer);
  const event = toEvent({ rawHeaders: rawHeaders?.(made) ?? ['Authorization', `Bearer ${made}`] });
  // The two kinds of event call one resource by two names.
  const audience = settings.jwtAudience ?? RESOURCE;
  const authenticate = await serverFor({ ...settings, ...(audience === RESOURCE ? { resourceUrl: RESOURCE } : {}) });
  const answer = await authenticate(toRequest(event, new AbortController().signal), event);
  if (!(answer instanceof Response)) {
    const { issuer: _issuer, ...owner } = ownerOfAuthInfo(answer.authInfo, { allowAnonymous: false }) ?? {};
    return owner;
  }
  // A key that is not known may be asked for a few times only; until then, nobody says that the token is wrong.
  return answer.status === 429 ? 401 : answer.status;
}

describe('a bearer token', () => {
  test('has more than sixty variants here, each with a name of its own', () => {
    expect(new Set(TOKEN_VARIANTS.map(({ name }) => name)).size).toBe(TOKEN_VARIANTS.length);
    expect(TOKEN_VARIANTS.length).toBeGreaterThan(60);
  });

  test.each(TOKEN_VARIANTS)('is let in as its owner or refused: $name [SEC-1 SEC-2 SEC-7]', async (variant) => {
    expect(await outcomeOf(variant, restProxyEvent)).toEqual(variant.expected);
    expect(await outcomeOf(variant, httpApiEvent)).toEqual(variant.expected);
  });

  test('is never taken for a failure of ours, and leaves nothing in the log [SEC-3 SEC-4]', () => {
    expect(logged).toEqual([]);
  });

  test('of whatever kind keeps no memory, and holds nobody up [SEC-8]', async () => {
    const all = TOKEN_VARIANTS.map((variant) => () => outcomeOf(variant, restProxyEvent));
    await strainOf(all);

    const { keptBytes, longestHoldMs } = await strainOf([...all, ...all, ...all, ...all, ...all]);

    expect(keptBytes).toBeLessThan(32 * MIB);
    expect(longestHoldMs).toBeLessThan(3_000);
    // Once for each set of settings, and a few more times for keys that nobody knows.
    expect(issuer.fetches()).toBeLessThan(10 * servers.size);
  });
});
