/** A task under a lease: renewal, losing it, and that nothing is written without it. */
import { describe, expect, test } from '@jest/globals';
import { inline } from '../../../../src/domain/payload.ts';
import { acquireLease, setStatusMessage } from '../../../../src/domain/run.ts';
import { completeTask } from '../../../../src/domain/task.ts';
import { HeldTask } from '../../../../src/runtime/running/held-task.ts';
import { GenericTaskStore } from '../../../../src/store/generic-task-store.ts';
import { RuntimeUnderTest, TIMES } from '../runtime-under-test.ts';

async function hold(runtime = new RuntimeUnderTest()) {
  const created = await runtime.create('held');
  const { clock, store, logger } = runtime;
  const held = await HeldTask.acquire(await store.get(created), 'first', { store, clock, times: TIMES, logger });
  if (!(held instanceof HeldTask)) throw new Error('not held');
  return { runtime, held, ref: created };
}

/** Another process takes the task over, as it may once the lease has run out. */
async function takeOver({ runtime, ref }: { runtime: RuntimeUnderTest; ref: HeldTask['task'] }) {
  runtime.clock.set(runtime.clock.now() + TIMES.leaseMs);
  await runtime.otherStore().update(ref, (task, now) => acquireLease(task, 'second', TIMES.leaseMs, now));
}

describe('the heartbeat', () => {
  test('renews the lease before it runs out, for as long as the run goes on [EXEC-4]', async () => {
    const { runtime, held } = await hold();

    for (let beat = 0; beat < 40; beat += 1) {
      await runtime.clock.advance(TIMES.heartbeatMs);
      const until = (await runtime.read(held.task)).run.lease?.until ?? 0;
      expect(until - runtime.clock.now()).toBeGreaterThan(TIMES.heartbeatMs);
    }

    expect((await runtime.read(held.task)).run.epoch).toBe(1);
    expect(held.signal.aborted).toBe(false);
    held.close();
    expect(runtime.clock.pendingTimers).toBe(0);
  });

  test('writes only when a third of the lease is gone: two of three beats just read [EXEC-4]', async () => {
    const { runtime, held } = await hold();

    await runtime.clock.advance(12 * TIMES.heartbeatMs);

    // Acquired as version 2, then renewed by every third beat.
    expect((await runtime.store.get(held.task)).version).toBe(2 + 4);
    held.close();
  });

  test('renews a lease that ends later than one that is taken now, after the clock was put back [EXEC-4]', async () => {
    const runtime = new RuntimeUnderTest();
    const { clock, store, logger } = runtime;
    let offsetMs = 0;
    const stepped = { now: () => clock.now() - offsetMs, after: clock.after.bind(clock) };
    const created = await runtime.create('held');
    const held = await HeldTask.acquire(await store.get(created), 'first', {
      store: new GenericTaskStore({ backend: runtime.backend, clock: stepped }),
      clock: stepped,
      times: TIMES,
      logger,
    });
    offsetMs = 600_000;

    await clock.advance(TIMES.heartbeatMs);

    expect((await runtime.read(created)).run.lease?.until).toBe(stepped.now() + TIMES.leaseMs);
    if (held instanceof HeldTask) held.close();
  });

  test('tells a handler of a cancel by another process within a beat [EXEC-5]', async () => {
    const { runtime, held } = await hold();
    await runtime.cancel(held.task);
    expect(held.signal.aborted).toBe(false);

    await runtime.clock.advance(TIMES.heartbeatMs);

    expect(held.signal.reason).toMatchObject({ name: 'TaskAborted', reason: 'cancelled' });
    held.close();
  });

  test('tells a handler of a cancel in the same process at once [EXEC-5]', async () => {
    const { runtime, held, ref } = await hold();

    await runtime.store.update(ref, (task, now) => completeTask(task, inline({}), now));

    expect(held.signal.reason).toMatchObject({ reason: 'ended' });
    held.close();
  });

  test('survives storage that does not answer for a while [EXEC-4]', async () => {
    const { runtime, held } = await hold();
    const get = runtime.backend.get.bind(runtime.backend);
    runtime.backend.get = async () => {
      throw new Error('no answer');
    };
    await runtime.clock.advance(2 * TIMES.heartbeatMs);
    runtime.backend.get = get;

    await runtime.clock.advance(2 * TIMES.heartbeatMs);

    expect(held.signal.aborted).toBe(false);
    expect(held.task.run.lease?.until).toBeGreaterThan(runtime.clock.now() + TIMES.heartbeatMs);
    held.close();
  });

  test('of a run that was taken over stops it [EXEC-4 I7]', async () => {
    const held = await hold();
    await takeOver(held);

    await held.runtime.clock.advance(TIMES.heartbeatMs);

    expect(held.held.signal.reason).toMatchObject({ reason: 'lease_lost' });
    held.held.close();
  });
});

