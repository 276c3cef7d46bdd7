/** When a failed step is tried again and a condition is looked at again: how often, how far apart, within which bounds. */
import { describe, expect, test } from '@jest/globals';
import { durationMs } from '../../../src/engine/duration.ts';
import {
  type BackoffConfig,
  createRetryStrategy,
  createWaitStrategy,
  DEFAULT_STEP_RETRY,
  type RetryStrategy,
} from '../../../src/engine/retry.ts';

const error = new Error('no');

/** The delays before each further try, in seconds, until there is none; `random` is as given. */
function delaysOf(strategy: RetryStrategy, random: number): number[] {
  const delays: number[] = [];
  for (let attempt = 1; attempt < 100; attempt += 1) {
    const decision = strategy(error, attempt, () => random);
    if (!decision.shouldRetry) return delays;
    delays.push(durationMs(decision.delay ?? { seconds: 0 }, 'delay') / 1000);
  }
  return delays;
}

describe('a retry strategy', () => {
  test.each<[string, BackoffConfig, number, readonly number[]]>([
    ['with nothing said: three tries, all of the delay at most', {}, 1, [5, 10]],
    ['with full jitter: from nothing on', { maxAttempts: 4 }, 0, [0, 0, 0]],
    ['with half of it: from half of the delay', { maxAttempts: 4, jitter: 'half' }, 0, [2.5, 5, 10]],
    ['with half of it: to all of it', { maxAttempts: 4, jitter: 'half' }, 1, [5, 10, 20]],
    ['without: the delay itself', { maxAttempts: 4, jitter: 'none' }, 0.3, [5, 10, 20]],
    [
      'up to its longest delay',
      { maxAttempts: 5, jitter: 'none', maxDelay: { seconds: 12 }, initialDelay: { seconds: 4 }, backoffRate: 3 },
      0,
      [4, 12, 12, 12],
    ],
    ['of one try', { maxAttempts: 1 }, 0, []],
  ])('%s [EXEC-2]', (_what, config, random, expected) => {
    expect(delaysOf(createRetryStrategy(config), random)).toEqual(expected);
  });

  test('of a step that names none has six tries, up to a minute apart [EXEC-2]', () => {
    expect(delaysOf(DEFAULT_STEP_RETRY, 1)).toEqual([5, 10, 20, 40, 60]);
  });

  test('tries again only what it takes for passing [EXEC-2]', () => {
    const strategy = createRetryStrategy({ isRetryable: ({ message }) => message === 'busy' });

    expect(strategy(error, 1, () => 0)).toEqual({ shouldRetry: false });
    expect(strategy(new Error('busy'), 1, () => 0)).toMatchObject({ shouldRetry: true });
  });

  test('may have thousands of tries without a delay [EXEC-2]', () => {
    const strategy = createRetryStrategy({ maxAttempts: 10_000, initialDelay: { seconds: 0 }, jitter: 'none' });

    expect(strategy(error, 5_000, () => 0.5)).toEqual({ shouldRetry: true, delay: { milliseconds: 0 } });
  });

  test.each([
    [{ attempts: 3 }, /createRetryStrategy has no option "attempts"/],
    [{ backoffRate: 0.5 }, /backoffRate must be 1 or more, not 0.5/],
    [{ initialDelay: 5 }, /initialDelay takes a duration such as \{ seconds: 5 \}, not 5/],
  ])('with %j is refused [EXEC-18]', (config, message) => {
    expect(() => createRetryStrategy(config as never)).toThrow(message);
  });
});

describe('a wait strategy', () => {
  test('looks again until its condition holds, sixty times at most, and says so then [EXEC-2]', () => {
    const strategy = createWaitStrategy<boolean>({ shouldContinuePolling: (isReady) => !isReady, jitter: 'none' });

    expect(strategy(true, 1, () => 0)).toEqual({ shouldContinue: false });
    expect(strategy(false, 59, () => 0)).toEqual({ shouldContinue: true, delay: { milliseconds: 300_000 } });
    expect(() => strategy(false, 60, () => 0)).toThrow('The condition was not met after 60 looks.');
  });
});
