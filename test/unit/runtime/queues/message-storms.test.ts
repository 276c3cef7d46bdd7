/**
 * What a queue that refuses or repeats messages, and clients that poll and update a lot, do to a task and to the
 * number of messages. The queue is like SQS, which can only reach so far ahead and keeps every message.
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { TaskError } from '../../../../src/domain/errors.ts';
import { acquireLease } from '../../../../src/domain/run.ts';
import type { Task, TaskRef } from '../../../../src/domain/task.ts';
import { deliverAnswers, HEALING_GRACE_MS, healForgotten } from '../../../../src/runtime/queues/deliveries.ts';
import type { Runner } from '../../../../src/runtime/running/runner.ts';
import { type Delivery, Gate, NotingQueue, RuntimeUnderTest, TIMES, toolOf } from '../runtime-under-test.ts';

const HOUR_MS = 3_600_000;
const DOWN = 'the queue is down';

class HopQueue extends NotingQueue {
  readonly maxDelayMs = 900_000;
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
  expect(await runner.runTask(task, task.createdAt)).toBe('suspended');
  return runtime.read(task);
}

const poll = async (ref: TaskRef) => healForgotten(runtime, await runtime.store.get(ref), runtime.clock.now());

describe('a queue that does not answer', () => {
  test('has the task of a wait or of an interrupted run left to the agenda, without an error [I5 EXEC-20]', async () => {
    const runner = runtime.runner([waits(60), toolOf('unreadable', async () => ({}))]);
    const waiting = await runtime.create('waits');
    const unreadable = await runtime.create('unreadable');
    const load = runtime.store.load.bind(runtime.store);
    runtime.store.load = async (ref, payload) =>
      ref.id === unreadable.id
        ? Promise.reject(new TaskError('unavailable', 'Storage does not answer.'))
        : load(ref, payload);
    runtime.queue.broken = true;

    expect(await runner.runTask(waiting)).toBe('suspended');
    expect(await runner.runTask(unreadable)).toBe('interrupted');

    runtime.queue.broken = false;
    await runtime.clock.advance(60_000);
    await runtime.looker().look();
    expect(runtime.queue.deliveries.map(({ ref }) => ref.id).toSorted()).toEqual(
      [waiting.id, unreadable.id].toSorted(),
    );
  });

  test('does not make a poll fail; a poll after a further grace period makes up for it [I5 EXEC-8]', async () => {
    const task = await runtime.create('lost');
    await runtime.clock.advance(HEALING_GRACE_MS + 1);
    runtime.queue.broken = true;
    await poll(task);

    runtime.queue.broken = false;
    await poll(task);
    expect(runtime.queue.deliveries).toEqual([]);
    await runtime.clock.advance(HEALING_GRACE_MS + 2);
    await poll(task);

    expect(runtime.queue.takeOnly().notBefore).toBe(task.createdAt);
  });
});

describe('many polls of a forgotten task', () => {
  test('that read its head before the first healed it send one message [I5 EXEC-8]', async () => {
    const task = await runtime.create('lost');
    await runtime.clock.advance(HEALING_GRACE_MS + 1);
    const read = await Promise.all(Array.from({ length: 20 }, () => runtime.otherStore().get(task)));

    await Promise.all(read.map((stored) => healForgotten(runtime, stored, runtime.clock.now())));

    expect(runtime.queue.takeOnly().notBefore).toBe(task.createdAt);
    expect((await runtime.read(task)).run).toMatchObject({ dueAt: task.createdAt, healedAt: runtime.clock.now() });
  });

  test('over a time send a message after pauses that grow, so that a worker that is behind is not sent more and more [EXEC-8]', async () => {
    const task = await runtime.create('lost');
    const sentAfter: number[] = [];

    for (let second = 1; second <= 200; second += 1) {
      await runtime.clock.advance(1000);
      await poll(task);
      if (runtime.queue.deliveries.splice(0).length > 0) sentAfter.push(second);
    }

    expect(sentAfter).toEqual([11, 23, 47, 95, 191]);
  });
});

describe('a left-over delivery', () => {
  test('of a task that waits, for time or for answers, sends nothing [EXEC-8]', async () => {
    const asks = toolOf('asks', async (task) => ({ roots: (await task.listRoots()).length }));
    const runner = runtime.runner([waits(3000), asks]);
    const waiting = await waitingTask(runner);
    const asking = await runtime.create('asks');
    await runner.runTask(asking, asking.createdAt);
    runtime.queue.deliveries.length = 0;

    const due = waiting.run.dueAt ?? 0;
    for (const notBefore of [undefined, waiting.createdAt, due - 1, due + 1]) {
      expect(await runner.runTask(waiting, notBefore)).toBe('not_due');
      expect(await runner.runTask(asking, notBefore)).toBe('not_due');
    }

    expect(runtime.queue.deliveries).toEqual([]);
    expect((await runtime.read(waiting)).run).toEqual(waiting.run);
  });

  test('of a task that another run holds sends nothing, also when the head still names it [EXEC-8 EXEC-4]', async () => {
    const task = await runtime.create('held');
    await runtime.store.update(task, (now, at) => acquireLease(now, 'somebody', TIMES.leaseMs, at));
    const runner = runtime.runner([]);

    for (let count = 0; count < 10; count += 1) {
      expect(await runner.runTask(task, task.createdAt)).toBe('held_elsewhere');
      expect(await runner.runTask(task, task.createdAt + TIMES.leaseMs)).toBe('held_elsewhere');
    }

    expect(runtime.queue.deliveries).toEqual([]);
  });
});

describe('a wait of 20 hours', () => {
  test('takes one message and a handful of writes, whatever empty or stray answers come meanwhile [EXEC-20 STORE-14 I5]', async () => {
    const runner = runtime.runner([waits(20 * 3600)]);
    const task = await waitingTask(runner);
    const looker = runtime.looker();
    const stray = { stray: { outcome: 'failed', message: '' } } as const;
    let looks = 0;

    for (let minute = 0; minute < 20 * 60 && runtime.queue.deliveries.length === 0; minute += 1) {
      const stored = await runtime.store.get(task);
      await deliverAnswers(runtime, stored, minute % 2 === 0 ? {} : stray);
      looks += (await looker.look()).looked;
      await runtime.clock.advance(60_000);
    }
    await looker.look();

    const { notBefore } = runtime.queue.takeOnly();
    expect([looks, notBefore]).toEqual([1, task.createdAt + 20 * HOUR_MS]);
    await runtime.clock.advance(notBefore - runtime.clock.now());
    expect(await runner.runTask(task, notBefore)).toBe('finished');
    expect(await runtime.result(task)).toBe('waited');
  });
});

describe('a run whose process is out of time', () => {
  const RUNS = 12;

  /** Hands each run over within a step; the n-th run has `n * progress` steps behind it by then. Resolves to how many began. */
  async function runOutOfTime(task: Task, progress: 0 | 1): Promise<number> {
    let notBefore = task.createdAt;
    for (let run = 1; run <= RUNS; run += 1) {
      const long = new Gate();
      const steps = toolOf('long', async (context) => {
        for (let step = 0; step <= RUNS; step += 1) {
          await context.step(`step ${step}`, () => (step < run * progress ? Promise.resolve() : long.pass()));
        }
        return 'done';
      });
      const runner = runtime.runner([steps]);
      const report = runner.runTask(task, notBefore);
      await long.reached;
      runner.stop('out_of_time');
      await runtime.clock.advance(2000);
      expect(await report).toBe('stopped');
      if ((await runtime.read(task)).status !== 'working') return run;
      notBefore = runtime.queue.takeOnly().notBefore;
    }
    return RUNS;
  }

  test('in the same step each time counts as crashed, and ends the task when that was too often [EXEC-7 I5]', async () => {
    const task = await runtime.create('long', { maxAttempts: 3 });

    const runs = await runOutOfTime(task, 0);

    expect(runs).toBe(3);
    expect(await runtime.error(task)).toMatchObject({ data: { reason: 'attempts_exhausted' } });
    expect(runtime.queue.deliveries).toEqual([]);
  });

  test('with progress may be given back as often as it takes [EXEC-1 EXEC-7]', async () => {
    const task = await runtime.create('long', { maxAttempts: 3 });

    expect(await runOutOfTime(task, 1)).toBe(RUNS);

    expect(await runtime.read(task)).toMatchObject({ status: 'working', run: { crashes: 0 } });
  });
});
