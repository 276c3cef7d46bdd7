/**
 * What a queue that refuses or repeats messages, and clients that poll and update a lot, do to a task and to the
 * number of messages. The queue is like SQS, which can only reach so far ahead and keeps every message.
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { TaskError } from '../../../src/domain/errors.ts';
import { acquireLease } from '../../../src/domain/run.ts';
import type { Task, TaskRef } from '../../../src/domain/task.ts';
import { deliverAnswers, HEALING_GRACE_MS, healForgotten } from '../../../src/runtime/deliveries.ts';
import type { Runner } from '../../../src/runtime/runner.ts';
import { type Delivery, Gate, NotingQueue, RuntimeUnderTest, TIMES, toolOf } from './runtime-under-test.ts';

const HOP_MS = 900_000;
const HOUR_MS = 3_600_000;
const DOWN = 'the queue is down';

class HopQueue extends NotingQueue {
  readonly maxDelayMs = HOP_MS;
  broken = false;

  override async enqueue(ref: TaskRef, options: { readonly notBefore: number }): Promise<void> {
    if (this.broken) throw new Error(DOWN);
    await super.enqueue(ref, options);
  }

  /** The only message there is. */
  takeOnly(): Delivery {
    const deliveries = this.deliveries.splice(0);
    const [delivery] = deliveries;
    if (delivery === undefined || deliveries.length > 1)
      throw new Error(`${deliveries.length} messages instead of one`);
    return delivery;
  }
}

class HoppingRuntime extends RuntimeUnderTest {
  override readonly queue = new HopQueue();
}

const waits = (seconds: number) =>
  toolOf('waits', async (task) => {
    await task.wait('pause', { seconds });
    return 'waited';
  });

let runtime: HoppingRuntime;

beforeEach(() => {
  runtime = new HoppingRuntime();
});

async function waitingTask(runner: Runner): Promise<Task> {
  const task = await runtime.create('waits', { lifetime: { runDeadlineMs: 24 * HOUR_MS } });
  expect(await runner.runTask(task, task.run.wakeAt)).toBe('suspended');
  return runtime.read(task);
}

const poll = async (ref: TaskRef) => healForgotten(runtime, await runtime.store.get(ref), runtime.clock.now());

describe('a queue that does not answer', () => {
  test.each([
    ['short wait', 60],
    ['wait longer than a queue can reach', 3000],
  ])('has the delivery of a %s come again, which then schedules it [I5 EXEC-8]', async (_wait, seconds) => {
    const runner = runtime.runner([waits(seconds)]);
    const task = await runtime.create('waits');
    runtime.queue.broken = true;

    await expect(runner.runTask(task, task.run.wakeAt)).rejects.toThrow(DOWN);

    const { dueAt, lease } = (await runtime.read(task)).run;
    expect([dueAt, lease]).toEqual([runtime.clock.now() + seconds * 1000, undefined]);
    await expect(runner.runTask(task)).rejects.toThrow(DOWN);
    runtime.queue.broken = false;
    expect(await runner.runTask(task)).toBe('not_due');
    const { notBefore } = runtime.queue.takeOnly();
    expect(notBefore).toBe(runtime.clock.now() + Math.min(seconds * 1000, HOP_MS));
    expect((await runtime.read(task)).run).toMatchObject({ dueAt, wakeAt: notBefore });
    await runtime.clock.advance(seconds * 1000);
    expect(await runner.runTask(task, notBefore)).toBe('finished');
  });

  test('has the delivery of an interrupted run come again [I5 EXEC-8]', async () => {
    const task = await runtime.create('unreadable');
    const runner = runtime.runner([toolOf('unreadable', async () => ({}))]);
    runtime.store.load = async () => Promise.reject(new TaskError('unavailable', 'Storage does not answer.'));
    runtime.queue.broken = true;

    await expect(runner.runTask(task, task.run.wakeAt)).rejects.toThrow(DOWN);

    runtime.queue.broken = false;
    expect(await runner.runTask(task)).toBe('not_due');
    const { run } = await runtime.read(task);
    expect(runtime.queue.takeOnly().notBefore).toBe(run.wakeAt);
    expect([run.dueAt, run.crashes]).toEqual([run.wakeAt, 1]);
  });

  test('does not make a poll fail; a poll after a further grace period makes up for it [I5 EXEC-8]', async () => {
    const task = await runtime.create('lost');
    await runtime.clock.advance(HEALING_GRACE_MS + 1);
    runtime.queue.broken = true;
    await poll(task);

    runtime.queue.broken = false;
    await poll(task);
    expect(runtime.queue.deliveries).toEqual([]);
    await runtime.clock.advance(HEALING_GRACE_MS + 1);
    await poll(task);

    expect(runtime.queue.takeOnly().notBefore).toBe(runtime.clock.now());
  });
});

describe('many polls of a forgotten task', () => {
  test('that read its head before the first healed it send one message [I5 EXEC-8]', async () => {
    const task = await runtime.create('lost');
    await runtime.clock.advance(HEALING_GRACE_MS + 1);
    const read = await Promise.all(Array.from({ length: 20 }, () => runtime.otherStore().get(task)));

    await Promise.all(read.map((stored) => healForgotten(runtime, stored, runtime.clock.now())));

    const { notBefore } = runtime.queue.takeOnly();
    expect((await runtime.read(task)).run).toMatchObject({ dueAt: task.createdAt, wakeAt: notBefore });
  });

  test('over a time send at most one message for each grace period [EXEC-8]', async () => {
    const task = await runtime.create('lost');

    for (let second = 0; second < 120; second += 1) {
      await runtime.clock.advance(1000);
      await poll(task);
    }

    const sent = runtime.queue.deliveries.map(({ notBefore }) => notBefore - task.createdAt);
    expect(sent).toEqual([11, 22, 33, 44, 55, 66, 77, 88, 99, 110].map((seconds) => seconds * 1000));
  });
});

