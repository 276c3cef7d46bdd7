/** Plain JavaScript concurrency comes out the same in each replay, whatever came first. */
import { describe, expect, test } from '@jest/globals';
import type { Branch } from '../../../src/engine/branch.ts';
import { runBranches } from '../../../src/engine/branches.ts';
import { type EngineHandler, EngineUnderTest } from './engine-under-test.ts';

const ask = (task: Branch, name: string) =>
  task.input('question', name, { request: name }).promise as Promise<{ to: string }>;
const lastFirst = (keys: readonly string[]) => keys.at(-1);
const firstFirst = (keys: readonly string[]) => keys[0];

/** What each of them returns says what the code saw, and in which order. */
const PROGRAMS: readonly (readonly [name: string, program: EngineHandler])[] = [
  [
    'people are asked side by side, and each gets a receipt by the same step',
    async (task) => {
      const said = await Promise.all(
        ['Ann', 'Bob', 'Cyd'].map(async (who) => {
          await ask(task, 'question');
          return [who, await task.step('receipt', async () => `receipt of ${who}`)];
        }),
      );
      await task.wait('pause', { seconds: 2 });
      return Object.fromEntries(said);
    },
  ],
  [
    'an answer races a wait',
    async (task) => {
      const winner = await Promise.race([
        ask(task, 'question').then(() => 'approved'),
        task.wait('too late', { seconds: 3 }).then(() => 'timeout'),
      ]);
      const recorded = await task.step('note', async () => winner);
      await task.wait('pause', { seconds: 5 });
      return { recorded, now: winner };
    },
  ],
  [
    'the first of two waits wins, which was asked for second',
    async (task) => {
      const winner = await Promise.race([
        task.wait('slow', { seconds: 4 }).then(() => 'slow'),
        task.wait('fast', { seconds: 1 }).then(() => 'fast'),
      ]);
      await task.step(`after ${winner}`, async () => winner);
      await task.wait('pause', { seconds: 9 });
      return winner;
    },
  ],
  [
    'any and allSettled wait for steps that fail',
    async (task) => {
      const fails = (name: string) =>
        task.step(name, async () => Promise.reject(new Error(name)), { retryStrategy: () => ({ shouldRetry: false }) });
      const any = await Promise.any([fails('a'), task.wait('w', { seconds: 1 }).then(() => 'waited'), fails('b')]);
      const all = await Promise.allSettled([fails('c'), ask(task, 'question')]);
      return { any, all: all.map((one) => one.status) };
    },
  ],
  [
    'chains of operations run side by side',
    async (task) => {
      const seen: string[] = [];
      const chain = async (name: string, seconds: number) => {
        for (let turn = 1; turn <= 3; turn += 1) {
          await task.wait('pause', { seconds: seconds * turn });
          seen.push(await task.step('look', async () => `${name}${turn}`));
        }
      };
      await Promise.all([chain('a', 2), chain('b', 3), chain('c', 1)]);
      return seen;
    },
  ],
  [
    'a generator yields answers as they come',
    async (task) => {
      async function* answers() {
        const open = new Map(['x', 'y', 'z'].map((name) => [name, ask(task, name).then(() => name)]));
        while (open.size > 0) {
          const name = await Promise.race(open.values());
          open.delete(name);
          yield name;
        }
      }
      const seen: string[] = [];
      for await (const name of answers()) seen.push(await task.step('take', async () => name));
      return seen;
    },
  ],
  [
    'branches of branches wait, fail and go on',
    async (task) => {
      const outer = await runBranches(
        task,
        'map',
        'outer',
        [1, 2, 3].map((seconds) => async (branch: Branch) => {
          await branch.wait('pause', { seconds });
          const inner = await runBranches(
            branch,
            'parallel',
            'inner',
            [
              async (leaf) => leaf.step('one', async () => seconds),
              async (leaf) => ask(leaf, 'question').then(() => -1),
            ],
            { completionConfig: { minSuccessful: seconds === 2 ? 1 : 2 } },
          );
          return inner.getResults();
        }),
        { maxConcurrency: 2 },
      );
      return outer.getResults();
    },
  ],
];

