/** Storage that goes away under a run and comes back: what the handler has done is recorded then, and not done again. */
import { describe, expect, test } from '@jest/globals';
import type { StorageBackend } from '../../../../src/backends/backend.ts';
import { BackendUnavailableError } from '../../../../src/backends/errors.ts';
import { GenericTaskStore } from '../../../../src/store/generic-task-store.ts';
import { manualRandom } from '../../../../src/testing/manual-clock.ts';
import { eventually, Gate, RuntimeUnderTest, TIMES, toolOf } from '../runtime-under-test.ts';

const VERBS = ['get', 'putIfVersion', 'delete', 'list', 'addIfBelow'] as const;

interface Outage {
  /** Calls that were refused. */
  readonly refused: number;
  end(): void;
}

function outageOf(backend: StorageBackend): Outage {
  let refused = 0;
  const refuse = () => {
    refused += 1;
    return Promise.reject(new BackendUnavailableError('away'));
  };
  for (const verb of VERBS) Object.assign(backend, { [verb]: refuse });
  return {
    get refused() {
      return refused;
    },
    end: () => {
      for (const verb of VERBS) Reflect.deleteProperty(backend, verb);
    },
  };
}

/** What one process of several has of a backend: it can be cut off alone. */
function connectionTo(backend: StorageBackend): StorageBackend {
  const prototype = Object.fromEntries(
    VERBS.map((verb) => [
      verb,
      (...args: never[]) => (backend[verb] as (...args: never[]) => unknown).apply(backend, args),
    ]),
  );
  return Object.create(prototype) as StorageBackend;
}

/** A tool with one step that lasts until the gate opens. */
function oneStep(outcome: unknown = 'done') {
  const gate = new Gate();
  const seen = { steps: 0, handlers: 0 };
  const tool = toolOf('one step', async (task) => {
    seen.handlers += 1;
    await task.step('slow', async () => {
      seen.steps += 1;
      await gate.pass();
      return outcome;
    });
    return { steps: seen.steps };
  });
  return { gate, seen, tool };
}

/** A run of which the process alone is cut off within its step, until its lease is over and another run is in the step. */
async function takenInAnOutage() {
  const runtime = new RuntimeUnderTest();
  const { gate, seen, tool } = oneStep();
  const task = await runtime.create('one step');
  const network = connectionTo(runtime.backend);
  const cutRun = runtime
    .runner([tool], new GenericTaskStore({ backend: network, clock: runtime.clock, random: manualRandom(3) }))
    .runTask(task);
  await gate.reached;
  const outage = outageOf(network);
  gate.open();
  await runtime.clock.advance(TIMES.leaseMs);
  const second = new Gate();
  const waits = toolOf('one step', async (context) => {
    await context.step('slow', () => second.pass());
    return { by: 'the other' };
  });
  const other = runtime.runner([waits]).runTask(task);
  await second.reached;
  return { runtime, task, network, outage, seen, cutRun, other, second };
}

