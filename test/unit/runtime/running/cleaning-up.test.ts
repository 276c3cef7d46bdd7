/** Cancelled and overdue tasks: final at once, then cleaned up after, by whichever run comes to it. */
import { describe, expect, test } from '@jest/globals';
import { cancel } from '../../../../src/runtime/queues/deliveries.ts';
import type { TaskContext } from '../../../../src/runtime/running/task-context.ts';
import type { RunnableTool } from '../../../../src/runtime/running/tool.ts';
import { Gate, OWNER, RuntimeUnderTest, TIMES, toolOf } from '../runtime-under-test.ts';

function holding(work: (task: TaskContext) => Promise<unknown>, released: string[]): RunnableTool {
  return toolOf('holds', async (task) => {
    await task.step('acquire', async () => 1);
    try {
      await work(task);
    } finally {
      await task.step('release', async () => void released.push('released'));
    }
    return {};
  });
}

const deliveriesOf = (runtime: RuntimeUnderTest) => ({
  store: runtime.otherStore(),
  queue: runtime.queue,
  logger: runtime.logger,
});

describe('a cancelled task', () => {
  test('that was suspended is woken, releases what it holds, and stays cancelled [EXEC-15 I2]', async () => {
    const runtime = new RuntimeUnderTest();
    const released: string[] = [];
    const runner = runtime.runner([holding((task) => task.wait('long', { minutes: 10 }), released)]);
    const task = await runtime.create('holds');
    await runner.runTask(task);

    await cancel(deliveriesOf(runtime), task, 'No longer needed.');
    const before = await runtime.read(task);
    expect(before).toMatchObject({ status: 'cancelled', statusMessage: 'No longer needed.' });
    expect(runtime.queue.deliveries.at(-1)).toEqual({
      ref: { owner: OWNER, id: task.id },
      notBefore: runtime.clock.now(),
    });
    expect(await runner.runTask(task)).toBe('cleaned_up');

    expect(released).toEqual(['released']);
    const { run, ...after } = await runtime.read(task);
    expect(run).toMatchObject({ epoch: 2, dueAt: null });
    expect(run).not.toHaveProperty('cleanup');
    const { run: _run, ...outcome } = before;
    expect(after).toEqual(outcome);
    expect(await runner.runTask(task)).toBe('ended_before');
  });

  test('that runs elsewhere is told by the next heartbeat, and its run cleans up [EXEC-5 EXEC-15]', async () => {
    const runtime = new RuntimeUnderTest();
    const released: string[] = [];
    const gate = new Gate();
    const busy = holding(
      (task) =>
        task.step('work', async ({ signal }) => {
          signal.addEventListener('abort', () => gate.open(), { once: true });
          await gate.pass();
          signal.throwIfAborted();
        }),
      released,
    );
    const task = await runtime.create('holds');
    const running = runtime.runner([busy]).runTask(task);
    await gate.reached;
    await cancel(deliveriesOf(runtime), task, 'Cancelled.');

    await runtime.clock.advance(TIMES.heartbeatMs);

    expect(await running).toBe('cleaned_up');
    expect(released).toEqual(['released']);
    expect((await runtime.read(task)).status).toBe('cancelled');
  });

  test('whose clean-up crashes is cleaned up after by the next run, when its lease is over [EXEC-1 EXEC-15]', async () => {
    const runtime = new RuntimeUnderTest();
    const released: string[] = [];
    const runner = runtime.runner([holding((task) => task.wait('long', { minutes: 10 }), released)]);
    const task = await runtime.create('holds');
    await runner.runTask(task);
    await cancel(deliveriesOf(runtime), task, 'Cancelled.');
    // A run that begins and dies.
    await runtime.store.update(task, (now, at) => ({
      ...now,
      run: { ...now.run, epoch: now.run.epoch + 1, lease: { holder: 'died', until: at + TIMES.leaseMs } },
    }));
    expect(await runner.runTask(task)).toBe('held_elsewhere');
    await runtime.clock.advance(TIMES.leaseMs);

    expect(await runner.runTask(task)).toBe('cleaned_up');
    expect(released).toEqual(['released']);
  });

  test.each([
    ['cleanupMs', { cleanupMs: 7_000 }, 7_000],
    ['a minute', {}, 60_000],
  ])('has %s for it, and then is left, with a line in the log [EXEC-15]', async (_what, given, cleanupMs) => {
    const runtime = new RuntimeUnderTest();
    const slow: RunnableTool = {
      ...holding(async (task) => {
        try {
          await task.wait('long', { minutes: 10 });
        } finally {
          await task.step('endless', () => new Promise(() => {}));
        }
      }, []),
      ...given,
    };
    const runner = runtime.runner([slow]);
    const task = await runtime.create('holds');
    await runner.runTask(task);
    await cancel(deliveriesOf(runtime), task, 'Cancelled.');

    const running = runner.runTask(task);
    await runtime.clock.advance(cleanupMs - 1);
    expect((await runtime.read(task)).run.cleanup).toBeDefined();
    await runtime.clock.advance(1);

    expect(await running).toBe('cleaned_up');
    expect((await runtime.read(task)).run).not.toHaveProperty('cleanup');
    expect(runtime.logger.lines).toContainEqual(
      expect.objectContaining({ level: 'error', message: expect.stringMatching(/did not clean up in its time/) }),
    );
  });

  test('that no code can clean up after is given up after twelve looks, with a line in the log [EXEC-15 EXEC-17]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('holds');
    await runtime.runner([holding((work) => work.wait('long', { minutes: 10 }), [])]).runTask(task);
    await cancel(deliveriesOf(runtime), task, 'Cancelled.');
    const without = runtime.runner([]);

    for (let look = 1; look <= 12; look += 1) {
      expect(await without.runTask(task)).toBe('parked');
      await runtime.clock.advance(300_000);
    }

    expect(await without.runTask(task)).toBe('cleaned_up');
    expect((await runtime.read(task)).run).not.toHaveProperty('cleanup');
    expect(runtime.logger.lines.at(-1)).toMatchObject({
      level: 'error',
      message: 'Nothing could clean up after a task',
    });
  });

  test('that never ran has nothing to clean up, and no run is due [EXEC-15]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('holds');

    await cancel(deliveriesOf(runtime), task, 'Cancelled.');

    expect(runtime.queue.deliveries).toEqual([]);
    expect(await runtime.runner([]).runTask(task)).toBe('ended_before');
  });
});

