/* oxlint-disable max-lines -- Long because each row is a story of its own, told with the same few means. */
/** What a handler asks its client: shown together, answered in any order, used once, timed out, withdrawn. */
import { describe, expect, test } from '@jest/globals';
import type { TaskContext, TaskScope } from '../../../../src/runtime/running/task-context.ts';
import { recordedOutcomes } from '../../../support/recorded.ts';
import { eventually, Gate, RuntimeUnderTest, TIMES, toolOf } from '../runtime-under-test.ts';

const form = (message: string) => ({ message, requestedSchema: { type: 'object', properties: {} } });
const accept = (content: Record<string, string>) => ({ action: 'accept', content });

/** Asks two things at once and says what came. */
async function askTwo(task: TaskContext) {
  const [first, second] = await Promise.all([task.elicit(form('first?')), task.elicit(form('second?'))]);
  return { first: first.content ?? {}, second: second.content ?? {} };
}

describe('inputs awaited together', () => {
  test('are outstanding together, at no cost, with requests as the handler made them [EXEC-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('two');

    const report = await runtime.runner([toolOf('two', askTwo)]).runTask(task);

    expect(report).toBe('suspended');
    const { status, run, inputs } = await runtime.read(task);
    expect(status).toBe('input_required');
    expect(run).toMatchObject({ epoch: 1, dueAt: null, crashes: 0 });
    expect(run.lease).toBeUndefined();
    const requests = await Promise.all(
      Object.values(inputs).map(async ({ request }) => request && (await runtime.store.load(task, request))),
    );
    expect(requests).toEqual([
      { method: 'elicitation/create', params: form('first?') },
      { method: 'elicitation/create', params: form('second?') },
    ]);
    expect(runtime.clock.pendingTimers).toBe(0);
  });

  test('may be answered one at a time: the other stays outstanding under its own key [EXEC-3 I4]', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([toolOf('two', askTwo)]);
    const task = await runtime.create('two');
    await runner.runTask(task);
    const [first = '', second = ''] = await runtime.asked(task);

    await runtime.answer(task, { [second]: accept({ n: '2' }) });
    expect(await runner.runTask(task)).toBe('suspended');
    expect(await runtime.asked(task)).toEqual([first]);
    await runtime.answer(task, { [first]: accept({ n: '1' }) });
    expect(await runner.runTask(task)).toBe('finished');

    expect(await runtime.result(task)).toEqual({ first: { n: '1' }, second: { n: '2' } });
  });

  test('inside parallel branches are answered one at a time, and steps between are not repeated [EXEC-1 EXEC-2 EXEC-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const effects: string[] = [];
    const branch = (name: string) => async (scope: TaskScope) => {
      await scope.step(`before ${name}`, async () => {
        effects.push(`before ${name}`);
      });
      const { content } = await scope.elicit(form(name));
      await scope.step(`after ${name}`, async () => {
        effects.push(`after ${name}`);
      });
      return content?.['n'] ?? null;
    };
    const tool = toolOf('branches', async (task) => {
      const batch = await task.parallel('ask all', ['a', 'b', 'c'].map(branch));
      return { answers: batch.getResults() };
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('branches');
    await runner.runTask(task);
    const [a = '', b = '', c = ''] = await runtime.asked(task);

    for (const [key, n] of [
      [b, '2'],
      [c, '3'],
      [a, '1'],
    ] as const) {
      await runtime.answer(task, { [key]: accept({ n }) });
      await runner.runTask(task);
    }

    expect(await runtime.result(task)).toEqual({ answers: ['1', '2', '3'] });
    expect(effects.toSorted()).toEqual(['after a', 'after b', 'after c', 'before a', 'before b', 'before c']);
  });

  test('keep their keys through a crash, so that a question is never asked twice [EXEC-1 EXEC-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([toolOf('two', askTwo)]);
    const task = await runtime.create('two');
    await runner.runTask(task);
    const keys = await runtime.asked(task);
    // A run that begins and dies.
    await runtime.answer(task, { [keys[0] ?? '']: accept({ n: '1' }) });
    await runtime.store.update(task, (now, at) => ({
      ...now,
      run: { ...now.run, epoch: now.run.epoch + 1, lease: { holder: 'died', until: at + TIMES.leaseMs } },
    }));
    await runtime.clock.advance(TIMES.leaseMs);

    await runner.runTask(task);

    expect(await runtime.asked(task)).toEqual(keys.slice(1));
  });
});

