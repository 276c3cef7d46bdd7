/** Tries of steps and looks at conditions: again at once or later, at most once, and what comes of a failure. */
import assert from 'node:assert/strict';
import { describe, expect, test } from '@jest/globals';
import { StepError } from '../../../src/engine/recorded-error.ts';
import { createRetryStrategy, createWaitStrategy } from '../../../src/engine/retry.ts';
import { type EngineHandler, EngineUnderTest } from './engine-under-test.ts';

const again = { retryStrategy: () => ({ shouldRetry: true, delay: { seconds: 0 } }) as const };

describe('a step', () => {
  test('may have another task run, whose operations are not inside it [EXEC-1]', async () => {
    const [engine, other] = [new EngineUnderTest(), new EngineUnderTest()];
    const begun: EngineHandler = (task) => task.step('of its own', async () => 'done');

    const end = await engine.finish((task) => task.step('begin another', async () => (await other.finish(begun)).kind));

    expect(end).toMatchObject({ kind: 'returned', value: 'returned' });
    await other.expectToReplay(begun, 'done');
  });

  test('is tried again at once where its delay is 0, within the same run [EXEC-2]', async () => {
    const engine = new EngineUnderTest();
    const program: EngineHandler = (task) =>
      task.step(
        'flaky',
        async ({ attempt }) => {
          if (attempt < 3) throw new Error('again');
          return attempt;
        },
        again,
      );

    expect(await engine.finish(program)).toEqual({ kind: 'returned', value: 3 });
    expect(engine.observed).toEqual(['step "flaky" failed 1', 'step "flaky" failed 2']);
    await engine.expectToReplay(program, 3);
  });

  test('goes on with its count of tries after a run that died [EXEC-1 EXEC-2]', async () => {
    const engine = new EngineUnderTest();
    const attempts: number[] = [];
    const program: EngineHandler = (task) =>
      task.step(
        'flaky',
        async ({ attempt }) => {
          attempts.push(attempt);
          if (attempt < 3) throw new Error('again');
          return 'done';
        },
        { retryStrategy: createRetryStrategy({ maxAttempts: 3, jitter: 'none' }) },
      );

    expect(await engine.finish(program)).toEqual({ kind: 'returned', value: 'done' });
    expect(attempts).toEqual([1, 2, 3]);
    expect(engine.clock.now() - engine.startedAt).toBe(5_000 + 10_000);
  });

  test('that may run at most once does not run its second try twice, though that was due before its run died [EXEC-1]', async () => {
    const engine = new EngineUnderTest();
    const attempts: number[] = [];
    const program: EngineHandler = (task) =>
      task.step(
        'charge',
        async ({ attempt }) => {
          attempts.push(attempt);
          if (attempt === 1) throw new Error('declined');
          return new Promise(() => {});
        },
        {
          atMostOnce: true,
          retryStrategy: (_, attempt) => (attempt < 2 ? { shouldRetry: true } : { shouldRetry: false }),
        },
      );
    const dying = engine.start(program);
    await engine.clock.advance(0);
    dying.run.stop(new Error('killed'));
    await dying.end;
    expect(attempts).toEqual([1, 2]);

    const end = await engine.start(program).end;

    expect(attempts).toEqual([1, 2]);
    expect(end).toMatchObject({ kind: 'threw', error: { name: 'StepInterruptedError' } });
  });

  test('whose clock is put back does not wait longer than it was to wait [EXEC-2]', async () => {
    const engine = new EngineUnderTest();
    const program: EngineHandler = async (task) => {
      await task.wait('pause', { seconds: 10 });
      return 'done';
    };
    await engine.start(program).end;
    engine.clock.set(engine.clock.now() - 600_000);

    expect(await engine.start(program).end).toEqual({ kind: 'suspended', dueAt: engine.clock.now() + 10_000 });
  });

  test.each<[string, EngineHandler]>([
    ['a wait', (task) => task.wait('pause', { seconds: 10 })],
    [
      'a retry',
      (task) =>
        task.step('flaky', async ({ attempt }) => assert.ok(attempt > 1), {
          retryStrategy: () => ({ shouldRetry: true, delay: { seconds: 10 } }),
        }),
    ],
  ])(
    'after the clock was put back, %s is waited for once more and not in each run anew [EXEC-2 EXEC-20]',
    async (_, program) => {
      const engine = new EngineUnderTest();
      await engine.start(program).end;
      engine.clock.set(engine.clock.now() - 600_000);
      await engine.start(program).end;
      const length = engine.entries.length;
      expect(engine.entries.at(-1)).toEqual({
        at: engine.clock.now(),
        outcomes: [{ kind: 'due', of: 0, dueAt: engine.clock.now() + 10_000 }],
      });

      await engine.clock.advance(4_000);
      const early = await engine.start(program).end;
      await engine.clock.advance(6_000);
      const end = await engine.start(program).end;

      expect(early).toEqual({ kind: 'suspended', dueAt: engine.clock.now() });
      expect(end).toEqual({ kind: 'returned', value: undefined });
      expect(engine.entries.slice(length).flatMap(({ outcomes = [] }) => outcomes)).toEqual([{ kind: 'ok', of: 0 }]);
      await engine.expectToReplay(program, undefined);
    },
  );

  test('fails in the first run with what each replay will have: name, message, code, data and causes [EXEC-18]', async () => {
    const engine = new EngineUnderTest();
    const seen: unknown[] = [];
    const program: EngineHandler = async (task) => {
      const thrown = Object.assign(new RangeError('too far', { cause: new Error('a wall') }), {
        code: 'E_FAR',
        data: { metres: 3 },
      });
      try {
        await task.step('run', () => Promise.reject(thrown), { retryStrategy: () => ({ shouldRetry: false }) });
      } catch (error) {
        seen.push(error);
      }
      await task.wait('pause', { seconds: 1 });
    };

    await engine.finish(program);

    expect(seen).toHaveLength(2);
    for (const error of seen) {
      expect(error).toBeInstanceOf(StepError);
      expect(error).toMatchObject({ name: 'RangeError', message: 'too far', code: 'E_FAR', data: { metres: 3 } });
      expect((error as StepError).cause).toMatchObject({ name: 'Error', message: 'a wall' });
    }
  });

  test.each([
    ['a text', 'out of paper', { message: 'out of paper', thrown: 'out of paper' }],
    [
      'an object',
      { reason: 'jam', tray: 2 },
      { message: '{"reason":"jam","tray":2}', thrown: { reason: 'jam', tray: 2 } },
    ],
    ['an object with a message', { message: 'jam' }, { message: 'jam' }],
    ['nothing', undefined, { message: 'undefined' }],
  ])('that throws %s keeps what it says [EXEC-18]', async (_what, thrown, expected) => {
    const engine = new EngineUnderTest();
    const prints = async () => {
      // oxlint-disable-next-line typescript/only-throw-error -- tools throw what they like
      throw thrown;
    };
    const program: EngineHandler = (task) =>
      task.step('print', prints, { retryStrategy: () => ({ shouldRetry: false }) });

    expect(await engine.finish(program)).toMatchObject({ kind: 'threw', error: expected });
  });

  test.each<[string, unknown, RegExp]>([
    [
      'a date',
      { when: new Date(0) },
      /^Step "s" returned an instance of Date at when, which would come back as something else\. Return date\.toISOString\(\)/,
    ],
    ['a map', [new Map()], /returned an instance of Map at \[0\].*Object\.fromEntries/],
    ['a class instance', { a: { 'b c': new URL('http://x') } }, /an instance of URL at a\["b c"\]/],
    ['a function', { f: () => 1 }, /returned a function at f, which JSON has not/],
    ['a number that is none', { n: Number.NaN }, /the number NaN at n/],
    ['undefined in a list', [undefined], /undefined inside an array at \[0\], which would come back as null/],
    ['a big integer', 1n, /^Step "s" returned a bigint, which JSON has not/],
  ])('that returns %s is refused at once, with the path and what to do [EXEC-18]', async (_what, value, message) => {
    const engine = new EngineUnderTest();
    let tries = 0;
    const end = await engine.finish((task) =>
      task.step('s', async () => {
        tries += 1;
        return value;
      }),
    );

    expect(end).toMatchObject({ kind: 'threw', error: { message: expect.stringMatching(message) } });
    expect(tries).toBe(1);
  });

  test('that returns a circle is refused, and one that leaves members out returns what a replay will have [EXEC-18]', async () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const engine = new EngineUnderTest();

    expect(await engine.finish((task) => task.step('s', async () => circle))).toMatchObject({
      error: { message: expect.stringMatching(/an object that contains itself at self/) },
    });
    const program: EngineHandler = (task) => task.step('t', async () => ({ a: undefined, b: -0, c: [null] }));
    const other = new EngineUnderTest();
    expect(await other.finish(program)).toEqual({ kind: 'returned', value: { b: 0, c: [null] } });
  });

  test('may say how what is no JSON is kept [EXEC-18]', async () => {
    const engine = new EngineUnderTest();
    const serdes = {
      serialize: (date: Date) => date.getTime(),
      deserialize: (stored: unknown) => new Date(stored as number),
    };
    const program: EngineHandler = async (task) => {
      const date = await task.step('when', async () => new Date(5), { serdes });
      await task.wait('pause', { seconds: 1 });
      return date.toISOString();
    };

    expect(await engine.finish(program)).toEqual({ kind: 'returned', value: new Date(5).toISOString() });
  });
});

