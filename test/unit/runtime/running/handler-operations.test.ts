/** The durable operations of a handler: recorded once, replayed after, and retried as their policy says. */

import { describe, expect, test } from '@jest/globals';
import { createRetryStrategy, createWaitStrategy } from '../../../../src/engine/retry.ts';
import type { RunReport } from '../../../../src/runtime/running/runner.ts';
import { type Handler, RuntimeUnderTest, toolOf } from '../runtime-under-test.ts';

const twiceASecondApart = createRetryStrategy({
  maxAttempts: 3,
  initialDelay: { seconds: 10 },
  backoffRate: 2,
  jitter: 'none',
});

/** Runs the handler to its end, moving time to each due time; resolves to what it returned and how often it ran. */
async function runThrough(handler: Handler) {
  const runtime = new RuntimeUnderTest();
  let runs = 0;
  const tool = toolOf('tool', async (task, args) => {
    runs += 1;
    return handler(task, args);
  });
  const runner = runtime.runner([tool]);
  const ref = await runtime.create('tool');
  const startedAt = runtime.clock.now();
  const dueAfter: number[] = [];
  let report: RunReport = await runner.runTask(ref);
  while (report === 'suspended') {
    const due = (await runtime.read(ref)).run.dueAt ?? Number.NaN;
    dueAfter.push((due - startedAt) / 1000);
    await runtime.clock.advance(due - runtime.clock.now());
    report = await runner.runTask(ref);
  }
  return { runtime, ref, runs, dueAfter, report, result: await runtime.result(ref) };
}

describe('a step', () => {
  test('runs once, however often the handler does, and returns what it returned [EXEC-1 EXEC-2 I3]', async () => {
    let effects = 0;
    const { result, runs } = await runThrough(async (task) => {
      const value = await task.step('effect', async () => {
        effects += 1;
        return { effect: effects };
      });
      await task.wait('pause', { seconds: 1 });
      await task.wait('pause', { seconds: 1 });
      return value;
    });

    expect(runs).toBe(3);
    expect(effects).toBe(1);
    expect(result).toEqual({ effect: 1 });
  });

  test('that fails is tried again after its back-off, without a process waiting, and told which try it is [EXEC-2]', async () => {
    const attempts: number[] = [];
    const { result, dueAfter } = await runThrough(async (task) => {
      const attempt = await task.step(
        'flaky',
        async (step) => {
          attempts.push(step.attempt);
          if (step.attempt < 3) throw new Error('not yet');
          return step.attempt;
        },
        { retryStrategy: twiceASecondApart },
      );
      return { attempt };
    });

    expect(attempts).toEqual([1, 2, 3]);
    expect(dueAfter).toEqual([10, 30]);
    expect(result).toEqual({ attempt: 3 });
  });

  test('that fails for good throws its error into the handler, again in each replay, and is not run again [EXEC-2]', async () => {
    let tries = 0;
    const { result } = await runThrough(async (task) => {
      let caught = '';
      try {
        await task.step(
          'broken',
          async () => {
            tries += 1;
            throw new RangeError('out of range');
          },
          { retryStrategy: twiceASecondApart },
        );
      } catch (error) {
        caught = error instanceof Error ? error.message : '';
      }
      await task.wait('pause', { seconds: 1 });
      return { caught };
    });

    expect(tries).toBe(3);
    expect(result).toEqual({ caught: 'out of range' });
  });

  test('has six tries unless its policy says otherwise [EXEC-2]', async () => {
    let tries = 0;
    const { result } = await runThrough(async (task) => {
      await task.step('broken', async () => {
        tries += 1;
        throw new Error('always');
      });
      return {};
    });

    expect(tries).toBe(6);
    expect(result).toMatchObject({ isError: true });
  });

  test('returns undefined, large text and nested values as a replay will return them [EXEC-2 LIFE-10]', async () => {
    const seen: unknown[] = [];
    const { result } = await runThrough(async (task) => {
      seen.push([
        await task.step('nothing', async () => undefined),
        (await task.step('large', async () => 'x'.repeat(1_000_000))).length,
        await task.step('nested', async () => ({ a: [1, { b: null }] })),
      ]);
      await task.wait('pause', { seconds: 1 });
      return { done: true };
    });

    expect(result).toEqual({ done: true });
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[0]).toEqual([undefined, 1_000_000, { a: [1, { b: null }] }]);
  });
});

