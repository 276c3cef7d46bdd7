/** What nobody waits for any more, and what a handler is told when its task has ended without it. */
import { describe, expect, test } from '@jest/globals';
import { OperationWithdrawn, TaskAborted } from '../../../src/engine/aborts.ts';
import type { Branch } from '../../../src/engine/branch.ts';
import { raceBranches, runBranches } from '../../../src/engine/branches.ts';
import { present } from '../../../src/present.ts';
import { answerTo, type EngineHandler, EngineUnderTest } from './engine-under-test.ts';

const ask = (task: Branch, name: string, signal?: AbortSignal) =>
  task.input('question', name, { request: name, ...present({ signal }) }).promise;

describe('a withdrawn operation', () => {
  test('rejects with the signal’s reason, leaves what is outstanding, and its late answer is ignored [EXEC-14 I4]', async () => {
    const engine = new EngineUnderTest();
    const program: EngineHandler = async (task) => {
      const controller = new AbortController();
      const asked = ask(task, 'q', controller.signal).catch((error: unknown) => (error as Error).message);
      await task.wait('a while', { seconds: 1 });
      controller.abort(new Error('never mind'));
      const heard = await asked;
      await task.wait('more', { seconds: 1 });
      return heard;
    };
    const first = engine.start(program);
    await first.end;
    const key = first.run.outstanding[0]?.key ?? '';
    await engine.clock.advance(1_000);

    const second = engine.start(program);
    await second.end;
    expect(second.run.outstanding).toEqual([]);
    await engine.clock.advance(1_000);
    const third = engine.start(program);
    third.run.deliver([answerTo(key, 'late', engine.clock.now())]);

    expect(await third.end).toEqual({ kind: 'returned', value: 'never mind' });
    await engine.expectToReplay(program, 'never mind');
  });

  test('is not withdrawn by the task’s own signal, which other runs do not see [EXEC-14]', async () => {
    const engine = new EngineUnderTest();
    const controller = new AbortController();
    const { run, end } = engine.start((task) => ask(task, 'q', controller.signal));
    controller.abort(new TaskAborted('shutdown'));

    expect(await end).toEqual({ kind: 'suspended', dueAt: null });
    expect(run.outstanding).toHaveLength(1);
  });
});

describe('a race of branches', () => {
  test('withdraws what the losers wait for, lets them clean up with steps, and waits for that [EXEC-14]', async () => {
    const engine = new EngineUnderTest();
    const seen: string[] = [];
    const program: EngineHandler = async (task) => {
      const winner = await raceBranches(task, 'either', [
        async (branch) => {
          await branch.wait('fast', { seconds: 1 });
          return 'fast';
        },
        async (branch) => {
          try {
            await ask(branch, 'q');
          } catch (error) {
            seen.push((error as Error).name);
            await branch.wait('a wait while cleaning up', { hours: 1 }).catch((again: unknown) => {
              seen.push((again as Error).name);
            });
            await branch.step('release', async () => seen.push('released'));
          }
          return 'slow';
        },
      ]);
      seen.push('over');
      return winner;
    };

    expect(await engine.finish(program)).toEqual({ kind: 'returned', value: 'fast' });
    expect(seen).toEqual(['OperationWithdrawn', 'OperationWithdrawn', 'released', 'over']);
    await engine.expectToReplay(program, 'fast');
  });

  test('rejects with what the first branch threw [EXEC-2]', async () => {
    const engine = new EngineUnderTest();
    const end = await engine.finish((task) =>
      raceBranches(task, 'either', [
        (branch) => branch.wait('slow', { hours: 1 }),
        () => Promise.reject(new Error('first')),
      ]),
    );

    expect(end).toMatchObject({ kind: 'threw', error: { message: 'first' } });
  });
});

describe('branches of a map or of parallel', () => {
  test('that are not needed any more are withdrawn, and are in the result as started [EXEC-2 EXEC-14]', async () => {
    const engine = new EngineUnderTest();
    const program: EngineHandler = async (task) => {
      const batch = await runBranches(
        task,
        'parallel',
        'some',
        [1, 2, 3].map((seconds) => async (branch: Branch) => {
          await branch.wait('pause', { seconds });
          return seconds;
        }),
        { completionConfig: { minSuccessful: 2 } },
      );
      return [batch.getResults(), batch.completionReason, batch.all.map(({ status }) => status)];
    };
    const value = [[1, 2], 'MIN_SUCCESSFUL_REACHED', ['SUCCEEDED', 'SUCCEEDED', 'STARTED']];

    expect(await engine.finish(program)).toEqual({ kind: 'returned', value });
    expect(engine.clock.now() - engine.startedAt).toBe(2_000);
    await engine.expectToReplay(program, value);
  });

  test('end with the first failure unless failures are tolerated, and run so many at a time [EXEC-2]', async () => {
    const engine = new EngineUnderTest();
    let most = 0;
    let now = 0;
    const action = (index: number) => async (branch: Branch) => {
      now += 1;
      most = Math.max(most, now);
      await branch.wait('pause', { seconds: 1 });
      now -= 1;
      if (index === 1) throw new Error('one');
      return index;
    };
    const run = (config: Parameters<typeof runBranches>[4]) =>
      engine.finish(async (task) => {
        now = 0;
        const batch = await runBranches(task, 'map', JSON.stringify(config), [0, 1, 2, 3].map(action), config);
        return [batch.completionReason, batch.getResults(), batch.getErrors().map(({ message }) => message)];
      });

    expect(await run({ maxConcurrency: 2 })).toMatchObject({ value: ['FAILURE_TOLERANCE_EXCEEDED', [0], ['one']] });
    expect(most).toBe(2);
    const tolerant = new EngineUnderTest();
    expect(
      await tolerant.finish(async (task) => {
        const config = { completionConfig: { toleratedFailurePercentage: 25 } };
        const batch = await runBranches(task, 'map', 'm', [0, 1, 2, 3].map(action), config);
        return [batch.completionReason, batch.getResults()];
      }),
    ).toMatchObject({ value: ['ALL_COMPLETED', [0, 2, 3]] });
  });
});