describe('a wait until a date', () => {
  test.each([
    ['beyond all time', 1e300, 8.64e15],
    ['before it', -1e300, -8.64e15],
    ['within a millisecond', 4_200_000_000_000.25, 4_200_000_000_001],
  ])('%s is until a time that can be kept [EXEC-2 EXEC-13]', async (_what, date, dueAt) => {
    const engine = new EngineUnderTest();
    await engine.start((task) => task.waitUntil('w', date)).end;

    expect(engine.asks).toEqual([{ kind: 'wait', name: 'w', dueAt }]);
  });
});

describe('a step that may run at most once', () => {
  const dies: EngineHandler = (task) => task.step('pay', () => new Promise(() => {}), { atMostOnce: true });

  test('has its beginning in the journal first, and is not run again after its run died [EXEC-2 I3]', async () => {
    const engine = new EngineUnderTest();
    let began = 0;
    const { run, end } = engine.start((task) =>
      task.step(
        'pay',
        async () => {
          began += 1;
          return new Promise(() => {});
        },
        { atMostOnce: true },
      ),
    );
    while (began === 0) await new Promise((resolve) => setImmediate(resolve));
    run.stop(new Error('killed'));
    await end;

    const next = await engine.start(dies).end;

    expect(began).toBe(1);
    expect(next).toMatchObject({ kind: 'threw', error: { name: 'StepInterruptedError' } });
  });

  test('that throws is not tried again unless its strategy says so [EXEC-2]', async () => {
    const engine = new EngineUnderTest();
    const program: EngineHandler = (task) =>
      task.step('pay', () => Promise.reject(new Error('declined')), { atMostOnce: true });

    expect(await engine.finish(program)).toMatchObject({ kind: 'threw', error: { message: 'declined' } });
    expect(engine.observed).toEqual(['step "pay" failed 1 for good']);
  });
});

