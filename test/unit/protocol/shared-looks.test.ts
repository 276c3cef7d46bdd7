/** How often the store is looked at for those who wait: once for all who wait for a task, less often while it is quiet. */
import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { TaskError } from '../../../src/domain/errors.ts';
import { DEFAULT_LIFETIME } from '../../../src/domain/lifetime.ts';
import { BY_AGE } from '../../../src/domain/poll-interval.ts';
import type { Task } from '../../../src/domain/task.ts';
import { type WatchOptions, watchTask } from '../../../src/protocol/awaiting.ts';
import { lookIntervalAfter } from '../../../src/protocol/shared-looks.ts';
import { GenericTaskStore } from '../../../src/store/generic-task-store.ts';
import { ManualClock, manualRandom } from '../../../src/testing/manual-clock.ts';
import { type CountingBackend, countingBackend } from '../../support/counting-backend.ts';

const owner = { issuer: 'test', subject: 'alice' };
const MINUTE_MS = 60_000;

let clock: ManualClock;
let backend: CountingBackend;
let store: GenericTaskStore;
let elsewhere: GenericTaskStore;

beforeEach(() => {
  clock = new ManualClock();
  backend = countingBackend(new MemoryBackend({ clock }));
  store = new GenericTaskStore({ backend, clock, random: manualRandom(1) });
  elsewhere = new GenericTaskStore({ backend, clock, random: manualRandom(2) });
});

async function create(pollIntervalMs = BY_AGE): Promise<Task> {
  const input = { owner, tool: 'greet', arguments: {}, lifetime: DEFAULT_LIFETIME, pollIntervalMs, maxAttempts: 5 };
  return (await store.create(input)).stored.task;
}

const say = (task: Task, words: string, by: GenericTaskStore) =>
  by.update(task, (now, at) => ({ ...now, statusMessage: words, updatedAt: at }));
const reads = () => backend.counts().get ?? 0;

interface Waiting {
  /** What has been shown, and when. */
  readonly seen: (readonly [message: string | undefined, at: number])[];
  readonly left: Promise<unknown>;
  leave(): void;
}

/** Somebody who waits from now on, and has had the first look. */
async function wait(task: Task, options: Partial<WatchOptions> = {}): Promise<Waiting> {
  const leaving = new AbortController();
  const seen: (readonly [string | undefined, number])[] = [];
  const watching = async () => {
    const { signal } = leaving;
    for await (const { task: now } of watchTask(task, { store, clock, lookEveryMs: 1000, signal, ...options }))
      seen.push([now.statusMessage, clock.now()]);
  };
  const left = watching().catch((error: unknown) => error);
  await clock.advance(0);
  return { seen, left, leave: () => leaving.abort() };
}

async function leave(waiters: readonly Waiting[]): Promise<void> {
  for (const waiter of waiters) waiter.leave();
  await Promise.all(waiters.map(({ left }) => left));
  expect(clock.pendingTimers).toBe(0);
}

describe('the interval of the looks', () => {
  test.each([
    [0, 1_000, 1_000],
    [-5_000, 1_000, 1_000],
    [25_000, 1_000, 1_000],
    [50_000, 1_000, 2_000],
    [125_000, 1_000, 5_000],
    [86_400_000, 1_000, 5_000],
    [86_400_000, 10_000, 10_000],
    [1_000, 200, 200],
  ])('after %i ms of quiet, from %i ms on, is %i ms [LEG-4]', (quietMs, lookEveryMs, intervalMs) => {
    expect(lookIntervalAfter(quietMs, lookEveryMs)).toBe(intervalMs);
  });

  test('is a second for a task that has changed lately, wherever it changes [LEG-4 MOD-3]', async () => {
    const task = await create();
    const waiter = await wait(task);
    await clock.advance(24_500);
    await say(task, 'elsewhere', elsewhere);
    const changedAt = clock.now();

    await clock.advance(1_000);

    const [message, at] = waiter.seen.at(-1) ?? [];
    expect(message).toBe('elsewhere');
    expect(Number(at) - changedAt).toBeLessThanOrEqual(1_000);
    await leave([waiter]);
  });

  test('grows to five seconds while nothing changes, and no further [LEG-4 MOD-3]', async () => {
    const task = await create();
    const waiter = await wait(task);
    await clock.advance(10 * MINUTE_MS);
    backend.reset();

    await clock.advance(MINUTE_MS);

    expect(reads()).toBe(12);
    await leave([waiter]);
  });

  test('of an old task is what its age says from the first look on [LEG-4 MOD-3]', async () => {
    const task = await create();
    await clock.advance(60 * MINUTE_MS);
    backend.reset();
    const waiter = await wait(task);

    await clock.advance(4_999);
    expect(reads()).toBe(1);
    await clock.advance(1);
    expect(reads()).toBe(2);
    await leave([waiter]);
  });

  test.each(['this process', 'another one'])('is a second again after a change by %s [LEG-4 MOD-3]', async (by) => {
    const task = await create();
    const waiter = await wait(task);
    await clock.advance(10 * MINUTE_MS);
    await say(task, 'changed', by === 'this process' ? store : elsewhere);
    // Another process's change is found within the grown interval.
    await clock.advance(by === 'this process' ? 0 : 5_000);
    expect(waiter.seen.at(-1)?.[0]).toBe('changed');
    await say(task, 'and again', elsewhere);

    await clock.advance(1_000);

    expect(waiter.seen.at(-1)?.[0]).toBe('and again');
    await leave([waiter]);
  });

  test('that a tool names does not grow [LEG-4]', async () => {
    const task = await create(2_000);
    const waiter = await wait(task, { lookEveryMs: 2_000 });
    await clock.advance(10 * MINUTE_MS);
    backend.reset();

    await clock.advance(MINUTE_MS);

    expect(reads()).toBe(30);
    await leave([waiter]);
  });
});

