/** The limit of an owner's active tasks on every backend: exact in a crowd, and through crashes. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { BackendUnavailableError } from '../../src/backends/errors.ts';
import { MemoryBackend } from '../../src/backends/memory.ts';
import type { Owner } from '../../src/domain/owner.ts';
import { isTerminal } from '../../src/domain/status.ts';
import { cancelTask, type Task } from '../../src/domain/task.ts';
import { GenericTaskStore } from '../../src/store/generic-task-store.ts';
import { activeCountKey } from '../../src/store/keys.ts';
import type { BackendCall, CountingBackend } from '../support/counting-backend.ts';
import { call, complete, createdTask, HOUR_MS, onEveryBackend, recordsOf, tasksOf } from './task-stores.ts';

const REFUSED = { code: 'too_many_tasks' };

async function activeTasks(store: GenericTaskStore, owner: Owner): Promise<Task[]> {
  return (await tasksOf(store, owner)).filter(({ status }) => !isTerminal(status));
}

/** Creates until refused three times, and resolves to how many it created. */
async function fill(store: GenericTaskStore, owner: Owner): Promise<number> {
  let created = 0;
  for (let refused = 0; refused < 3; ) {
    try {
      await store.create(call(owner));
      created += 1;
    } catch (error) {
      expect(error).toMatchObject(REFUSED);
      refused += 1;
    }
  }
  return created;
}

type Fault = (made: BackendCall) => boolean;
const onCounter: Fault = ({ verb }) => verb === 'addIfBelow';
const onHead: Fault = ({ verb, partition }) => verb === 'putIfVersion' && partition.startsWith('["tasks"');
const onValue: Fault = ({ verb, partition }) => verb === 'putIfVersion' && partition.startsWith('["values"');
const onSecondLook: Fault = ({ verb, partition }) => verb === 'get' && partition.startsWith('["active"');

/** From the fault on storage answers this instance no more, or only this one call got lost. */
function breakAt(backend: CountingBackend, fault: Fault, how: { landed: boolean; forGood: boolean }): void {
  let broken = false;
  const lost = () => new BackendUnavailableError('no answer');
  backend.intercept(async (made, proceed) => {
    if (broken && how.forGood) throw lost();
    if (broken || !fault(made)) return proceed();
    broken = true;
    if (how.landed) await proceed();
    throw lost();
  });
}

