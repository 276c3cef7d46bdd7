/** What several branches come to: when a batch is complete, what is said of it, and what is refused. */
import { describe, expect, test } from '@jest/globals';
import type { Branch } from '../../../src/engine/branch.ts';
import { type BatchConfig, type CompletionConfig, raceBranches, runBranches } from '../../../src/engine/branches.ts';
import { EngineUnderTest } from './engine-under-test.ts';

/** Ends after so many seconds; negative: fails after as many. */
const endsAfter = (seconds: number) => async (branch: Branch) => {
  await branch.wait('pause', { seconds: Math.abs(seconds) });
  if (seconds < 0) throw new Error(`after ${-seconds}`);
  return seconds;
};

/** What a batch of such branches came to, in each replay too, and after how many seconds. */
async function complete(seconds: readonly number[], config: BatchConfig) {
  const engine = new EngineUnderTest();
  const program = async (task: Branch) => {
    const batch = await runBranches(task, 'map', 'all', seconds.map(endsAfter), config);
    return [batch.completionReason, batch.status, batch.all.map(({ status }) => status[0]).join('')];
  };
  const end = await engine.finish(program);
  const value = end.kind === 'returned' ? (end.value as string[]) : [end.kind];
  await engine.expectToReplay(program, value);
  return [...value, (engine.clock.now() - engine.startedAt) / 1000];
}

describe('a batch', () => {
  test.each<[string, readonly number[], CompletionConfig, readonly (string | number)[]]>([
    ['of none', [], {}, ['ALL_COMPLETED', 'SUCCEEDED', '', 0]],
    ['that all succeed', [1, 2], {}, ['ALL_COMPLETED', 'SUCCEEDED', 'SS', 2]],
    ['with a failure', [3, -1, 2], {}, ['FAILURE_TOLERANCE_EXCEEDED', 'FAILED', 'SFS', 1]],
    [
      'with as many failures as are tolerated',
      [-1, 2, 3],
      { toleratedFailureCount: 1 },
      ['ALL_COMPLETED', 'FAILED', 'FSS', 3],
    ],
    [
      'with a smaller part of failures than is tolerated',
      [-1, 2, 3, 4],
      { toleratedFailurePercentage: 25 },
      ['ALL_COMPLETED', 'FAILED', 'FSSS', 4],
    ],
    [
      'with a larger part of failures than is tolerated',
      [-1, -2, 3, 4],
      { toleratedFailurePercentage: 49 },
      ['FAILURE_TOLERANCE_EXCEEDED', 'FAILED', 'FFSS', 2],
    ],
    [
      'that decides for itself that it has succeeded',
      [1, 2, 3],
      { shouldComplete: ({ successCount }) => ({ complete: successCount === 2 }) },
      ['CUSTOM_COMPLETION_SUCCEEDED', 'SUCCEEDED', 'SSS', 2],
    ],
    [
      'that decides for itself that it has failed',
      [1, 2],
      { shouldComplete: ({ completedCount }) => ({ complete: completedCount > 0, outcome: 'FAILED' as const }) },
      ['CUSTOM_COMPLETION_FAILED', 'SUCCEEDED', 'SS', 1],
    ],
    [
      'that never decides',
      [-1, 2],
      { shouldComplete: () => ({ complete: false }) },
      ['ALL_COMPLETED', 'FAILED', 'FS', 2],
    ],
  ])(
    '%s is complete when it is said to be, in each replay too [EXEC-2 EXEC-11]',
    async (_what, seconds, completionConfig, expected) => {
      expect(await complete(seconds, { completionConfig })).toEqual(expected);
    },
  );

  test('whose own rule throws rejects with that, and leaves no branch behind [EXEC-2 EXEC-14]', async () => {
    const engine = new EngineUnderTest();
    const seen: string[] = [];
    const program = async (task: Branch) => {
      const watched = async (branch: Branch) => {
        await endsAfter(60)(branch).catch((error: Error) => seen.push(error.name));
      };
      const shouldComplete = ({ completedCount }: { completedCount: number }) => {
        if (completedCount > 0) throw new Error('no such rule');
        return { complete: false } as const;
      };
      const batch = runBranches<unknown>(task, 'map', 'all', [endsAfter(1), watched], {
        completionConfig: { shouldComplete },
      });
      return batch.catch((error: Error) => [error.message, ...seen]);
    };

    expect(await engine.finish(program)).toEqual({ kind: 'returned', value: ['no such rule', 'OperationWithdrawn'] });
  });

  test.each<[string, BatchConfig, RegExp]>([
    [
      'half a branch at a time',
      { maxConcurrency: 0.5 },
      /maxConcurrency of map must be a whole number from 1, not 0.5/,
    ],
    ['an unknown option', { concurrency: 2 } as never, /map has no option "concurrency"; it has maxConcurrency/],
    [
      'an unknown way to be complete',
      { completionConfig: { atLeast: 1 } as never },
      /completionConfig of map has no option "atLeast"; it has minSuccessful/,
    ],
    [
      'a rule and thresholds',
      { completionConfig: { minSuccessful: 1, shouldComplete: () => ({ complete: true }) } },
      /has shouldComplete or thresholds, not both/,
    ],
  ])('with %s is refused [EXEC-18]', async (_what, config, message) => {
    const engine = new EngineUnderTest();

    expect(await engine.finish((task) => runBranches(task, 'map', 'all', [endsAfter(1)], config))).toMatchObject({
      kind: 'threw',
      error: { name: 'MisuseError', message: expect.stringMatching(message) },
    });
  });
});

describe('what a branch throws that is no error', () => {
  test.each<[unknown, string]>([
    ['out of paper', 'out of paper'],
    [{ message: 'out of ink', code: 7 }, 'out of ink'],
    [{ tray: 2 }, '{"tray":2}'],
  ])('is kept: %j says %j [EXEC-18]', async (thrown, message) => {
    const fails = async () => {
      throw thrown;
    };
    const engine = new EngineUnderTest();

    const end = await engine.finish(async (task) => {
      const batch = await runBranches(task, 'map', 'all', [fails]);
      const lost: unknown = await raceBranches(task, 'first', [fails]).catch((error: unknown) => error);
      return [...batch.getErrors(), lost];
    });

    const error = expect.objectContaining({ message, cause: thrown });
    expect(end).toEqual({ kind: 'returned', value: [error, error] });
  });
});

test('a race of none is refused: it would never end [EXEC-18]', async () => {
  const engine = new EngineUnderTest();

  expect(await engine.finish((task) => raceBranches(task, 'first', []))).toMatchObject({
    kind: 'threw',
    error: { message: 'race "first" needs at least one branch: it would never end.' },
  });
});
