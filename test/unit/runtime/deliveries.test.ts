/** Which delivery of a task counts, what is done about a lost one, and that left-overs are dropped. */
import { describe, expect, test } from '@jest/globals';
import { encodeOwner } from '../../../src/domain/owner.ts';
import { inline } from '../../../src/domain/payload.ts';
import { acquireLease } from '../../../src/domain/run.ts';
import { completeTask } from '../../../src/domain/task.ts';
import {
  type Deliveries,
  deliverAnswers,
  enqueueUnfinished,
  HEALING_GRACE_MS,
  healForgotten,
  nudge,
} from '../../../src/runtime/deliveries.ts';
import { NotingQueue, OWNER, RuntimeUnderTest, TIMES, toolOf } from './runtime-under-test.ts';

const sweepOf = ({ clock }: RuntimeUnderTest) => ({ leaseMs: TIMES.leaseMs, now: clock.now() });

describe('looking for unfinished tasks', () => {
  test('finds each for when it is due: now, at the end of a wait or lease, or else at its deadline [EXEC-1 EXEC-8 I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const waits = toolOf('waits', async (task) => {
      await task.wait('pause', { seconds: 60 });
      return {};
    });
    const asks = toolOf('asks', async (task) => ({ roots: (await task.listRoots()).length }));
    const fresh = await runtime.create('fresh');
    const waiting = await runtime.create('waits');
    const asking = await runtime.create('asks');
    const held = await runtime.create('held');
    const ended = await runtime.create('ended');
    const runner = runtime.runner([waits, asks]);
    await runner.runTask(waiting);
    await runner.runTask(asking);
    await runtime.store.update(held, (task, now) => acquireLease(task, 'somebody', TIMES.leaseMs, now));
    await runtime.store.update(ended, (task, now) => completeTask(task, inline({}), now));
    runtime.queue.deliveries.length = 0;

    const count = await enqueueUnfinished(runtime.store, runtime.queue, sweepOf(runtime));

    const now = runtime.clock.now();
    expect(count).toBe(4);
    expect(new Map(runtime.queue.deliveries.map(({ ref, notBefore }) => [ref.id, notBefore - now]))).toEqual(
      new Map([
        [fresh.id, 0],
        [waiting.id, 60_000],
        [asking.id, 3_600_000],
        [held.id, TIMES.leaseMs],
      ]),
    );
  });

  test('does not believe a lease of a clock that was ten minutes ahead: it ends as if it were taken now [EXEC-4 I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const { clock, store, queue } = runtime;
    const task = await runtime.create('held');
    const ahead = clock.now() + 600_000;
    await store.update(task, (now) => acquireLease(now, 'died', TIMES.leaseMs, ahead));

    await enqueueUnfinished(store, queue, sweepOf(runtime));
    const firstEnd = clock.now() + TIMES.leaseMs;
    await clock.advance(TIMES.leaseMs / 2);
    await enqueueUnfinished(store, queue, sweepOf(runtime));

    expect(queue.deliveries.map(({ notBefore }) => notBefore)).toEqual([firstEnd, firstEnd]);
    expect((await runtime.read(task)).run.lease).toEqual({ holder: 'died', until: firstEnd });
  });

  test('leaves a lease alone that a clock somewhat ahead has taken [EXEC-4]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('held');
    const ahead = runtime.clock.now() + TIMES.leaseMs;
    await runtime.store.update(task, (now) => acquireLease(now, 'lives', TIMES.leaseMs, ahead));
    const before = await runtime.store.get(task);

    await enqueueUnfinished(runtime.store, runtime.queue, sweepOf(runtime));

    expect(await runtime.store.get(task)).toEqual(before);
  });

  test('is not stopped by a record that cannot be read [I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const partition = JSON.stringify(['tasks', encodeOwner(OWNER)]);
    const damaged = await runtime.create('damaged');
    const well = await runtime.create('well');
    await runtime.backend.putIfVersion({ partition, id: damaged.id }, { value: '{"format":1' }, 1);

    await enqueueUnfinished(runtime.store, runtime.queue, sweepOf(runtime));

    expect(runtime.queue.deliveries.map(({ ref }) => ref.id)).toEqual([well.id]);
    await expect(runtime.store.get(damaged)).rejects.toMatchObject({ code: 'unreadable_record' });
  });
});

