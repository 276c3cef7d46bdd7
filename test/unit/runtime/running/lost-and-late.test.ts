/** Acknowledgements that are lost, deliveries that come early, journals that are read late: nothing is forgotten, or done twice. */
import { describe, expect, test } from '@jest/globals';
import { BackendUnavailableError } from '../../../../src/backends/errors.ts';
import { TaskError } from '../../../../src/domain/errors.ts';
import { Gate, NotingQueue, RuntimeUnderTest, TIMES, toolOf } from '../runtime-under-test.ts';

/** As SQS, it can reach only so far ahead, and repeats deliveries. */
class HoppingQueue extends NotingQueue {
  readonly maxDelayMs = 900_000;
}

describe('a delivery', () => {
  test('whose suspension lands without being acknowledged is followed by the one that the head names [I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('waits', async (task) => {
      await task.wait('pause', { seconds: 60 });
      return {};
    });
    const task = await runtime.create('waits');
    let isLost = false;
    const putIfVersion = runtime.backend.putIfVersion.bind(runtime.backend);
    runtime.backend.putIfVersion = async (...args) => {
      const version = await putIfVersion(...args);
      if (isLost || !args[1].value.includes('"turns":1')) return version;
      isLost = true;
      throw new BackendUnavailableError('the answer was lost');
    };

    await runtime.runner([tool]).runTask(task);

    expect(isLost).toBe(true);
    const { run } = await runtime.read(task);
    expect(run).toMatchObject({ dueAt: runtime.clock.now() + 60_000 });
    expect(runtime.queue.deliveries).toEqual([{ ref: { owner: task.owner, id: task.id }, notBefore: run.dueAt }]);
  });

  test('that a clock brings a moment before its task is due comes again, and no other does [EXEC-2 I5]', async () => {
    const runtime = new RuntimeUnderTest(new HoppingQueue());
    const runner = runtime.runner([
      toolOf('waits', async (task) => {
        await task.wait('pause', { seconds: 60 });
        return {};
      }),
    ]);
    const task = await runtime.create('waits');
    await runner.runTask(task);
    const due = runtime.clock.now() + 60_000;
    runtime.queue.deliveries.length = 0;
    await runtime.clock.advance(59_999);

    for (const notBefore of [due - 1, undefined, due]) expect(await runner.runTask(task, notBefore)).toBe('not_due');

    expect(runtime.queue.deliveries.map(({ notBefore }) => notBefore)).toEqual([due]);
  });
});

describe('a run that reads the journal late', () => {
  test('stops when another has taken the task and written meanwhile, and does nothing twice [EXEC-1 EXEC-4 I7]', async () => {
    const runtime = new RuntimeUnderTest();
    const held = new Gate();
    let charged = 0;
    const tool = toolOf('pays', async (task) => {
      await task.wait('pause', { seconds: 60 });
      await task.step('before', async () => {});
      await task.step(
        'charge',
        async () => {
          charged += 1;
          await held.pass();
        },
        { atMostOnce: true },
      );
      return { charged };
    });
    const task = await runtime.create('pays');
    await runtime.runner([tool]).runTask(task);
    await runtime.clock.advance(60_000);
    const slow = runtime.otherStore();
    const journal = new Gate();
    const read = slow.log.read.bind(slow.log);
    slow.log.read = async (...args) => {
      await journal.pass();
      return read(...args);
    };
    const slowRun = runtime.runner([tool], slow).runTask(task);
    await journal.reached;
    slow.update = () => Promise.reject(new TaskError('unavailable', 'The network is away.'));
    await runtime.clock.advance(TIMES.leaseMs);
    const run = runtime.runner([tool], runtime.otherStore()).runTask(task);
    await held.reached;

    journal.open();

    await expect(slowRun).rejects.toThrow('The network is away.');
    held.open();
    expect(await run).toBe('finished');
    expect(charged).toBe(1);
    expect(await runtime.result(task)).toEqual({ charged: 1 });
  });
});
