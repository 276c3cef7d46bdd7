/** The limit of active tasks while a repair of its count, slow creators and tasks that end cross each other's way. */
import { expect, test } from '@jest/globals';
import { BackendUnavailableError } from '../../src/backends/errors.ts';
import type { Owner } from '../../src/domain/owner.ts';
import { isTerminal } from '../../src/domain/status.ts';
import { cancelTask } from '../../src/domain/task.ts';
import type { GenericTaskStore } from '../../src/store/generic-task-store.ts';
import { activeCountKey } from '../../src/store/keys.ts';
import type { CreateTask } from '../../src/store/task-store.ts';
import type { BackendCall, CountingBackend } from '../support/counting-backend.ts';
import { call, complete, createdTask, HOUR_MS, onEveryBackend, type Stores, tasksOf } from './task-stores.ts';

const REFUSED = { code: 'too_many_tasks' };

type Place = (made: BackendCall) => boolean;
const onHead: Place = ({ verb, partition }) => verb === 'putIfVersion' && partition.startsWith('["tasks"');
const onSlot: Place = ({ verb }) => verb === 'addIfBelow';
const onSecondLook: Place = ({ verb, id }) => verb === 'get' && id === 'active';
const onRepair: Place = ({ verb, id }) => verb === 'putIfVersion' && id === 'active';

interface Hold {
  /** The call is about to be made. */
  readonly reached: Promise<void>;
  release(): void;
}

/** Stops the `nth` call at the place before it is made; later ones go on. */
function hold(backend: CountingBackend, place: Place, nth = 1): Hold {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let seen = 0;
  backend.intercept(async (made, proceed) => {
    if (!place(made)) return proceed();
    seen += 1;
    if (seen !== nth) return proceed();
    reached.resolve();
    await released.promise;
    return proceed();
  });
  return { reached: reached.promise, release: () => released.resolve() };
}

/** As a creator leaves it that died before it wrote its task. */
async function leakSlot({ backend, owner }: Stores): Promise<void> {
  await backend.addIfBelow(activeCountKey(owner), 1, { ceiling: 100 });
}

async function activeCount(store: GenericTaskStore, owner: Owner): Promise<number> {
  return (await tasksOf(store, owner)).filter(({ status }) => !isTerminal(status)).length;
}

/** How many tasks are active once no more are let in. */
async function fullCount({ store, other, owner }: Stores): Promise<number> {
  for (let refused = 0; refused < 4; ) {
    try {
      await (refused % 2 === 0 ? store : other).create(call(owner));
    } catch (error) {
      expect(error).toMatchObject(REFUSED);
      refused += 1;
    }
  }
  return activeCount(store, owner);
}

onEveryBackend('the limit of active tasks, while it is repaired,', (open) => {
  test.each([
    ['its new generation', 1],
    ['its count', 2],
  ])(
    'counts a creator that writes and looks again just before the repair writes %s [LIFE-8 I8]',
    async (_what, nth) => {
      const stores = await open({ maxActiveTasksPerOwner: 2 });
      const { store, other, backend, otherBackend, owner } = stores;
      await leakSlot(stores);
      const writing = hold(backend, onHead);
      const slow = store.create(call(owner));
      await writing.reached;
      const repairing = hold(otherBackend, onRepair, nth);
      const repairer = other.create(call(owner));
      await repairing.reached;

      writing.release();
      const { created } = await slow;
      repairing.release();
      await repairer;

      expect(created).toBe(true);
      expect(await fullCount(stores)).toBe(2);
    },
  );

  test.each<[string, Place]>([
    ['has ended but not given its slot back', onSlot],
    ['is about to end', onHead],
  ])('makes one place, not two, of a task that %s [LIFE-8 I8]', async (_what, place) => {
    const stores = await open({ maxActiveTasksPerOwner: 2 });
    const { store, other, backend, owner } = stores;
    const task = await createdTask(store, call(owner));
    await leakSlot(stores);
    const ending = hold(backend, place);
    const ended = store.update(task, complete);
    await ending.reached;

    await other.create(call(owner));
    ending.release();
    await ended;

    expect(await fullCount(stores)).toBe(2);
  });

  test('makes one place of a task that ends between the count and its writing [LIFE-8 I8]', async () => {
    const stores = await open({ maxActiveTasksPerOwner: 2 });
    const { store, other, otherBackend, owner } = stores;
    const task = await createdTask(store, call(owner));
    await leakSlot(stores);
    const repairing = hold(otherBackend, onRepair, 2);
    const repairer = other.create(call(owner));
    await repairing.reached;

    await store.update(task, complete);
    repairing.release();
    await repairer;

    expect(await fullCount(stores)).toBe(2);
  });

  test('makes one place of a task that ends unseen, after the count was closed and before it begins [LIFE-8 I8]', async () => {
    const stores = await open({ maxActiveTasksPerOwner: 2 });
    const { store, other, backend, otherBackend, owner } = stores;
    const task = await createdTask(store, call(owner));
    await leakSlot(stores);
    const counting = hold(otherBackend, ({ verb }) => verb === 'list' && otherBackend.calls.some(onRepair));
    const repairer = other.create(call(owner));
    await counting.reached;
    const ending = hold(backend, onSlot);
    const ended = store.update(task, complete);
    await Promise.race([ending.reached, ended]);

    counting.release();
    await repairer;
    ending.release();
    await ended;

    expect(await fullCount(stores)).toBe(2);
  });
});