describe('an aborted task', () => {
  const log: string[] = [];
  const program: EngineHandler = async (task) => {
    try {
      await task.step('acquire', async () => log.push('acquired'));
      await ask(task, 'q');
    } catch (error) {
      log.push(error instanceof TaskAborted ? error.reason : 'another error');
    } finally {
      await task.wait('no more waiting', { hours: 1 }).catch((error: unknown) => log.push((error as Error).name));
      await task.step(
        'release',
        async ({ attempt }) => {
          if (attempt < 2) throw new Error('again');
          log.push('released');
        },
        { retryStrategy: (_error, attempt) => (attempt < 3 ? { shouldRetry: true } : { shouldRetry: false }) },
      );
    }
    return 'cleaned up';
  };

  test('rejects what its handler waits for, refuses new waits, and runs its steps [EXEC-15 I11]', async () => {
    log.length = 0;
    const engine = new EngineUnderTest();
    await engine.start(program).end;
    const { run, end } = engine.start(program, {
      append: async (entry) => {
        engine.entries.push(entry);
        // As often as the task is seen to have ended.
        run.abort('cancelled');
      },
    });
    run.abort('cancelled');

    expect(await end).toEqual({ kind: 'returned', value: 'cleaned up' });
    expect(log).toEqual(['acquired', 'cancelled', 'TaskAborted', 'released']);
    expect(
      engine.entries.flatMap(({ outcomes = [] }) => outcomes).filter(({ kind }) => kind === 'aborted'),
    ).toHaveLength(1);
    await engine.expectToReplay(program, 'cleaned up');
  });

  test('goes on cleaning up after a run that died at it, and is told once [EXEC-15 EXEC-1]', async () => {
    log.length = 0;
    const engine = new EngineUnderTest();
    await engine.start(program).end;
    const whole = engine.start(program);
    whole.run.abort('deadline');
    await whole.end;
    const written = engine.entries.length;
    // As if the run had died before its last entry.
    engine.entries.length = written - 1;
    log.length = 0;

    const { run, end } = engine.start(program);
    run.abort('deadline');

    expect(await end).toEqual({ kind: 'returned', value: 'cleaned up' });
    expect(log).toEqual(['deadline', 'TaskAborted', 'released']);
    expect(
      engine.entries.flatMap(({ outcomes = [] }) => outcomes).filter(({ kind }) => kind === 'aborted'),
    ).toHaveLength(1);
  });

  test('gives steps under way two seconds to notice, and takes what they finish in that time [EXEC-15 EXEC-5]', async () => {
    const engine = new EngineUnderTest();
    const seen: string[] = [];
    const { run, end } = engine.start(async (task) => {
      const careful = task.step(
        'careful',
        ({ signal }) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => resolve('put away'), { once: true });
          }),
      );
      const deaf = task.step('deaf', () => new Promise(() => {}));
      seen.push(String(await careful));
      await deaf.catch((error: unknown) => seen.push((error as Error).name));
    });
    await engine.clock.advance(0);
    run.abort('cancelled');
    await engine.clock.advance(1_999);
    expect(seen).toEqual(['put away']);
    await engine.clock.advance(1);

    expect((await end).kind).toBe('returned');
    expect(seen).toEqual(['put away', 'TaskAborted']);
  });

  test('is not told to a handler whose run only stops: another run goes on [EXEC-2]', async () => {
    const engine = new EngineUnderTest();
    const seen: string[] = [];
    const { run, end } = engine.start(async (task) => {
      try {
        await task.step('long', () => new Promise(() => {}));
      } catch {
        seen.push('catch');
      } finally {
        seen.push('finally');
      }
    });
    await engine.clock.advance(0);
    run.stop(new TaskAborted('shutdown'));

    expect((await end).kind).toBe('interrupted');
    expect(seen).toEqual([]);
    expect(OperationWithdrawn.name).toBe('OperationWithdrawn');
  });
});
