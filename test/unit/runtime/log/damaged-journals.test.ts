/** Journals that cannot be followed: of a newer build, and of a store that has forgotten what it had acknowledged. */
import { describe, expect, test } from '@jest/globals';
import type { StoredRecord } from '../../../../src/backends/backend.ts';
import { MemoryBackend } from '../../../../src/backends/memory.ts';
import { shownStatusMessage } from '../../../../src/domain/task.ts';
import { Gate, RuntimeUnderTest, TIMES, toolOf } from '../runtime-under-test.ts';

const steps = (ran: string[]) =>
  toolOf('steps', async (task) => {
    for (const name of ['one', 'two']) await task.step(name, async () => void ran.push(name));
    await task.wait('pause', { seconds: 1 });
    return { ran: ran.length };
  });

/** The only partition of that kind. */
function partitionOf({ backend }: RuntimeUnderTest, kind: string): string {
  const found = backend.partitions().find((partition) => partition.startsWith(JSON.stringify([kind]).slice(0, -1)));
  if (found === undefined) throw new Error(`There is no partition of kind ${kind}.`);
  return found;
}

/** Every record as it is now; each must be in its first version. */
async function copyOf({ backend, clock }: RuntimeUnderTest): Promise<MemoryBackend> {
  const copy = new MemoryBackend({ clock });
  for (const partition of backend.partitions()) {
    const { records } = await backend.list(partition, { limit: 100 });
    for (const { id, version, ...write } of records) {
      expect(await copy.putIfVersion({ partition, id }, write, 0)).toBe(version);
    }
  }
  return copy;
}

describe('a journal that this build cannot read', () => {
  test.each([
    ['of a newer format', (text: string) => text.replace('"format":1', '"format":9'), /format 9.*upgrade/],
    ['with an operation of an unknown kind', (text: string) => text.replace('"kind":"step"', '"kind":"leap"'), /kind/],
  ])(
    '%s parks its task, and the right build goes on with it [EXEC-13 EXEC-17 STORE-4]',
    async (_what, damage, reason) => {
      const runtime = new RuntimeUnderTest();
      const ran: string[] = [];
      const runner = runtime.runner([steps(ran)]);
      const task = await runtime.create('steps', { maxAttempts: 2 });
      await runner.runTask(task);
      const key = { partition: partitionOf(runtime, 'log'), id: '0000000000' };
      const record = (await runtime.backend.get(key)) as StoredRecord;
      await runtime.backend.putIfVersion(key, { ...record, value: damage(record.value) }, record.version);
      await runtime.clock.advance(1_000);

      for (const pauseMs of [5_000, 10_000, 20_000]) {
        expect(await runner.runTask(task)).toBe('parked');
        expect(shownStatusMessage(await runtime.read(task))).toMatch(reason);
        await runtime.clock.advance(pauseMs);
      }
      const damaged = (await runtime.backend.get(key)) as StoredRecord;
      await runtime.backend.putIfVersion(key, record, damaged.version);
      expect(await runner.runTask(task)).toBe('finished');

      expect(ran).toEqual(['one', 'two']);
      expect((await runtime.read(task)).run.crashes).toBe(0);
    },
  );
});

describe('a store that has fallen back under a run', () => {
  test('is noticed at the next write of the head: the run stops, the log says so, and the task goes on [EXEC-13 I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    const ran: string[] = [];
    const tool = toolOf('holds', async (task) => {
      await task.step('one', async () => void ran.push('one'));
      if (ran.length === 1) await gate.pass();
      await task.step('two', async () => void ran.push('two'));
      return { ran };
    });
    const task = await runtime.create('holds');
    const asItWas = await copyOf(runtime);
    const running = runtime.runner([tool]).runTask(task);
    await gate.reached;

    Object.assign(runtime.backend, {
      get: asItWas.get.bind(asItWas),
      list: asItWas.list.bind(asItWas),
      putIfVersion: asItWas.putIfVersion.bind(asItWas),
      addIfBelow: asItWas.addIfBelow.bind(asItWas),
    });
    await runtime.clock.advance(TIMES.heartbeatMs);
    gate.open();

    expect(await running).toBe('stopped');
    expect(runtime.logger.lines).toContainEqual(
      expect.objectContaining({ level: 'error', message: expect.stringMatching(/fallen back/) }),
    );
    expect(await runtime.runner([tool]).runTask(task)).toBe('finished');
    expect(await runtime.result(task)).toEqual({ ran: ['one', 'one', 'two'] });
  });
});
