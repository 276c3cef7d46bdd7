/** A creation with a key that is refused, on every backend: nothing is left of it, and nothing that another call has made is touched. */
import { expect, test } from '@jest/globals';
import { agendaPartition, headsPartitions } from '../../src/store/keys.ts';
import type { CreateTask } from '../../src/store/task-store.ts';
import type { BackendCall } from '../support/counting-backend.ts';
import { call, complete, createdTask, onEveryBackend, recordsOf, tasksOf } from './task-stores.ts';

const onHead = ({ verb, partition }: BackendCall) => verb === 'putIfVersion' && partition.startsWith('["tasks"');

onEveryBackend('creating with a key, when it is refused,', (open) => {
  test.each<[string, Partial<CreateTask>, string]>([
    ['for the limit', {}, 'too_many_tasks'],
    ['for its size', { arguments: { text: 'x'.repeat(5 * 1024 * 1024) } }, 'value_too_large'],
  ])('%s leaves nothing behind and may be called again [LIFE-9 LIFE-8 I8]', async (_why, changes, code) => {
    const { store, other, backend, owner } = await open({ maxActiveTasksPerOwner: 1 });
    const task = await createdTask(store, call(owner));
    if (code !== 'too_many_tasks') await store.update(task, complete);
    backend.reset();

    await expect(store.create(call(owner, { idempotencyKey: 'k', ...changes }))).rejects.toMatchObject({ code });

    const touched = backend.calls.map(({ partition }) => partition);
    const left = await recordsOf(backend, [...touched, ...headsPartitions(owner)], owner);
    expect(left.map(({ id }) => id).toSorted()).toEqual([task.id, 'active'].toSorted());
    if (code === 'too_many_tasks') await store.update(task, complete);
    await expect(other.create(call(owner, { idempotencyKey: 'k' }))).resolves.toMatchObject({ created: true });
  });

  test('for what its own call brings, it leaves the task alone that another call has made meanwhile [LIFE-9 I1 I12]', async () => {
    const { store, other, backend, otherBackend, owner } = await open();
    const input = call(owner, { idempotencyKey: 'k' });
    const goOn = Promise.withResolvers<void>();
    backend.intercept(async (made, proceed) => {
      if (onHead(made)) await goOn.promise;
      return proceed();
    });
    const slow = store.create(input);
    otherBackend.intercept(async (made, proceed) => {
      if (made.verb === 'addIfBelow' && !made.id?.startsWith('idempotency')) {
        goOn.resolve();
        await slow;
      }
      return proceed();
    });

    const second = await other.create({ ...input, admission: 'x'.repeat(6 * 1024 * 1024) });

    const { stored } = await slow;
    expect(second).toEqual({ created: false, stored });
    expect((await tasksOf(store, owner)).map(({ id }) => id)).toEqual([stored.task.id]);
    const noted = await recordsOf(backend, [agendaPartition(stored.task.id)], owner);
    expect(noted.filter(({ id }) => id.endsWith(stored.task.id))).toHaveLength(1);
  });

  test('while another call takes over, the two do not end with two tasks [LIFE-9]', async () => {
    const { store, other, backend, owner } = await open({ maxActiveTasksPerOwner: 1 });
    const input = call(owner, { idempotencyKey: 'k' });
    const inTheWay = await createdTask(other, call(owner));
    const refused = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    backend.intercept(async (made, proceed) => {
      const answer = await proceed();
      // The first call, refused, has looked for its task a last time: it acts on that after the second call.
      if (made.verb === 'get' && headsPartitions(owner).includes(made.partition)) {
        refused.resolve();
        await goOn.promise;
      }
      return answer;
    });
    const first = store.create(input).catch((error: unknown) => error);
    await refused.promise;
    await other.update(inTheWay, complete);
    const second = await other.create(input);
    goOn.resolve();
    await first;

    await other.update(second.stored.task, complete);
    const third = await other.create(input);

    expect(second.created).toBe(true);
    expect(third).toMatchObject({ created: false, stored: { task: { id: second.stored.task.id } } });
  });
});