onEveryBackend('a task that is taken back after somebody has found it in a list and ended it', (open) => {
  test('gives its slot back once, where its creator had no answer when it was written [LIFE-8 I8]', async () => {
    const stores = await open({ maxActiveTasksPerOwner: 2 });
    const { store, other, backend, owner } = stores;
    const kept = await createdTask(other, call(owner));
    let isLost = false;
    backend.intercept(async (made, proceed) => {
      const landed = await proceed();
      if (isLost || !onHead(made)) return landed;
      isLost = true;
      const found = (await tasksOf(other, owner)).filter(({ id }) => id !== kept.id);
      expect(found).toHaveLength(1);
      for (const task of found) await other.update(task, complete);
      throw new BackendUnavailableError('the answer got lost');
    });

    await expect(store.create(call(owner))).rejects.toMatchObject({ code: 'unavailable' });

    expect((await tasksOf(other, owner)).map(({ id }) => id)).toEqual([kept.id]);
    expect(await fullCount(stores)).toBe(2);
  });

  test('leaves the slot of another, where it had none in the generation that counts [LIFE-8 I8]', async () => {
    const stores = await open({ maxActiveTasksPerOwner: 1 });
    const { store, other, backend, owner } = stores;
    const writing = hold(backend, onHead);
    const slow = store.create(call(owner)).catch((error: unknown) => error);
    await writing.reached;
    // The counter is full, yet no task is to be seen: a recount takes the slow one for dead.
    const quick = await createdTask(other, call(owner));
    const takingBack = hold(backend, onHead);
    writing.release();
    await Promise.race([takingBack.reached, slow]);
    for (const task of await tasksOf(other, owner)) if (task.id !== quick.id) await other.update(task, complete);
    takingBack.release();

    expect(await slow).toMatchObject(REFUSED);
    expect((await tasksOf(other, owner)).map(({ id }) => id)).toEqual([quick.id]);
    expect(await fullCount(stores)).toBe(1);
  });
});

onEveryBackend('a task that two callers with one key were told of', (open) => {
  /** Two calls with one key: the task of the slower has been written, without a place; the other has been told of it. */
  async function toldOfHomeless(stores: Stores, changes: Partial<CreateTask> = {}) {
    const { store, other, backend, owner } = stores;
    const keyed = call(owner, { idempotencyKey: 'k', ...changes });
    const counted = hold(backend, onHead);
    const slow = store.create(keyed);
    await counted.reached;
    // A recount takes the slow one for dead, and somebody else gets the only place.
    const quick = await createdTask(other, call(owner));
    const looking = hold(backend, onSecondLook);
    counted.release();
    await looking.reached;
    const told = await other.create(keyed);
    expect(told).toMatchObject({ created: false, stored: { task: { status: 'working' } } });
    return { slow, quick, looking, keyed, task: told.stored.task };
  }

  test('stays readable, as failed, when the slower one is refused [I1 LIFE-9 I8]', async () => {
    const stores = await open({ maxActiveTasksPerOwner: 1 });
    const { store, other, owner } = stores;
    const { slow, quick, looking, keyed, task } = await toldOfHomeless(stores);

    looking.release();
    expect((await slow).stored.task.id).toBe(task.id);

    const failed = (await other.get(task)).task;
    expect(failed).toMatchObject({ status: 'failed', error: { json: { data: { reason: 'refused' } } } });
    expect((await store.create(keyed)).stored.task).toEqual(failed);
    await expect(other.create(call(owner))).rejects.toMatchObject(REFUSED);
    await other.update(quick, complete);
    expect(await fullCount(stores)).toBe(1);
  });

  test('stays readable as long as its key, though its retention counts from its end [I1 LIFE-3 LIFE-9]', async () => {
    const stores = await open({ maxActiveTasksPerOwner: 1 });
    const lifetime = { runDeadlineMs: HOUR_MS, retentionMs: 1000, retentionFromEnd: true } as const;
    const { slow, looking, keyed, task } = await toldOfHomeless(stores, { lifetime });
    looking.release();
    await slow;

    stores.clock.advance(60_000);

    expect(await stores.other.create(keyed)).toMatchObject({
      created: false,
      stored: { task: { id: task.id, status: 'failed', promisedUntil: task.promisedUntil } },
    });
  });

  test.each<[string, Place]>([
    ['looks again', onSecondLook],
    ['is refused', onHead],
  ])('makes no second place when it is cancelled before the slower one %s [I2 LIFE-9 I8]', async (_when, place) => {
    const stores = await open({ maxActiveTasksPerOwner: 1 });
    const { other, backend } = stores;
    const { slow, looking, task } = await toldOfHomeless(stores);
    let refusing: Hold | undefined;
    if (place === onHead) {
      refusing = hold(backend, onHead);
      looking.release();
      await refusing.reached;
    }

    await other.update(task, (now, at) => cancelTask(now, undefined, at));
    looking.release();
    refusing?.release();
    expect((await slow).stored.task).toMatchObject({ id: task.id });

    expect((await other.get(task)).task.status).toBe('cancelled');
    expect(await fullCount(stores)).toBe(1);
  });
});
