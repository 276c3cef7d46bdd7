/** Progress messages: the newest is shown, at most one a second, and none is lost to the end of a run. */
import { describe, expect, test } from '@jest/globals';
import { Progress } from '../../../../src/runtime/running/progress.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { Gate, RuntimeUnderTest, toolOf } from '../runtime-under-test.ts';

describe('progress', () => {
  test('writes the newest message a second after the first, and not the others [EXEC-6]', async () => {
    const clock = new ManualClock(0);
    const written: [string, number][] = [];
    const progress = new Progress(clock, (message) => written.push([message, clock.now()]));

    for (let percent = 0; percent < 25; percent += 1) {
      progress.report(`${percent} %`);
      await clock.advance(100);
    }
    await clock.advance(5000);

    expect(written).toEqual([
      ['9 %', 1000],
      ['19 %', 2000],
      ['24 %', 3000],
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  test('hands a message that is not written yet to a write that happens anyway, once [EXEC-6]', async () => {
    const clock = new ManualClock(0);
    const written: string[] = [];
    const progress = new Progress(clock, (message) => written.push(message));
    progress.report('almost');

    expect(progress.take()).toBe('almost');
    expect(progress.take()).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(5000);

    expect(written).toEqual([]);
  });

  test('is cut to what a task’s head has room for [EXEC-6 I10]', () => {
    const progress = new Progress(new ManualClock(0), () => {});

    progress.report('x'.repeat(100_000));

    expect(progress.take()?.length).toBe(1000);
  });
});

describe('progress of a handler', () => {
  test('is visible while it runs, at the cost of one write a second [EXEC-6]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    const tool = toolOf('reports', async (task) => {
      for (let chunk = 0; chunk < 50; chunk += 1) task.progress(`chunk ${chunk}`);
      await gate.pass();
      return {};
    });
    const task = await runtime.create('reports');
    const running = runtime.runner([tool]).runTask(task);
    await gate.reached;
    const before = (await runtime.store.get(task)).version;

    await runtime.clock.advance(1000);

    const { task: shown, version } = await runtime.store.get(task);
    expect(shown.statusMessage).toBe('chunk 49');
    expect(version).toBe(before + 1);
    gate.open();
    await running;
  });

  test('goes out with the write of a suspension and of the end, without one of its own [EXEC-6]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('reports', async (task) => {
      task.progress('before the pause');
      await task.wait('pause', { seconds: 1 });
      task.progress('done');
      return {};
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('reports');

    await runner.runTask(task);
    const suspended = await runtime.store.get(task);
    await runtime.clock.advance(1000);
    await runner.runTask(task);
    const ended = await runtime.store.get(task);

    expect(suspended.task.statusMessage).toBe('before the pause');
    expect(ended.task.statusMessage).toBe('done');
    expect([suspended.version, ended.version]).toEqual([3, 5]);
  });
});