describe('many operations', () => {
  test('of a map are recorded per branch: a replay repeats none of them [EXEC-1 EXEC-2]', async () => {
    const effects: string[] = [];
    const { result } = await runThrough(async (task) => {
      const batch = await task.map('all', ['a', 'b', 'c'], async (branch, item, index) => {
        const value = await branch.step(`take ${item}`, async () => {
          effects.push(item);
          return `${item}${index}`;
        });
        await branch.wait('pause', { seconds: 1 + index });
        return value;
      });
      return { values: batch.getResults() };
    });

    expect(effects.toSorted()).toEqual(['a', 'b', 'c']);
    expect(result).toEqual({ values: ['a0', 'b1', 'c2'] });
  });

  test('of parallel branches wait together: the task is due at the earliest of them [EXEC-2]', async () => {
    const { dueAfter } = await runThrough(async (task) => {
      await task.parallel('both', [
        (branch) => branch.wait('long', { seconds: 60 }),
        (branch) => branch.wait('short', { seconds: 20 }),
      ]);
      return {};
    });

    expect(dueAfter).toEqual([20, 60]);
  });

  test('of a branch that fails do not keep the others from their results [EXEC-2]', async () => {
    const { result } = await runThrough(async (task) => {
      const batch = await task.map(
        'all',
        [1, 2, 3],
        async (branch, item) =>
          branch.step(
            'work',
            async () => {
              if (item === 2) throw new Error('two is bad');
              return item;
            },
            { retryStrategy: () => ({ shouldRetry: false }) },
          ),
        { completionConfig: { toleratedFailureCount: 1 } },
      );
      return { results: batch.getResults(), errors: batch.getErrors().map((error) => error.message) };
    });

    expect(result).toEqual({ results: [1, 3], errors: ['two is bad'] });
  });

  test('of a child context return one value, the same in each replay [EXEC-2]', async () => {
    const { result } = await runThrough(async (task) => {
      const value = await task.runInChildContext('inner', async (branch) => {
        return (await branch.step('one', async () => 1)) + (await branch.step('two', async () => 2));
      });
      await task.wait('pause', { seconds: 1 });
      return { value };
    });

    expect(result).toEqual({ value: 3 });
  });

  test('in the hundreds cost one entry of the log each, not one of growing size [EXEC-2]', async () => {
    const { runtime, ref } = await runThrough(async (task) => {
      for (let index = 0; index < 200; index += 1) await task.step(`step ${index}`, async () => index);
      return {};
    });

    const entries = await runtime.log(ref);
    expect(entries).toHaveLength(200);
    const sizes = entries.map((entry) => JSON.stringify(entry).length);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThan(20);
  });
});

describe('waiting for a condition', () => {
  test('checks again after each wait, with the state that the last check left [EXEC-2]', async () => {
    const { result, dueAfter } = await runThrough(async (task) => {
      const state = await task.waitForCondition('ready', async (count: number) => count + 1, {
        initialState: 0,
        waitStrategy: createWaitStrategy<number>({
          initialDelay: { seconds: 5 },
          backoffRate: 2,
          jitter: 'none',
          shouldContinuePolling: (count) => count < 3,
        }),
      });
      return { state };
    });

    expect(result).toEqual({ state: 3 });
    expect(dueAfter).toEqual([5, 15]);
  });
});

describe('code outside of steps', () => {
  test('runs again with each replay, and the handler’s own catch and finally never see a suspension [EXEC-2]', async () => {
    const seen: string[] = [];
    await runThrough(async (task) => {
      seen.push('begin');
      try {
        await task.wait('pause', { seconds: 1 });
      } catch {
        seen.push('catch');
      } finally {
        seen.push('finally');
      }
      return {};
    });

    expect(seen).toEqual(['begin', 'begin', 'finally']);
  });
});

describe('a handler’s context', () => {
  test('has the task’s id, its admission and a signal that is quiet while all is well', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('looks', async (task) => ({
      id: task.id,
      admission: task.admission ?? null,
      aborted: task.signal.aborted,
      related: task.related === undefined,
    }));
    const ref = await runtime.create('looks', { admission: { approvedBy: 'somebody' } });

    await runtime.runner([tool]).runTask(ref);

    expect(await runtime.result(ref)).toEqual({
      id: ref.id,
      admission: { approvedBy: 'somebody' },
      aborted: false,
      related: true,
    });
  });

  test('refuses a durable operation inside a step: the step fails at once and says what to do [EXEC-7 EXEC-18]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('nests', async (task) => {
      await task.step('outer', () => task.step('inner', async () => 1));
      return {};
    });
    const ref = await runtime.create('nests');

    await runtime.runner([tool]).runTask(ref);

    expect(await runtime.result(ref)).toMatchObject({
      isError: true,
      text: expect.stringMatching(/step "inner" was asked for inside step "outer".*runInChildContext/),
    });
  });
});