/** What brings tasks to runners, over the store of this process or of another. */
function deliveriesOf(runtime: RuntimeUnderTest, store = runtime.store): Deliveries {
  return { store, queue: runtime.queue, logger: runtime.logger };
}

describe('a poll', () => {
  test('enqueues a task that is overdue by more than the grace period, and no other [EXEC-8 I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('lost');
    const poll = async () => healForgotten(deliveriesOf(runtime), await runtime.store.get(task), runtime.clock.now());
    await runtime.clock.advance(HEALING_GRACE_MS);
    await poll();
    expect(runtime.queue.deliveries).toEqual([]);

    await runtime.clock.advance(1);
    await poll();

    expect(runtime.queue.deliveries).toEqual([{ ref: { owner: OWNER, id: task.id }, notBefore: runtime.clock.now() }]);
  });

  test('of many that find the same task forgotten leads to one delivery [EXEC-8]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('lost');
    await runtime.clock.advance(HEALING_GRACE_MS + 1);
    const seen = await runtime.store.get(task);

    await Promise.all(
      Array.from({ length: 5 }, () =>
        healForgotten(deliveriesOf(runtime, runtime.otherStore()), seen, runtime.clock.now()),
      ),
    );

    expect(runtime.queue.deliveries).toHaveLength(1);
  });

  test('leaves a task alone that a live run holds, or that waits for an answer [EXEC-8]', async () => {
    const runtime = new RuntimeUnderTest();
    const asking = await runtime.create('asks');
    const asks = toolOf('asks', async (task) => ({ n: (await task.listRoots()).length }));
    await runtime.runner([asks]).runTask(asking);
    const created = await runtime.create('held');
    await runtime.clock.advance(HEALING_GRACE_MS + 1);
    const held = await runtime.store.update(created, (task, now) => acquireLease(task, 'x', TIMES.leaseMs, now));

    await healForgotten(deliveriesOf(runtime), held, runtime.clock.now());
    await healForgotten(deliveriesOf(runtime), await runtime.store.get(asking), runtime.clock.now());

    expect(runtime.queue.deliveries).toEqual([]);
  });
});

describe('accepted answers', () => {
  async function asking() {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('asks');
    await runtime
      .runner([toolOf('asks', async (context) => ({ n: (await context.listRoots()).length }))])
      .runTask(task);
    const [key = ''] = await runtime.asked(task);
    return { runtime, task, answers: { [key]: { outcome: 'answered' as const, value: inline({ roots: [] }) } } };
  }

  test('make the task due and enqueue it, once however often they come [EXEC-3 I4]', async () => {
    const { runtime, task, answers } = await asking();
    const deliver = async () => deliverAnswers(deliveriesOf(runtime), await runtime.store.get(task), answers);

    await deliver();
    await deliver();

    expect(runtime.queue.deliveries.map(({ notBefore }) => notBefore)).toEqual([runtime.clock.now()]);
  });

  test('are accepted even if the queue does not answer: a later poll enqueues the task [I4 I5]', async () => {
    const { runtime, task, answers } = await asking();
    const broken = new NotingQueue();
    broken.enqueue = async () => {
      throw new Error('the queue is down');
    };

    await deliverAnswers({ ...deliveriesOf(runtime), queue: broken }, await runtime.store.get(task), answers);

    expect((await runtime.read(task)).answers).toMatchObject(answers);
    expect(runtime.logger.lines.at(-1)).toMatchObject({ level: 'warn', message: 'A task could not be enqueued' });
    await runtime.clock.advance(HEALING_GRACE_MS + 1);
    await healForgotten(deliveriesOf(runtime), await runtime.store.get(task), runtime.clock.now());
    expect(runtime.queue.deliveries).toHaveLength(1);
  });

  test('to a run that is going on enqueue nothing: it finds them by itself [EXEC-3]', async () => {
    const { runtime, task, answers } = await asking();
    await runtime.store.update(task, (now, at) => acquireLease(now, 'runs', TIMES.leaseMs, at));

    await deliverAnswers(deliveriesOf(runtime), await runtime.store.get(task), answers);

    expect(runtime.queue.deliveries).toEqual([]);
  });
});

