/** Creating a task once for a caller's key, on every backend: in a crowd, at the limit, and through crashes. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { BackendUnavailableError } from '../../src/backends/errors.ts';
import type { Owner } from '../../src/domain/owner.ts';
import type { Task } from '../../src/domain/task.ts';
import type { CreateTask } from '../../src/store/task-store.ts';
import type { BackendCall, CountingBackend } from '../support/counting-backend.ts';
import { call, complete, createdTask, HOUR_MS, onEveryBackend, tasksOf } from './task-stores.ts';

const onKey = ({ verb, id }: BackendCall) => verb === 'putIfVersion' && id?.startsWith('idempotency') === true;
const onHead = ({ verb, partition }: BackendCall) => verb === 'putIfVersion' && partition.startsWith('["tasks"');
const onValue = ({ verb, partition }: BackendCall) => verb === 'putIfVersion' && partition.startsWith('["values"');

/** Storage answers this instance no more: `landed` tells whether the call at which that began was carried out. */
function dieAt(backend: CountingBackend, at: (made: BackendCall) => boolean, landed: boolean): void {
  let dead = false;
  backend.intercept(async (made, proceed) => {
    if (!dead && at(made)) {
      dead = true;
      if (landed) await proceed();
    }
    if (dead) throw new BackendUnavailableError('no answer');
    return proceed();
  });
}

