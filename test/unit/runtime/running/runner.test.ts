/* oxlint-disable max-lines -- Long because each row is a story of its own, told with the same few means. */
/** One delivery of a task: what is run, what is left alone, and how each run ends. */
import { describe, expect, test } from '@jest/globals';
import { TaskError } from '../../../../src/domain/errors.ts';
import { acquireLease } from '../../../../src/domain/run.ts';
import { Gate, OWNER, RuntimeUnderTest, TIMES, toolOf } from '../runtime-under-test.ts';

describe('a delivery', () => {
  test('runs a due task to its result and leaves nothing behind', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('greet', async (_task, args) => ({ text: `hello ${args['name'] as string}` }));
    const task = await runtime.create('greet', { args: { name: 'you' } });

    const report = await runtime.runner([tool]).runTask(task);

    expect(report).toBe('finished');
    expect((await runtime.read(task)).status).toBe('completed');
    expect(await runtime.result(task)).toEqual({ text: 'hello you' });
    expect(runtime.clock.pendingTimers).toBe(0);
    expect(runtime.queue.deliveries).toEqual([]);
  });

  test('that repeats after the end changes nothing [I2 I3]', async () => {
    const runtime = new RuntimeUnderTest();
    let runs = 0;
    const tool = toolOf('once', async () => {
      runs += 1;
      return {};
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('once');
    await runner.runTask(task);
    const ended = await runtime.store.get(task);

    const report = await runner.runTask(task);

    expect(report).toBe('ended_before');
    expect(runs).toBe(1);
    expect(await runtime.store.get(task)).toEqual(ended);
  });

  test('of a task that nobody knows is dropped', async () => {
    const runtime = new RuntimeUnderTest();
    const { id } = await runtime.create('any');

    const report = await runtime.runner([]).runTask({ owner: { ...OWNER, subject: 'somebody else' }, id });

    expect(report).toBe('gone');
  });

  test('of a task that waits for an answer only is dropped: the answer will enqueue it', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([toolOf('asks', async (task) => ({ roots: (await task.listRoots()).length }))]);
    const task = await runtime.create('asks');
    await runner.runTask(task);

    expect(await runner.runTask(task)).toBe('not_due');
    expect(runtime.queue.deliveries).toEqual([]);
  });

  test('of a task that another runner holds is dropped: whoever looks finds it, should that runner die [EXEC-4 EXEC-20]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    const tool = toolOf('busy', async () => {
      await gate.pass();
      return {};
    });
    const task = await runtime.create('busy');
    const running = runtime.runner([tool]).runTask(task);
    await gate.reached;

    const report = await runtime.runner([tool], runtime.otherStore()).runTask(task);

    expect(report).toBe('held_elsewhere');
    expect(runtime.queue.deliveries).toEqual([]);
    gate.open();
    expect(await running).toBe('finished');
  });

  test('to two runners at once runs the handler once [I3 I7]', async () => {
    const runtime = new RuntimeUnderTest();
    let runs = 0;
    const tool = toolOf('once', async (task) => {
      await task.step('count', async () => {
        runs += 1;
      });
      return {};
    });
    const task = await runtime.create('once');
    const runners = Array.from({ length: 8 }, () => runtime.runner([tool], runtime.otherStore()));

    const reports = await Promise.all(runners.map((runner) => runner.runTask(task)));

    expect(reports.filter((report) => report === 'finished')).toHaveLength(1);
    expect(runs).toBe(1);
    expect(reports.filter((report) => report === 'held_elsewhere')).toHaveLength(7);
  });
});

