/** What a handler may ask the client that made its task: nothing that it has not declared, the same in each replay. */
import { describe, expect, test } from '@jest/globals';
import { CannotAskError } from '../../../../src/domain/askable.ts';
import { MisuseError } from '../../../../src/engine/misuse.ts';
import type { ElicitOptions, ElicitParams, TaskScope } from '../../../../src/runtime/running/task-context.ts';
import { type Handler, RuntimeUnderTest, toolOf } from '../runtime-under-test.ts';

const FORM: ElicitParams = { message: 'Which?', requestedSchema: { type: 'object', properties: {} } };
const PAGE: ElicitParams = { mode: 'url', message: 'Sign here.', url: 'https://sign.example/' };
const SAMPLE = { messages: [], maxTokens: 5 };

const ASKS: Readonly<Record<string, (task: TaskScope) => Promise<unknown>>> = {
  'elicitation.form': (task) => task.elicit(FORM),
  'elicitation.url': (task) => task.elicit(PAGE),
  sampling: (task) => task.sample(SAMPLE),
  'sampling.tools': (task) => task.sample({ ...SAMPLE, tools: [] }),
  roots: (task) => task.listRoots(),
};
const ALL = Object.keys(ASKS);

/** Runs a new task of a client that declared `mayAsk` once; resolves to what came of it. */
async function run(handler: Handler, mayAsk?: readonly string[]) {
  const runtime = new RuntimeUnderTest();
  const task = await runtime.create('asks', mayAsk === undefined ? {} : { mayAsk });
  const runner = runtime.runner([toolOf('asks', handler)]);
  const report = await runner.runTask(task);
  const { inputs, status } = await runtime.read(task);
  const requests = await Promise.all(
    Object.values(inputs).map(async ({ request }) => request && (await runtime.store.load(task, request))),
  );
  return { runtime, runner, task, report, status, requests, result: await runtime.result(task) };
}

describe.each(ALL)('a question that needs %s', (kind) => {
  const asks: Handler = async (task) => {
    await ASKS[kind]?.(task);
    return 'answered';
  };

  test('rejects at once with an error that names it, where all else was declared [MOD-8]', async () => {
    const seen: unknown[] = [];
    const others = ALL.filter((other) => other !== kind);
    const caught: Handler = async (task) => {
      await ASKS[kind]?.(task).catch((error: unknown) => seen.push(error));
      return 'done without';
    };

    const { report, result, runtime, task } = await run(caught, others);

    expect([report, result]).toEqual(['finished', 'done without']);
    expect(seen).toEqual([expect.any(CannotAskError)]);
    expect(seen).toMatchObject([{ name: 'CannotAskError', capability: kind }]);
    expect(await runtime.log(task)).toEqual([]);
  });

  test('is asked where it was declared [MOD-8]', async () => {
    const { report, status, requests } = await run(asks, [kind]);

    expect([report, status, requests.length]).toEqual(['suspended', 'input_required', 1]);
  });

  test('is asked by a task that notes no declarations, such as one of an older build [MOD-8]', async () => {
    expect((await run(asks)).status).toBe('input_required');
  });

  test('ends a task that does not catch the error, which says why [MOD-8]', async () => {
    const { report, result } = await run(asks, []);

    expect(report).toBe('finished');
    expect(result).toEqual({
      isError: true,
      text: `The client that made this task cannot be asked: it has not declared ${kind}.`,
    });
  });
});

test('canAsk tells before, and takes elicitation for forms [MOD-8]', async () => {
  const asks: Handler = async (task) =>
    (['elicitation', 'elicitation.form', 'elicitation.url', 'sampling', 'sampling.tools', 'roots'] as const).filter(
      (kind) => task.canAsk(kind),
    );

  expect((await run(asks, ['elicitation.form', 'sampling'])).result).toEqual([
    'elicitation',
    'elicitation.form',
    'sampling',
  ]);
  expect((await run(asks, ['elicitation.url', 'sampling.tools', 'roots', 'what a newer build knows'])).result).toEqual([
    'elicitation.url',
    'sampling.tools',
    'roots',
  ]);
  expect((await run(asks)).result).toHaveLength(6);
});

