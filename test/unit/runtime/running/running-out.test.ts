/** Questions whose time runs out while their run goes on: looked at once, and only if nobody has answered. */
import { describe, expect, test } from '@jest/globals';
import { Gate, RuntimeUnderTest, toolOf } from '../runtime-under-test.ts';

const form = (message: string) => ({ message, requestedSchema: { type: 'object', properties: {} } });
const accept = (content: Record<string, string>) => ({ action: 'accept', content });

describe('a question with a timeout', () => {
  test('that ran out is not looked at again and again while its end is being written [EXEC-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const work = new Gate();
    const tool = toolOf('busy', async (task) => {
      const asked = task.elicit(form('?'), { timeout: { seconds: 5 } }).catch((error: Error) => error.name);
      await task.step('work', () => work.pass());
      return { caught: (await asked) as string };
    });
    const task = await runtime.create('busy');
    const running = runtime.runner([tool]).runTask(task);
    await work.reached;
    const storage = new Gate();
    const putIfVersion = runtime.backend.putIfVersion.bind(runtime.backend);
    runtime.backend.putIfVersion = async (...args) => {
      if (args[1].value.includes('"kind":"timed_out"')) await storage.pass();
      return putIfVersion(...args);
    };
    let timers = 0;
    const after = runtime.clock.after.bind(runtime.clock);
    runtime.clock.after = (...args) => {
      timers += 1;
      if (timers > 100) throw new Error('the run does nothing but look at its clock');
      return after(...args);
    };

    await runtime.clock.advance(10_000);

    storage.open();
    work.open();
    expect(await running).toBe('finished');
    expect(await runtime.result(task)).toEqual({ caught: 'CallbackTimeoutError' });
  });

  test('that was answered before the run knows that it is shown has not run out [EXEC-3 I4]', async () => {
    const runtime = new RuntimeUnderTest();
    const work = new Gate();
    const tool = toolOf('busy', async (task) => {
      const asked = task.elicit(form('?'), { timeout: { seconds: 5 } });
      await task.step('work', () => work.pass());
      return { content: (await asked).content ?? {} };
    });
    const task = await runtime.create('busy');
    const running = runtime.runner([tool]).runTask(task);
    await work.reached;
    const acknowledged = new Gate();
    const putIfVersion = runtime.backend.putIfVersion.bind(runtime.backend);
    runtime.backend.putIfVersion = async (...args) => {
      const version = await putIfVersion(...args);
      if (args[1].value.includes('"status":"input_required"')) await acknowledged.pass();
      return version;
    };
    await runtime.clock.advance(250);
    const [key = ''] = await runtime.asked(task);
    await runtime.answer(task, { [key]: accept({ n: '1' }) });

    await runtime.clock.advance(10_000);
    acknowledged.open();
    work.open();

    expect(await running).toBe('finished');
    expect(await runtime.result(task)).toEqual({ content: { n: '1' } });
  });

  test('of a task that has ended is aborted, and does not run out besides [EXEC-3 EXEC-15]', async () => {
    const runtime = new RuntimeUnderTest();
    const seen: string[] = [];
    const tool = toolOf('asks', async (task) => {
      await task.elicit(form('?'), { timeout: { seconds: 60 } }).catch((error: Error) => seen.push(error.name));
      return {};
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('asks');
    await runner.runTask(task);
    await runtime.cancel(task);
    await runtime.clock.advance(120_000);

    expect(await runner.runTask(task)).toBe('cleaned_up');

    expect(seen).toEqual(['TaskAborted']);
  });
});
