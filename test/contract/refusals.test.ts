/** What a create that is refused at the limit costs, for owners who have kept many tasks: a few reads, and none of the event loop. */
import { expect, test } from '@jest/globals';
import { eventLoopTurn } from '../../src/clock.ts';
import type { Task } from '../../src/domain/task.ts';
import { newTaskId } from '../../src/domain/task-id.ts';
import { activeCountKey, headKey } from '../../src/store/keys.ts';
import { headWrite } from '../../src/store/task-head.ts';
import { manualRandom } from '../../src/testing/manual-clock.ts';
import { call, complete, createdTask, onEveryBackend, type Stores } from './task-stores.ts';

const REFUSED = { code: 'too_many_tasks' };
/** Nine pages of a hundred, newer than what has not ended. */
const FINISHED = 850;
const LARGE_LIMIT = 5000;

const SHARDS = 32;
/** Two pages of each shard, some of which are read on. */
const READS_PER_LOOK = 2 * SHARDS * 1.5;

/** Tasks that ended, younger than `like`. */
async function keepFinished({ otherBackend, clock, owner }: Stores, like: Task): Promise<void> {
  const random = manualRandom(11);
  const ended = complete(like, clock.now());
  for (let from = 0; from < FINISHED; from += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => {
        const task = { ...ended, owner, id: newTaskId(clock.now() + 1 + from + index, random) };
        return otherBackend.putIfVersion(headKey(task), headWrite(task), 0);
      }),
    );
  }
}

/** As many tasks that have not ended as are allowed, and the counter that says so. */
async function keepActive({ store, otherBackend, clock, owner }: Stores): Promise<void> {
  const random = manualRandom(12);
  const model = await createdTask(store, call(owner));
  for (let from = 1; from < LARGE_LIMIT; from += 50) {
    await Promise.all(
      Array.from({ length: Math.min(50, LARGE_LIMIT - from) }, () => {
        const task = { ...model, id: newTaskId(clock.now(), random) };
        return otherBackend.putIfVersion(headKey(task), headWrite(task), 0);
      }),
    );
  }
  await otherBackend.addIfBelow(activeCountKey(owner), LARGE_LIMIT - 1, { ceiling: LARGE_LIMIT });
}

/** As a creator leaves it that died before it wrote its task. */
async function leakSlot({ otherBackend, owner }: Stores): Promise<void> {
  await otherBackend.addIfBelow(activeCountKey(owner), 1, { ceiling: 100 });
}

