/** Times that users compute are seldom whole milliseconds; what is stored of them always is, or nobody could read the task again. */
import { describe, expect, test } from '@jest/globals';
import type { TaskContext } from '../../../../src/runtime/running/task-context.ts';
import { DeliberateFailure, RuntimeUnderTest, toolOf } from '../runtime-under-test.ts';

const FRACTION_SECONDS = 1.000_15;

describe('a time that is no whole millisecond', () => {
  test.each<[string, (task: TaskContext) => Promise<unknown>]>([
    [
      'of a retry',
      (task) =>
        task.step(
          'flaky',
          async ({ attempt }) => {
            if (attempt === 1) throw new Error('not yet');
          },
          { retryStrategy: () => ({ shouldRetry: true, delay: { seconds: FRACTION_SECONDS } }) },
        ),
    ],
    ['of a wait', (task) => task.wait('pause', { seconds: FRACTION_SECONDS })],
    ['of an input', (task) => task.listRoots({ timeout: { seconds: FRACTION_SECONDS } }).catch(() => {})],
    [
      'of a callback',
      (task) => task.waitForCallback('job', async () => {}, { timeout: { seconds: FRACTION_SECONDS } }).catch(() => {}),
    ],
    [
      'of a new deadline',
      async (task) => {
        await task.extendDeadline(7_200_000.5);
        await task.wait('pause', { seconds: 1 });
      },
    ],
  ])('%s leaves the task readable, and it goes on [EXEC-2 LIFE-3 I5]', async (_what, work) => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('tool', async (task) => {
      await work(task);
      return { done: true };
    });
    const runner = runtime.runner([tool]);
    const ref = await runtime.create('tool');
    await runner.runTask(ref);

    const { run } = await runtime.read(ref);
    await runtime.clock.advance((run.dueAt ?? Number.NaN) - runtime.clock.now());
    await runner.runTask(ref);

    expect(Number.isInteger(run.dueAt)).toBe(true);
    expect(await runtime.result(ref)).toEqual({ done: true });
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 3_162_240_000_001])(
    'that is no time at all, or more than a hundred years (%p), is refused by extendDeadline [LIFE-3 I5]',
    async (ms) => {
      const runtime = new RuntimeUnderTest();
      const tool = toolOf('tool', async (task) => {
        try {
          await task.extendDeadline(ms);
        } catch (error) {
          throw new DeliberateFailure({ code: 1, message: error instanceof Error ? error.message : '' });
        }
        return {};
      });
      const ref = await runtime.create('tool');

      await runtime.runner([tool]).runTask(ref);

      expect(await runtime.error(ref)).toMatchObject({ message: expect.stringMatching(/milliseconds/) });
    },
  );
});
