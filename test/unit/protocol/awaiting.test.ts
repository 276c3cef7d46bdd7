/** Watching a task: told by its own process, by looking for others; and letting go of everything at the end. */
import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { TaskError } from '../../../src/domain/errors.ts';
import { DEFAULT_LIFETIME } from '../../../src/domain/lifetime.ts';
import { isTerminal } from '../../../src/domain/status.ts';
import { cancelTask, type Task } from '../../../src/domain/task.ts';
import { present } from '../../../src/present.ts';
import { awaitTask, watchTask } from '../../../src/protocol/awaiting.ts';
import { GenericTaskStore } from '../../../src/store/generic-task-store.ts';
import { ManualClock, manualRandom } from '../../../src/testing/manual-clock.ts';

let clock: ManualClock;
let backend: MemoryBackend;
let store: GenericTaskStore;
let task: Task;

beforeEach(async () => {
  clock = new ManualClock();
  backend = new MemoryBackend({ clock });
  store = new GenericTaskStore({ backend, clock, random: manualRandom(1) });
  const { stored } = await store.create({
    owner: { issuer: 'test', subject: 'alice' },
    tool: 'greet',
    arguments: {},
    lifetime: DEFAULT_LIFETIME,
    pollIntervalMs: 1000,
    maxAttempts: 5,
  });
  task = stored.task;
});

const say = (words: string, by = store) =>
  by.update(task, (now, at) => ({ ...now, statusMessage: words, updatedAt: at }));
const end = (by = store) => by.update(task, (now, at) => cancelTask(now, 'Over.', at));
const watch = (signal?: AbortSignal) => watchTask(task, { store, clock, lookEveryMs: 1000, ...present({ signal }) });
const ended = ({ task: now }: { task: Task }) => isTerminal(now.status);

describe('watching a task', () => {
  test('begins with how it is [MOD-3]', async () => {
    const watching = watch();

    expect((await watching.next()).value?.task).toEqual(task);
    await watching.return(undefined);
  });

  test('shows a change of this process without looking [MOD-3]', async () => {
    const watching = watch();
    await watching.next();
    const next = watching.next();
    await clock.advance(0);

    await say('one');

    expect((await next).value?.task.statusMessage).toBe('one');
    await watching.return(undefined);
  });

  test('shows a change that comes before anybody asks for it, and only the newest of several [MOD-3]', async () => {
    const watching = watch();
    await watching.next();

    await say('one');
    await say('two');

    expect((await watching.next()).value?.task.statusMessage).toBe('two');
    await watching.return(undefined);
  });

  test('shows a change of another process at the next look [MOD-3]', async () => {
    const other = new GenericTaskStore({ backend, clock, random: manualRandom(2) });
    const watching = watch();
    await watching.next();
    let shown: string | undefined;
    const next = watching.next().then(({ value }) => {
      shown = value?.task.statusMessage;
    });
    await say('elsewhere', other);

    await clock.advance(999);
    expect(shown).toBeUndefined();
    await clock.advance(1);

    await next;
    expect(shown).toBe('elsewhere');
    await watching.return(undefined);
  });

  test('does not miss a change that comes while the store is being read [MOD-3]', async () => {
    const watching = watch();
    const get = store.get.bind(store);
    jest.spyOn(store, 'get').mockImplementationOnce(async (ref) => {
      const before = await get(ref);
      await say('meanwhile');
      return before;
    });

    const { value } = await watching.next();

    expect(value?.task.statusMessage).toBe('meanwhile');
    expect(clock.now()).toBe(new ManualClock().now());
    await watching.return(undefined);
  });

  test('hears nothing of other tasks [MOD-3]', async () => {
    const watching = watch();
    await watching.next();
    let shown = false;
    const next = watching.next().then(() => {
      shown = true;
    });
    await store.create({
      owner: task.owner,
      tool: 'greet',
      arguments: {},
      lifetime: DEFAULT_LIFETIME,
      pollIntervalMs: 1,
      maxAttempts: 1,
    });

    await clock.advance(5000);

    expect(shown).toBe(false);
    await say('at last');
    await next;
    await watching.return(undefined);
  });

  test('rejects once the task is gone [MOD-3]', async () => {
    const watching = watch();
    await watching.next();
    const refused = watching.next().catch((error: unknown) => error);

    clock.set(task.createdAt + 10 * 24 * 60 * 60 * 1000);
    await clock.advance(0);

    expect(await refused).toMatchObject({ code: 'task_not_found' });
    expect(clock.pendingTimers).toBe(0);
  });

  test.each(['before it begins', 'between two changes', 'while it waits'])(
    'ends when the signal fires %s, and leaves no timer [MOD-3]',
    async (when) => {
      const leaving = new AbortController();
      const watching = watch(leaving.signal);
      if (when === 'before it begins') leaving.abort();
      const first = await watching.next();
      if (when === 'between two changes') leaving.abort();
      const next = watching.next();
      await clock.advance(0);
      leaving.abort();

      expect([first.done, (await next).done]).toEqual([when === 'before it begins', true]);
      expect(clock.pendingTimers).toBe(0);
    },
  );
});

