/** What the task store makes of records that it cannot read, and of storage that does not answer. */
import { describe, expect, test } from '@jest/globals';
import { BackendUnavailableError } from '../../src/backends/errors.ts';
import { headKey } from '../../src/store/keys.ts';
import { call, complete, createdTask, onEveryBackend } from './task-stores.ts';

onEveryBackend('the task store, in trouble,', (open) => {
  describe('a record that this build cannot read', () => {
    test.each<[string, (text: string) => string, string]>([
      ['of a newer format', (text) => text.replace('"format":1', '"format":2'), 'this build knows up to 1'],
      ['that is cut off', (text) => text.slice(0, -10), 'is no JSON'],
      ['with a member missing', (text) => text.replace('"createdAt"', '"createdIn"'), 'cannot be read'],
    ])('%s is a clear error for every operation, and stays as it is [STORE-4]', async (_what, damage, message) => {
      const { store, other, backend, owner } = await open();
      const task = await createdTask(store, call(owner));
      const head = await backend.get(headKey(task));
      const damaged = damage(head?.value ?? '');
      await backend.putIfVersion(headKey(task), { value: damaged }, 1);
      const unreadable = { code: 'unreadable_record', message: expect.stringContaining(message) };

      await expect(other.get(task)).rejects.toMatchObject(unreadable);
      await expect(other.update(task, complete)).rejects.toMatchObject(unreadable);
      await expect(other.mergeVariables(task, { a: 1 })).rejects.toMatchObject(unreadable);
      await expect(other.list(owner, { limit: 5 })).rejects.toMatchObject(unreadable);
      expect(await backend.get(headKey(task))).toMatchObject({ value: damaged, version: 2 });
    });
  });

  describe('storage that does not answer', () => {
    test('is an error that may be tried again, and says nothing of the engine [STORE-3]', async () => {
      const { store, backend, owner } = await open();
      const task = await createdTask(store, call(owner));
      backend.intercept(() => Promise.reject(new BackendUnavailableError('10.0.0.7 refused')));

      for (const attempt of [store.get(task), store.update(task, complete), store.list(owner, { limit: 1 })]) {
        await expect(attempt).rejects.toMatchObject({
          code: 'unavailable',
          message: 'Storage does not answer or refuses to write; try again in some seconds.',
          detail: { retryAfterMs: 5_000 },
        });
      }
    });
  });
});
