/** Code that does something else than it had done is found at the first difference; code that may differ is told so. */
import { describe, expect, test } from '@jest/globals';
import type { Branch } from '../../../src/engine/branch.ts';
import { type EngineHandler, EngineUnderTest } from './engine-under-test.ts';

const step = (task: Branch, name: string) => task.step(name, async () => name);

/** Runs `before` until it waits for ever, then `after` on the same journal. */
async function changed(before: EngineHandler, after: EngineHandler) {
  const engine = new EngineUnderTest();
  const asLongAsItGoes = engine.finish(before).catch(() => undefined);
  await asLongAsItGoes;
  return engine.start(after, { replayPatienceMs: 0 }).end;
}

const abc: EngineHandler = async (task) => {
  await step(task, 'a');
  await step(task, 'b');
  await step(task, 'c');
  await task.input('question', 'q', { request: 1 }).promise;
};

describe('a replay by changed code', () => {
  test.each<[string, EngineHandler, RegExp]>([
    [
      'with a step inserted',
      async (task) => {
        await step(task, 'a');
        await step(task, 'new');
        await step(task, 'b');
      },
      /^After step "a" \(turn 1\): recorded is step "b", and the code asked for step "new"\.$/,
    ],
    [
      'with a step removed',
      async (task) => {
        await step(task, 'a');
        await step(task, 'c');
        await task.input('question', 'q', { request: 1 }).promise;
      },
      /^After step "a" \(turn 1\): recorded is step "b", and the code did not ask for it\.$/,
    ],
    [
      'with a step renamed',
      async (task) => step(task, 'A'),
      /^At its beginning \(turn 0\): recorded is step "a", and the code asked for step "A"\.$/,
    ],
    [
      'with another kind of the same name',
      async (task) => task.wait('a', { seconds: 1 }),
      /^At its beginning \(turn 0\): recorded is step "a", and the code asked for wait "a"\.$/,
    ],
    [
      'that ends early',
      async () => 'done',
      /^At its beginning \(turn 0\): recorded is step "a", and the code ended\.$/,
    ],
    [
      'that asks for one more at the end of the same turn',
      async (task) => Promise.all([step(task, 'a'), step(task, 'a')]),
      /recorded is step "b", and the code asked for step "a" \(number 2 of that name\)/,
    ],
  ])('%s is a mismatch that says what, instead of what, and where [EXEC-12]', async (_what, after, message) => {
    expect(await changed(abc, after)).toEqual({ kind: 'mismatch', message: expect.stringMatching(message) });
  });

  const all =
    (...names: readonly string[]): EngineHandler =>
    async (task) => {
      await Promise.all(names.map((name) => step(task, name)));
      await task.input('question', 'q', { request: 1 }).promise;
    };

  test.each([
    ['the first', ['b', 'c'], /recorded is step "a", and the code did not ask for it/],
    ['one in the middle', ['a', 'c'], /recorded is step "b", and the code did not ask for it/],
    ['the last', ['a', 'b'], /recorded is step "c", and the code did not ask for it/],
  ])('without %s of what one turn had asked for is a mismatch [EXEC-12]', async (_which, left, message) => {
    expect(await changed(all('a', 'b', 'c'), all(...left))).toEqual({
      kind: 'mismatch',
      message: expect.stringMatching(message),
    });
  });

  test('with one more in a turn that was over before the last entry is a mismatch [EXEC-12]', async () => {
    const more: EngineHandler = async (task) => {
      await step(task, 'a');
      await step(task, 'b');
      void step(task, 'more').catch(() => {});
      await step(task, 'c');
      await task.input('question', 'q', { request: 1 }).promise;
    };

    expect(await changed(abc, more)).toEqual({
      kind: 'mismatch',
      message: expect.stringMatching(
        /^After step "b" \(turn 2\): recorded is step "c", and the code asked for step "more"/,
      ),
    });
  });

  test('elsewhere shifts nothing: names are counted in each branch [EXEC-12]', async () => {
    const of = (names: readonly string[]) => async (task: Branch) => {
      await Promise.all(names.map((name) => step(task.child('child', name, 1), 'work')));
      await task.input('question', 'q', { request: 1 }).promise;
    };

    expect(await changed(of(['left', 'right']), of(['right', 'left']))).toEqual({ kind: 'suspended', dueAt: null });
  });

  test('that awaits something of its own is waited for, where the journal says that it asked [EXEC-12]', async () => {
    const engine = new EngineUnderTest();
    let hops = 0;
    const program: EngineHandler = async (task) => {
      for (let hop = 0; hop < hops; hop += 1) await new Promise((resolve) => setImmediate(resolve));
      const value = await step(task, 'a');
      await task.wait('pause', { seconds: 1 });
      return value;
    };
    await engine.start(program).end;
    hops = 20;
    await engine.clock.advance(1_000);

    expect(await engine.start(program).end).toEqual({ kind: 'returned', value: 'a' });
  });
});

describe('patched', () => {
  const before: EngineHandler = async (task) => {
    await step(task, 'a');
    await task.wait('pause', { seconds: 1 });
    return 'old';
  };
  const after: EngineHandler = async (task) => {
    await step(task, 'a');
    if (task.patched('check')) await step(task, 'check');
    await task.wait('pause', { seconds: 1 });
    const again = task.patched('check');
    return again ? 'new' : 'old';
  };

  test('is false for a task that had been there before, in each replay and ever after [EXEC-17]', async () => {
    const engine = new EngineUnderTest();
    await engine.start(before).end;

    expect(await engine.finish(after)).toEqual({ kind: 'returned', value: 'old' });
    expect(engine.asks.some(({ kind }) => kind === 'patch')).toBe(false);
  });

  test('is true for a task that comes there first with the change, in each replay [EXEC-17 I11]', async () => {
    const engine = new EngineUnderTest();

    expect(await engine.finish(after)).toEqual({ kind: 'returned', value: 'new' });
    await engine.expectToReplay(after, 'new');
  });
});

describe('values', () => {
  test('are the same in each replay: random numbers, UUIDs, and the time of the turn [EXEC-11 EXEC-1]', async () => {
    const engine = new EngineUnderTest();
    const program: EngineHandler = async (task) => {
      const first = [task.randomNumber(), task.uuid(), task.uuid(), task.now() - engine.startedAt];
      await task.wait('pause', { seconds: 5 });
      const last = [...first, task.randomNumber(), task.now() - engine.startedAt];
      await task.step('note', async () => 1);
      return last;
    };

    const end = await engine.finish(program);

    expect(end).toEqual({
      kind: 'returned',
      value: [
        expect.any(Number),
        expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
        expect.any(String),
        0,
        expect.any(Number),
        5_000,
      ],
    });
    await engine.expectToReplay(program, end.kind === 'returned' ? end.value : undefined);
  });

  test('are in the journal before a step that may use them begins [EXEC-1]', async () => {
    const engine = new EngineUnderTest();
    let recorded: unknown;
    await engine.finish(async (task) => {
      const key = task.uuid();
      await task.step('send', async () => {
        recorded = engine.asks.find(({ kind }) => kind === 'value')?.value === key;
      });
    });

    expect(recorded).toBe(true);
  });
});
