/** A task whose end shortens what was promised, on every backend: what goes when. Keys: `idempotent-creation.test.ts`. */
import { expect, test } from '@jest/globals';
import { headKey, logPartition, valuesPartition } from '../../src/store/keys.ts';
import { call, complete, createdTask, onEveryBackend, recordsOf } from './task-stores.ts';

onEveryBackend('a promise that is shortened', (open) => {
  test('takes the head in time, and log and values not before it [LIFE-3 LIFE-6 I1]', async () => {
    const { store, other, backend, owner, clock } = await open();
    const lifetime = { runDeadlineMs: 120_000, retentionMs: 5000, retentionFromEnd: true } as const;
    const task = await createdTask(store, call(owner, { lifetime, arguments: { text: 'x'.repeat(5000) } }));
    await store.log.append(task, 0, { text: 'y' });
    await store.mergeVariables(task, { text: 'z'.repeat(5000) });
    const result = await store.keep(task, 'result', { text: 'r'.repeat(5000) });
    await store.update(task, (now, at) => ({ ...complete(now, at), result }));

    const head = await backend.get(headKey(task));
    const others = [
      ...(await recordsOf(backend, [valuesPartition(task)])),
      ...(await recordsOf(backend, [logPartition(task)])),
    ];

    expect(head?.expiresAt).toBe(clock.now() + 5000);
    expect(others).toHaveLength(4);
    for (const { expiresAt } of others) expect(expiresAt).toBeGreaterThanOrEqual(Number(head?.expiresAt));
    clock.advance(4999);
    expect(await other.load(task, result)).toEqual({ text: 'r'.repeat(5000) });
    expect((await other.get(task)).task.status).toBe('completed');
    clock.advance(1);
    await expect(other.get(task)).rejects.toMatchObject({ code: 'task_not_found' });
  });

  test('by more than its end writes no value again [LIFE-3]', async () => {
    const { store, backend, owner, clock } = await open();
    const lifetime = { runDeadlineMs: 120_000, retentionMs: 5000, retentionFromEnd: true } as const;
    const task = await createdTask(store, call(owner, { lifetime }));
    await store.mergeVariables(task, { text: 'z'.repeat(5000) });
    await store.update(task, (now, at) => ({ ...complete(now, at), promisedUntil: now.promisedUntil }));
    const before = await recordsOf(backend, [valuesPartition(task)]);

    await store.update(task, (now, at) => ({ ...now, promisedUntil: at + 5000 }));

    expect(before).toHaveLength(1);
    expect(await recordsOf(backend, [valuesPartition(task)])).toEqual(before);
    expect((await backend.get(headKey(task)))?.expiresAt).toBe(clock.now() + 5000);
  });
});