onEveryBackend('the limit of active tasks', (open) => {
  test('refuses one task too many, says the limit, and leaves nothing behind [LIFE-8 I8]', async () => {
    const { store, other, otherBackend, owner } = await open({ maxActiveTasksPerOwner: 2 });
    await store.create(call(owner));
    await other.create(call(owner, { arguments: { text: 'x'.repeat(5000) } }));
    otherBackend.reset();

    await expect(other.create(call(owner, { arguments: { text: 'x'.repeat(5000) } }))).rejects.toMatchObject({
      ...REFUSED,
      message:
        'There are already 2 unfinished tasks, which is the limit: end or cancel some of them first ' +
        '(tools task_list and task_cancel, or tasks/cancel), or wait for one to end.',
      detail: { limit: 2 },
    });

    expect(otherBackend.counts()).toEqual({ addIfBelow: 1, get: 1, list: 32 });
    expect(await tasksOf(store, owner)).toHaveLength(2);
    expect((await store.create(call({ issuer: 'test', subject: randomUUID() }))).created).toBe(true);
  });

  test.each<[string, (task: Task, now: number) => Task]>([
    ['completed', complete],
    ['cancelled', (task, now) => cancelTask(task, undefined, now)],
  ])('has room again once a task is %s [LIFE-8]', async (_status, end) => {
    const { store, other, owner } = await open({ maxActiveTasksPerOwner: 1 });
    const task = await createdTask(store, call(owner));

    await other.update(task, end);

    await expect(store.create(call(owner))).resolves.toMatchObject({ created: true });
    await expect(other.create(call(owner))).rejects.toMatchObject(REFUSED);
  });

  test('does not count what is past its deadline, read since or not [LIFE-8 LIFE-3]', async () => {
    const { store, other, owner, clock } = await open({ maxActiveTasksPerOwner: 2 });
    const read = await createdTask(store, call(owner));
    const unread = await createdTask(store, call(owner));
    clock.advance(HOUR_MS);
    await other.get(read);

    expect(await fill(store, owner)).toBe(2);
    // Read only now, after the recount that did not see it as active.
    await other.get(unread);
    expect(await fill(other, owner)).toBe(0);
    expect(await activeTasks(store, owner)).toHaveLength(2);
  });

  test('counts each owner alone [LIFE-8 I6]', async () => {
    const { store, other, owner } = await open({ maxActiveTasksPerOwner: 1 });
    const owners = [owner, { ...owner, tenant: 'a' }, { ...owner, tenant: 'b' }, { ...owner, issuer: 'x' }];

    const settled = await Promise.all(owners.map((each, index) => (index % 2 ? store : other).create(call(each))));

    expect(settled.map(({ created }) => created)).toEqual([true, true, true, true]);
  });

  test('of 50 leaves exactly 50 of 200 concurrent creates, again and again [LIFE-8 I8]', async () => {
    const { store, other, owner } = await open({ maxActiveTasksPerOwner: 50 });
    let expected = 50;
    for (let round = 0; round < 3; round += 1) {
      const settled = await Promise.allSettled(
        Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? store : other).create(call(owner))),
      );

      const refusals = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
      for (const error of refusals) expect(error).toMatchObject(REFUSED);
      expect([round, 200 - refusals.length]).toEqual([round, expected]);
      const active = await activeTasks(store, owner);
      expect([round, active.length]).toEqual([round, 50]);

      await Promise.all(
        active.slice(0, 25).map((task, index) => (index % 2 === 0 ? store : other).update(task, complete)),
      );
      expected = 25;
    }
  });

  test('is kept while tasks end and others are created at the same time, and the count is right after [LIFE-8 I8]', async () => {
    const { store, other, owner } = await open({ maxActiveTasksPerOwner: 5 });
    // What callers were given: a create that will be refused after all may show in a listing for a moment.
    let given = 0;
    let most = 0;
    // Nobody ends a task before each has tried for one: so all of them do meet.
    let untried = 12;
    const allTried = Promise.withResolvers<void>();

    await Promise.all(
      Array.from({ length: 12 }, async (_, worker) => {
        const mine = worker % 2 === 0 ? store : other;
        for (let round = 0; round < 6; round += 1) {
          const created = await mine.create(call(owner)).catch((error: unknown) => {
            expect(error).toMatchObject(REFUSED);
          });
          if (created !== undefined) given += 1;
          most = Math.max(most, given);
          if (round === 0) {
            untried -= 1;
            if (untried === 0) allTried.resolve();
            await allTried.promise;
          }
          if (created === undefined) continue;
          await mine.list(owner, { limit: 10 });
          given -= 1;
          await mine.update(created.stored.task, complete, created.stored);
        }
      }),
    );

    expect(most).toBe(5);
    expect(await activeTasks(store, owner)).toEqual([]);
    expect(await fill(other, owner)).toBe(5);
  });

  describe('through a crash of a creator', () => {
    const faults: readonly (readonly [string, Fault])[] = [
      ['the counter', onCounter],
      ['a large value', onValue],
      ['the record', onHead],
      ['the second look at the counter', onSecondLook],
    ];
    const cases = faults.flatMap(([where, fault]) =>
      [true, false].flatMap((landed) => [true, false].map((forGood) => ({ where, fault, landed, forGood }))),
    );

    test.each(cases)(
      'at $where (landed: $landed, for good: $forGood) is never exceeded and soon full again [LIFE-8 I8]',
      async ({ fault, landed, forGood }) => {
        const { store, other, backend, owner } = await open({ maxActiveTasksPerOwner: 3 });
        await other.create(call(owner));
        breakAt(backend, fault, { landed, forGood });

        await expect(store.create(call(owner, { arguments: { text: 'x'.repeat(5000) } }))).rejects.toMatchObject({
          code: 'unavailable',
        });

        await fill(other, owner);
        const active = await activeTasks(other, owner);
        expect(active).toHaveLength(3);
        for (const task of active) await expect(other.load(task, task.arguments)).resolves.toBeDefined();

        for (const task of active) await other.update(task, complete);
        expect(await fill(other, owner)).toBe(3);
        expect(await activeTasks(other, owner)).toHaveLength(3);
      },
    );

    test.each(cases.filter(({ forGood }) => !forGood))(
      'at $where (landed: $landed) nothing is left behind once storage answers again [LIFE-8 I8]',
      async ({ fault, landed }) => {
        const { store, other, backend, owner } = await open();
        breakAt(backend, fault, { landed, forGood: false });

        await expect(store.create(call(owner, { arguments: { text: 'x'.repeat(5000) } }))).rejects.toMatchObject({
          code: 'unavailable',
        });

        const left = await recordsOf(
          backend,
          backend.calls.map(({ partition }) => partition),
          owner,
        );
        // What may still land would be found by its record on the agenda, which the next look takes off.
        const isOnAgenda = ({ id }: { readonly id: string }) => id.split(' ').length === 3;
        expect(left.filter((record) => record.id !== activeCountKey(owner).id && !isOnAgenda(record))).toEqual([]);
        expect(left.filter(isOnAgenda).length).toBeLessThanOrEqual(1);
        expect(await tasksOf(other, owner)).toEqual([]);
      },
    );
  });

  describe('through a crash of whoever ends a task', () => {
    const cases = [onHead, onCounter].flatMap((fault) =>
      [true, false].map((landed) => ({ where: fault === onHead ? 'the record' : 'the counter', fault, landed })),
    );

    test.each(cases)(
      'at $where (landed: $landed) is never exceeded and soon full again [LIFE-8 I8]',
      async ({ fault, landed }) => {
        const { store, other, backend, owner } = await open({ maxActiveTasksPerOwner: 3 });
        const tasks = [];
        for (let count = 0; count < 3; count += 1) tasks.push(await createdTask(other, call(owner)));
        breakAt(backend, fault, { landed, forGood: true });

        for (const task of tasks) await store.update(task, complete).catch(() => undefined);

        await fill(other, owner);
        expect(await activeTasks(other, owner)).toHaveLength(3);
      },
    );
  });

  describe('with a creator that is slower than a recount', () => {
    test('is kept: whoever comes last gives way [LIFE-8 I8]', async () => {
      const { store, other, backend, owner } = await open({ maxActiveTasksPerOwner: 1 });
      const release = Promise.withResolvers<void>();
      const atHead = Promise.withResolvers<void>();
      backend.intercept(async (made, proceed) => {
        if (onHead(made)) {
          atHead.resolve();
          await release.promise;
        }
        return proceed();
      });
      const slow = store.create(call(owner)).catch((error: unknown) => error);
      await atHead.promise;

      // The counter is full, yet no task is to be seen: a recount takes the slow one for dead.
      const quick = await createdTask(other, call(owner));
      release.resolve();

      expect(await slow).toMatchObject(REFUSED);
      expect((await activeTasks(other, owner)).map(({ id }) => id)).toEqual([quick.id]);
      await other.update(quick, complete);
      expect(await fill(other, owner)).toBe(1);
    });

    test('is repaired to what is really there, slow ones included, if there is room [LIFE-8 I8]', async () => {
      const { store, other, backend, owner } = await open({ maxActiveTasksPerOwner: 2 });
      const old = await createdTask(other, call(owner));
      const release = Promise.withResolvers<void>();
      const atHead = Promise.withResolvers<void>();
      backend.intercept(async (made, proceed) => {
        if (onHead(made)) {
          atHead.resolve();
          await release.promise;
        }
        return proceed();
      });
      const slow = store.create(call(owner)).catch((error: unknown) => error);
      await atHead.promise;
      const quick = await createdTask(other, call(owner));
      await other.update(quick, complete);

      release.resolve();

      expect(await slow).toMatchObject({ created: true });
      await expect(other.create(call(owner))).rejects.toMatchObject(REFUSED);
      await other.update(old, complete);
      expect(await fill(other, owner)).toBe(1);
      expect(await activeTasks(other, owner)).toHaveLength(2);
    });
  });
});

test.each([0, -1, 1.5, Number.NaN, 2 ** 20])('a limit of %d active tasks is a wrong definition [LIFE-8]', (limit) => {
  expect(() => new GenericTaskStore({ backend: new MemoryBackend(), maxActiveTasksPerOwner: limit })).toThrow(
    expect.objectContaining({ code: 'invalid_definition' }),
  );
});