describe('a task past its deadline', () => {
  test('has failed for everybody, and its suspended handler still cleans up [EXEC-15 LIFE-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const released: string[] = [];
    let reason: unknown;
    const tool = holding(
      (task) =>
        task.wait('long', { minutes: 10 }).catch((error: unknown) => {
          reason = error;
          throw error;
        }),
      released,
    );
    const runner = runtime.runner([tool]);
    const task = await runtime.create('holds', { lifetime: { runDeadlineMs: 60_000 } });
    await runner.runTask(task);
    await runtime.clock.advance(60_000);

    expect(await runner.runTask(task)).toBe('cleaned_up');

    expect(reason).toMatchObject({ name: 'TaskAborted', reason: 'deadline' });
    expect(released).toEqual(['released']);
    expect(await runtime.error(task)).toMatchObject({ data: { reason: 'deadline_exceeded' } });
  });
});

describe('cleaning up', () => {
  test.each<[string, (task: TaskContext) => Promise<unknown>]>([
    ['extends its deadline', (task) => task.extendDeadline(60_000)],
    ['sets a variable', (task) => task.variables.set('late', true)],
  ])('that %s is told at once that the task has ended, and goes on [EXEC-15 I2]', async (_what, tries) => {
    const runtime = new RuntimeUnderTest();
    const said: unknown[] = [];
    const work = async (task: TaskContext) => {
      try {
        await task.wait('long', { minutes: 10 });
      } finally {
        await tries(task).catch((error: Error) => said.push(error.message));
      }
    };
    const released: string[] = [];
    const runner = runtime.runner([holding(work, released)]);
    const task = await runtime.create('holds');
    await runner.runTask(task);
    await cancel(deliveriesOf(runtime), task, 'No longer needed.');
    const before = await runtime.read(task);

    expect(await runner.runTask(task)).toBe('cleaned_up');

    expect(said).toEqual(['The task has ended: it is cancelled.']);
    expect(released).toEqual(['released']);
    const { deadlineAt, promisedUntil, variables } = await runtime.read(task);
    expect([deadlineAt, promisedUntil, variables]).toEqual([before.deadlineAt, before.promisedUntil, before.variables]);
  });
});