describe('an answer', () => {
  test('is used once: a repeated one, and one for a key that is no longer asked, change nothing [EXEC-3 I4]', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([toolOf('two', askTwo)]);
    const task = await runtime.create('two');
    await runner.runTask(task);
    const [first = '', second = ''] = await runtime.asked(task);
    await runtime.answer(task, { [first]: accept({ n: 'the first answer' }) });

    await runtime.answer(task, { [first]: accept({ n: 'another answer' }) });
    await runner.runTask(task);
    await runtime.answer(task, { [first]: accept({ n: 'a late answer' }), 'no such key': accept({}) });
    await runtime.answer(task, { [second]: accept({ n: '2' }) });
    await runner.runTask(task);

    expect(await runtime.result(task)).toMatchObject({ first: { n: 'the first answer' } });
    expect(recordedOutcomes(await runtime.log(task), 'question').map(({ key }) => key)).toEqual([first, second]);
  });

  test('that comes while the handler is busy reaches it in the same run [EXEC-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    let answered = false;
    const tool = toolOf('busy', async (task) => {
      const [, answer] = await Promise.all([
        task.step('long', () => gate.pass()),
        task.elicit(form('meanwhile?')).then((given) => {
          answered = true;
          return given;
        }),
      ]);
      return { content: answer.content ?? {} };
    });
    const task = await runtime.create('busy');
    const running = runtime.runner([tool]).runTask(task);
    await gate.reached;
    await eventually(async () => {
      await runtime.clock.advance(250);
      return (await runtime.asked(task)).length === 1;
    });

    const [key = ''] = await runtime.asked(task);
    await runtime.answer(task, { [key]: accept({ n: '1' }) });

    // Sooner than by the next heartbeat.
    await eventually(async () => {
      await runtime.clock.advance(1_000);
      return answered;
    });
    gate.open();
    expect(await running).toBe('finished');
    expect(await runtime.result(task)).toEqual({ content: { n: '1' } });
    expect(recordedOutcomes(await runtime.log(task), 'question')).toHaveLength(1);
  });

  test('that was copied to the log is not copied again by a run after a crash [EXEC-1 I4]', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([toolOf('two', askTwo)]);
    const task = await runtime.create('two');
    await runner.runTask(task);
    const [first = '', second = ''] = await runtime.asked(task);
    await runtime.answer(task, { [first]: accept({ n: '1' }) });
    const before = await runtime.read(task);
    await runner.runTask(task);
    // As if the process had died with the answer in the log and still in the head.
    await runtime.store.update(task, (now) => ({
      ...now,
      answers: before.answers,
      run: { ...now.run, lease: { holder: 'died', until: runtime.clock.now() + 1 } },
    }));
    await runtime.clock.advance(1);

    await runner.runTask(task);
    await runtime.answer(task, { [second]: accept({ n: '2' }) });
    await runner.runTask(task);

    expect(await runtime.result(task)).toEqual({ first: { n: '1' }, second: { n: '2' } });
    expect(recordedOutcomes(await runtime.log(task), 'question').map(({ key }) => key)).toEqual([first, second]);
  });

  test('as large as allowed comes through whole, though the head stays small [EXEC-3 LIFE-10]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('asks', async (task) => ({ text: (await task.elicit(form('?'))).content?.['text'] as string }));
    const runner = runtime.runner([tool]);
    const task = await runtime.create('asks');
    await runner.runTask(task);
    const [key = ''] = await runtime.asked(task);
    const value = await runtime.store.keep(await runtime.read(task), 'answer', accept({ text: 'x'.repeat(60_000) }));
    await runtime.store.update(task, (now, at) => ({
      ...now,
      inputs: {},
      answers: { [key]: { outcome: 'answered', value, at } },
      status: 'working',
      run: { ...now.run, dueAt: at },
    }));

    await runner.runTask(task);

    expect(await runtime.result(task)).toEqual({ text: 'x'.repeat(60_000) });
  });
});