describe('those who wait for one task', () => {
  test('share its looks, and each is shown what they find [LEG-4 MOD-3]', async () => {
    const task = await create();
    const waiters = [await wait(task), await wait(task), await wait(task)];
    backend.reset();
    await clock.advance(10_000);
    expect(reads()).toBe(10);
    await say(task, 'elsewhere', elsewhere);

    await clock.advance(1_000);

    expect(waiters.map(({ seen }) => seen.map(([message]) => message))).toEqual(
      waiters.map(() => [undefined, 'elsewhere']),
    );
    await leave(waiters);
  });

  test('begin with how it is now, not with what the others know [LEG-4 MOD-3]', async () => {
    const task = await create();
    const early = await wait(task);
    await say(task, 'elsewhere', elsewhere);

    const late = await wait(task);

    expect(late.seen.map(([message]) => message)).toEqual(['elsewhere']);
    // Who waited before gains by it.
    expect(early.seen.at(-1)?.[0]).toBe('elsewhere');
    await leave([early, late]);
  });

  test('look as often as the most impatient of them, not later because others come [LEG-4]', async () => {
    const task = await create(5_000);
    const patient = await wait(task, { lookEveryMs: 5_000 });
    await clock.advance(4_000);
    const others = [await wait(task, { lookEveryMs: 3_000 }), await wait(task, { lookEveryMs: 5_000 })];
    backend.reset();

    await clock.advance(1_000);
    expect(reads()).toBe(1);
    await clock.advance(3_000);
    expect(reads()).toBe(2);
    await leave([patient, ...others]);
  });

  test('go on looking when one of them leaves, until the last one does [LEG-4]', async () => {
    const task = await create();
    const [first, second] = [await wait(task), await wait(task)];
    await leaveOne(first);
    await say(task, 'elsewhere', elsewhere);

    await clock.advance(1_000);
    expect(second.seen.at(-1)?.[0]).toBe('elsewhere');
    await leave([second]);
    backend.reset();
    await clock.advance(MINUTE_MS);

    expect(reads()).toBe(0);
  });

  test('after all others have left are told as those were [LEG-4 MOD-3]', async () => {
    const task = await create();
    await leave([await wait(task)]);
    const waiter = await wait(task);

    await say(task, 'here', store);
    await clock.advance(0);

    expect(waiter.seen.at(-1)?.[0]).toBe('here');
    await leave([waiter]);
  });

  test('do for it together, once each look, what polling does [LEG-4]', async () => {
    const task = await create();
    const onLook = jest.fn(async () => {});
    const waiters = [await wait(task, { onLook }), await wait(task), await wait(task, { onLook })];
    onLook.mockClear();

    await clock.advance(3_000);

    expect(onLook).toHaveBeenCalledTimes(3);
    await leave(waiters);
  });

  test('are each told of an outage as they want to be: to end, or to wait [LEG-4 EXEC-22]', async () => {
    const task = await create();
    const [ends, waits] = [await wait(task), await wait(task, { outlastsOutages: true })];
    const get = jest.spyOn(store, 'get').mockRejectedValue(new TaskError('unavailable', 'Away.'));
    await clock.advance(1_000);
    get.mockRestore();
    await say(task, 'elsewhere', elsewhere);

    await clock.advance(1_000);

    expect(await ends.left).toMatchObject({ code: 'unavailable' });
    expect(waits.seen.at(-1)?.[0]).toBe('elsewhere');
    await leave([waits]);
  });

  test('of another owner are not among them [I6]', async () => {
    const task = await create();
    const waiter = await wait(task);
    // Storage that is away does not tell it that there is no such task of its own.
    jest.spyOn(store, 'get').mockRejectedValueOnce(new TaskError('unavailable', 'Away.'));
    const ref = { ...task, owner: { issuer: 'test', subject: 'bob' } };
    const stranger = await wait(ref, { outlastsOutages: true });

    await say(task, 'secret', store);
    await say(task, 'another secret', elsewhere);
    await clock.advance(1_000);

    expect(stranger.seen).toEqual([]);
    expect(await stranger.left).toMatchObject({ code: 'task_not_found' });
    expect(waiter.seen.at(-1)?.[0]).toBe('another secret');
    await leave([waiter]);
  });
});

async function leaveOne(waiter: Waiting): Promise<void> {
  waiter.leave();
  await waiter.left;
}
