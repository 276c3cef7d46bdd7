/** Tasks that run longer than they were first given: the deadline moves, and everything they need moves with it. */
import { describe, expect, test } from '@jest/globals';
import type { RecordKey, RecordWrite } from '../../../../src/backends/backend.ts';
import { BackendUnavailableError } from '../../../../src/backends/errors.ts';
import { encodeOwner } from '../../../../src/domain/owner.ts';
import type { Task } from '../../../../src/domain/task.ts';
import { Gate, OWNER, RuntimeUnderTest, toolOf } from '../runtime-under-test.ts';

const SHORT = { lifetime: { runDeadlineMs: 60_000, retentionMs: 60_000 } };

/** Where a task's log and large values are kept. */
function partitionOf(kind: string, id: string): string {
  return JSON.stringify([kind, encodeOwner(OWNER), id]);
}

/** Extends its deadline by a minute, waits half of it, and so on; what it did first it needs at the end. */
const marathon = (rounds: number) =>
  toolOf('marathon', async (task) => {
    const first = await task.step('first', async () => 'x'.repeat(400_000));
    await task.variables.set('large', 'y'.repeat(50_000));
    for (let round = 0; round < rounds; round += 1) {
      await task.extendDeadline(60_000);
      await task.wait('pause', { seconds: 45 });
    }
    return { first: first.length, large: (await task.variables.get('large')) === 'y'.repeat(50_000) };
  });

const extended = toolOf('extended', async (task) => {
  await task.step('first', async () => 'x'.repeat(400_000));
  await task.extendDeadline(600_000);
  await task.wait('pause', { seconds: 1 });
  return {};
});

/** Everything that is kept for the task {@link extended} is there at least as long as its head, all of it equally long. */
async function expectOneLifetime(runtime: RuntimeUnderTest, { id, createdAt }: Task): Promise<void> {
  for (const kind of ['log', 'values']) {
    const { records } = await runtime.backend.list(partitionOf(kind, id), { limit: 100 });
    expect(records.length).toBeGreaterThan(0);
    // Some 660 s are promised: to the next power of two.
    expect(records.map(({ expiresAt }) => expiresAt)).toEqual(records.map(() => createdAt + 1_048_576));
  }
}

