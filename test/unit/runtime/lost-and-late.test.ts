/** Acknowledgements that are lost, deliveries that come early, journals that are read late: nothing is forgotten, or done twice. */
import { describe, expect, test } from '@jest/globals';
import { BackendUnavailableError } from '../../../src/backends/errors.ts';
import { TaskError } from '../../../src/domain/errors.ts';
import { acquireLease } from '../../../src/domain/run.ts';
import { Gate, NotingQueue, RuntimeUnderTest, TIMES, toolOf } from './runtime-under-test.ts';

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
    expect(runtime.queue.deliveries).toEqual([{ ref: { owner: task.owner, id: task.id }, notBefore: run.wakeAt }]);
  });

  test('that a clock brings a moment before the lease of a run that died is over comes again [EXEC-4 I5]', async () => {
    const runtime = new RuntimeUnderTest(new HoppingQueue());
    const runner = runtime.runner([]);
    const task = await runtime.create('any');
    await runtime.store.update(task, (current, now) => acquireLease(current, 'a dead runner', 30_000, now));
    const until = runtime.clock.now() + 30_000;
    await runner.runTask(task);
    await runtime.clock.advance(29_999);

    expect(await runner.runTask(task, until)).toBe('held_elsewhere');

    expect(runtime.queue.deliveries.map(({ notBefore }) => notBefore)).toEqual([until, until]);
  });

  test('for the end of a lease that its run has renewed since is dropped: that run has a delivery of its own [EXEC-4]', async () => {
    const runtime = new RuntimeUnderTest(new HoppingQueue());
    const task = await runtime.create('any');
    const { task: held } = await runtime.store.update(task, (current, now) =>
      acquireLease(current, 'a busy runner', 30_000, now),
    );

    await runtime.runner([]).runTask(task, held.run.wakeAt);

    expect(runtime.queue.deliveries).toEqual([]);
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