describe('a heartbeat that only reads', () => {
  test('notices as well that another run has the task [EXEC-4 I7]', async () => {
    const { runtime, held, ref } = await hold();
    await runtime.otherStore().update(ref, (task) => ({
      ...task,
      run: {
        ...task.run,
        epoch: task.run.epoch + 1,
        lease: { holder: 'second', until: runtime.clock.now() + TIMES.leaseMs },
      },
    }));

    await runtime.clock.advance(TIMES.heartbeatMs);

    expect(held.signal.reason).toMatchObject({ reason: 'lease_lost' });
    held.close();
  });
});

describe('a run that was taken over and does not know it', () => {
  test.each<[string, (held: HeldTask) => Promise<unknown>]>([
    ['its result', (held) => held.change((task, _claim, now) => completeTask(task, inline({ stale: true }), now))],
    ['a message', (held) => held.change((task, claim, now) => setStatusMessage(task, claim, 'stale', now))],
    ['variables', (held) => held.mergeVariables({ stale: true })],
  ])('cannot write %s: the head stays as the new run left it [I3 I7]', async (_what, write) => {
    const held = await hold();
    await takeOver(held);
    const before = await held.runtime.store.get(held.ref);

    await expect(write(held.held)).rejects.toMatchObject({ code: 'lease_lost' });

    expect(await held.runtime.store.get(held.ref)).toEqual(before);
    expect(held.held.signal.reason).toMatchObject({ reason: 'lease_lost' });
    held.held.close();
  });

  test('gets no place in the log that the new run has [I3 I7]', async () => {
    const { runtime, held } = await hold();
    expect(await held.append(0, { by: 'first' })).toBe(true);
    expect(await runtime.otherStore().log.append(held.task, 1, { by: 'second' })).toBe(true);

    expect(await held.append(1, { by: 'first' })).toBe(false);

    expect(await runtime.log(held.task)).toEqual([{ by: 'first' }, { by: 'second' }]);
    held.close();
  });
});

describe('changes under a lease', () => {
  test('are made one after the other, each on what the one before has written', async () => {
    const { runtime, held } = await hold();
    const append = (letter: string) =>
      held.change((task, claim, now) => setStatusMessage(task, claim, `${task.statusMessage ?? ''}${letter}`, now));

    await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(append));

    expect((await runtime.read(held.task)).statusMessage).toBe('abcdef');
    held.close();
  });

  test('go on after one that failed', async () => {
    const { runtime, held } = await hold();
    const refused = held.change(() => {
      throw new Error('refused');
    });
    const next = held.change((task, claim, now) => setStatusMessage(task, claim, 'next', now));

    await expect(refused).rejects.toThrow('refused');
    await next;

    expect((await runtime.read(held.task)).statusMessage).toBe('next');
    held.close();
  });

  test('meet those of clients without losing either [I4]', async () => {
    const { runtime, held } = await hold();
    await held.change((task, _claim, now) => ({
      ...task,
      inputs: { k: { request: inline({}) } },
      status: 'input_required',
      updatedAt: now,
    }));

    const [, task] = await Promise.all([
      held.change((now, claim, at) => setStatusMessage(now, claim, 'busy', at)),
      runtime.answer(held.task, { k: 'yes' }),
    ]);
    await held.refresh();

    expect(held.task.statusMessage).toBe('busy');
    expect(held.task.answers).toEqual(task.answers);
    held.close();
  });
});
