/** One delivery of a task: what is run, what is left alone, and how each run ends. */
import { describe, expect, test } from '@jest/globals';
import { inline, MAX_PAYLOAD_BYTES } from '../../../src/domain/payload.ts';
import { acquireLease } from '../../../src/domain/run.ts';
import { completeTask } from '../../../src/domain/task.ts';
import { DeliberateFailure, eventually, Gate, OWNER, RuntimeUnderTest, TIMES, toolOf } from './runtime-under-test.ts';

describe('a delivery', () => {
  test('runs a due task to its result and leaves nothing behind', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('greet', async (_task, args) => ({ text: `hello ${String(args['name'])}` }));
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
    const runner = runtime.runner([toolOf('once', async () => ({ run: (runs += 1) }))]);
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

  test('that comes too early is scheduled again for when the task is due', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('waits', async (task) => {
      await task.wait('pause', { seconds: 60 });
      return {};
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('waits');
    expect(await runner.runTask(task)).toBe('suspended');
    const [scheduled] = runtime.queue.deliveries;

    const report = await runner.runTask(task);

    expect(report).toBe('not_due');
    expect(scheduled?.notBefore).toBe(runtime.clock.now() + 60_000);
    expect(runtime.queue.deliveries.at(-1)).toEqual(scheduled);
  });

  test('of a task that waits for an answer only is dropped: the answer will enqueue it', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([toolOf('asks', async (task) => ({ roots: (await task.listRoots()).length }))]);
    const task = await runtime.create('asks');
    await runner.runTask(task);

    expect(await runner.runTask(task)).toBe('not_due');
    expect(runtime.queue.deliveries).toEqual([]);
  });

  test('of a task that another runner holds waits for the end of that lease [EXEC-4]', async () => {
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
    expect(runtime.queue.deliveries.at(-1)?.notBefore).toBe(runtime.clock.now() + TIMES.leaseMs);
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
    expect(after.run).toEqual({ epoch: 1, dueAt: runtime.clock.now() + 1000, crashes: 1 });
    expect(runtime.queue.deliveries.at(-1)?.notBefore).toBe(runtime.clock.now() + 1000);

    await runtime.clock.advance(1000);
    expect(await runner.runTask(task)).toBe('finished');
    expect(effects.filter((effect) => effect === 'first')).toHaveLength(1);
  });

  test('is tried ever later, and in the end the task fails with the reason [EXEC-7]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('unknown here', { maxAttempts: 4 });
    const runner = runtime.runner([]);
    const delays: number[] = [];

    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect(await runner.runTask(task)).toBe('interrupted');
      const delay = ((await runtime.read(task)).run.dueAt ?? 0) - runtime.clock.now();
      delays.push(delay);
      await runtime.clock.advance(delay);
    }
    await runner.runTask(task);

    expect(delays).toEqual([1000, 2000, 4000]);
    expect(await runtime.error(task)).toMatchObject({ data: { reason: 'attempts_exhausted' } });
  });

  test('because no such tool is registered here can be finished where there is one', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('new tool');
    await runtime.runner([]).runTask(task);
    await runtime.clock.advance(1000);

    const report = await runtime.runner([toolOf('new tool', async () => ({}))]).runTask(task);

    expect(report).toBe('finished');
  });
});