describe('a condition', () => {
  test('is looked at again at once where its delay is 0, and with its state after a wait [EXEC-2 I11]', async () => {
    for (const waitStrategy of [
      (count: number) =>
        count < 3 ? ({ shouldContinue: true, delay: { seconds: 0 } } as const) : ({ shouldContinue: false } as const),
      createWaitStrategy<number>({
        initialDelay: { seconds: 5 },
        jitter: 'none',
        shouldContinuePolling: (count) => count < 3,
      }),
    ]) {
      const engine = new EngineUnderTest();
      const program: EngineHandler = (task) =>
        task.waitForCondition('ready', async (count: number) => count + 1, { initialState: 0, waitStrategy });

      expect(await engine.finish(program)).toEqual({ kind: 'returned', value: 3 });
      await engine.expectToReplay(program, 3);
    }
  });
});

describe('a mistake in the use of an operation', () => {
  test.each<[string, EngineHandler, RegExp]>([
    [
      'a bare number for a duration',
      (task) => task.wait('w', 5 as never),
      /takes a duration such as \{ seconds: 5 \}, not 5/,
    ],
    [
      'seconds that are no number',
      (task) => task.wait('w', { seconds: Number.NaN }),
      /takes 0 or more seconds, not NaN/,
    ],
    [
      'a long text for a duration',
      (task) => task.wait('w', 'x'.repeat(50) as never),
      /takes a duration such as \{ seconds: 5 \}, not "x{39}…"/,
    ],
    [
      'an unknown unit',
      (task) => task.wait('w', { second: 1 } as never),
      /knows no unit "second"; it knows days, hours/,
    ],
    [
      'an unknown option',
      (task) => task.step('s', async () => 1, { retries: 3 } as never),
      /step has no option "retries"; it has retryStrategy, atMostOnce, serdes, signal/,
    ],
    [
      'no name',
      (task) => task.step((async () => 1) as never, async () => 1),
      /step needs a name as its first argument/,
    ],
    [
      'a name of more than 256 characters',
      async (task) => {
        await task.step('n'.repeat(256), async () => 1);
        await task.step('n'.repeat(257), async () => 2);
      },
      /^A name has at most 256 characters; "n{39}…" has 257\.$/,
    ],
    ['no action', (task) => task.step('s', 1 as never), /step needs an action, a function, and was given 1/],
    [
      'a step in a step',
      (task) => task.step('outer', () => task.step('inner', async () => 1)),
      /step "inner" was asked for inside step "outer"/,
    ],
    [
      'a UUID in a step, which a replay would not ask for again',
      (task) => task.step('send', async () => task.uuid()),
      /value "uuid" was asked for inside step "send".* before the step/,
    ],
    [
      'a random number in a look at a condition',
      (task) =>
        task.waitForCondition('ready', async () => task.randomNumber(), {
          initialState: 0,
          waitStrategy: () => ({ shouldContinue: false }),
        }),
      /value "random" was asked for inside step "ready"/,
    ],
    [
      'to withdraw in a step, which a replay would not do again',
      async (task) => {
        const controller = new AbortController();
        const pause = task.wait('pause', { hours: 1 }, { signal: controller.signal });
        await task.step('give up', async () => controller.abort());
        await pause;
      },
      /wait "pause" was withdrawn inside step "give up".* after the step/,
    ],
    [
      'an invalid date',
      (task) => task.waitUntil('w', new Date('nonsense')),
      /takes a Date, or milliseconds since the epoch, not an invalid date/,
    ],
  ])('such as %s is answered with what to write instead [EXEC-18]', async (_what, program, message) => {
    const engine = new EngineUnderTest();

    expect(await engine.finish(program)).toMatchObject({
      kind: 'threw',
      error: { name: 'MisuseError', message: expect.stringMatching(message) },
    });
  });

  test('such as not awaiting is reported, with the operation [EXEC-18]', async () => {
    const engine = new EngineUnderTest();
    await engine.finish(async (task) => {
      void task.step('forgotten', async () => 1);
      await task.step('awaited', async () => 2);
    });

    expect(engine.observed).toEqual(['step "forgotten" never awaited']);
  });
});
