/** Who hears of which changes, and that nothing is left of who has stopped. */
import { describe, expect, test } from '@jest/globals';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { DEFAULT_LIFETIME } from '../../../src/domain/lifetime.ts';
import { ANONYMOUS } from '../../../src/domain/owner.ts';
import { ChangeListeners } from '../../../src/store/change-listeners.ts';
import { GenericTaskStore } from '../../../src/store/generic-task-store.ts';
import type { StoredTask } from '../../../src/store/task-store.ts';

const store = new GenericTaskStore({ backend: new MemoryBackend() });
const create = async () => {
  const input = { tool: 'greet', arguments: {}, lifetime: DEFAULT_LIFETIME, pollIntervalMs: 1000, maxAttempts: 1 };
  return (await store.create({ owner: ANONYMOUS, ...input })).stored;
};

describe('listeners of changes', () => {
  test('of one task hear of that one alone, others of all [MOD-3]', async () => {
    const [one, other] = [await create(), await create()];
    const listeners = new ChangeListeners();
    const heard: string[] = [];
    const note = (by: string) => (stored: StoredTask) => heard.push(`${by} ${stored === one ? 'one' : 'other'}`);
    listeners.add(note('all'));
    listeners.add(note('first'), one.task.id);
    listeners.add(note('second'), one.task.id);

    listeners.notify(other, undefined);
    listeners.notify(one, undefined);

    expect(heard).toEqual(['all other', 'all one', 'first one', 'second one']);
  });

  test('that have stopped hear nothing and take no memory, also if they stop twice [MOD-3]', async () => {
    const one = await create();
    const listeners = new ChangeListeners();
    const heard: string[] = [];
    const stopFirst = listeners.add(() => heard.push('first'), one.task.id);
    stopFirst();
    expect(listeners.tasks).toBe(0);
    const stopSecond = listeners.add(() => heard.push('second'), one.task.id);
    stopFirst();

    listeners.notify(one, undefined);
    stopSecond();
    listeners.notify(one, undefined);

    expect(heard).toEqual(['second']);
    expect(listeners.tasks).toBe(0);
  });

  test('of one task are told by the store [MOD-3]', async () => {
    const [one, other] = [await create(), await create()];
    const heard: string[] = [];
    const stop = store.onChange(({ task }) => heard.push(task.id), one.task.id);
    const say = (stored: StoredTask) => store.update(stored.task, (task) => ({ ...task, statusMessage: 'x' }));

    await say(other);
    await say(one);
    stop();

    expect(heard).toEqual([one.task.id]);
  });
});