describe('a fallback', () => {
  const withFallback =
    (params: ElicitParams, options: ElicitOptions): Handler =>
    async (task) =>
      (await task.elicit(params, options)).action;

  test.each([
    ['a URL for a form', FORM, PAGE, ['elicitation.url'], PAGE],
    ['a form for a URL', PAGE, FORM, ['elicitation.form'], FORM],
    ['not, where the first can be asked', PAGE, FORM, ['elicitation.form', 'elicitation.url'], PAGE],
    ['not, where nothing is noted', FORM, PAGE, undefined, FORM],
  ])('is asked: %s [MOD-8]', async (_name, params, fallback, mayAsk, asked) => {
    const { requests, task, runtime, runner } = await run(withFallback(params, { fallback }), mayAsk);

    expect(requests).toEqual([{ method: 'elicitation/create', params: asked }]);
    const [key = ''] = await runtime.asked(task);
    await runtime.answer(task, { [key]: { action: 'decline' } });
    expect(await runner.runTask(task)).toBe('finished');
    expect(await runtime.result(task)).toBe('decline');
  });

  test('that cannot be asked either is named, too [MOD-8]', async () => {
    expect((await run(withFallback(PAGE, { fallback: FORM }), ['roots'])).result).toMatchObject({
      text: 'The client that made this task cannot be asked: it has declared neither elicitation.url nor elicitation.form.',
    });
  });

  test.each([undefined, []])(
    'of the same kind is a mistake, whatever the client declared: %j [MOD-8]',
    async (mayAsk) => {
      const seen: unknown[] = [];
      const asks: Handler = async (task) => {
        try {
          await task.elicit(FORM, { fallback: FORM });
        } catch (error) {
          seen.push(error);
        }
        return null;
      };

      await run(asks, mayAsk);

      expect(seen).toEqual([expect.any(MisuseError)]);
    },
  );
});

test('inside a step asking is misuse, whatever the client declared [MOD-8]', async () => {
  const seen: unknown[] = [];
  const asks: Handler = async (task) => {
    await task.step('ask', () => task.elicit(FORM)).catch((error: unknown) => seen.push(error));
    return null;
  };

  await run(asks, []);

  expect(seen).toMatchObject([{ name: 'MisuseError' }]);
});

test('one that nobody waits for ends no process and no task [MOD-8]', async () => {
  const asks: Handler = async (task) => {
    void task.listRoots();
    await task.step('work', async () => 1);
    return 'done';
  };

  expect((await run(asks, [])).result).toBe('done');
});

test('a handler that cleans up is replayed as it was, and a task that has ended keeps nothing of it [MOD-8]', async () => {
  const cleaned: boolean[] = [];
  const asks: Handler = async (task) => {
    await task.listRoots().catch(() => task.step('without roots', async () => 1));
    try {
      await task.wait('a while', { seconds: 5 });
    } finally {
      await task.step('clean up', async () => cleaned.push(task.canAsk('roots')));
    }
    return null;
  };
  const { runtime, task, runner } = await run(asks, []);

  await runtime.cancel(task);
  await runner.runTask(task);

  expect(cleaned).toEqual([false]);
  const finished = await run(async () => 'done', ['roots']);
  expect(await finished.runtime.read(finished.task)).not.toHaveProperty('mayAsk');
});

test('a replay is refused the same, also in a branch and beside what is under way [MOD-8 EXEC-1]', async () => {
  const refused: string[] = [];
  const asks: Handler = async (task) => {
    const branches = await task.parallel('ask', [
      async (branch) => (branch.canAsk('roots') ? branch.listRoots() : branch.listRoots().catch(() => 'no roots')),
      async (branch) => (await branch.elicit(FORM)).action,
    ]);
    await task.sample(SAMPLE).catch((error: unknown) => refused.push(String(error)));
    await task.step('after', async () => 1);
    await task.wait('a while', { seconds: 5 });
    return branches.getResults() as string[];
  };
  const { runtime, task, runner, report } = await run(asks, ['elicitation.form']);
  expect(report).toBe('suspended');
  const [key = ''] = await runtime.asked(task);

  await runtime.answer(task, { [key]: { action: 'accept' } });
  expect(await runner.runTask(task)).toBe('suspended');
  await runtime.clock.advance(5000);
  expect(await runner.runTask(task)).toBe('finished');

  expect(await runtime.result(task)).toEqual(['no roots', 'accept']);
  expect(refused).toHaveLength(2);
});