onEveryBackend('a refusal at the limit', (open) => {
  test('costs one refused count while the last one is remembered, and says for how long that is [LIFE-8]', async () => {
    const { store, backend, owner, clock } = await open({ maxActiveTasksPerOwner: 1 });
    await store.create(call(owner));
    await expect(store.create(call(owner))).rejects.toMatchObject({ ...REFUSED, detail: { retryAfterMs: 3000 } });
    clock.advance(1000);
    backend.reset();

    await expect(store.create(call(owner))).rejects.toMatchObject({ ...REFUSED, detail: { retryAfterMs: 2000 } });
    expect(backend.counts()).toEqual({ addIfBelow: 1 });
    clock.advance(2000);
    backend.reset();
    await expect(store.create(call(owner))).rejects.toMatchObject({ ...REFUSED, detail: { retryAfterMs: 3000 } });

    expect(backend.counts()).toEqual({ addIfBelow: 1, get: 1, list: SHARDS });
  });

  test('that is remembered keeps nobody out once a task has ended, wherever it did [LIFE-8]', async () => {
    const { store, other, owner } = await open({ maxActiveTasksPerOwner: 1 });
    const task = await createdTask(store, call(owner));
    await expect(store.create(call(owner))).rejects.toMatchObject(REFUSED);

    await other.update(task, complete);

    await expect(store.create(call(owner))).resolves.toMatchObject({ created: true });
  });

  test('is not remembered longer because the clock was put back [LIFE-8]', async () => {
    const { store, backend, owner, clock } = await open({ maxActiveTasksPerOwner: 1 });
    await store.create(call(owner));
    await expect(store.create(call(owner))).rejects.toMatchObject(REFUSED);
    clock.advance(-600_000);
    backend.reset();

    await expect(store.create(call(owner))).rejects.toMatchObject(REFUSED);

    expect(backend.counts()).toMatchObject({ list: SHARDS });
  });

  test('reads a few pages, however many tasks are kept, alone and ten at once [LIFE-8 SEC-3]', async () => {
    const stores = await open({ maxActiveTasksPerOwner: 1 });
    const { store, backend, owner, clock } = stores;
    await keepFinished(stores, await createdTask(store, call(owner)));
    backend.reset();

    const settled = await Promise.allSettled(Array.from({ length: 10 }, () => store.create(call(owner))));

    expect(settled.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 'rejected'));
    expect(backend.counts()).toMatchObject({ addIfBelow: 10, get: 1 });
    expect(backend.counts().list).toBeLessThan(READS_PER_LOOK);
    clock.advance(3000);
    backend.reset();
    await expect(store.create(call(owner))).rejects.toMatchObject(REFUSED);
    expect(backend.counts()).toMatchObject({ addIfBelow: 1, get: 1 });
    expect(backend.counts().list).toBeLessThan(READS_PER_LOOK);
  });

  test('asks each shard once, or little more, at a limit of 5,000 as at a small one [LIFE-8 STORE-13]', async () => {
    const stores = await open({ maxActiveTasksPerOwner: LARGE_LIMIT });
    const { store, backend, owner, clock } = stores;
    await keepActive(stores);
    backend.reset();

    const settled = await Promise.allSettled(Array.from({ length: 10 }, () => store.create(call(owner))));

    const refused = { status: 'rejected', reason: { ...REFUSED, detail: { limit: LARGE_LIMIT, retryAfterMs: 3000 } } };
    expect(settled).toMatchObject(Array.from({ length: 10 }, () => refused));
    expect(backend.counts()).toMatchObject({ addIfBelow: 10, get: 1 });
    expect(backend.counts().list).toBeLessThan(SHARDS * 1.5);
    backend.reset();
    clock.advance(2999);
    await expect(store.create(call(owner))).rejects.toMatchObject({ ...REFUSED, detail: { retryAfterMs: 1 } });
    expect(backend.counts()).toEqual({ addIfBelow: 1 });
  });

  test('goes on counting where the last one stopped, so that a slot that a crash lost comes back [LIFE-8 I8]', async () => {
    const stores = await open({ maxActiveTasksPerOwner: 2 });
    const { store, owner, clock } = stores;
    await keepFinished(stores, await createdTask(store, call(owner)));
    await leakSlot(stores);

    for (let look = 0; look < 2; look += 1) {
      await expect(store.create(call(owner))).rejects.toMatchObject(REFUSED);
      clock.advance(3000);
    }

    await expect(store.create(call(owner))).resolves.toMatchObject({ created: true });
    await expect(store.create(call(owner))).rejects.toMatchObject(REFUSED);
  });

  test('and the repair that may follow let everything else have its turn after each page [LIFE-8 SEC-3]', async () => {
    const stores = await open({ maxActiveTasksPerOwner: 2 });
    const { store, backend, owner, clock } = stores;
    await keepFinished(stores, await createdTask(store, call(owner)));
    await leakSlot(stores);
    let turns = 0;
    let counting = true;
    const count = () => {
      turns += 1;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    const pagesAt: number[] = [];
    backend.intercept((made, proceed) => {
      if (made.verb === 'list') pagesAt.push(turns);
      return proceed();
    });

    for (let look = 0; look < 3; look += 1) {
      await store.create(call(owner)).catch(() => undefined);
      await eventLoopTurn();
      clock.advance(3000);
    }
    counting = false;

    // Two pages in each of two looks, the rest in a third, and all again for the repair, page by page; each asks every shard.
    expect(new Set(pagesAt).size).toBeGreaterThanOrEqual(2 + 2 + 1 + 9);
    expect(pagesAt.length / new Set(pagesAt).size).toBeLessThan(SHARDS * 1.25);
  });
});
