/**
 * The token issuer's keys: asked for at once when a token names one that is not known, in bounded number, and never
 * a reason to call a token invalid while nobody can know; and what of tokens stays behind, which is nothing.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Authenticate } from '../../../lambda/authentication/authenticated.ts';
import { createAuthenticate } from '../../../lambda/authentication/authentication.ts';
import type { Clock } from '../../../src/clock.ts';
import type { LogFields, Logger } from '../../../src/runtime/logger.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { ask, bearing, owner, refusal } from '../../support/lambda/callers.ts';
import { RESOURCE } from '../../support/lambda/events.ts';
import { startIssuer, type TestIssuer } from '../../support/lambda/test-issuer.ts';

const INVALID = { status: 401, challenge: expect.stringContaining('error="invalid_token"') };

let issuer: TestIssuer;
let logged: unknown[];

beforeEach(async () => {
  issuer = await startIssuer(RESOURCE);
  logged = [];
});

afterEach(async () => {
  await issuer[Symbol.asyncDispose]();
});

const keep = (message: string, fields?: LogFields) => void logged.push({ text: message, ...fields });
const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep };

function resourceServer(clock?: Clock): Promise<Authenticate> {
  return createAuthenticate({ authMode: 'jwt', jwtIssuer: issuer.url, jwtJwksUri: issuer.jwksUri }, logger, clock);
}

describe('the issuer’s keys', () => {
  const named = async (kid: string) => bearing(await issuer.sign({}, { kid }));

  test('are fetched once and five times more, however many tokens name keys that nobody knows [SEC-2 SEC-7]', async () => {
    const authenticate = await resourceServer(new ManualClock());

    const answers = new Map<number, number>();
    for (let at = 0; at < 200; at += 1) {
      const { status } = await refusal(authenticate, await named(`flood-${at}`));
      answers.set(status, (answers.get(status) ?? 0) + 1);
    }

    expect(issuer.fetches()).toBe(6);
    // Told that the key is wrong are those for whom the issuer was asked; the others are to try again.
    expect([...answers]).toEqual([
      [401, 6],
      [429, 194],
    ]);
    expect(await owner(authenticate, bearing(await issuer.sign()))).toBeDefined();
  });

  test('are fetched once for many tokens that come at the same time [SEC-2]', async () => {
    const authenticate = await resourceServer();
    await owner(authenticate, bearing(await issuer.sign()));
    const tokens = await Promise.all(Array.from({ length: 50 }, (_, at) => named(`at-once-${at}`)));

    const statuses = await Promise.all(tokens.map(async (token) => (await refusal(authenticate, token)).status));

    expect(new Set(statuses)).toEqual(new Set([401]));
    expect(issuer.fetches()).toBe(2);
  });

  test('are fetched again at once for a key that came since, also right after an unrelated fetch [SEC-2 SEC-7]', async () => {
    const authenticate = await resourceServer(new ManualClock());
    await owner(authenticate, bearing(await issuer.sign()));
    expect(await refusal(authenticate, await named('unknown'))).toEqual(INVALID);
    await issuer.rotate();

    expect(await owner(authenticate, bearing(await issuer.sign()))).toBeDefined();
    expect(issuer.fetches()).toBe(3);
  });

  test('that came during a flood are known ten seconds later, and nobody is told before that they are wrong [SEC-2 SEC-7]', async () => {
    const clock = new ManualClock();
    const authenticate = await resourceServer(clock);
    for (let at = 0; at < 10; at += 1) await refusal(authenticate, await named(`flood-${at}`));
    await issuer.rotate();
    const token = bearing(await issuer.sign());

    const early = await ask(authenticate, token);
    await clock.advance(9_999);
    const stillEarly = await ask(authenticate, token);
    await clock.advance(1);

    for (const answer of [early, stillEarly]) {
      if (!(answer instanceof Response)) throw new Error('The caller was let in.');
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '10']);
    }
    expect(await owner(authenticate, token)).toBeDefined();
  });

  test('that are gone make a token invalid, also while nobody may be asked [SEC-2]', async () => {
    const clock = new ManualClock();
    const authenticate = await resourceServer(clock);
    await owner(authenticate, bearing(await issuer.sign()));
    const old = await named('old');
    await refusal(authenticate, old);
    for (let at = 0; at < 10; at += 1) await refusal(authenticate, await named(`flood-${at}`));

    expect(await refusal(authenticate, old)).toEqual(INVALID);
  });

  test('that are gone are remembered for a hundred key ids and no more [SEC-8]', async () => {
    const authenticate = await resourceServer(new ManualClock());
    await owner(authenticate, bearing(await issuer.sign()));
    const first = await named('first');
    await refusal(authenticate, first);
    const others = await Promise.all(Array.from({ length: 100 }, (_, at) => named(`at-once-${at}`)));
    await Promise.all(others.map((token) => refusal(authenticate, token)));
    for (let at = 0; at < 10; at += 1) await refusal(authenticate, await named(`flood-${at}`));

    expect((await refusal(authenticate, first)).status).toBe(429);
    expect((await refusal(authenticate, others.at(-1) ?? first)).status).toBe(401);
  });

  test('that the issuer does not tell of make nobody’s token wrong: 503, and try again [SEC-2 SEC-7]', async () => {
    const authenticate = await resourceServer();
    await owner(authenticate, bearing(await issuer.sign()));
    issuer.breakDown();

    const answer = await ask(authenticate, await named('new'));

    if (!(answer instanceof Response)) throw new Error('The caller was let in.');
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await owner(authenticate, bearing(await issuer.sign()))).toBeDefined();
  });

  test('cannot be had: the caller is told to try again, and the log says why [SEC-2]', async () => {
    const authenticate = await resourceServer();
    issuer.breakDown();

    expect(await refusal(authenticate, bearing(await issuer.sign()))).toEqual({ status: 503, challenge: null });
    expect(logged).toEqual([expect.objectContaining({ text: "The token issuer's keys cannot be read" })]);
  });

  test('and tokens leave nothing in the log [SEC-4]', async () => {
    const authenticate = await resourceServer();
    const tokens = [await issuer.sign(), await issuer.sign({ exp: 1 }), await issuer.signWithPublicKey()];
    for (const token of tokens) await ask(authenticate, bearing(token));
    issuer.breakDown();
    for (const token of tokens) await ask(await resourceServer(), bearing(token));

    expect(logged.length).toBeGreaterThan(0);
    for (const part of tokens.flatMap((token) => token.split('.'))) expect(JSON.stringify(logged)).not.toContain(part);
  });

  test('and tokens are not handed on [SEC-4]', async () => {
    const token = await issuer.sign();

    expect(JSON.stringify(await ask(await resourceServer(), bearing(token)))).not.toContain(token);
  });
});
