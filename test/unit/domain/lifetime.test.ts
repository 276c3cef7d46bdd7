/** What a client gets when it asks for a lifetime, and that a promise is only ever extended. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  DEFAULT_LIFETIME,
  grantLifetime,
  type LifetimePolicy,
  laterPromise,
  promisedUntil,
} from '../../../src/domain/lifetime.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const policy: LifetimePolicy = { runDeadlineMs: 10 * MINUTE, retentionMs: HOUR, maxTtlMs: 5 * HOUR };
const unlimited: LifetimePolicy = { ...policy, maxTtlMs: null };
const slow: LifetimePolicy = { ...policy, runDeadlineMs: 24 * HOUR };

test('a tool that says nothing has a day to run, its results another, and 30 days can be asked for [LIFE-3 LIFE-7]', () => {
  expect(DEFAULT_LIFETIME).toEqual({ runDeadlineMs: 86_400_000, retentionMs: 86_400_000, maxTtlMs: 2_592_000_000 });
});

describe('a requested lifetime', () => {
  test.each<[string, LifetimePolicy, number | null | undefined, { run: number; keep: number | null }]>([
    ['nothing asked for: the tool’s own', policy, undefined, { run: 10 * MINUTE, keep: HOUR }],
    ['longer than the tool’s own stretches the retention', policy, 2 * HOUR, { run: 10 * MINUTE, keep: 110 * MINUTE }],
    ['shorter cuts the retention', policy, 20 * MINUTE, { run: 10 * MINUTE, keep: 10 * MINUTE }],
    ['the tool’s run and the least retention', policy, 11 * MINUTE, { run: 10 * MINUTE, keep: MINUTE }],
    ['no room for the whole run cuts the run', slow, 2 * HOUR, { run: 119 * MINUTE, keep: MINUTE }],
    ['less than a person needs is raised to an hour', slow, MINUTE, { run: HOUR, keep: MINUTE }],
    ['next to nothing is raised to the least', policy, 1, { run: 10 * MINUTE, keep: MINUTE }],
    ['zero', policy, 0, { run: 10 * MINUTE, keep: MINUTE }],
    ['negative', policy, -5, { run: 10 * MINUTE, keep: MINUTE }],
    ['a fraction is rounded down', policy, 20 * MINUTE + 0.9, { run: 10 * MINUTE, keep: 10 * MINUTE }],
    ['the maximum', policy, 5 * HOUR, { run: 10 * MINUTE, keep: 290 * MINUTE }],
    ['one more than the maximum is cut to it', policy, 5 * HOUR + 1, { run: 10 * MINUTE, keep: 290 * MINUTE }],
    ['unlimited is cut to the maximum', policy, null, { run: 10 * MINUTE, keep: 290 * MINUTE }],
    ['unlimited where that is allowed', unlimited, null, { run: 10 * MINUTE, keep: null }],
    ['long where unlimited is allowed', unlimited, 900 * HOUR, { run: 10 * MINUTE, keep: 900 * HOUR - 10 * MINUTE }],
    [
      'absurdly long is cut to a thousand years',
      unlimited,
      2 ** 53 - 1,
      { run: 10 * MINUTE, keep: 8_759_999 * HOUR + 50 * MINUTE },
    ],
    ['a tool faster than a minute', { ...policy, runDeadlineMs: 1000 }, 1, { run: 1000, keep: MINUTE }],
    ['a maximum below the least', { ...policy, maxTtlMs: 10 }, 500, { run: MINUTE, keep: MINUTE }],
    ['a maximum below an hour', { ...slow, maxTtlMs: 30 * MINUTE }, MINUTE, { run: 29 * MINUTE, keep: MINUTE }],
  ])('of %s [LIFE-7]', (_what, given, requested, { run, keep }) => {
    expect(grantLifetime(given, requested)).toEqual({ runDeadlineMs: run, retentionMs: keep });
  });

  test('is never rejected and always leaves time to run and to read [LIFE-7]', () => {
    const anyPolicy = fc.record({
      runDeadlineMs: fc.integer({ min: 1, max: 366 * 24 * HOUR }),
      retentionMs: fc.option(fc.nat()),
      maxTtlMs: fc.option(fc.maxSafeNat()),
    });
    const anyRequest = fc.oneof(fc.maxSafeInteger(), fc.double({ noNaN: true }), fc.constant(null));
    fc.assert(
      fc.property(anyPolicy, anyRequest, fc.integer({ min: 0, max: 2 ** 48 }), (given, requested, now) => {
        const { runDeadlineMs, retentionMs } = grantLifetime(given, requested);
        expect(runDeadlineMs).toBeGreaterThan(0);
        expect(runDeadlineMs).toBeLessThanOrEqual(given.runDeadlineMs);
        if (retentionMs !== null) expect(retentionMs).toBeGreaterThanOrEqual(MINUTE);
        // Times are stored as whole milliseconds that every number keeps exactly.
        expect(retentionMs === null || Number.isSafeInteger(now + runDeadlineMs + retentionMs)).toBe(true);
        if (given.maxTtlMs !== null) {
          expect(retentionMs).not.toBeNull();
          expect(runDeadlineMs + Number(retentionMs)).toBeLessThanOrEqual(Math.max(given.maxTtlMs, 2 * MINUTE));
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a promised lifetime', () => {
  test('is the run deadline and the retention after it; for ever without a retention [LIFE-3]', () => {
    expect(promisedUntil(1000, 500)).toBe(1500);
    expect(promisedUntil(1000, null)).toBeNull();
  });

  test.each([
    [1, 2, 2],
    [2, 1, 2],
    [3, 3, 3],
    [1, null, null],
    [null, 1, null],
    [null, null, null],
  ])('gives way to a later one only, and for ever is the latest: %j and %j make %j [LIFE-3 I1]', (a, b, later) => {
    expect(laterPromise(a, b)).toBe(later);
  });
});
