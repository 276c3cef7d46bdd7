/** Results, errors and questions that no answer of the deployment could carry: refused when they are to be stored. */
import { describe, expect, test } from '@jest/globals';
import { DeliberateFailure, type Handler, RuntimeUnderTest, toolOf } from '../runtime-under-test.ts';

const LIMIT = 100_000;
/** Of a value; the rest is for what surrounds it. */
const ROOM = LIMIT - 16 * 1024;
const form = (message: string) => ({ message, requestedSchema: { type: 'object', properties: {} } });

async function running(handler: Handler, changes: { readonly maxAnswerBytes?: number } = { maxAnswerBytes: LIMIT }) {
  const runtime = new RuntimeUnderTest();
  const runner = runtime.runner([toolOf('tool', handler)], undefined, undefined, changes);
  const task = await runtime.create('tool');
  return { runtime, runner, task };
}

describe('a result that no answer could carry', () => {
  test('fails the task with the limit and what to do, for its quotes as much as for its length [LIFE-10 EXEC-7]', async () => {
    const { runtime, runner, task } = await running(async () => '"'.repeat(ROOM / 4));

    expect(await runner.runTask(task)).toBe('finished');

    expect((await runtime.read(task)).status).toBe('failed');
    expect(await runtime.error(task)).toEqual({
      code: -32603,
      data: { reason: 'unrecoverable' },
      message: expect.stringMatching(/^The result takes 83620 bytes .* carry 83616\. .* give a link .* api=url\)\.$/),
    });
  });

  test('is one from the byte on that is too many [LIFE-10]', async () => {
    const { runtime, runner, task } = await running(async () => 'x'.repeat(ROOM - 4));
    await runner.runTask(task);

    expect((await runtime.read(task)).status).toBe('completed');
  });

  test('is kept where answers have no bound [LIFE-10]', async () => {
    const { runtime, runner, task } = await running(async () => '"'.repeat(ROOM), {});
    await runner.runTask(task);

    expect((await runtime.read(task)).status).toBe('completed');
  });
});

test('an error that no answer could carry loses its data and the end of its message [LIFE-10]', async () => {
  const { runtime, runner, task } = await running(async () => {
    throw new DeliberateFailure({ code: -32042, message: 'No such order', data: { trace: '"'.repeat(ROOM / 4) } });
  });
  await runner.runTask(task);

  expect(await runtime.error(task)).toEqual({ code: -32042, message: 'No such order' });
});

describe('questions', () => {
  test('that no answer could carry fail the task with the limit and what to do [LIFE-10 EXEC-3]', async () => {
    const { runtime, runner, task } = await running(async (context) => {
      await context.elicit(form('"'.repeat(ROOM / 4)));
      return {};
    });

    expect(await runner.runTask(task)).toBe('finished');

    expect(await runtime.error(task)).toMatchObject({
      data: { reason: 'unrecoverable' },
      message: expect.stringMatching(/^A question takes \d+ bytes .* carry 83616\. /),
    });
  });

  test('that no answer could carry together are shown one after the other, and those shown stay [LIFE-10 EXEC-3 I4]', async () => {
    const { runtime, runner, task } = await running(async (context) => {
      const batch = await context.map('all', ['a', 'b', 'c', 'd', 'e'], (branch, letter) =>
        branch.elicit(form(letter.repeat(ROOM / 3))),
      );
      return { answers: batch.getResults().length };
    });
    const shown: string[][] = [];

    while ((await runner.runTask(task)) === 'suspended') {
      const asked = await runtime.asked(task);
      shown.push(asked);
      const [first = ''] = asked;
      await runtime.answer(task, { [first]: { action: 'accept', content: {} } });
    }

    expect(shown.map((keys) => keys.length)).toEqual([2, 2, 2, 2, 1]);
    for (const [at, keys] of shown.entries()) if (at > 0) expect(keys[0]).toBe(shown[at - 1]?.[1]);
    expect(await runtime.result(task)).toEqual({ answers: 5 });
  });
});
