/** Variables as a handler uses them: recorded between steps, direct inside them, under the lease always. */
import { describe, expect, test } from '@jest/globals';
import { BackendUnavailableError } from '../../../../src/backends/errors.ts';
import type { JsonValue } from '../../../../src/domain/json.ts';
import type { RunReport } from '../../../../src/runtime/running/runner.ts';
import { askedNames } from '../../../support/recorded.ts';
import { eventually, RuntimeUnderTest, toolOf } from '../runtime-under-test.ts';

describe('variables between steps', () => {
  test('are read as the first run read them, in every replay [EXEC-1 LIFE-6]', async () => {
    const runtime = new RuntimeUnderTest();
    const seen: (JsonValue | undefined)[] = [];
    const tool = toolOf('reads', async (task) => {
      await task.variables.set('n', 1);
      seen.push(await task.variables.get('n'));
      await task.wait('pause', { seconds: 1 });
      return { now: (await task.variables.get('n')) ?? null };
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('reads');
    await runner.runTask(task);
    await runtime.otherStore().mergeVariables(task, { n: 2 });
    await runtime.clock.advance(1000);

    await runner.runTask(task);

    expect(seen).toEqual([1, 1]);
    expect(await runtime.result(task)).toEqual({ now: 2 });
  });

  test('merge, overwrite and delete, and last beyond the end of the task [LIFE-5 LIFE-6]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('writes', async (task) => {
      await task.variables.merge({ a: 1, b: 2, c: 3 });
      await task.variables.set('a', { nested: true });
      await task.variables.delete('b');
      return { missing: (await task.variables.get('b')) === undefined, all: await task.variables.all() };
    });
    const task = await runtime.create('writes');

    await runtime.runner([tool]).runTask(task);

    const expected = { a: { nested: true }, c: 3 };
    expect(await runtime.result(task)).toEqual({ missing: true, all: expected });
    expect(await runtime.otherStore().readVariables(task)).toEqual(expected);
  });

  test('that may not be set throw into the handler and change nothing [LIFE-5]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('writes', async (task) => {
      await task.variables.set('good', 1);
      try {
        await task.variables.merge({ better: 2, constructor: 3 });
      } catch (error) {
        return { caught: error instanceof Error ? error.message : '' };
      }
      return {};
    });
    const task = await runtime.create('writes');

    expect(await runtime.runner([tool]).runTask(task)).toBe('finished');

    expect(await runtime.result(task)).toEqual({ caught: expect.stringMatching(/constructor/) });
    expect(await runtime.store.readVariables(task)).toEqual({ good: 1 });
  });
});

describe('storage trouble', () => {
  test('while variables are written is waited out within the run, and the handler does not see it [EXEC-2 EXEC-22 LIFE-6]', async () => {
    const runtime = new RuntimeUnderTest();
    const get = runtime.backend.get.bind(runtime.backend);
    let runs = 0;
    const tool = toolOf('writes', async (task) => {
      runs += 1;
      if (runs === 1) {
        runtime.backend.get = async () => {
          runtime.backend.get = get;
          throw new BackendUnavailableError('no answer');
        };
      }
      await task.variables.set('n', 1);
      return { n: (await task.variables.get('n')) ?? null };
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('writes');

    expect(await runner.runTask(task)).toBe('finished');

    expect(await runtime.result(task)).toEqual({ n: 1 });
    expect(runs).toBe(1);
  });
});

describe('variables inside a step', () => {
  test('are read and written directly, as part of the step [EXEC-2 LIFE-6]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('counts', async (task) => {
      for (let round = 0; round < 3; round += 1) {
        await task.step(`round ${round}`, async () => {
          const count = Number((await task.variables.get('count')) ?? 0);
          await task.variables.set('count', count + 1);
        });
      }
      return {};
    });
    const task = await runtime.create('counts');

    await runtime.runner([tool]).runTask(task);

    expect(await runtime.store.readVariables(task)).toEqual({ count: 3 });
    expect(askedNames(await runtime.log(task)).some((name) => name.startsWith('variables'))).toBe(false);
  });

  test('of parallel branches lose none of each other’s [LIFE-6 I7]', async () => {
    const runtime = new RuntimeUnderTest();
    const items = Array.from({ length: 12 }, (_, index) => `key${index}`);
    const tool = toolOf('many', async (task) => {
      await task.map('all', items, (branch, key) => branch.step(key, () => branch.variables.set(key, true)));
      return {};
    });
    const task = await runtime.create('many');

    await runtime.runner([tool]).runTask(task);

    expect(Object.keys(await runtime.store.readVariables(task)).toSorted()).toEqual(items.toSorted());
  });

  test('meet those that another process writes at the same time, and neither is lost [LIFE-6 I7]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('writes', async (task) => {
      await task.step('both', async () => {
        const other = runtime.otherStore();
        for (let round = 0; round < 5; round += 1) {
          await Promise.all([
            task.variables.set(`handler ${round}`, true),
            other.mergeVariables(ref, { [`client ${round}`]: true }),
          ]);
        }
      });
      return {};
    });
    const ref = await runtime.create('writes');

    let report: RunReport | undefined;
    const running = runtime.runner([tool]).runTask(ref);
    void running.then((ended) => {
      report = ended;
    });
    // Who loses a race pauses, on the clock, before the next try.
    await eventually(async () => {
      await runtime.clock.advance(20);
      return report !== undefined;
    });

    expect(report).toBe('finished');
    expect(Object.keys(await runtime.store.readVariables(ref))).toHaveLength(10);
  });

  test('are refused once the task has ended by another’s hand [I2]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('writes', async (task) => {
      await task.step('too late', async () => {
        await runtime.cancel(ref);
        await task.variables.set('late', true);
      });
      return {};
    });
    const ref = await runtime.create('writes');

    expect(await runtime.runner([tool]).runTask(ref)).toBe('cleaned_up');

    expect((await runtime.read(ref)).status).toBe('cancelled');
    expect(await runtime.store.readVariables(ref)).toEqual({});
  });
});