describe('the end of a task', () => {
  test('is a failure with code, message and data when the handler fails it', async () => {
    const runtime = new RuntimeUnderTest();
    const failure = { code: -32042, message: 'No such order', data: { order: 7 } };
    const tool = toolOf('fails', async () => {
      throw new DeliberateFailure(failure);
    });
    const task = await runtime.create('fails');

    await runtime.runner([tool]).runTask(task);

    expect((await runtime.read(task)).status).toBe('failed');
    expect(await runtime.error(task)).toEqual(failure);
  });

  test('carries an error of any size without growing the head', async () => {
    const runtime = new RuntimeUnderTest();
    const failure = { code: -32042, message: 'x'.repeat(500_000), data: { trace: 'y'.repeat(500_000) } };
    const tool = toolOf('fails', async () => {
      throw new DeliberateFailure(failure);
    });
    const task = await runtime.create('fails');

    expect(await runtime.runner([tool]).runTask(task)).toBe('finished');

    expect(await runtime.error(task)).toEqual(failure);
    const head = await runtime.backend.listByPrefix(JSON.stringify(['tasks', '["test","somebody"]']), { limit: 1 });
    expect(head.records[0]?.value.length).toBeLessThan(4096);
  });

  test('is a tool error that says so when the result is too large to keep', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('large');

    await runtime.runner([toolOf('large', async () => ({ text: 'x'.repeat(MAX_PAYLOAD_BYTES) }))]).runTask(task);

    expect((await runtime.read(task)).status).toBe('completed');
    const result = (await runtime.result(task)) as { isError: boolean; content: { text: string }[] };
    expect(result.isError).toBe(true);
    expect(result.content[0]?.text).toMatch(/could not be kept/);
  });

  test('comes with a step whose outcome is too large: the task cannot go on, and says why [EXEC-7]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('large step', async (task) => {
      await task.step('large', async () => 'x'.repeat(MAX_PAYLOAD_BYTES + 1));
      return {};
    });
    const task = await runtime.create('large step');

    expect(await runtime.runner([tool]).runTask(task)).toBe('finished');

    expect(await runtime.error(task)).toMatchObject({ data: { reason: 'unrecoverable' } });
    expect((await runtime.read(task)).statusMessage).toMatch(/larger than/);
  });

  test('comes at once with a step whose outcome is no JSON, and names the step [EXEC-7]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('no json', async (task) => {
      await task.step('count atoms', async () => 10n);
      return {};
    });
    const task = await runtime.create('no json');

    expect(await runtime.runner([tool]).runTask(task)).toBe('finished');

    expect(await runtime.error(task)).toMatchObject({ data: { reason: 'unrecoverable' } });
    expect((await runtime.read(task)).statusMessage).toMatch(/count atoms/);
  });

  test('comes when a replay does something else than what was recorded, and says so [EXEC-7]', async () => {
    const runtime = new RuntimeUnderTest();
    let release = 1;
    const tool = toolOf('changes', async (task) => {
      await task.step(release === 1 ? 'old name' : 'new name', async () => 'x');
      await task.wait('pause', { seconds: 1 });
      return {};
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('changes');
    await runner.runTask(task);
    release = 2;
    await runtime.clock.advance(1000);

    expect(await runner.runTask(task)).toBe('finished');

    expect(await runtime.error(task)).toMatchObject({ data: { reason: 'replay_mismatch' } });
    expect((await runtime.read(task)).statusMessage).toMatch(/old name/);
  });

  test('comes at the run deadline: the handler’s signal fires and the task is failed [LIFE-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    let reason: unknown;
    const tool = toolOf('slow', async (task) => {
      task.signal.addEventListener('abort', () => {
        reason = task.signal.reason;
        gate.open();
      });
      await gate.pass();
      return { late: true };
    });
    const task = await runtime.create('slow', { lifetime: { runDeadlineMs: 12_000 } });
    const running = runtime.runner([tool]).runTask(task);
    await gate.reached;

    await runtime.clock.advance(11_999);
    expect(reason).toBeUndefined();
    await runtime.clock.advance(1);

    expect(await running).toBe('stopped');
    expect(reason).toMatchObject({ name: 'TaskAborted', reason: 'ended' });
    expect(await runtime.error(task)).toMatchObject({ data: { reason: 'deadline_exceeded' } });
  });

  test('is not waited for when the handler does not hear the signal [EXEC-5]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    const tool = toolOf('deaf', async () => {
      await gate.pass();
      return { late: true };
    });
    const task = await runtime.create('deaf');
    const running = runtime.runner([tool]).runTask(task);
    await gate.reached;
    await runtime.cancel(task);

    await runtime.clock.advance(TIMES.heartbeatMs + 2_000);

    expect(await running).toBe('stopped');
    gate.open();
    expect((await runtime.read(task)).status).toBe('cancelled');
    expect(await runtime.result(task)).toBeUndefined();
  });

  test('by another’s hand is final: what the handler returns afterwards is dropped [I2 I3 I7]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    const tool = toolOf('late', async () => {
      await gate.pass();
      return { late: true };
    });
    const task = await runtime.create('late');
    const running = runtime.runner([tool]).runTask(task);
    await gate.reached;
    const other = runtime.otherStore();
    await other.update(task, (now, at) => completeTask(now, inline({ early: true }), at));

    gate.open();

    expect(await running).toBe('stopped');
    expect(await runtime.result(task)).toEqual({ early: true });
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
    expect(suspended.task.run).toEqual({ epoch: 1, dueAt: startedAt + 3_600_000, crashes: 0 });
    expect(runtime.queue.deliveries).toEqual([
      { ref: { owner: OWNER, id: task.id }, notBefore: startedAt + 3_600_000 },
    ]);
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
    expect((await runtime.read(task)).run).toEqual({ epoch: 1, dueAt: runtime.clock.now(), crashes: 0 });
  });

  test('does not reach a run that begins after it', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([toolOf('works', async () => ({}))]);
    runner.stop();
    const task = await runtime.create('works');

    expect(await runner.runTask(task)).toBe('finished');
  });
});

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
});
