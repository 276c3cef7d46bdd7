/** Any number of questions: a client is shown as many as it can answer at once. */
import { describe, expect, test } from '@jest/globals';
import { RuntimeUnderTest, toolOf } from '../runtime-under-test.ts';

const form = (message: string) => ({ message, requestedSchema: { type: 'object', properties: {} } });

describe('more questions than a client can answer at once', () => {
  test('queue: 64 are shown, and each that is answered makes room for the next [EXEC-18 EXEC-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('asks all', async (task) => {
      const batch = await task.map('all', Array.from({ length: 150 }), (branch, _item, index) =>
        branch.elicit(form(`question ${index}`)),
      );
      return { answers: batch.getResults().length };
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('asks all');
    const shown: number[] = [];
    const keys = new Set<string>();

    while ((await runner.runTask(task)) === 'suspended') {
      const asked = await runtime.asked(task);
      shown.push(asked.length);
      for (const key of asked) keys.add(key);
      const answers = Object.fromEntries(asked.slice(0, 50).map((key) => [key, { action: 'accept', content: {} }]));
      await runtime.answer(task, answers);
    }

    expect(await runtime.result(task)).toEqual({ answers: 150 });
    expect(shown).toEqual([64, 64, 50]);
    expect(keys.size).toBe(150);
  });

  test('time out also while they are not shown [EXEC-18 EXEC-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('asks all', async (task) => {
      const asked = await Promise.allSettled(
        Array.from({ length: 70 }, (_, index) => task.elicit(form(String(index)), { timeout: { seconds: 60 } })),
      );
      return { timedOut: asked.filter(({ status }) => status === 'rejected').length };
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('asks all');
    await runner.runTask(task);
    await runtime.clock.advance(60_000);

    expect(await runner.runTask(task)).toBe('finished');
    expect(await runtime.result(task)).toEqual({ timedOut: 70 });
  });
});