onEveryBackend('creating with a key', (open) => {
  test('makes one task, however often it is called, and says which call made it [LIFE-9]', async () => {
    const { store, other, backend, owner } = await open();
    const input = call(owner, { idempotencyKey: 'k' });

    const first = await store.create(input);
    await store.update(first.stored.task, (task) => ({ ...task, statusMessage: 'x' }));
    backend.reset();
    const second = await store.create(input);

    expect(first.created).toBe(true);
    expect(second).toEqual({ created: false, stored: await other.get(first.stored.task) });
    expect(await tasksOf(other, owner)).toHaveLength(1);
    expect(backend.counts()).toEqual({ putIfVersion: 1, get: 2 });
  });

  test('costs one write more than without one [LIFE-9]', async () => {
    const { store, backend, owner } = await open();

    await store.create(call(owner, { idempotencyKey: 'k' }));

    expect(backend.counts()).toEqual({ putIfVersion: 3, addIfBelow: 1, get: 1 });
  });

  test.each([1, 100])(
    'makes one task of 50 concurrent identical calls, with a limit of %d [LIFE-9 LIFE-8 I8]',
    async (maxActiveTasksPerOwner) => {
      const { store, other, owner } = await open({ maxActiveTasksPerOwner });
      const input = call(owner, { idempotencyKey: 'k', arguments: { text: 'x'.repeat(5000) } });

      const settled = await Promise.all(
        Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? store : other).create(input)),
      );

      expect(new Set(settled.map(({ stored }) => stored.task.id)).size).toBe(1);
      expect(settled.filter(({ created }) => created)).toHaveLength(1);
      const [task] = await tasksOf(store, owner);
      expect(await tasksOf(store, owner)).toHaveLength(1);
      if (task !== undefined) expect(await other.load(task, task.arguments)).toEqual(input.arguments);
    },
  );

  test.each<[string, Partial<CreateTask>]>([
    ['other arguments', { arguments: { name: 'Grace' } }],
    ['more arguments', { arguments: { name: 'Ada', title: null } }],
    ['another tool', { tool: 'part' }],
  ])('with the same key and %s is a conflict, and makes nothing [LIFE-9]', async (_what, changes) => {
    const { store, other, owner } = await open();
    const task = await createdTask(store, call(owner, { idempotencyKey: 'k' }));

    await expect(other.create(call(owner, { idempotencyKey: 'k', ...changes }))).rejects.toMatchObject({
      code: 'idempotency_conflict',
    });
    expect((await tasksOf(store, owner)).map(({ id }) => id)).toEqual([task.id]);
  });

  test('takes the same arguments in another order as the same [LIFE-9]', async () => {
    const { store, other, owner } = await open();
    const task = await createdTask(store, call(owner, { idempotencyKey: 'k', arguments: { a: 1, b: { c: 2, d: 3 } } }));

    const again = await other.create(call(owner, { idempotencyKey: 'k', arguments: { b: { d: 3, c: 2 }, a: 1 } }));

    expect([again.created, again.stored.task.id]).toEqual([false, task.id]);
  });

  test('with another key, or as another owner, makes another task [LIFE-9 I6]', async () => {
    const { store, owner } = await open();
    const stranger = { issuer: 'test', subject: randomUUID() };

    const created = [
      await store.create(call(owner, { idempotencyKey: 'k' })),
      await store.create(call(owner, { idempotencyKey: 'K' })),
      await store.create(call(stranger, { idempotencyKey: 'k' })),
      await store.create(call({ ...owner, tenant: 't' }, { idempotencyKey: 'k', tool: 'other' })),
    ];

    expect(created.map(({ created: isNew }) => isNew)).toEqual([true, true, true, true]);
  });

  test('gives back a task that has ended, and a new one once it is forgotten [LIFE-9 LIFE-3]', async () => {
    const { store, other, owner, clock } = await open();
    const input = call(owner, { idempotencyKey: 'k' });
    const task = await createdTask(store, input);
    await store.update(task, complete);

    clock.advance(2 * HOUR_MS - 1);
    expect(await other.create(input)).toMatchObject({ created: false, stored: { task: { status: 'completed' } } });
    clock.advance(1);
    const next = await other.create(input);

    expect([next.created, next.stored.task.id === task.id]).toEqual([true, false]);
  });

  describe('lives as long as its task', () => {
    const SHORT = { runDeadlineMs: 2000, retentionMs: 1000 };
    const extended = (task: Task, at: number, retentionMs: number | null = SHORT.retentionMs): Task => {
      const deadlineAt = at + 120_000;
      return { ...task, deadlineAt, promisedUntil: retentionMs === null ? null : deadlineAt + retentionMs };
    };

    test('also when the task’s deadline is extended, to the millisecond [LIFE-9 LIFE-3]', async () => {
      const { store, other, owner, clock } = await open();
      const input = call(owner, { idempotencyKey: 'k', lifetime: SHORT });
      const task = await createdTask(store, input);
      await other.update(task, (now, at) => extended(now, at));

      clock.advance(120_999);
      const last = await store.create(input);
      clock.advance(1);
      const next = await store.create(input);

      expect(last).toMatchObject({ created: false, stored: { task: { id: task.id } } });
      expect([next.created, next.stored.task.id === task.id]).toEqual([true, false]);
      expect((await tasksOf(other, owner)).map(({ id }) => id)).toEqual([next.stored.task.id]);
    });

    test('for ever, when the task does [LIFE-9]', async () => {
      const { store, other, owner, clock } = await open();
      const input = call(owner, { idempotencyKey: 'k', lifetime: SHORT });
      const task = await createdTask(store, input);
      await other.update(task, (now, at) => extended(now, at, null));
      await other.update(task, complete);

      clock.advance(100 * HOUR_MS);

      expect(await store.create(input)).toMatchObject({ created: false, stored: { task: { id: task.id } } });
    });

    test('and is extended first, so that a crash in between leaves no task without its key [LIFE-9 I8]', async () => {
      const { store, other, backend, owner, clock } = await open();
      const input = call(owner, { idempotencyKey: 'k', lifetime: SHORT });
      const task = await createdTask(store, input);
      dieAt(backend, onHead, true);
      await expect(store.update(task, (now, at) => extended(now, at))).rejects.toMatchObject({ code: 'unavailable' });

      clock.advance(5000);

      expect(await other.create(input)).toMatchObject({ created: false, stored: { task: { id: task.id } } });
    });

    test('and does not bring an id back whose task has expired before it [LIFE-9 I1]', async () => {
      const { store, other, backend, owner, clock } = await open();
      const input = call(owner, { idempotencyKey: 'k', lifetime: SHORT });
      const task = await createdTask(store, input);
      await store.log.append(task, 0, { left: 'behind' });
      dieAt(backend, onHead, false);
      await expect(store.update(task, (now, at) => extended(now, at))).rejects.toMatchObject({ code: 'unavailable' });
      clock.advance(3000);

      const next = await other.create(input);

      expect([next.created, next.stored.task.id === task.id]).toEqual([true, false]);
      expect((await other.log.read(next.stored.task)).entries).toEqual([]);
      expect(await other.create(input)).toMatchObject({
        created: false,
        stored: { task: { id: next.stored.task.id } },
      });
    });

    test('when it is made by a call that comes long after the one that crashed [LIFE-9]', async () => {
      const { store, other, backend, owner, clock } = await open();
      const input = call(owner, { idempotencyKey: 'k', lifetime: SHORT });
      dieAt(backend, onHead, false);
      await expect(store.create(input)).rejects.toMatchObject({ code: 'unavailable' });
      clock.advance(1500);
      const task = await createdTask(other, input);

      clock.advance(2000);
      const again = await other.create(input);

      expect(task.promisedUntil).toBe(task.createdAt + 3000);
      expect(again).toMatchObject({ created: false, stored: { task: { id: task.id } } });
    });

    describe('where an early end cuts that short', () => {
      const FROM_END = { runDeadlineMs: 120_000, retentionMs: 1000, retentionFromEnd: true } as const;
      const keyed = (owner: Owner) => call(owner, { idempotencyKey: 'k', lifetime: FROM_END });

      test('to the millisecond, and then makes a task of another id, without the log of the first [LIFE-9 LIFE-3 I1]', async () => {
        const { store, other, owner, clock } = await open();
        const task = await createdTask(store, keyed(owner));
        await store.log.append(task, 0, { left: 'behind' });
        await other.update(task, complete);

        clock.advance(999);
        const last = await store.create(keyed(owner));
        clock.advance(1);
        const next = await store.create(keyed(owner));

        expect(last).toMatchObject({ created: false, stored: { task: { id: task.id, status: 'completed' } } });
        expect([next.created, next.stored.task.id === task.id]).toEqual([true, false]);
        expect((await other.log.read(next.stored.task)).entries).toEqual([]);
        expect(await other.create(keyed(owner))).toMatchObject({
          created: false,
          stored: { task: { id: next.stored.task.id } },
        });
      });

      test.each([true, false])(
        'also where the store dies as it ends, and the end lands or does not: %j [LIFE-9 I1 I8]',
        async (lands) => {
          const { store, other, backend, owner, clock } = await open();
          const task = await createdTask(store, keyed(owner));
          dieAt(backend, onHead, lands);
          await expect(store.update(task, complete)).rejects.toMatchObject({ code: 'unavailable' });
          const atOnce = await other.create(keyed(owner));

          clock.advance(2000);
          const later = await other.create(keyed(owner));

          expect(atOnce).toMatchObject({ created: false, stored: { task: { id: task.id } } });
          expect(later.created).toBe(lands);
          expect(later.stored.task.id === task.id).toBe(!lands);
        },
      );
    });

    test('when the creation takes a while [LIFE-9]', async () => {
      const { store, other, backend, owner, clock } = await open();
      const input = call(owner, { idempotencyKey: 'k', lifetime: SHORT });
      backend.intercept(async (made, proceed) => {
        if (made.verb === 'addIfBelow') clock.advance(700);
        return proceed();
      });
      const task = await createdTask(store, input);

      clock.advance((task.promisedUntil ?? 0) - clock.now() - 1);

      expect(await other.create(input)).toMatchObject({ created: false, stored: { task: { id: task.id } } });
    });
  });

  test('tells by the key alone whether there is a task already [LIFE-9]', async () => {
    const { store, other, backend, owner } = await open();
    const keyed = { owner, tool: 'greet', arguments: { name: 'Ada' }, idempotencyKey: 'k' };

    expect(await other.createdBefore(keyed)).toBeUndefined();
    const { stored } = await store.create(call(owner, { idempotencyKey: 'k' }));
    backend.reset();

    expect(await store.createdBefore(keyed)).toEqual(stored);
    expect(backend.counts()).toEqual({ get: 2 });
    expect(await other.createdBefore({ ...keyed, idempotencyKey: 'K' })).toBeUndefined();
    expect(await other.createdBefore({ ...keyed, owner: { ...owner, tenant: 't' } })).toBeUndefined();
    await expect(other.createdBefore({ ...keyed, arguments: {} })).rejects.toMatchObject({
      code: 'idempotency_conflict',
    });
  });

  test.each(['\ud800', 'a\udfff', '\udc00\ud800'])(
    'refuses %j, which is no valid Unicode and would meet other such keys [LIFE-9 SEC-3]',
    async (idempotencyKey) => {
      const { store, backend, owner } = await open();

      await expect(store.create(call(owner, { idempotencyKey }))).rejects.toMatchObject({ code: 'invalid_arguments' });
      await expect(store.createdBefore({ owner, tool: 'greet', arguments: {}, idempotencyKey })).rejects.toMatchObject({
        code: 'invalid_arguments',
      });

      expect(backend.calls).toEqual([]);
    },
  );

  test('tells arguments with different lone surrogates apart [LIFE-9 SEC-3]', async () => {
    const { store, other, owner } = await open();
    await store.create(call(owner, { idempotencyKey: 'k', arguments: { text: '\ud800' } }));

    await expect(
      other.create(call(owner, { idempotencyKey: 'k', arguments: { text: '\ud801' } })),
    ).rejects.toMatchObject({ code: 'idempotency_conflict' });
  });

  describe('when the creator crashes', () => {
    const points = [
      { where: 'the key', at: onKey },
      { where: 'the counter', at: ({ verb }: BackendCall) => verb === 'addIfBelow' },
      { where: 'a large value', at: onValue },
      { where: 'the record', at: onHead },
      { where: 'the second look', at: ({ verb, id }: BackendCall) => verb === 'get' && id === 'active' },
    ].flatMap((point) => [true, false].map((landed) => ({ ...point, landed })));

    test.each(points)('at $where (landed: $landed) the next call completes it [LIFE-9 I8]', async ({ at, landed }) => {
      const { store, other, backend, owner } = await open({ maxActiveTasksPerOwner: 2 });
      const input = call(owner, { idempotencyKey: 'k', arguments: { text: 'x'.repeat(5000) } });
      dieAt(backend, at, landed);
      await expect(store.create(input)).rejects.toMatchObject({ code: 'unavailable' });

      const settled = await Promise.all(Array.from({ length: 10 }, () => other.create(input)));

      const [task] = settled.map(({ stored }) => stored.task);
      expect(new Set(settled.map(({ stored }) => stored.task.id)).size).toBe(1);
      expect((await tasksOf(other, owner)).map(({ id }) => id)).toEqual([task?.id]);
      if (task !== undefined) expect(await other.load(task, task.arguments)).toEqual(input.arguments);
      expect((await other.create(call(owner))).created).toBe(true);
      await expect(other.create(call(owner))).rejects.toMatchObject({ code: 'too_many_tasks' });
    });

    test('or its answer got lost, the same call finds the task that was made [LIFE-9 I1]', async () => {
      const { store, other, backend, owner } = await open();
      const input = call(owner, { idempotencyKey: 'k', arguments: { text: 'x'.repeat(5000) } });
      let lost = false;
      backend.intercept(async (made, proceed) => {
        const answer = await proceed();
        if (lost || !onHead(made)) return answer;
        lost = true;
        throw new BackendUnavailableError('no answer');
      });

      const first = await store.create(input);
      const again = await other.create(input);

      expect(first.created).toBe(true);
      expect(again).toEqual({ created: false, stored: first.stored });
      expect(await other.load(again.stored.task, again.stored.task.arguments)).toEqual(input.arguments);
      expect(await tasksOf(store, owner)).toHaveLength(1);
    });
  });
});