describe('an outage while a step is under way', () => {
  test('that outlasts the lease is waited out, and the step’s outcome is recorded and used [EXEC-1 EXEC-22 I3]', async () => {
    const runtime = new RuntimeUnderTest();
    const { gate, seen, tool } = oneStep();
    const task = await runtime.create('one step');
    const run = runtime.runner([tool]).runTask(task);
    await gate.reached;
    const outage = outageOf(runtime.backend);
    gate.open();
    await runtime.clock.advance(3 * TIMES.leaseMs);
    const { refused } = outage;
    outage.end();

    await runtime.clock.advance(2_000);

    expect(await run).toBe('finished');
    expect(seen).toEqual({ steps: 1, handlers: 1 });
    expect((await runtime.read(task)).run).toMatchObject({ epoch: 1, crashes: 0 });
    // A heartbeat each 5 s and, in the end, a try each 2 s: an engine that is away is not stormed.
    expect(refused).toBeLessThanOrEqual(18 + 50);
    expect(refused).toBeGreaterThan(40);
  });

  test('and its end are said once for each run, with the reason [EXEC-22 OPS-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const { gate, tool } = oneStep();
    const task = await runtime.create('one step');
    const run = runtime.runner([tool]).runTask(task);
    await gate.reached;
    const outage = outageOf(runtime.backend);
    gate.open();
    await runtime.clock.advance(TIMES.leaseMs);
    outage.end();
    await runtime.clock.advance(2_000);
    await run;

    const said = runtime.logger.lines.filter(({ message }) => message.startsWith('Storage is '));

    expect(said).toMatchObject([
      { level: 'warn', message: 'Storage is away; a run waits for it', fields: { task: task.id, reason: 'away' } },
      { level: 'info', message: 'Storage is back; a run goes on', fields: { task: task.id } },
    ]);
  });

  test.each([
    ['small', 'x'],
    ['large', 'x'.repeat(300_000)],
  ])('whose write of a %s outcome landed all the same is one write [EXEC-22 I3 I7]', async (_size, outcome) => {
    const runtime = new RuntimeUnderTest();
    const { gate, seen, tool } = oneStep(outcome);
    const task = await runtime.create('one step');
    const run = runtime.runner([tool]).runTask(task);
    await gate.reached;
    const put = runtime.backend.putIfVersion.bind(runtime.backend);
    let lost = 0;
    runtime.backend.putIfVersion = async (key, ...args) => {
      const version = await put(key, ...args);
      if (lost > 0 || !/^\d{10}$/.test(key.id)) return version;
      lost += 1;
      throw new BackendUnavailableError('the answer was lost');
    };

    gate.open();

    expect(await run).toBe('finished');
    expect([lost, seen.steps]).toEqual([1, 1]);
    const outcomes = (await runtime.log(task)).flatMap((entry) => entry.outcomes ?? []);
    expect(outcomes).toMatchObject([{ kind: 'ok', value: outcome }]);
  });

  test('of this process alone, in which another took the task, is found out before anything is written [EXEC-4 EXEC-22 I7]', async () => {
    const { runtime, task, network, outage, seen, cutRun, other, second } = await takenInAnOutage();
    const written: string[] = [];

    outage.end();
    const put = runtime.backend.putIfVersion.bind(runtime.backend);
    network.putIfVersion = async (key, ...args) => {
      const version = await put(key, ...args);
      written.push(key.id);
      return version;
    };
    await runtime.clock.advance(5_000);

    expect(await cutRun).toBe('stopped');
    expect(written).toEqual([]);
    second.open();
    expect(await other).toBe('finished');
    expect(await runtime.result(task)).toEqual({ by: 'the other' });
    expect(seen.steps).toBe(1);
  });

  test('leaves the log to a run that is known to have taken the task [EXEC-4 EXEC-22 I7]', async () => {
    const { runtime, task, outage, cutRun, other, second } = await takenInAnOutage();

    // Storage is back just before a heartbeat, which finds it out; the next try to write the log would come after it.
    await runtime.clock.advance(TIMES.heartbeatMs - 1_000);
    outage.end();
    await runtime.clock.advance(5_000);

    expect(await cutRun).toBe('stopped');
    expect(await runtime.log(task)).toEqual([]);
    second.open();
    expect(await other).toBe('finished');
  });

  test('does not keep a process from ending [EXEC-22]', async () => {
    const runtime = new RuntimeUnderTest();
    const { gate, tool } = oneStep();
    const task = await runtime.create('one step');
    const runner = runtime.runner([tool]);
    const run = runner.runTask(task);
    await gate.reached;
    const outage = outageOf(runtime.backend);
    gate.open();
    await runtime.clock.advance(5_000);

    runner.stop();

    await expect(run).rejects.toMatchObject({ code: 'unavailable' });
    const { refused } = outage;
    await runtime.clock.advance(TIMES.leaseMs);
    expect(outage.refused).toBe(refused);
  });
});

describe('an outage while', () => {
  test('a result is written is waited out, and the handler does not run again [EXEC-22 I3]', async () => {
    const runtime = new RuntimeUnderTest();
    let handlers = 0;
    let outage: Outage | undefined;
    const tool = toolOf('returns', async () => {
      handlers += 1;
      outage = outageOf(runtime.backend);
      return { handlers };
    });
    const task = await runtime.create('returns');
    const run = runtime.runner([tool]).runTask(task);
    await eventually(() => outage !== undefined);
    await runtime.clock.advance(2 * TIMES.leaseMs);

    outage?.end();
    await runtime.clock.advance(2_000);

    expect(await run).toBe('finished');
    expect(handlers).toBe(1);
    expect(await runtime.result(task)).toEqual({ handlers: 1 });
  });

  test('a wait begins is waited out, and the task is due in time [EXEC-22]', async () => {
    const runtime = new RuntimeUnderTest();
    let outage: Outage | undefined;
    const tool = toolOf('waits', async (task) => {
      outage ??= outageOf(runtime.backend);
      await task.wait('pause', { minutes: 5 });
      return {};
    });
    const task = await runtime.create('waits');
    const startedAt = runtime.clock.now();
    const run = runtime.runner([tool]).runTask(task);
    await eventually(() => outage !== undefined);
    await runtime.clock.advance(10_000);

    outage?.end();
    await runtime.clock.advance(2_000);

    expect(await run).toBe('suspended');
    expect((await runtime.read(task)).run).toEqual({ epoch: 1, crashes: 0, turns: 1, dueAt: startedAt + 300_000 });
  });

  test('a question of a busy run is to be shown only delays it [EXEC-3 EXEC-22]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    const tool = toolOf('asks', async (task) => {
      const roots = task.listRoots();
      await task.step('busy', () => gate.pass());
      await roots;
      return {};
    });
    const task = await runtime.create('asks');
    const run = runtime.runner([tool]).runTask(task);
    await gate.reached;
    const outage = outageOf(runtime.backend);
    await runtime.clock.advance(10_000);

    outage.end();
    await runtime.clock.advance(2_000);

    expect(await runtime.asked(task)).toHaveLength(1);
    gate.open();
    expect(await run).toBe('suspended');
  });
});