describe('a run that crashes', () => {
  test('is taken over when its lease has run out, not before [EXEC-4 I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('works', async () => ({ done: true }));
    const task = await runtime.create('works');
    await runtime.store.update(task, (now, at) => acquireLease(now, 'died', TIMES.leaseMs, at));
    const runner = runtime.runner([tool]);

    await runtime.clock.advance(TIMES.leaseMs - 1);
    expect(await runner.runTask(task)).toBe('held_elsewhere');
    await runtime.clock.advance(1);
    expect(await runner.runTask(task)).toBe('finished');
  });

  test('too often ends as failed, with the reason, though no handler ever says a word [EXEC-7]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('kills its process', { maxAttempts: 3 });
    const die = () => runtime.store.update(task, (now, at) => acquireLease(now, 'dies', TIMES.leaseMs, at));
    for (let crash = 0; crash < 3; crash += 1) {
      await die();
      await runtime.clock.advance(TIMES.leaseMs);
    }

    const report = await runtime.runner([toolOf('kills its process', async () => ({}))]).runTask(task);

    expect(report).toBe('ended_before');
    expect((await runtime.read(task)).status).toBe('failed');
    expect(await runtime.error(task)).toMatchObject({ code: -32603, data: { reason: 'attempts_exhausted' } });
    expect((await runtime.read(task)).statusMessage).toMatch(/3 times/);
  });

  test('counts in a row only: a run that suspends properly starts the count anew [EXEC-7]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('waits', async (task) => {
      await task.wait('pause', { seconds: 1 });
      return {};
    });
    const task = await runtime.create('waits', { maxAttempts: 2 });
    await runtime.store.update(task, (now, at) => acquireLease(now, 'dies', TIMES.leaseMs, at));
    await runtime.clock.advance(TIMES.leaseMs);

    await runtime.runner([tool]).runTask(task);

    expect((await runtime.read(task)).run.crashes).toBe(0);
  });
});

describe('a run that is interrupted', () => {
  test('by storage that does not answer gives the task back and is tried again later, from the log [EXEC-1 EXEC-7]', async () => {
    const runtime = new RuntimeUnderTest();
    const effects: string[] = [];
    let failing = true;
    const tool = toolOf('two steps', async (task) => {
      await task.step('first', async () => {
        effects.push('first');
      });
      const put = runtime.backend.putIfVersion.bind(runtime.backend);
      if (failing) {
        failing = false;
        runtime.backend.putIfVersion = async () => {
          runtime.backend.putIfVersion = put;
          throw new Error('the disk is gone');
        };
      }
      await task.step('second', async () => {
        effects.push('second');
      });
      return { effects: effects.length };
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('two steps');

    expect(await runner.runTask(task)).toBe('interrupted');
    const after = await runtime.read(task);
    expect(after.status).toBe('working');
    const again = runtime.clock.now() + 1000;
    expect(after.run).toEqual({ epoch: 1, dueAt: again, crashes: 1 });
    expect(runtime.queue.deliveries.at(-1)?.notBefore).toBe(again);

    await runtime.clock.advance(1000);
    expect(await runner.runTask(task)).toBe('finished');
    expect(effects.filter((effect) => effect === 'first')).toHaveLength(1);
  });

  test('is tried ever later, and in the end the task fails with the reason [EXEC-7]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('unreadable', { maxAttempts: 4 });
    const runner = runtime.runner([toolOf('unreadable', async () => ({}))]);
    runtime.store.load = async () => Promise.reject(new TaskError('unavailable', 'Storage does not answer.'));
    const delays: number[] = [];

    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect(await runner.runTask(task)).toBe('interrupted');
      const delay = ((await runtime.read(task)).run.dueAt ?? 0) - runtime.clock.now();
      delays.push(delay);
      await runtime.clock.advance(delay);
    }
    await runner.runTask(task);

    expect(delays).toEqual([1000, 2000, 4000]);
    const { error } = await runtime.read(task);
    expect(error).toMatchObject({ json: { data: { reason: 'attempts_exhausted' } } });
  });

  test('because no such tool is registered here is parked, without a crash, and finished where there is one [EXEC-17]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('new tool');
    expect(await runtime.runner([]).runTask(task)).toBe('parked');
    expect((await runtime.read(task)).run.crashes).toBe(0);
    await runtime.clock.advance(5_000);

    const report = await runtime.runner([toolOf('new tool', async () => ({}))]).runTask(task);

    expect(report).toBe('finished');
  });
});

