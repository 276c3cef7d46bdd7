/** Work that no delivery brings back: found in the store at start, or by the poll of a client. */
import { describe, expect, test } from '@jest/globals';
import { acquireLease } from '../../../src/domain/run.ts';
import { inline } from '../../../src/domain/payload.ts';
import { completeTask } from '../../../src/domain/task.ts';
import { encodeOwner } from '../../../src/domain/owner.ts';
import { enqueueUnfinished, HEALING_GRACE_MS, healOverdue } from '../../../src/runtime/recovery.ts';
import { OWNER, RuntimeUnderTest, TIMES, toolOf } from './runtime-under-test.ts';

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

    const count = await enqueueUnfinished(runtime.store, runtime.queue);

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

  test('is not stopped by a record that cannot be read [I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const partition = JSON.stringify(['tasks', encodeOwner(OWNER)]);
    const damaged = await runtime.create('damaged');
    const well = await runtime.create('well');
    await runtime.backend.putIfVersion({ partition, id: damaged.id }, { value: '{"format":1' }, 1);

    await enqueueUnfinished(runtime.store, runtime.queue);

    expect(runtime.queue.deliveries.map(({ ref }) => ref.id)).toEqual([well.id]);
    await expect(runtime.store.get(damaged)).rejects.toMatchObject({ code: 'unreadable_record' });
  });
});

describe('a poll', () => {
  test('enqueues a task that is overdue by more than the grace period, and no other [EXEC-8 I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('lost');
    await runtime.clock.advance(HEALING_GRACE_MS);
    await healOverdue(task, runtime.queue, runtime.clock.now());
    expect(runtime.queue.deliveries).toEqual([]);

    await runtime.clock.advance(1);
    await healOverdue(task, runtime.queue, runtime.clock.now());

    expect(runtime.queue.deliveries).toEqual([{ ref: { owner: OWNER, id: task.id }, notBefore: runtime.clock.now() }]);
  });

  test('leaves a task alone that a live run holds, or that waits for an answer [EXEC-8]', async () => {
    const runtime = new RuntimeUnderTest();
    const asking = await runtime.create('asks');
    await runtime.runner([toolOf('asks', async (task) => ({ n: (await task.listRoots()).length }))]).runTask(asking);
    const created = await runtime.create('held');
    await runtime.clock.advance(HEALING_GRACE_MS + 1);
    const { task: held } = await runtime.store.update(created, (task, now) => acquireLease(task, 'x', TIMES.leaseMs, now));

    await healOverdue(held, runtime.queue, runtime.clock.now());
    await healOverdue(await runtime.read(asking), runtime.queue, runtime.clock.now());

    expect(runtime.queue.deliveries).toEqual([]);
  });
});
