/** What brings tasks to runners quickly: answers, and polls that find one forgotten. */
import { describe, expect, test } from '@jest/globals';
import { TaskError } from '../../../../src/domain/errors.ts';
import { inline } from '../../../../src/domain/payload.ts';
import { acquireLease } from '../../../../src/domain/run.ts';
import {
  type Deliveries,
  deliverAnswers,
  HEALING_GRACE_MS,
  healForgotten,
  nudge,
} from '../../../../src/runtime/queues/deliveries.ts';
import { NotingQueue, OWNER, RuntimeUnderTest, TIMES, toolOf } from '../runtime-under-test.ts';

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

    expect(runtime.queue.deliveries).toEqual([{ ref: { owner: OWNER, id: task.id }, notBefore: task.createdAt }]);
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

  test('is no error where storage does not write for now, and one where the task is damaged [EXEC-22]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('lost');
    await runtime.clock.advance(HEALING_GRACE_MS + 1);
    const seen = await runtime.store.get(task);
    const failing = (code: 'unavailable' | 'unreadable_record') => {
      const store = runtime.otherStore();
      store.update = () => Promise.reject(new TaskError(code, 'No.'));
      return healForgotten(deliveriesOf(runtime, store), seen, runtime.clock.now());
    };

    await expect(failing('unavailable')).resolves.toBeUndefined();
    await expect(failing('unreadable_record')).rejects.toThrow('No.');

    expect(runtime.logger.lines).toMatchObject([{ level: 'warn', fields: { task: task.id, code: 'unavailable' } }]);
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

  test('are accepted even if the queue does not answer: a later poll enqueues the task, and so does a look [I4 I5 EXEC-20]', async () => {
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
