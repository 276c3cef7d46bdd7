/** Records on the agenda that are there in time: of new tasks, and of those that waited and do not any more. */
import { describe, expect, test } from '@jest/globals';
import { RuntimeUnderTest } from '../runtime-under-test.ts';
import { asks, delivered, notedFor } from './agenda-seen.ts';

test('a new task is noted again when somebody may have looked while it was being written [I12]', async () => {
  const runtime = new RuntimeUnderTest();
  const putIfVersion = runtime.backend.putIfVersion.bind(runtime.backend);
  runtime.backend.putIfVersion = async (...args) => {
    if (args[0].partition.startsWith('["tasks"')) {
      await runtime.clock.advance(20_000);
      await runtime.looker().look();
    }
    return putIfVersion(...args);
  };

  const task = await runtime.create('any');

  expect((await notedFor(runtime, task)).some((seconds) => seconds <= 40)).toBe(true);
});

test('a new task whose creation began long ago is noted for a time that nobody has looked at yet [I12 LIFE-9]', async () => {
  const runtime = new RuntimeUnderTest();
  const { clock, store, backend } = runtime;
  const add = backend.addIfBelow.bind(backend);
  // The slot of the owner's limit is taken after the key has been written, and may take a recount.
  backend.addIfBelow = async (...args) => {
    await clock.advance(25_000);
    return add(...args);
  };
  const noted: number[] = [];
  const put = backend.putIfVersion.bind(backend);
  backend.putIfVersion = (key, ...rest) => {
    if (key.partition.startsWith('["agenda"')) noted.push(Number(key.id.split(' ')[0]) - clock.now());
    return put(key, ...rest);
  };

  const lifetime = { runDeadlineMs: 3_600_000, retentionMs: 3_600_000 };
  const { owner } = await runtime.create('any');
  noted.splice(0);
  await store.create({
    owner,
    tool: 'any',
    arguments: {},
    lifetime,
    pollIntervalMs: 0,
    maxAttempts: 5,
    idempotencyKey: 'k',
  });

  expect(noted[0]).toBeGreaterThanOrEqual(30_000);
});

describe('a change that makes a waiting task due', () => {
  test('is noted for a look soon, before it is written, so that no queue is needed for it [STORE-14 I12 EXEC-20]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('asks');
    await runtime.runner([asks]).runTask(task);
    await runtime.clock.advance(30_000);
    await runtime.looker().look();
    const [key = ''] = await runtime.asked(task);

    await runtime.answer(task, { [key]: { roots: [] } });

    const [first = 0, ...rest] = await notedFor(runtime, task);
    expect(first).toBeLessThanOrEqual(40);
    expect(rest).toEqual([3570]);
    await runtime.clock.advance(40_000);
    await runtime.looker().look();
    expect(delivered(runtime).map(([id]) => id)).toEqual([task.id]);
  });

  test('is noted again when somebody may have looked while it was being written [I12]', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('asks');
    await runtime.runner([asks]).runTask(task);
    const [key = ''] = await runtime.asked(task);
    const putIfVersion = runtime.backend.putIfVersion.bind(runtime.backend);
    runtime.backend.putIfVersion = async (...args) => {
      if (args[0].id === task.id) {
        await runtime.clock.advance(30_000);
        await runtime.looker().look();
        runtime.backend.putIfVersion = putIfVersion;
      }
      return putIfVersion(...args);
    };

    await runtime.answer(task, { [key]: { roots: [] } });

    expect((await notedFor(runtime, task)).some((seconds) => seconds <= 40)).toBe(true);
  });

  test.each([
    ['by ten minutes', 600_000],
    ['by as little as clocks may differ', 12_000],
  ])('is noted again where the clock was put back %s after a look [I12 EXEC-20]', async (_, backMs) => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('asks');
    await runtime.runner([asks]).runTask(task);
    const [key = ''] = await runtime.asked(task);
    await runtime.clock.advance(20_001);
    await runtime.looker().look();
    runtime.clock.set(runtime.clock.now() - backMs);

    await runtime.answer(task, { [key]: { roots: [] } });

    expect((await notedFor(runtime, task)).some((seconds) => seconds <= 40)).toBe(true);
  });
});