describe('a left-over delivery', () => {
  test('of a task that waits, for time or for answers, sends nothing [EXEC-8]', async () => {
    const asks = toolOf('asks', async (task) => ({ roots: (await task.listRoots()).length }));
    const runner = runtime.runner([waits(3000), asks]);
    const waiting = await waitingTask(runner);
    const asking = await runtime.create('asks');
    await runner.runTask(asking, asking.run.wakeAt);
    runtime.queue.deliveries.length = 0;

    for (const scheduledFor of [waiting.createdAt, waiting.run.wakeAt - 1, waiting.run.wakeAt + 1]) {
      expect(await runner.runTask(waiting, scheduledFor)).toBe('not_due');
      expect(await runner.runTask(asking, scheduledFor)).toBe('not_due');
    }

    expect(runtime.queue.deliveries).toEqual([]);
    expect((await runtime.read(waiting)).run).toEqual(waiting.run);
  });

  test('of a task that another run holds sends nothing, also when the head still names it [EXEC-8 EXEC-4]', async () => {
    const task = await runtime.create('held');
    await runtime.store.update(task, (now, at) => acquireLease(now, 'somebody', TIMES.leaseMs, at));
    const runner = runtime.runner([]);

    for (let count = 0; count < 10; count += 1) {
      expect(await runner.runTask(task, task.run.wakeAt)).toBe('held_elsewhere');
      expect(await runner.runTask(task, task.run.wakeAt - 1)).toBe('held_elsewhere');
    }

    expect(runtime.queue.deliveries).toEqual([]);
  });
});

describe('a wait that a queue reaches in hops', () => {
  test.each([
    ['one after the other', false],
    ['at the same time', true],
  ])('goes on as one chain when each message comes three times, %s [EXEC-8]', async (_when, together) => {
    const runners = [runtime.store, runtime.otherStore(), runtime.otherStore()].map((store) =>
      runtime.runner([waits(3000)], store),
    );
    const [first] = runners;
    if (first === undefined) throw new Error('no runner');
    const task = await waitingTask(first);

    for (let hop = 1; hop <= 3; hop += 1) {
      const { notBefore } = runtime.queue.takeOnly();
      expect(notBefore).toBe(task.createdAt + hop * HOP_MS);
      await runtime.clock.advance(HOP_MS);
      if (together) await Promise.all(runners.map((runner) => runner.runTask(task, notBefore)));
      else for (const runner of runners) await runner.runTask(task, notBefore);
    }

    expect(runtime.queue.takeOnly().notBefore).toBe(task.run.dueAt);
  });

  test('of 20 hours takes 80 messages, whatever empty or stray answers come meanwhile [EXEC-8 I5]', async () => {
    const runner = runtime.runner([waits(20 * 3600)]);
    const task = await waitingTask(runner);
    const stray = { stray: { outcome: 'failed', message: '' } } as const;
    let messages = 0;

    while ((await runtime.read(task)).status === 'working') {
      const stored = await runtime.store.get(task);
      for (let count = 0; count < 50; count += 1) await deliverAnswers(runtime, stored, count % 2 === 0 ? {} : stray);
      const { notBefore } = runtime.queue.takeOnly();
      messages += 1;
      await runtime.clock.advance(notBefore - runtime.clock.now());
      await runner.runTask(task, notBefore);
    }

    expect([messages, runtime.queue.deliveries]).toEqual([80, []]);
    expect(await runtime.result(task)).toBe('waited');
  });
});

describe('a run that is handed over', () => {
  const RUNS = 12;

  /** Hands each run over within a step; the n-th run has `n * progress` steps behind it by then. Resolves to how many began. */
  async function handOver(task: Task, progress: 0 | 1): Promise<number> {
    let scheduledFor = task.run.wakeAt;
    for (let run = 1; run <= RUNS; run += 1) {
      const long = new Gate();
      const steps = toolOf('long', async (context) => {
        for (let step = 0; step <= RUNS; step += 1) {
          await context.step(`step ${step}`, () => (step < run * progress ? Promise.resolve() : long.pass()));
        }
        return 'done';
      });
      const runner = runtime.runner([steps]);
      const report = runner.runTask(task, scheduledFor);
      await long.reached;
      runner.stop('hand_over');
      await runtime.clock.advance(2000);
      expect(await report).toBe('stopped');
      if ((await runtime.read(task)).status !== 'working') return run;
      scheduledFor = runtime.queue.takeOnly().notBefore;
    }
    return RUNS;
  }

  test('in the same step each time counts as crashed, and ends the task when that was too often [EXEC-7 I5]', async () => {
    const task = await runtime.create('long', { maxAttempts: 3 });

    const runs = await handOver(task, 0);

    expect(runs).toBe(3);
    expect(await runtime.error(task)).toMatchObject({ data: { reason: 'attempts_exhausted' } });
    expect(runtime.queue.deliveries).toEqual([]);
  });

  test('with progress may be handed over as often as it takes [EXEC-1 EXEC-7]', async () => {
    const task = await runtime.create('long', { maxAttempts: 3 });

    expect(await handOver(task, 1)).toBe(RUNS);

    expect(await runtime.read(task)).toMatchObject({ status: 'working', run: { crashes: 0 } });
  });
});