describe('awaiting a task', () => {
  const wait = (maxMs: number, signal?: AbortSignal) =>
    awaitTask(task, ended, { store, clock, lookEveryMs: 1000, maxMs, ...present({ signal }) });

  test('resolves to the first state that fits, and leaves no timer [MOD-1]', async () => {
    const waiting = wait(10_000);
    await clock.advance(0);
    await say('not yet');
    await end();

    expect((await waiting)?.task.status).toBe('cancelled');
    expect(clock.pendingTimers).toBe(0);
  });

  test('leaves nothing at a signal that lives on, such as that of a server that closes one day [MOD-1]', async () => {
    const closing = new AbortController();
    const listen = jest.spyOn(EventTarget.prototype, 'addEventListener');
    const forget = jest.spyOn(EventTarget.prototype, 'removeEventListener');
    const waiting = wait(10_000, closing.signal);
    await clock.advance(0);
    await end();
    await waiting;

    const heard = (spy: typeof listen | typeof forget) => spy.mock.calls.map(([, listener]) => listener);
    expect(heard(listen)).toHaveLength(1);
    expect(heard(forget)).toEqual(heard(listen));
    listen.mockRestore();
    forget.mockRestore();
  });

  test('resolves at once where the task is already so [MOD-1]', async () => {
    await end();

    expect((await wait(10_000))?.task.status).toBe('cancelled');
  });

  test('outlasts storage that is away, and looks no more often for it [EXEC-22 MOD-1]', async () => {
    let looks = 0;
    const get = jest.spyOn(store, 'get').mockImplementation(() => {
      looks += 1;
      return Promise.reject(new TaskError('unavailable', 'Away.'));
    });
    const waiting = wait(60_000);
    await clock.advance(30_000);
    expect(looks).toBe(31);
    get.mockRestore();
    await end(new GenericTaskStore({ backend, clock, random: manualRandom(2) }));

    await clock.advance(1000);

    expect((await waiting)?.task.status).toBe('cancelled');
  });

  test('rejects where the task is gone [MOD-1]', async () => {
    jest.spyOn(store, 'get').mockRejectedValue(new TaskError('task_not_found', 'Gone.'));

    await expect(wait(60_000)).rejects.toThrow('Gone.');
    expect(clock.pendingTimers).toBe(0);
  });

  test('resolves to nothing once its time is over, and leaves no timer [MOD-1]', async () => {
    const waiting = wait(2500);
    await clock.advance(2500);

    expect(await waiting).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
  });

  test('resolves to nothing when the signal fires, and leaves no timer [MOD-1]', async () => {
    const leaving = new AbortController();
    const waiting = wait(10_000, leaving.signal);
    await clock.advance(0);

    leaving.abort();

    expect(await waiting).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
  });
});
