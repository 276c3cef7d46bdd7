/**
 * The token issuer's keys: found through its discovery document unless their address is given, kept for a while, and
 * asked for again when a token names a key that is not among them, since issuers change their keys at any time. How
 * often that happens is bounded, because anybody can name keys that do not exist.
 */
import { createRemoteJWKSet, errors, type JWSHeaderParameters, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../../src/clock.ts';
import { isOwnerPart } from '../../src/domain/owner.ts';

const FETCH_TIMEOUT_MS = 3_000;
const KEYS_MAX_AGE_MS = 10 * 60_000;
/** For unknown key ids: so often at once, and then once in so many milliseconds. */
const REFRESHES = 5;
const REFRESH_EVERY_MS = 10_000;
/** Unknown key ids that are remembered, so that tokens with an old key get their answer also while the issuer may not be asked. */
const MAX_DENIED = 100;

/** The issuer does not answer, or with something that is no set of keys; `cause` says what. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

/** The issuer has been asked too often for keys that it does not have: whether it has this one is not known. */
export class KeysNotAsked extends Error {
  override readonly name = 'KeysNotAsked';
  readonly retryAfterSeconds = REFRESH_EVERY_MS / 1_000;
}

export interface IssuerKeysOptions {
  readonly issuer: string;
  /** @default found through the issuer's discovery document */
  readonly jwksUri: string | undefined;
  readonly clock: Clock;
}

type RemoteKeys = ReturnType<typeof createRemoteJWKSet>;

/** Throws `KeysUnavailable`, `KeysNotAsked`, and jose's error where the issuer has no such key. */
export function createIssuerKeys({ issuer, jwksUri, clock }: IssuerKeysOptions): JWTVerifyGetKey {
  let found: Promise<RemoteKeys> | undefined;
  const find = async () =>
    createRemoteJWKSet(new URL(jwksUri ?? (await discover(issuer))), {
      timeoutDuration: FETCH_TIMEOUT_MS,
      // Never by itself for an unknown key: that is decided here.
      cooldownDuration: Number.POSITIVE_INFINITY,
      cacheMaxAge: KEYS_MAX_AGE_MS,
    });
  const open = () => {
    found ??= find().catch((error: unknown) => {
      found = undefined;
      throw error;
    });
    return found;
  };
  const budget = new Budget(clock);
  const denied = new Map<string, number>();

  return async (header, token) => {
    const kid = keyIdOf(header);
    const keys = await orUnavailable(open);
    const wereFresh = keys.fresh;
    const known = await orUnavailable(() => orUndefined(keys(header, token)));
    if (known !== undefined) return known;
    // They have just been fetched for this very token.
    if (!wereFresh) throw new errors.JWKSNoMatchingKey();
    if (!keys.reloading && !budget.take()) {
      const deniedAt = denied.get(kid);
      if (deniedAt !== undefined && clock.now() - deniedAt < REFRESH_EVERY_MS) throw new errors.JWKSNoMatchingKey();
      throw new KeysNotAsked('The issuer has been asked for unknown keys too often.');
    }
    await orUnavailable(() => keys.reload());
    const added = await orUnavailable(() => orUndefined(keys(header, token)));
    if (added !== undefined) return added;
    denied.delete(kid);
    denied.set(kid, clock.now());
    for (const oldest of denied.keys()) if (denied.size > MAX_DENIED) denied.delete(oldest);
    throw new errors.JWKSNoMatchingKey();
  };
}

/** `''` for a token that names none. */
function keyIdOf({ kid }: JWSHeaderParameters): string {
  if (kid === undefined) return '';
  if (isOwnerPart(kid)) return kid;
  throw new errors.JWSInvalid('The key id is no text.');
}

async function orUndefined<T>(key: Promise<T>): Promise<T | undefined> {
  return key.catch((error: unknown) => {
    if (error instanceof errors.JWKSNoMatchingKey) return undefined;
    throw error;
  });
}

/** What the token is at fault for is passed on; everything else is the issuer's, or the way to it. */
async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof errors.JWKSMultipleMatchingKeys || cause instanceof errors.JOSENotSupported) throw cause;
    throw new KeysUnavailable('The token issuer publishes no keys that can be read.', { cause });
  }
}

/** A few at once, then one in a while. */
class Budget {
  readonly #clock: Clock;
  #left = REFRESHES;
  #countedAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#countedAt = clock.now();
  }

  take(): boolean {
    const now = this.#clock.now();
    // A clock that steps back takes nothing away, and does not stop the count either.
    const earned = Math.max(0, now - this.#countedAt) / REFRESH_EVERY_MS;
    this.#left = Math.min(REFRESHES, this.#left + earned);
    this.#countedAt = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

/** OpenID Connect discovery, then OAuth's own (RFC 8414). */
async function discover(issuer: string): Promise<string> {
  const base = new URL(issuer);
  const path = base.pathname.replace(/\/$/, '');
  for (const candidate of [
    `${path}/.well-known/openid-configuration`,
    `/.well-known/oauth-authorization-server${path}`,
  ]) {
    const response = await fetch(new URL(candidate, base.origin), { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (!response.ok) continue;
    const { issuer: named, jwks_uri: jwksUri } = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
    if (named === issuer && typeof jwksUri === 'string') return jwksUri;
  }
  throw new Error('The token issuer publishes no keys.');
}