describe('an input with a timeout', () => {
  const askWithin = (seconds: number) =>
    toolOf('asks in time', async (task) => {
      try {
        const { content } = await task.elicit(form('?'), { timeout: { seconds } });
        return { content: content ?? {} };
      } catch (error) {
        return { caught: error instanceof Error ? error.name : 'no error' };
      }
    });

  test('that nobody answers rejects with CallbackTimeoutError, and the task is due exactly then [EXEC-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([askWithin(60)]);
    const task = await runtime.create('asks in time');
    const askedAt = runtime.clock.now();
    await runner.runTask(task);

    expect((await runtime.read(task)).run.dueAt).toBe(askedAt + 60_000);
    await runtime.clock.advance(60_000);
    await runner.runTask(task);

    expect(await runtime.result(task)).toEqual({ caught: 'CallbackTimeoutError' });
  });

  test('is closed at that instant: a late answer is not accepted, even before the next run [EXEC-3 I4]', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([askWithin(60)]);
    const task = await runtime.create('asks in time');
    await runner.runTask(task);
    const [key = ''] = await runtime.asked(task);
    await runtime.clock.advance(60_000);

    const after = await runtime.answer(task, { [key]: accept({ n: 'late' }) });
    await runner.runTask(task);

    expect(after.answers).toEqual({});
    expect(await runtime.result(task)).toEqual({ caught: 'CallbackTimeoutError' });
  });

  test('that was answered in time keeps that answer, however late the next run is [EXEC-3 I4]', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([askWithin(60)]);
    const task = await runtime.create('asks in time');
    await runner.runTask(task);
    const [key = ''] = await runtime.asked(task);
    await runtime.clock.advance(59_999);

    await runtime.answer(task, { [key]: accept({ n: 'in time' }) });
    await runtime.clock.advance(600_000);
    await runner.runTask(task);

    expect(await runtime.result(task)).toEqual({ content: { n: 'in time' } });
  });
});

describe('what is asked', () => {
  test('is shown even if another branch opened its callback while the question was not asked again yet [EXEC-3 I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    const ticks = async (count: number) => {
      for (let tick = 0; tick < count; tick += 1) await new Promise((resolve) => setImmediate(resolve));
    };
    let runs = 0;
    const tool = toolOf('mixed', async (task) => {
      runs += 1;
      await Promise.all([
        task.runInChildContext('outside', async (scope) => {
          await scope.step('slow once', () => (runs === 1 ? gate.pass() : Promise.resolve()));
          await scope.waitForCallback('job', async () => {});
        }),
        task.runInChildContext('inside', async (scope) => {
          // In the second run this branch comes later than the other.
          await ticks(runs === 1 ? 0 : 20);
          await scope.elicit(form('?'));
        }),
      ]);
      return {};
    });
    const task = await runtime.create('mixed');
    const first = runtime.runner([tool]);
    const running = first.runTask(task);
    await gate.reached;
    await eventually(async () => JSON.stringify(await runtime.log(task)).includes('question'));
    first.stop();
    gate.open();
    await running;

    await runtime.runner([tool]).runTask(task);

    expect(await runtime.asked(task)).toHaveLength(1);
    expect((await runtime.read(task)).status).toBe('input_required');
  });

  test('is withdrawn when the branch that asked has lost its race [EXEC-2 EXEC-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const ask = (message: string) => (scope: TaskScope) => scope.elicit(form(message), { timeout: { seconds: 30 } });
    const tool = toolOf('race', async (task) => {
      await task.parallel('either', [ask('a'), ask('b')], { completionConfig: { minSuccessful: 1 } });
      await task.wait('afterwards', { seconds: 60 });
      return { done: true };
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('race');
    await runner.runTask(task);
    const [first = ''] = await runtime.asked(task);

    await runtime.answer(task, { [first]: accept({}) });
    await runner.runTask(task);

    const { status, inputs, run } = await runtime.read(task);
    expect(inputs).toEqual({});
    expect(status).toBe('working');
    expect(run.dueAt).toBe(runtime.clock.now() + 60_000);
    await runtime.clock.advance(60_000);
    expect(await runner.runTask(task)).toBe('finished');
  });

  test('may be sampling or roots as well as a form, each answer in its own shape [EXEC-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('asks all', async (task) => {
      const [sampled, roots] = await Promise.all([task.sample({ messages: [], maxTokens: 1 }), task.listRoots()]);
      return { sampled, roots: roots.map(({ uri }) => uri) };
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('asks all');
    await runner.runTask(task);
    const [sample = '', roots = ''] = await runtime.asked(task);

    await runtime.answer(task, { [sample]: { model: 'm' }, [roots]: { roots: [{ uri: 'file:///a' }] } });
    await runner.runTask(task);

    expect(await runtime.result(task)).toEqual({ sampled: { model: 'm' }, roots: ['file:///a'] });
  });
});