describe('a wait', () => {
  test('costs nothing: no run, no timer and no write until it ends, and its due time is kept [EXEC-1 EXEC-2]', async () => {
    const runtime = new RuntimeUnderTest();
    let runs = 0;
    const tool = toolOf('waits', async (task) => {
      runs += 1;
      await task.wait('pause', { hours: 1 });
      return { runs };
    });
    const task = await runtime.create('waits', { lifetime: { runDeadlineMs: 7_200_000 } });
    const startedAt = runtime.clock.now();
    expect(await runtime.runner([tool]).runTask(task)).toBe('suspended');
    const suspended = await runtime.store.get(task);

    await runtime.clock.advance(3_599_999);

    expect(await runtime.store.get(task)).toEqual(suspended);
    const end = startedAt + 3_600_000;
    expect(suspended.task.run).toEqual({ epoch: 1, dueAt: end, crashes: 0, turns: 1 });
    // So long a wait is the agenda's.
    expect(runtime.queue.deliveries).toEqual([]);
    await runtime.clock.advance(1);
    expect(await runtime.runner([tool]).runTask(task)).toBe('finished');
    expect(runs).toBe(2);
  });

  test('keeps its due time through a crash right after it was recorded [EXEC-1]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('waits', async (task) => {
      await task.wait('pause', { seconds: 60 });
      return {};
    });
    const task = await runtime.create('waits');
    const startedAt = runtime.clock.now();
    await runtime.runner([tool]).runTask(task);
    // As if the process had died between the log and the head.
    await runtime.store.update(task, (now) => ({
      ...now,
      run: { ...now.run, lease: { holder: 'died', until: startedAt + 30_000 } },
    }));

    await runtime.clock.advance(30_000);
    await runtime.runner([tool]).runTask(task);

    expect((await runtime.read(task)).run.dueAt).toBe(startedAt + 60_000);
  });
});

describe('stopping a runner', () => {
  test('tells its handlers, and the task is given back at once for another to go on with [EXEC-4]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    let reason: unknown;
    const tool = toolOf('works', async (task) => {
      await task.step('first', async () => 1);
      task.signal.addEventListener('abort', () => {
        reason = task.signal.reason;
        gate.open();
      });
      await gate.pass();
      task.signal.throwIfAborted();
      return {};
    });
    const task = await runtime.create('works');
    const runner = runtime.runner([tool]);
    const running = runner.runTask(task);
    await gate.reached;

    runner.stop();

    expect(await running).toBe('stopped');
    expect(reason).toMatchObject({ reason: 'shutdown' });
    const { status, run } = await runtime.read(task);
    expect(status).toBe('working');
    expect(run).toEqual({ epoch: 1, dueAt: runtime.clock.now(), crashes: 0 });
  });

  test('reaches a run that is only just taking its lease', async () => {
    const runtime = new RuntimeUnderTest();
    let aborted: boolean | undefined;
    const tool = toolOf('works', async (task) => {
      aborted = task.signal.aborted;
      return {};
    });
    const task = await runtime.create('works');
    const runner = runtime.runner([tool]);
    const running = runner.runTask(task);

    runner.stop();

    expect(await running).toBe('stopped');
    expect(aborted).not.toBe(false);
    const now = runtime.clock.now();
    expect((await runtime.read(task)).run).toEqual({ epoch: 1, dueAt: now, crashes: 0 });
  });

  test('does not reach a run that begins after it', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([toolOf('works', async () => ({}))]);
    runner.stop();
    const task = await runtime.create('works');

    expect(await runner.runTask(task)).toBe('finished');
  });
});

describe('handing over', () => {
  async function handedOver(step: boolean) {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    const tool = toolOf('works', async (task) => {
      if (step) await task.step('first', async () => 1);
      await gate.pass();
      return {};
    });
    const task = await runtime.create('works');
    const runner = runtime.runner([tool]);
    const running = runner.runTask(task);
    await gate.reached;
    runner.stop('out_of_time');
    gate.open();
    expect(await running).toBe('stopped');
    return (await runtime.read(task)).run;
  }

  test('of a run that has recorded something is no crash [EXEC-4 EXEC-7]', async () => {
    expect((await handedOver(true)).crashes).toBe(0);
  });

  test('of a run that has recorded nothing counts, or it would be given back for ever [EXEC-7]', async () => {
    expect((await handedOver(false)).crashes).toBe(1);
  });
});

describe('a run that has recorded something', () => {
  test('makes earlier crashes count no more with its next renewal of the lease [EXEC-7]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    const tool = toolOf('works', async (task) => {
      await task.step('first', async () => 1);
      await gate.pass();
      return {};
    });
    const task = await runtime.create('works');
    await runtime.store.update(task, (now, at) => acquireLease(now, 'died', TIMES.leaseMs, at));
    await runtime.clock.advance(TIMES.leaseMs);
    const running = runtime.runner([tool]).runTask(task);
    await gate.reached;
    expect((await runtime.read(task)).run.crashes).toBe(1);

    await runtime.clock.advance(3 * TIMES.heartbeatMs);

    expect((await runtime.read(task)).run.crashes).toBe(0);
    gate.open();
    await running;
  });
});