describe('extending the deadline', () => {
  test('keeps log, large values and variables alive as long as the task [LIFE-3 LIFE-6 I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([marathon(8)]);
    const task = await runtime.create('marathon', SHORT);

    let report = await runner.runTask(task);
    while (report === 'suspended') {
      await runtime.clock.advance(45_000);
      await runtime.backend.cleanupExpired(runtime.clock.now());
      report = await runner.runTask(task);
    }

    expect(report).toBe('finished');
    expect(await runtime.result(task)).toEqual({ first: 400_000, large: true });
  });

  test('again and again writes what is kept anew only when the lifetime has doubled [LIFE-3 LIFE-6]', async () => {
    const runtime = new RuntimeUnderTest();
    const runner = runtime.runner([marathon(8)]);
    const task = await runtime.create('marathon', SHORT);

    while ((await runner.runTask(task)) === 'suspended') await runtime.clock.advance(45_000);

    // From two minutes to more than seven: past 131 s, and past 262 s.
    const first = await runtime.backend.get({ partition: partitionOf('log', task.id), id: '0000000000' });
    expect((await runtime.read(task)).promisedUntil).toBe(task.createdAt + 435_000);
    expect(first).toMatchObject({ version: 3, expiresAt: task.createdAt + 524_288 });
  });

  test('moves the promised lifetime, never back [LIFE-3 I1]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('extends', async (task) => {
      await task.extendDeadline(600_000);
      await task.extendDeadline(1_000);
      await task.wait('pause', { seconds: 1 });
      return {};
    });
    const task = await runtime.create('extends', SHORT);

    await runtime.runner([tool]).runTask(task);

    const { deadlineAt, promisedUntil } = await runtime.read(task);
    expect(deadlineAt).toBe(runtime.clock.now() + 600_000);
    expect(promisedUntil).toBe(runtime.clock.now() + 660_000);
  });

  test('while the handler runs moves the time at which its signal would fire, to the heartbeat after the new one [LIFE-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    let aborted = false;
    const tool = toolOf('extends', async (task) => {
      await task.extendDeadline(121_000);
      task.signal.addEventListener('abort', () => {
        aborted = true;
        gate.open();
      });
      await gate.pass();
      return {};
    });
    const task = await runtime.create('extends', SHORT);
    const running = runtime.runner([tool]).runTask(task);
    await gate.reached;

    await runtime.clock.advance(124_999);
    expect(aborted).toBe(false);
    await runtime.clock.advance(1);
    expect(aborted).toBe(true);
    expect(await running).toBe('cleaned_up');
  });

  test('counts only once everything is extended: storage trouble on the way is tried again [LIFE-3 I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const put = runtime.backend.putIfVersion.bind(runtime.backend);
    let refusals = 0;
    runtime.backend.putIfVersion = async (key: RecordKey, write: RecordWrite, expected: number) => {
      const isExtension = key.partition.startsWith('["log"') && expected > 0;
      if (isExtension && refusals < 2) {
        refusals += 1;
        throw new BackendUnavailableError('no answer');
      }
      return put(key, write, expected);
    };
    const runner = runtime.runner([extended]);
    const task = await runtime.create('extended', SHORT);

    while ((await runner.runTask(task)) === 'suspended') {
      await runtime.clock.advance(((await runtime.read(task)).run.dueAt ?? 0) - runtime.clock.now());
    }

    expect(refusals).toBe(2);
    await expectOneLifetime(runtime, task);
  });

  test('reaches an entry of the log that is just being written [LIFE-3 I5]', async () => {
    const runtime = new RuntimeUnderTest();
    const put = runtime.backend.putIfVersion.bind(runtime.backend);
    runtime.backend.putIfVersion = async (key: RecordKey, write: RecordWrite, expected: number) => {
      // Over a network; a new entry is longer on its way than anything else.
      const ticks = key.partition.startsWith('["log"') && expected === 0 ? 20 : 3;
      for (let tick = 0; tick < ticks; tick += 1) await new Promise((resolve) => setImmediate(resolve));
      return put(key, write, expected);
    };
    const tool = toolOf('parallel', async (task) => {
      await Promise.all([extended.run({}, task), task.step('meanwhile', async () => 1)]);
      return {};
    });
    const task = await runtime.create('parallel', SHORT);

    await runtime.runner([tool]).runTask(task);

    await expectOneLifetime(runtime, task);
  });
});

describe('a gap in the log', () => {
  test('is noticed: the task goes on from before it, and what is behind it is set aside [EXEC-13 STORE-4]', async () => {
    const runtime = new RuntimeUnderTest();
    const ran: string[] = [];
    const tool = toolOf('steps', async (task) => {
      for (const name of ['one', 'two', 'three']) await task.step(name, async () => void ran.push(name));
      await task.wait('pause', { seconds: 1 });
      return {};
    });
    const task = await runtime.create('steps');
    await runtime.runner([tool]).runTask(task);
    const log = partitionOf('log', task.id);
    await runtime.backend.delete({ partition: log, id: '0000000001' });
    await runtime.clock.advance(1_000);

    expect(await runtime.runner([tool]).runTask(task)).toBe('suspended');
    await runtime.clock.advance(1_000);
    expect(await runtime.runner([tool]).runTask(task)).toBe('finished');

    expect(ran).toEqual(['one', 'two', 'three', 'two', 'three']);
    const { records } = await runtime.backend.list(log, { limit: 100 });
    expect(records.map(({ id }) => id).filter((id) => id.startsWith('aside'))).toEqual([
      'aside 0000000002 0000000002',
      'aside 0000000002 0000000003',
    ]);
    expect(runtime.logger.lines).toContainEqual(
      expect.objectContaining({ level: 'error', message: expect.stringMatching(/journal was lost/) }),
    );
  });
});
