/** The queue of one process: order, concurrency, no task beside itself, draining, and work that fails. */
import { describe, expect, test } from '@jest/globals';
import { type Owner, ownerOf } from '../../../../src/domain/owner.ts';
import type { TaskRef } from '../../../../src/domain/task.ts';
import { newTaskId } from '../../../../src/domain/task-id.ts';
import { InProcessQueue } from '../../../../src/runtime/queues/in-process-queue.ts';
import { ManualClock, manualRandom } from '../../../../src/testing/manual-clock.ts';
import { Gate, NotingLogger, OWNER } from '../runtime-under-test.ts';

const random = manualRandom(7);

function refs(count: number, owner: Owner = OWNER): TaskRef[] {
  return Array.from({ length: count }, (_, index) => ({ owner, id: newTaskId(index, random) }));
}

function setUp(options: { readonly concurrency?: number } = {}) {
  const clock = new ManualClock(0);
  const logger = new NotingLogger();
  const queue = new InProcessQueue({ clock, logger, ...options });
  return { clock, logger, queue };
}

describe('the in-process queue', () => {
  test('gives out due work in the order of its time, then of its arrival [EXEC-8]', async () => {
    const { clock, queue } = setUp({ concurrency: 1 });
    const [late, early, sameTime] = refs(3) as [TaskRef, TaskRef, TaskRef];
    const order: [TaskRef, number][] = [];
    await queue.enqueue(late, { notBefore: 30 });
    await queue.enqueue(early, { notBefore: 10 });
    await queue.enqueue(sameTime, { notBefore: 10 });
    queue.start(async (ref) => order.push([ref, clock.now()]));

    await clock.advance(9);
    expect(order).toEqual([]);
    await clock.advance(100);

    expect(order).toEqual([
      [early, 10],
      [sameTime, 10],
      [late, 30],
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  test('runs no more at once than it may, and the next as soon as one ends [EXEC-8]', async () => {
    const { clock, queue } = setUp({ concurrency: 2 });
    const gates = [new Gate(), new Gate(), new Gate()] as const;
    const tasks = refs(3);
    let running = 0;
    let most = 0;
    queue.start(async ({ id }) => {
      running += 1;
      most = Math.max(most, running);
      await gates[tasks.findIndex((task) => task.id === id)]?.pass();
      running -= 1;
    });
    for (const task of tasks) await queue.enqueue(task, { notBefore: 0 });
    await clock.advance(0);
    expect(running).toBe(2);

    gates[0].open();
    await clock.advance(0);
    await gates[2].reached;

    expect(most).toBe(2);
    for (const gate of gates) gate.open();
    await queue.drain();
  });

  test('runs 16 at once unless told otherwise [EXEC-8]', async () => {
    const { clock, queue } = setUp();
    const gate = new Gate();
    let running = 0;
    queue.start(async () => {
      running += 1;
      await gate.pass();
    });
    for (const task of refs(17)) await queue.enqueue(task, { notBefore: 0 });
    await clock.advance(0);
    expect(running).toBe(16);

    gate.open();
    await clock.advance(0);
    await queue.drain();

    expect(running).toBe(17);
  });

  test('keeps each time of a task once: the head may say that it is not due at the earlier of two [EXEC-8 I12]', async () => {
    const { clock, queue } = setUp();
    const [task] = refs(1) as [TaskRef];
    const at: number[] = [];
    queue.start(async () => at.push(clock.now()));
    for (const notBefore of [50, 20, 70, 50, 20]) await queue.enqueue(task, { notBefore });

    await clock.advance(100);

    expect(at).toEqual([20, 50, 70]);
    expect(clock.pendingTimers).toBe(0);
  });

  test('has one place in the line for a task, however many of its times have come [EXEC-8]', async () => {
    const { clock, queue } = setUp({ concurrency: 1 });
    const [first, task] = refs(2) as [TaskRef, TaskRef];
    const gate = new Gate();
    let runs = 0;
    queue.start(async ({ id }) => {
      if (id === first.id) await gate.pass();
      else runs += 1;
    });
    await queue.enqueue(first, { notBefore: 0 });
    await gate.reached;
    for (const notBefore of [1, 2, 3]) await queue.enqueue(task, { notBefore });
    await clock.advance(10);

    gate.open();
    await clock.advance(10);

    expect(runs).toBe(1);
  });

  test('never runs a task beside itself: what comes meanwhile is looked at after [EXEC-8]', async () => {
    const { clock, queue } = setUp();
    const [task] = refs(1) as [TaskRef];
    const gate = new Gate();
    let running = 0;
    let runs = 0;
    queue.start(async () => {
      running += 1;
      runs += 1;
      expect(running).toBe(1);
      if (runs === 1) await gate.pass();
      running -= 1;
    });
    await queue.enqueue(task, { notBefore: 0 });
    await gate.reached;
    await queue.enqueue(task, { notBefore: 0 });
    await clock.advance(10);
    expect(runs).toBe(1);

    gate.open();
    await clock.advance(0);

    expect(runs).toBe(2);
  });

  test('delivers again what failed, ever later, and says so: a delivery is not lost by an error [EXEC-8 I5]', async () => {
    const { clock, logger, queue } = setUp();
    const [task] = refs(1) as [TaskRef];
    const at: number[] = [];
    queue.start(async () => {
      at.push(clock.now());
      if (at.length < 4) throw new Error('storage did not answer');
    });
    await queue.enqueue(task, { notBefore: 0 });

    await clock.advance(600_000);

    expect(at).toEqual([0, 1000, 3000, 7000]);
    expect(logger.lines.filter(({ level }) => level === 'error')).toHaveLength(3);
  });

  test('delivers a task that fails once for each failure, though it is queued for several times [EXEC-8]', async () => {
    const { clock, queue } = setUp();
    const [task] = refs(1) as [TaskRef];
    const at: number[] = [];
    queue.start(async () => {
      at.push(clock.now());
      throw new Error('storage did not answer');
    });
    for (const notBefore of [0, 10, 20, 30]) await queue.enqueue(task, { notBefore });

    await clock.advance(4_000);

    expect(at).toEqual([0, 10, 20, 30, 1030, 3030]);
  });

  test('drains: what runs is waited for, and what waits is not begun [EXEC-8]', async () => {
    const { clock, queue } = setUp({ concurrency: 1 });
    const [first, second] = refs(2) as [TaskRef, TaskRef];
    const gate = new Gate();
    const begun: TaskRef[] = [];
    queue.start(async (ref) => {
      begun.push(ref);
      await gate.pass();
    });
    await queue.enqueue(first, { notBefore: 0 });
    await queue.enqueue(second, { notBefore: 0 });
    await gate.reached;
    let drained = false;

    const draining = queue.drain().then(() => {
      drained = true;
    });
    await clock.advance(1000);
    expect(drained).toBe(false);
    gate.open();
    await draining;
    await clock.advance(1000);

    expect(begun).toEqual([first]);
    expect(clock.pendingTimers).toBe(0);
  });

  test('holds work that comes before its start [EXEC-8]', async () => {
    const { clock, queue } = setUp();
    const [task] = refs(1) as [TaskRef];
    await queue.enqueue(task, { notBefore: 0 });
    await clock.advance(100);
    const begun: TaskRef[] = [];

    queue.start(async (ref) => begun.push(ref));
    await clock.advance(0);

    expect(begun).toEqual([task]);
  });

  test('gives the next free place to another owner, not to the backlog of the one who has them all [EXEC-8 AWS-9]', async () => {
    const { clock, queue } = setUp({ concurrency: 16 });
    const gates = new Map<string, Gate>();
    const begun: string[] = [];
    queue.start(async ({ id }) => {
      const gate = new Gate();
      gates.set(id, gate);
      begun.push(id);
      await gate.pass();
    });
    const backlog = refs(50);
    for (const task of backlog) await queue.enqueue(task, { notBefore: 0 });
    await clock.advance(1);
    const [other] = refs(1, ownerOf('tests', 'other', undefined)) as [TaskRef];
    await queue.enqueue(other, { notBefore: 0 });
    await clock.advance(1);
    expect(begun).toEqual(backlog.slice(0, 16).map(({ id }) => id));

    gates.get(backlog[3]?.id ?? '')?.open();
    await clock.advance(1);
    expect(begun.slice(16)).toEqual([other.id]);
    gates.get(other.id)?.open();
    await clock.advance(1);

    expect(begun.slice(17)).toEqual([backlog[16]?.id]);
  });

  test.each([0, -1, 1.5, 1001, Number.NaN])('refuses to run %j tasks at once [EXEC-8]', (concurrency) => {
    expect(() => setUp({ concurrency })).toThrow(`from 1 to 1000, not ${concurrency}`);
  });
});
