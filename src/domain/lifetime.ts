/**
 * The two clocks of a task. Until its run deadline an unfinished task may run; past it, it
 * is failed. From its end on, a finished task stays readable for its retention. What a client was
 * told (`ttlMs`) is kept: a promise is only ever extended, and shortened at most once, at the task's end, where its
 * retention counts from there.
 */
import { present } from '../present.ts';

export interface Lifetime {
  /** How long a task may stay unfinished, in milliseconds. */
  readonly runDeadlineMs: number;
  /** How long a finished task stays readable, in milliseconds; `null`: for ever. */
  readonly retentionMs: number | null;
  /**
   * Whether the retention counts from the task's end also where that is sooner than was to be expected: what the task's
   * clients were told shrinks then. @default it counts from the run deadline
   */
  readonly retentionFromEnd?: true;
}

export interface LifetimePolicy extends Lifetime {
  /** The longest lifetime that a client may ask for, in milliseconds; `null`: it may ask for an unlimited one. */
  readonly maxTtlMs: number | null;
}

export const DEFAULT_LIFETIME: LifetimePolicy = {
  runDeadlineMs: 24 * 60 * 60 * 1000,
  retentionMs: 24 * 60 * 60 * 1000,
  maxTtlMs: 30 * 24 * 60 * 60 * 1000,
};

/** A thousand years: more than that is asked for by mistake, and added to a date it stays an exact number. */
const LONGEST_TTL_MS = 1000 * 365 * 24 * 60 * 60 * 1000;

/** A finished task stays readable at least this long, however short a ttl was asked for. */
const MIN_RETENTION_MS = 60_000;
/**
 * And it may run at least this long, if its tool lets it: clients ask for a minute, as they would for a request, and a
 * person who is asked something needs longer.
 */
const MIN_RUN_MS = 60 * 60_000;

/**
 * What a task gets when its caller asked for `requestedTtlMs` (milliseconds from creation;
 * `null`: unlimited; `undefined`: did not ask). A request is clamped, never rejected. It cuts or stretches the
 * retention, and is kept whenever the task ends; the run deadline is cut only where the ttl leaves no room for it.
 */
export function grantLifetime(policy: LifetimePolicy, requestedTtlMs: number | null | undefined): Lifetime {
  if (requestedTtlMs === undefined) {
    const { runDeadlineMs, retentionMs, retentionFromEnd } = policy;
    return { runDeadlineMs, retentionMs, ...present({ retentionFromEnd }) };
  }
  if (requestedTtlMs === null) {
    if (policy.maxTtlMs === null) return { runDeadlineMs: policy.runDeadlineMs, retentionMs: null };
    return grantLifetime(policy, policy.maxTtlMs);
  }
  const ceiling = Math.min(policy.maxTtlMs ?? LONGEST_TTL_MS, LONGEST_TTL_MS);
  const leastRunMs = Math.max(Math.min(MIN_RUN_MS, ceiling - MIN_RETENTION_MS), MIN_RETENTION_MS);
  const floor = Math.min(policy.runDeadlineMs, leastRunMs) + MIN_RETENTION_MS;
  const ttlMs = Math.min(Math.max(Math.floor(requestedTtlMs), floor), Math.max(ceiling, floor));
  const runDeadlineMs = Math.min(policy.runDeadlineMs, ttlMs - MIN_RETENTION_MS);
  return { runDeadlineMs, retentionMs: ttlMs - runDeadlineMs };
}

/** Until when a task is readable if it stays unfinished until its deadline. */
export function promisedUntil(deadlineAt: number, retentionMs: number | null): number | null {
  return retentionMs === null ? null : deadlineAt + retentionMs;
}

/** The later of two promises. */
export function laterPromise(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b);
}

/** The earlier of two promises. */
export function earlierPromise(a: number | null, b: number | null): number | null {
  if (a === null) return b;
  return b === null ? a : Math.min(a, b);
}

/** Whether a promise goes further than another. */
export function isLater(a: number | null, b: number | null): boolean {
  return b !== null && (a === null || a > b);
}
