/** What a run tells its logger, once, and what it keeps to itself. */
import { describe, expect, test } from '@jest/globals';
import { eventually, RuntimeUnderTest, TIMES, toolOf } from '../runtime-under-test.ts';

const linesOf = (runtime: RuntimeUnderTest, message: string) =>
  runtime.logger.lines.filter((line) => line.message === message);

describe('what a run logs', () => {
  test('names task and tool and the kind of trouble, never arguments or results [SEC-4]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('secretive', async () => ({ text: 'a secret result' }));
    const task = await runtime.create('secretive', { args: { password: 'a secret argument' } });

    await runtime.runner([tool]).runTask(task);

    await eventually(() => runtime.logger.lines.length > 0);
    const text = JSON.stringify(runtime.logger.lines);
    expect(text).toContain(task.id);
    expect(text).toContain('secretive');
    expect(text).not.toMatch(/a secret/);
  });

  test('is each failed attempt, with step, try, next try and stack, and the end with what the tool threw [EXEC-18]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('fails', async (task) => {
      await task.step('fetch', () => Promise.reject(new Error('no route', { cause: new Error('no wire') })), {
        retryStrategy: (_error, attempt) => (attempt < 2 ? { shouldRetry: true } : { shouldRetry: false }),
      });
      return {};
    });
    const task = await runtime.create('fails');

    await runtime.runner([tool]).runTask(task);

    expect(linesOf(runtime, 'An attempt failed').map(({ fields }) => fields)).toMatchObject([
      {
        task: task.id,
        tool: 'fails',
        operation: 'step "fetch"',
        attempt: 1,
        nextAt: expect.any(String),
        message: 'no route',
      },
      {
        attempt: 2,
        last: true,
        stack: expect.stringMatching(/Error: no route\n\s+at /),
        cause: { message: 'no wire' },
      },
    ]);
    expect(linesOf(runtime, 'The tool threw').map(({ fields }) => fields)).toMatchObject([{ message: 'no route' }]);
    expect(linesOf(runtime, 'Task ended')).toHaveLength(1);
  });

  test('by the handler is logged once, however often it is replayed [EXEC-18]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('three parts', async (task) => {
      task.logger.info('begun');
      for (let part = 1; part <= 3; part += 1) {
        await task.step('work', async () => part);
        await task.wait('pause', { seconds: 1 });
        task.logger.info(`part ${part}`);
      }
      return {};
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('three parts');
    while ((await runner.runTask(task)) === 'suspended') await runtime.clock.advance(1_000);

    expect(runtime.logger.lines.map(({ message }) => message).filter((message) => /begun|part/.test(message))).toEqual([
      'begun',
      'part 1',
      'part 2',
      'part 3',
    ]);
  });

  test('says that a run takes over from one that crashed, and that the event loop was blocked past a lease [EXEC-4 EXEC-18]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('blocks');
    await runtime.store.update(task, (now, at) => ({
      ...now,
      run: { ...now.run, epoch: 1, lease: { holder: 'died', until: at + 1 } },
    }));
    await runtime.clock.advance(1);
    const tool = toolOf('blocks', async (context) => {
      await context.step('compute', async () => {
        // What a blocked process finds when it comes to itself.
        runtime.clock.set(runtime.clock.now() + TIMES.leaseMs + TIMES.heartbeatMs);
        await runtime.clock.advance(0);
      });
      return {};
    });

    await runtime.runner([tool]).runTask(task);

    expect(linesOf(runtime, 'A run takes over from one that crashed')).toMatchObject([{ fields: { crashes: 1 } }]);
    expect(runtime.logger.lines).toContainEqual(
      expect.objectContaining({
        message: expect.stringMatching(/event loop was blocked/),
        fields: expect.objectContaining({ blockedMs: TIMES.leaseMs, tool: 'blocks' }),
      }),
    );
  });
});
