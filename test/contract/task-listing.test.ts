/** Listing an owner's tasks on every backend: order, pages, cursors, and what a page costs. */
import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import type { TaskError } from '../../src/domain/errors.ts';
import { asTaskId } from '../../src/domain/task-id.ts';
import { present } from '../../src/present.ts';
import { headsPartitions } from '../../src/store/keys.ts';
import { call, createdTask, onEveryBackend, recordsOf, type Stores } from './task-stores.ts';

onEveryBackend('a listing', (open) => {
  /** Each in a millisecond of its own, oldest first. */
  async function createInTurn({ store, owner, clock }: Stores, count: number): Promise<string[]> {
    const ids: string[] = [];
    for (let index = 0; index < count; index += 1) {
      ids.push((await createdTask(store, call(owner))).id);
      clock.advance(1);
    }
    return ids;
  }

  test('is newest first, in pages, without another owner’s tasks [STORE-6 I6]', async () => {
    const stores = await open();
    const ids = await createInTurn(stores, 7);
    await stores.store.create(call({ issuer: 'test', subject: randomUUID() }));

    const first = await stores.other.list(stores.owner, { limit: 3 });
    const second = await stores.store.list(stores.owner, { limit: 3, cursor: first.cursor ?? '' });
    const third = await stores.store.list(stores.owner, { limit: 3, cursor: second.cursor ?? '' });

    expect([first, second, third].map(({ tasks }) => tasks.length)).toEqual([3, 3, 1]);
    expect([first, second, third].flatMap(({ tasks }) => tasks.map(({ id }) => id))).toEqual(ids.toReversed());
    expect(third.cursor).toBeUndefined();
  });

  test('shows each task once while others are created, changed and ended [STORE-6]', async () => {
    const stores = await open();
    const { store, other, owner, clock } = stores;
    const ids = await createInTurn(stores, 9);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.list(owner, { limit: 2, ...present({ cursor }) });
      seen.push(...page.tasks.map(({ id }) => id));
      cursor = page.cursor;
      await other.create(call(owner));
      clock.advance(1);
      for (const id of [ids[0], ids[4], ids[8]]) {
        await other.update({ owner, id: asTaskId(id) }, (task) => ({ ...task, statusMessage: String(seen.length) }));
      }
    } while (cursor !== undefined);

    expect(seen).toEqual(ids.toReversed());
  });

  test('costs one call a page and reads nothing but heads, however many and large the tasks are [STORE-6 I10]', async () => {
    const { store, backend, owner } = await open({ maxActiveTasksPerOwner: 300 });
    const task = await createdTask(store, call(owner, { arguments: { text: 'x'.repeat(900_000) } }));
    for (let entry = 0; entry < 10; entry += 1) await store.log.append(task, entry, { entry });
    await store.mergeVariables(task, { a: 'x'.repeat(60_000) });
    const costs: string[][][] = [];

    for (const more of [0, 10, 190]) {
      await Promise.all(Array.from({ length: more }, () => store.create(call(owner))));
      backend.reset();
      await store.list(owner, { limit: 5 });
      costs.push(backend.calls.map(({ verb, partition }) => [verb, partition]));
    }

    const once = headsPartitions(owner).map((partition) => ['list', partition]);
    for (const [place, cost] of costs.entries()) {
      expect(cost.slice(0, once.length)).toEqual(once);
      // Where one shard has more of the newest than its share, it is read on.
      expect([place, cost.length <= once.length + 2]).toEqual([place, true]);
    }
    const heads = await recordsOf(backend, headsPartitions(owner));
    expect(heads).toHaveLength(201);
    expect(Math.max(...heads.map(({ value }) => Buffer.byteLength(value)))).toBeLessThan(4096);
  });

  test('refuses a cursor of another owner, of another listing, or of nobody [STORE-6 I6]', async () => {
    const stores = await open();
    const { store, owner } = stores;
    const stranger = { issuer: 'test', subject: randomUUID() };
    await createInTurn(stores, 3);
    await createInTurn({ ...stores, owner: stranger }, 3);
    const { cursor = '' } = await store.list(owner, { limit: 1 });
    const unknown = Buffer.from(`${'0'.repeat(44)} 0123456789abcdef`).toString('base64url');
    const theirs = await store.list(stranger, { limit: 1, cursor: '' }).catch((error: TaskError) => error);

    expect(theirs).toMatchObject({ code: 'invalid_cursor' });
    for (const wrong of ['', 'x', 'null', 'e30', '💥', `${cursor}A`, cursor.slice(0, -2), unknown, 'x'.repeat(5000)]) {
      await expect(store.list(owner, { limit: 1, cursor: wrong })).rejects.toMatchObject({ code: 'invalid_cursor' });
    }
    await expect(store.list(stranger, { limit: 1, cursor })).rejects.toMatchObject({ code: 'invalid_cursor' });
    expect((await store.list(owner, { limit: 1, cursor })).tasks).toHaveLength(1);
  });

  test('of an owner without tasks is empty and has no further page [STORE-6]', async () => {
    const { store } = await open();

    expect(await store.list({ issuer: 'test', subject: randomUUID() }, { limit: 10 })).toEqual({ tasks: [] });
  });
});
