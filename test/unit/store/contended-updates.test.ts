/** A task that others keep changing: how often a change is tried again, and with which pauses in between. */
import { describe, expect, test } from '@jest/globals';
import { BackendConflictError } from '../../../src/backends/errors.ts';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import type { TaskError } from '../../../src/domain/errors.ts';
import { DEFAULT_LIFETIME } from '../../../src/domain/lifetime.ts';
import type { Task } from '../../../src/domain/task.ts';
import { GenericTaskStore } from '../../../src/store/generic-task-store.ts';
import { ManualClock, manualRandom } from '../../../src/testing/manual-clock.ts';
import { countingBackend } from '../../support/counting-backend.ts';

/** A task whose head somebody else changes before each write of `store`; when those writes were tried, from the first on. */
async function contended(jitter: number) {
  const clock = new ManualClock();
  const backend = countingBackend(new MemoryBackend({ clock }));
  const ids = manualRandom(1);
  const store = new GenericTaskStore({
    backend,
    clock,
    random: (count) => (count === 1 ? Uint8Array.of(jitter) : ids(count)),
  });
  const { stored } = await store.create({
    owner: { issuer: 'test', subject: 'alice' },
    tool: 'greet',
    arguments: {},
    lifetime: DEFAULT_LIFETIME,
    pollIntervalMs: 1000,
    maxAttempts: 5,
  });
  const other = new GenericTaskStore({ backend, clock });
  const startedAt = clock.now();
  const triedAt: number[] = [];
  let isOther = false;
  backend.intercept(async ({ verb, id }, proceed) => {
    if (isOther || verb !== 'putIfVersion' || id !== stored.task.id) return proceed();
    triedAt.push(clock.now() - startedAt);
    isOther = true;
    // Also what the change is made of: here, the variables.
    await other.mergeVariables(stored.task, { count: triedAt.length });
    isOther = false;
    return Promise.reject(new BackendConflictError(1, 2));
  });
  return { clock, store, task: stored.task, triedAt };
}

/** The times between one and the next. */
function pausesOf(times: readonly number[]): number[] {
  return times.slice(1).map((time, index) => time - (times[index] ?? 0));
}

function codeOf(change: Promise<unknown>): Promise<string> {
  return change.then(
    () => 'made',
    (error: TaskError) => error.code,
  );
}

const update = (store: GenericTaskStore, task: Task) =>
  store.update(task, (now) => ({ ...now, statusMessage: 'mine' }));

describe('a change that loses each race', () => {
  test('is tried again at once, then after pauses that double up to a fifth of a second, twenty times in all [STORE-3 AES-6]', async () => {
    const { clock, store, task, triedAt } = await contended(255);
    const refused = codeOf(update(store, task));

    await clock.advance(60_000);

    expect(await refused).toBe('contention');
    expect(pausesOf(triedAt)).toEqual([0, 10, 20, 40, 80, 160, ...Array.from({ length: 13 }, () => 200)]);
    expect(clock.pendingTimers).toBe(0);
  });

  test('pauses for a random part of that, so that two that race do not meet again and again [STORE-3]', async () => {
    const { clock, store, task, triedAt } = await contended(63);
    const refused = codeOf(update(store, task));

    await clock.advance(60_000);

    expect(await refused).toBe('contention');
    expect(pausesOf(triedAt).slice(0, 7)).toEqual([0, 3, 5, 10, 20, 40, 50]);
  });
});

describe('variables that somebody else merges each time', () => {
  test('are merged anew at most twenty times, with growing pauses [STORE-3 LIFE-5]', async () => {
    const { clock, store, task, triedAt } = await contended(255);
    const refused = codeOf(store.mergeVariables(task, { mine: 1 }));

    await clock.advance(60_000);

    expect(await refused).toBe('contention');
    expect(pausesOf(triedAt)).toEqual([0, 10, 20, 40, 80, 160, ...Array.from({ length: 13 }, () => 200)]);
  });
});
