/** The paces of a run that is busy while its client is asked, and how much a task may wait for at a time. */
import { describe, expect, jest, test } from '@jest/globals';
import { TaskError } from '../../../../src/domain/errors.ts';
import { Gate, RuntimeUnderTest, toolOf } from '../runtime-under-test.ts';

const form = (message: string) => ({ message, requestedSchema: { type: 'object', properties: {} } });

/** A run that has asked, and is busy with something else until `gate` opens; `heardAt`: when it had its answer, or none. */
async function busyAsking(timeout: { readonly seconds: number }) {
  const runtime = new RuntimeUnderTest();
  const { clock } = runtime;
  const gate = new Gate();
  const startedAt = clock.now();
  const heardAt: number[] = [];
  const tool = toolOf('busy', async (task) => {
    const note = () => heardAt.push(clock.now() - startedAt);
    await Promise.all([
      task.step('long', () => gate.pass()),
      task.elicit(form('meanwhile?'), { timeout }).then(note, note),
    ]);
    return {};
  });
  const task = await runtime.create('busy');
  const running = runtime.runner([tool]).runTask(task);
  await gate.reached;
  // Until what was asked is in the journal.
  for (let turn = 0; turn < 20; turn += 1) await clock.advance(0);
  const asked = async () => {
    const { task: seen } = await runtime.otherStore().get(task);
    return Object.keys(seen.inputs);
  };
  return { runtime, clock, gate, task, running, heardAt, asked };
}

describe('a run that is busy besides', () => {
  test('shows what it asks after a quarter of a second, and looks for the answer each second [EXEC-3]', async () => {
    const { runtime, clock, gate, task, running, heardAt, asked } = await busyAsking({ seconds: 60 });
    await clock.advance(249);
    expect(await asked()).toEqual([]);
    await clock.advance(1);
    const [key = ''] = await asked();
    await runtime.answer(task, { [key]: { action: 'decline' } });

    await clock.advance(999);
    expect(heardAt).toEqual([]);
    await clock.advance(1);

    expect(heardAt).toEqual([1_250]);
    gate.open();
    expect(await running).toBe('finished');
  });

  test('closes what has timed out a second later, where storage did not answer then [EXEC-3]', async () => {
    const { runtime, clock, gate, running, heardAt, asked } = await busyAsking({ seconds: 2 });
    await clock.advance(1_999);
    jest.spyOn(runtime.store, 'get').mockRejectedValueOnce(new TaskError('unavailable', 'Storage did not answer.'));

    await clock.advance(1_000);
    expect([await asked(), heardAt]).toEqual([[expect.any(String)], []]);
    await clock.advance(1);

    expect([await asked(), heardAt]).toEqual([[], [3_000]]);
    gate.open();
    expect(await running).toBe('finished');
  });

  test('does not show what timed out while its request was being written, so that no clock lets an answer in [EXEC-3 I4]', async () => {
    const { runtime, clock, gate, running, heardAt } = await busyAsking({ seconds: 2 });
    const shown: string[] = [];
    runtime.store.onChange(({ task }) => shown.push(...Object.keys(task.inputs)));
    const writing = new Gate();
    const { store } = runtime;
    const keep = store.keep.bind(store);
    jest.spyOn(store, 'keep').mockImplementationOnce(async (...asked) => {
      await writing.pass();
      return keep(...asked);
    });
    await clock.advance(250);
    await writing.reached;
    await clock.advance(2_000);
    expect(heardAt).toEqual([2_000]);

    writing.open();
    await clock.advance(1_000);

    expect(shown).toEqual([]);
    gate.open();
    expect(await running).toBe('finished');
  });
});

describe('requests in the head of a task', () => {
  test('are three at most: further ones have records of their own, however small they are [I10 EXEC-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('asks', async (task) => {
      await Promise.all(['a', 'b', 'c', 'd', 'e'].map((message) => task.elicit(form(message))));
      return {};
    });
    const task = await runtime.create('asks');

    await runtime.runner([tool]).runTask(task);

    const { inputs } = await runtime.read(task);
    const places = Object.values(inputs).map(({ request }) => Object.keys(request ?? {}));
    expect(places).toEqual([['json'], ['json'], ['json'], ['ref'], ['ref']]);
  });
});

describe('a callback that times out while storage is away', () => {
  test('gives no token away, though its handler has not heard of the time-out: nobody could complete it [EXEC-2 I4]', async () => {
    const runtime = new RuntimeUnderTest();
    const { clock, store } = runtime;
    const tokens: string[] = [];
    const submit = async (token: string) => void tokens.push(token);
    const tool = toolOf('calls', async (task) => ({
      heard: await task.waitForCallback('job', submit, { timeout: { seconds: 2 } }).catch(String),
    }));
    const unavailable = new TaskError('unavailable', 'Storage did not answer.');
    const update = store.update.bind(store);
    const append = store.log.append.bind(store.log);
    const startedAt = clock.now();
    const passed = () => clock.now() - startedAt;
    // The head cannot be written at first, and the journal not when the time is over.
    jest.spyOn(store, 'update').mockImplementation(async (...change) => {
      const [, , known] = change;
      if (known?.task.run.lease !== undefined && passed() < 2_500) throw unavailable;
      return update(...change);
    });
    jest.spyOn(store.log, 'append').mockImplementation(async (...entry) => {
      if (passed() >= 2_000 && passed() < 15_000) throw unavailable;
      return append(...entry);
    });
    const task = await runtime.create('calls');
    const running = runtime.runner([tool]).runTask(task);

    while (passed() < 20_000) await clock.advance(100);

    expect(tokens).toEqual([]);
    expect(await running).toBe('finished');
    expect(await runtime.result(task)).toEqual({ heard: expect.stringContaining('CallbackTimeoutError') });
  });
});

describe('callbacks that are open at the same time', () => {
  test.each([
    [1_000, 'suspended', 1_000],
    [1_001, 'finished', 0],
  ])('%d of them: a thousand can be open, and not one more [I10 EXEC-2]', async (count, report, open) => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('calls back', async (task) => {
      await task
        .map('all', Array.from({ length: count }), (branch) => branch.waitForCallback('job', async () => {}), {
          completionConfig: { toleratedFailureCount: 0 },
        })
        .then((batch) => batch.throwIfError());
      return {};
    });
    const task = await runtime.create('calls back');

    expect(await runtime.runner([tool]).runTask(task)).toBe(report);

    expect(Object.keys((await runtime.read(task)).inputs)).toHaveLength(open);
    const text = /A task can wait for at most 1000 callbacks at the same time; give map a maxConcurrency\./;
    if (open === 0) expect(await runtime.result(task)).toMatchObject({ text: expect.stringMatching(text) });
  });
});