describe.each(PROGRAMS)('%s:', (_name, program) => {
  test.each([
    ['the last asked answers first', lastFirst],
    ['the first asked answers first', firstFirst],
    ['time passes before anybody answers', undefined],
  ] as const)(
    '%s, and every prefix of the journal replays to itself [EXEC-11 EXEC-1 EXEC-2 I11]',
    async (_order, answer) => {
      const engine = new EngineUnderTest();
      let asked = 0;
      // Without an order of its own: time first, and an answer only where nothing else can go on.
      const patient = (keys: readonly string[]) => {
        asked += 1;
        return asked % 4 === 0 ? keys[0] : undefined;
      };

      const end = await engine.finish(program, answer ?? patient).catch(() => engine.finish(program, firstFirst));

      expect(end.kind).toBe('returned');
      await engine.expectToReplay(program, end.kind === 'returned' ? end.value : undefined);
    },
  );
});

describe('an outcome', () => {
  test('reaches the code only when it is in the journal [EXEC-11]', async () => {
    const engine = new EngineUnderTest();
    let seen = 0;
    const seenAtAppend: number[] = [];
    const { end } = engine.start(
      async (task) => {
        for (let step = 0; step < 3; step += 1) {
          await task.step('step', async () => step);
          seen += 1;
        }
      },
      {
        append: async (entry) => {
          seenAtAppend.push(seen);
          await new Promise((resolve) => setImmediate(resolve));
          engine.entries.push(entry);
        },
      },
    );

    expect(await end).toEqual({ kind: 'returned', value: undefined });
    expect(seenAtAppend).toEqual([0, 1, 2]);
  });

  test('that could not be recorded is not handed over: the run ends there [EXEC-1 EXEC-11]', async () => {
    const engine = new EngineUnderTest();
    let isOver = false;
    const { end } = engine.start(
      async (task) => {
        await task.step('step', async () => 1);
        isOver = true;
      },
      { append: () => Promise.reject(new Error('no storage')) },
    );

    expect(await end).toMatchObject({ kind: 'interrupted', error: { message: 'no storage' } });
    expect(isOver).toBe(false);
  });

  test('is of nothing that the journal lacks: nobody is asked what is not in it yet [EXEC-11 I4]', async () => {
    const engine = new EngineUnderTest();
    const asked: string[][] = [];
    const { run, end } = engine.start((task) => Promise.all([ask(task, 'one'), ask(task, 'two')]), {
      append: async () => {
        asked.push(run.outstanding.map(({ key }) => key));
      },
    });
    expect((await end).kind).toBe('suspended');

    expect(asked).toEqual([[]]);
    expect(run.outstanding).toHaveLength(2);
  });

  test('comes with others in the order of time: an answer that came before a wait was over comes first [EXEC-11]', async () => {
    const engine = new EngineUnderTest();
    const program: EngineHandler = (task) =>
      Promise.race([ask(task, 'question').then(() => 'answer'), task.wait('w', { seconds: 10 }).then(() => 'timeout')]);
    const { run, end } = engine.start(program);
    expect((await end).kind).toBe('suspended');
    const key = run.outstanding[0]?.key ?? '';
    const answeredAt = engine.clock.now() + 5_000;
    await engine.clock.advance(60_000);

    const later = engine.start(program);
    later.run.deliver([{ key, at: answeredAt, outcome: { kind: 'ok', value: 1 } }]);

    expect(await later.end).toEqual({ kind: 'returned', value: 'answer' });
  });
});

describe('a sequence of steps', () => {
  test('costs one entry each, of the same size, however many there are [EXEC-13]', async () => {
    const engine = new EngineUnderTest();
    await engine.finish(async (task) => {
      for (let step = 0; step < 300; step += 1) await task.step('step', async () => 'result');
    });

    expect(engine.entries).toHaveLength(300);
    expect(JSON.stringify(engine.entries[299]).length - JSON.stringify(engine.entries[1]).length).toBeLessThan(12);
  });
});
