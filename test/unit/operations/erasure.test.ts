/** Erasing an owner: nothing of the owner's is left that was ever written, others keep all of theirs, and runs stop first. */
import { describe, expect, test } from '@jest/globals';
import type { RecordKey, StorageBackend } from '../../../src/backends/backend.ts';
import { encodeOwner } from '../../../src/domain/owner.ts';
import { acquireLease } from '../../../src/domain/run.ts';
import { byAgenda } from '../../../src/operations/agenda-queue.ts';
import { countTasks, type Erased, eraseOwner } from '../../../src/operations/erasure.ts';
import { GenericTaskStore } from '../../../src/store/generic-task-store.ts';
import { OWNER } from '../runtime/runtime-under-test.ts';
import { OperationsUnderTest } from './operations-under-test.ts';

const OTHER = { issuer: 'test', subject: 'other' };

class ErasureUnderTest extends OperationsUnderTest {
  /** Erases while time goes on. */
  async erase(): Promise<Erased> {
    const { backend, deliveries, clock } = this;
    let isOver = false;
    const erasing = eraseOwner(OWNER, { backend, deliveries, clock, patienceMs: 60_000 }).finally(() => {
      isOver = true;
    });
    erasing.catch(() => {});
    while (!isOver) await clock.advance(1_000);
    return erasing;
  }
}

/** Where a backend has ever been written to. */
function noteKeys(backend: StorageBackend): RecordKey[] {
  const keys: RecordKey[] = [];
  const putIfVersion = backend.putIfVersion.bind(backend);
  const addIfBelow = backend.addIfBelow.bind(backend);
  backend.putIfVersion = (key, ...more) => {
    keys.push(key);
    return putIfVersion(key, ...more);
  };
  backend.addIfBelow = (key, ...more) => {
    keys.push(key);
    return addIfBelow(key, ...more);
  };
  return keys;
}

describe('erasing an owner', () => {
  test('leaves no record of the owner, and every record of another [OPS-6]', async () => {
    const runtime = new ErasureUnderTest();
    const keys = noteKeys(runtime.backend);
    const large = 'x'.repeat(400_000);
    await runtime.made('adds', { a: 1, b: 2 });
    await runtime.made('fails', { large });
    await runtime.made('asks');
    const create = (owner: typeof OTHER) =>
      new GenericTaskStore({ backend: runtime.backend, clock: runtime.clock }).create({
        owner,
        tool: 'waits',
        arguments: {},
        lifetime: { runDeadlineMs: 3_600_000, retentionMs: null },
        pollIntervalMs: 1_000,
        maxAttempts: 5,
        idempotencyKey: 'same key',
      });
    await create(OWNER);
    const others = await create(OTHER);

    const erased = await runtime.erase();

    const own = JSON.stringify(encodeOwner(OWNER));
    const left: RecordKey[] = [];
    for (const key of keys) {
      const record = await runtime.backend.get(key);
      const isOwn = key.partition.includes(own) || record?.value.includes(OWNER.subject);
      if (record !== undefined && isOwn === true) left.push(key);
    }
    expect(left).toEqual([]);
    expect(erased).toMatchObject({ tasks: 4, idempotencyKeys: 1, counters: 1, cancelled: 2, withoutCleanup: 1 });
    expect(erased.values).toBeGreaterThanOrEqual(2);
    expect(erased.journalEntries).toBeGreaterThanOrEqual(2);
    expect(erased.agendaEntries).toBeGreaterThanOrEqual(1);
    expect((await runtime.store.get(others.stored.task)).task.status).toBe('working');
    expect((await create(OTHER)).created).toBe(false);
    expect(await runtime.noted(others.stored.task)).not.toEqual([]);
  });

  test('waits for runs to stop, and removes nothing while one goes on [OPS-6]', async () => {
    const runtime = new ErasureUnderTest();
    const task = await runtime.create('adds');
    await runtime.store.update(task, (now, at) => acquireLease(now, 'a busy server', 600_000, at));

    await expect(runtime.erase()).rejects.toThrow('Nothing was removed: a busy server still runs task');
    expect((await runtime.read(task)).status).toBe('cancelled');
    await runtime.clock.advance(600_000);

    expect(await runtime.erase()).toMatchObject({ tasks: 1 });
  });

  test('lets the handler of a task clean up that a server runs meanwhile [OPS-6]', async () => {
    const runtime = new ErasureUnderTest();
    const task = await runtime.made('waits');
    const stop = runtime.clock.after(5_000, () => void runtime.run(task));

    const erased = await runtime.erase();
    stop();

    expect(erased).toMatchObject({ tasks: 1, cancelled: 1, withoutCleanup: 0 });
  });

  test('counts beforehand what there is, and does nothing twice [OPS-6]', async () => {
    const runtime = new ErasureUnderTest();
    await runtime.made('adds', { a: 1, b: 2 });
    await runtime.made('waits');

    expect(await countTasks(byAgenda(runtime.store), OWNER)).toEqual({ total: 2, unfinished: 1 });
    await runtime.erase();

    expect(await runtime.erase()).toEqual({
      tasks: 0,
      journalEntries: 0,
      values: 0,
      idempotencyKeys: 0,
      agendaEntries: 0,
      counters: 0,
      cancelled: 0,
      withoutCleanup: 0,
    });
  });
});
