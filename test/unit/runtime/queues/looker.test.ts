/** Looking at the agenda: every unfinished task goes on without a client, whatever was lost. */
import { describe, expect, test } from '@jest/globals';
import { LOOK_TIMES } from '../../../../lambda/shared/composition.ts';
import { inline } from '../../../../src/domain/payload.ts';
import { acquireLease, renewLease } from '../../../../src/domain/run.ts';
import { completeTask } from '../../../../src/domain/task.ts';
import { asTaskId } from '../../../../src/domain/task-id.ts';
import { Looker } from '../../../../src/runtime/queues/looker.ts';
import { agendaPartition, headKey } from '../../../../src/store/keys.ts';
import { NotingQueue, RuntimeUnderTest, TIMES, toolOf } from '../runtime-under-test.ts';
import { asks, delivered, notedFor } from './agenda-seen.ts';

const waits = (seconds: number) =>
  toolOf('waits', async (task) => {
    await task.wait('pause', { seconds });
    return 'waited';
  });

describe('a look', () => {
  test('before the time of a record does nothing [EXEC-20]', async () => {
    const runtime = new RuntimeUnderTest();
    await runtime.create('any');

    expect(await runtime.looker().look()).toEqual({ looked: 0, enqueued: 0, lateMs: 0 });
  });

  test('enqueues a task that should have begun, and looks again after pauses that grow [EXEC-20 I12]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('lost');
    const sentAfter: number[] = [];

    for (let second = 5; second <= 600; second += 5) {
      await runtime.clock.advance(5_000);
      await runtime.looker().look();
      if (delivered(runtime).length > 0) sentAfter.push(second);
    }

    expect(sentAfter[0]).toBeLessThanOrEqual(60);
    expect(sentAfter).toEqual([20, 40, 70, 130, 250, 490]);
    expect(await notedFor(runtime, task)).toHaveLength(1);
  });

  test('puts a task that waits down for when it is due or for its deadline, and brings it back in time [EXEC-2 EXEC-20]', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([waits(1800), asks]);
    const waiting = await runtime.create('waits');
    const asking = await runtime.create('asks');
    for (const task of [waiting, asking]) await runner.runTask(task);
    await runtime.clock.advance(30_000);

    await runtime.looker().look();

    expect(delivered(runtime)).toEqual([]);
    expect(await notedFor(runtime, waiting)).toEqual([1770]);
    expect(await notedFor(runtime, asking)).toEqual([3570]);
    await runtime.clock.advance(1_765_000);
    await runtime.looker().look();
    expect(delivered(runtime)).toEqual([[waiting.id, 5_000]]);
  });

  test('fails a task whose deadline has passed, without any client [EXEC-20 LIFE-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const asking = await runtime.create('asks');
    await runtime.runner([asks]).runTask(asking);
    await runtime.clock.advance(30_000);
    await runtime.looker().look();
    await runtime.clock.advance(3_570_000);

    await runtime.looker().look();

    const { value = '' } = (await runtime.backend.get(headKey(asking))) ?? {};
    expect(JSON.parse(value)).toMatchObject({ status: 'failed', run: { cleanup: { cause: 'deadline' } } });
    expect(delivered(runtime)).toEqual([[asking.id, 0]]);
    expect(await runtime.runner([asks]).runTask(asking)).toBe('cleaned_up');
    await runtime.clock.advance(40_000);
    await runtime.looker().look();
    expect(await notedFor(runtime, asking)).toEqual([]);
  });

  test('takes a task that has ended off, and one that was never there [STORE-14]', async () => {
    const runtime = new RuntimeUnderTest();
    const ended = await runtime.create('ended');
    const gone = await runtime.create('gone');
    await runtime.clock.advance(20_000);
    await runtime.store.update(ended, (task, now) => completeTask(task, inline({}), now));
    await runtime.backend.delete(headKey(gone));

    await runtime.looker().look();

    expect([await notedFor(runtime, ended), await notedFor(runtime, gone)]).toEqual([[], []]);
    expect(delivered(runtime)).toEqual([]);
  });

  test('leaves a task that a run holds alone until its lease may be over, and takes over from one that died [EXEC-4 EXEC-20]', async () => {
    const runtime = new RuntimeUnderTest();
    const held = await runtime.create('held');
    await runtime.clock.advance(20_000);
    await runtime.store.update(held, (task, now) => acquireLease(task, 'somebody', TIMES.leaseMs, now));

    await runtime.looker().look();
    expect(delivered(runtime)).toEqual([]);
    await runtime.clock.advance(TIMES.leaseMs);
    await runtime.looker().look();

    expect(delivered(runtime)).toEqual([[held.id, 0]]);
  });

  test('on AWS sends nothing for a run that lives, and is back for one that died within five minutes [EXEC-4 EXEC-20 AES-6]', async () => {
    const runtime = new RuntimeUnderTest();
    const { store, queue, clock } = runtime;
    const looker = new Looker({ store, queue, clock, leaseMs: TIMES.leaseMs, times: LOOK_TIMES });
    const held = await runtime.create('held');
    const { task } = await store.update(held, (now, at) => acquireLease(now, 'somebody', TIMES.leaseMs, at));
    const claim = { holder: 'somebody', epoch: task.run.epoch };
    const renewal = { leaseMs: TIMES.leaseMs, progressed: true };
    const renew = () => store.update(held, (now, at) => renewLease(now, claim, renewal, at));
    for (let minute = 0; minute < 30; minute += 1) {
      await clock.advance(TIMES.leaseMs / 2);
      await renew();
      await clock.advance(60_000 - TIMES.leaseMs / 2);
      await renew();
      await looker.look();
    }
    expect(delivered(runtime)).toEqual([]);

    const diedAt = clock.now();
    let found: unknown[] = [];
    while (found.length === 0 && clock.now() - diedAt < 600_000) {
      await clock.advance(60_000);
      await looker.look();
      found = delivered(runtime);
    }

    expect(clock.now() - diedAt).toBeLessThanOrEqual(300_000);
  });

  test('takes over at once from a process that is known to have ended, also before its record’s time [EXEC-23]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('steps', async (task) => task.step('one', async () => 'done'));
    const held = await runtime.create('steps');
    const other = await runtime.create('steps');
    for (const [task, holder] of [
      [held, 'dead'],
      [other, 'alive'],
    ] as const)
      await runtime.store.update(task, (now, at) => acquireLease(now, holder, TIMES.leaseMs, at));
    const isGone = (holder: string) => holder === 'dead';

    await runtime.looker(isGone).look({ takeOverMs: 60_000 });

    expect(delivered(runtime)).toEqual([[held.id, 0]]);
    expect(await runtime.runner([tool]).runTask(held)).toBe('held_elsewhere');
    expect(await runtime.runner([tool], runtime.store, isGone).runTask(other)).toBe('held_elsewhere');
    expect(await runtime.runner([tool], runtime.store, isGone).runTask(held)).toBe('finished');
  });

  test('takes over as soon from a run that began long after its task was due [EXEC-4 EXEC-20 I12]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('late');
    const look = async () => {
      await runtime.clock.advance(5_000);
      await runtime.looker().look();
    };
    // Some seconds after a look at a task that has waited for 16 minutes: the next is to be 16 minutes later.
    for (let second = 0; second < 975; second += 5) await look();
    delivered(runtime);
    await runtime.store.update(task, (now, at) => acquireLease(now, 'died', TIMES.leaseMs, at));

    for (let second = 0; second < 60; second += 5) await look();

    expect(delivered(runtime).map(([id]) => id)).toContain(task.id);
  });

  test('of a process whose queue was lost enqueues at once what was due, however long its pause is [EXEC-20 EXEC-23]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('late');
    const waiting = await runtime.create('asks');
    await runtime.runner([asks]).runTask(waiting);
    for (let second = 0; second < 975; second += 5) {
      await runtime.clock.advance(5_000);
      await runtime.looker().look();
    }
    delivered(runtime);
    const noted = await notedFor(runtime, task);

    await runtime.looker().look({ takeOverMs: 3_600_000 });

    expect(delivered(runtime).map(([id]) => id)).toEqual([task.id]);
    expect(await notedFor(runtime, task)).toEqual(noted);
  });

  test('does not believe a lease of a clock that was ten minutes ahead: it ends as if it were taken now [EXEC-4 I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const { clock, store } = runtime;
    const task = await runtime.create('held');
    await store.update(task, (now, at) => acquireLease(now, 'died', TIMES.leaseMs, at + 600_000));
    await clock.advance(30_000);

    await runtime.looker().look();

    expect((await runtime.read(task)).run.lease).toEqual({ holder: 'died', until: clock.now() + TIMES.leaseMs });
  });

  test('is not stopped by a task or a record that cannot be read, which stay for the right build [I5 STORE-12]', async () => {
    const runtime = new RuntimeUnderTest();
    const damaged = await runtime.create('damaged');
    const well = await runtime.create('well');
    await runtime.backend.putIfVersion(headKey(damaged), { value: '{"format":9}' }, 1);
    const newer = { partition: agendaPartition(well.id), id: `${'0'.repeat(15)} ${'0'.repeat(32)} ${'0'.repeat(44)}` };
    await runtime.backend.putIfVersion(newer, { value: '{"format":9}' }, 0);
    await runtime.clock.advance(30_000);

    await runtime.looker().look();

    expect(delivered(runtime)).toEqual([[well.id, -30_000]]);
    expect(await runtime.backend.get(newer)).toBeDefined();
    expect((await notedFor(runtime, damaged))[0]).toBeGreaterThanOrEqual(300);
    expect(runtime.logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(2);
  });

  test('of many at once enqueues what leases then sort out, and leaves one record [EXEC-20]', async () => {
    const runtime = new RuntimeUnderTest();
    let runs = 0;
    const tool = toolOf('once', async () => {
      runs += 1;
      return {};
    });
    const task = await runtime.create('once');
    await runtime.clock.advance(30_000);

    await Promise.all([1, 2, 3].map(() => runtime.looker().look()));

    expect(delivered(runtime).length).toBeGreaterThan(0);
    expect(await notedFor(runtime, task)).toHaveLength(1);
    await Promise.all([1, 2, 3].map(() => runtime.runner([tool], runtime.otherStore()).runTask(task)));
    expect(runs).toBe(1);
  });

  test('whose queue is away moves the record all the same, and a later look makes up for it [EXEC-20]', async () => {
    const queue = new NotingQueue();
    const runtime = new RuntimeUnderTest(queue);
    const task = await runtime.create('lost');
    const enqueue = queue.enqueue.bind(queue);
    queue.enqueue = () => Promise.reject(new Error('the queue is down'));
    await runtime.clock.advance(30_000);
    await runtime.looker().look();
    queue.enqueue = enqueue;
    await runtime.clock.advance(60_000);

    await runtime.looker().look();

    expect(delivered(runtime).map(([id]) => id)).toEqual([task.id]);
  });

  test('reads a few records of each shard where nothing is due, however many wait [AES-6 STORE-14]', async () => {
    const runtime = new RuntimeUnderTest();
    const far = runtime.clock.now() + 3_600_000;
    const { owner } = await runtime.create('any');
    for (let made = 0; made < 600; made += 1) {
      await runtime.store.agenda.note({ owner, id: asTaskId(made.toString(16).padStart(44, '0')) }, far);
    }
    const read: number[] = [];
    const list = runtime.backend.list.bind(runtime.backend);
    runtime.backend.list = async (...args) => {
      const page = await list(...args);
      read.push(page.records.length);
      return page;
    };

    await runtime.looker().look();

    expect(read).toHaveLength(16);
    expect(Math.max(...read)).toBeLessThanOrEqual(16);
  });

  test('that is stopped leaves what is left for the next one [AWS-9]', async () => {
    const runtime = new RuntimeUnderTest();
    for (let count = 0; count < 5; count += 1) await runtime.create('any');
    await runtime.clock.advance(30_000);

    expect(await runtime.looker().look({ signal: AbortSignal.abort() })).toMatchObject({ looked: 0 });
    expect(await runtime.looker().look()).toMatchObject({ looked: 5, enqueued: 5 });
  });

  test('rejects when the agenda cannot be read, so that somebody is told [EXEC-22]', async () => {
    const runtime = new RuntimeUnderTest();
    runtime.backend.list = () => Promise.reject(new Error('away'));

    await expect(runtime.looker().look()).rejects.toThrow('away');
  });

  test('goes through all that can be read before it rejects for what cannot [EXEC-20 EXEC-22]', async () => {
    const runtime = new RuntimeUnderTest();
    const tasks = await Promise.all(Array.from({ length: 40 }, () => runtime.create('any')));
    const [first] = tasks;
    const unread = agendaPartition(first?.id ?? asTaskId(''));
    const list = runtime.backend.list.bind(runtime.backend);
    runtime.backend.list = (partition, ...rest) =>
      partition === unread ? Promise.reject(new Error('throttled')) : list(partition, ...rest);
    await runtime.clock.advance(30_000);

    await expect(runtime.looker().look()).rejects.toThrow('throttled');

    const others = tasks.filter(({ id }) => agendaPartition(id) !== unread);
    expect(new Set(delivered(runtime).map(([id]) => id))).toEqual(new Set(others.map(({ id }) => id)));
  });
});