describe('a queue that cannot look far ahead', () => {
  /** As SQS, which holds a message for a quarter of an hour at most. */
  class NearQueue extends NotingQueue {
    readonly maxDelayMs = 900_000;
  }

  async function waitingHours() {
    const queue = new NearQueue();
    const runtime = new RuntimeUnderTest(queue);
    let runs = 0;
    const tool = toolOf('waits', async (task) => {
      runs += 1;
      await task.wait('pause', { minutes: 40 });
      return {};
    });
    const task = await runtime.create('waits');
    const runner = runtime.runner([tool]);
    await runner.runTask(task, task.run.wakeAt);
    return { runtime, queue, runner, task, runs: () => runs };
  }

  test('brings a long wait to its end in hops, none of which runs the handler [EXEC-2 EXEC-8]', async () => {
    const { runtime, queue, runner, task, runs } = await waitingHours();
    const startedAt = runtime.clock.now();
    const reports: string[] = [];
    while (reports.at(-1) !== 'finished') {
      const { notBefore } = queue.deliveries.at(-1) ?? { notBefore: Number.NaN };
      await runtime.clock.advance(notBefore - runtime.clock.now());
      reports.push(await runner.runTask(task, notBefore));
    }

    expect(queue.deliveries.map(({ notBefore }) => (notBefore - startedAt) / 60_000)).toEqual([15, 30, 40]);
    expect(reports).toEqual(['not_due', 'not_due', 'finished']);
    expect(runs()).toBe(2);
  });

  test('drops a delivery that its task no longer names, so that one chain of them goes on [EXEC-8]', async () => {
    const { runtime, queue, runner, task } = await waitingHours();
    const [hop] = queue.deliveries;
    await runtime.clock.advance(900_000);
    await runner.runTask(task, hop?.notBefore);
    expect(queue.deliveries).toHaveLength(2);

    // The same message a second time, as a queue may deliver it.
    const report = await runner.runTask(task, hop?.notBefore);

    expect(report).toBe('not_due');
    expect(queue.deliveries).toHaveLength(2);
  });
});

describe('a delivery and an answer that come twice at the same time', () => {
  test('lead to one delivery each [EXEC-8]', async () => {
    const queue = new NotingQueue();
    Object.assign(queue, { maxDelayMs: 900_000 });
    const runtime = new RuntimeUnderTest(queue);
    const tool = toolOf('waits', async (task) => {
      const [roots] = await Promise.all([task.listRoots(), task.wait('pause', { minutes: 40 })]);
      return { n: roots.length };
    });
    const task = await runtime.create('waits');
    await runtime.runner([tool]).runTask(task, task.run.wakeAt);
    const [hop] = queue.deliveries;
    await runtime.clock.advance(900_000);
    queue.deliveries.length = 0;

    await Promise.all([1, 2].map(() => runtime.runner([tool], runtime.otherStore()).runTask(task, hop?.notBefore)));
    expect(queue.deliveries).toHaveLength(1);
    queue.deliveries.length = 0;
    const [key = ''] = await runtime.asked(task);
    const known = await runtime.store.get(task);
    const answers = { [key]: { outcome: 'answered' as const, value: inline({ roots: [] }) } };
    await Promise.all([1, 2].map(() => deliverAnswers(deliveriesOf(runtime, runtime.otherStore()), known, answers)));

    expect(queue.deliveries).toHaveLength(1);
  });
});

test('a queue that does not answer is a warning, not an error [EXEC-8]', async () => {
  const runtime = new RuntimeUnderTest();
  const task = await runtime.create('any');
  const broken = new NotingQueue();
  broken.enqueue = async () => {
    throw new Error('the queue is down');
  };

  await nudge({ ...deliveriesOf(runtime), queue: broken }, task);

  expect(runtime.logger.lines.map(({ level }) => level)).toEqual(['warn']);
});
