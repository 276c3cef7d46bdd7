/** What is stuck, of all owners, and what the doctor makes of a store. */
import { describe, expect, test } from '@jest/globals';
import { BackendUnavailableError } from '../../../src/backends/errors.ts';
import { acquireLease } from '../../../src/domain/run.ts';
import { examine } from '../../../src/operations/doctor.ts';
import { wake } from '../../../src/operations/stepping-in.ts';
import { findStuck } from '../../../src/operations/stuck.ts';
import { headKey } from '../../../src/store/keys.ts';
import { manualRandom } from '../../../src/testing/manual-clock.ts';
import { OWNER } from '../runtime/runtime-under-test.ts';
import { OperationsUnderTest } from './operations-under-test.ts';

class StuckUnderTest extends OperationsUnderTest {
  async kinds() {
    const { stuck } = await findStuck(this.store, { clock: this.clock, graceMs: 120_000, limit: 10 });
    return stuck.map(({ kind, task }) => [kind, task?.id]);
  }

  /** With servers that look, and nobody who runs what they find. */
  async pass(seconds: number): Promise<void> {
    for (let passed = 0; passed < seconds; passed += 5) {
      await this.clock.advance(5_000);
      await this.looker().look();
    }
  }

  async states(changes: Partial<Parameters<typeof examine>[0]> = {}) {
    const { backend, store, clock } = this;
    const random = manualRandom(3);
    const findings = await examine({ backend, store, owner: OWNER, clock, random, graceMs: 120_000, ...changes });
    return Object.fromEntries(findings.map(({ what, state }) => [what, state]));
  }
}

describe('stuck is', () => {
  test('a task that no server looks at, and not one that waits [OPS-7]', async () => {
    const runtime = new StuckUnderTest();
    const lost = await runtime.create('adds');
    await runtime.made('waits');
    await runtime.clock.advance(60_000);
    expect(await runtime.kinds()).toEqual([]);

    await runtime.clock.advance(180_000);

    expect(await runtime.kinds()).toEqual([['not_looked_at', lost.id]]);
  });

  test('a task that is due and that no worker takes, though its entry was moved ahead [OPS-7]', async () => {
    const runtime = new StuckUnderTest();
    const task = await runtime.create('adds');

    await runtime.pass(300);

    expect(await runtime.kinds()).toEqual([['not_run', task.id]]);
  });

  test('a task whose run has died with its process, once its lease is long over [OPS-7]', async () => {
    const runtime = new StuckUnderTest();
    const task = await runtime.create('adds');
    await runtime.store.update(task, (now, at) => acquireLease(now, 'a dead server', 30_000, at));

    await runtime.pass(300);
    const { stuck } = await findStuck(runtime.store, { clock: runtime.clock, graceMs: 120_000, limit: 10 });

    expect(stuck).toMatchObject([
      { kind: 'not_run', forMs: 270_000, reason: expect.stringContaining('a dead server') },
    ]);
  });

  test('a task that no code can run, until it is woken where there is such code [OPS-7]', async () => {
    const runtime = new StuckUnderTest();
    const task = await runtime.create('adds', { args: { a: 1, b: 1 } });
    await runtime.runner([]).runTask(task);

    const { stuck } = await findStuck(runtime.store, { clock: runtime.clock, graceMs: 120_000, limit: 10 });
    expect(stuck).toMatchObject([
      { kind: 'parked', reason: expect.stringContaining('No tool "adds"'), task: { owner: OWNER } },
    ]);
    await wake(runtime.deliveries, task, runtime.clock);
    await runtime.run(task);

    expect(await runtime.kinds()).toEqual([]);
  });

  test('a task whose record cannot be read [OPS-7]', async () => {
    const runtime = new StuckUnderTest();
    const task = await runtime.create('adds');
    const { version = 0 } = (await runtime.backend.get(headKey(task))) ?? {};
    await runtime.backend.putIfVersion(headKey(task), { value: '{"format":99}' }, version);

    const { stuck } = await findStuck(runtime.store, { clock: runtime.clock, graceMs: 120_000, limit: 10 });

    expect(stuck).toMatchObject([{ kind: 'unreadable', reason: expect.stringContaining('format 99') }]);
  });

  test('told of the longest first, at most as many as asked for [OPS-7]', async () => {
    const runtime = new StuckUnderTest();
    const first = await runtime.create('adds');
    await runtime.clock.advance(60_000);
    await runtime.create('adds');
    await runtime.clock.advance(600_000);

    const report = await findStuck(runtime.store, { clock: runtime.clock, graceMs: 120_000, limit: 1 });

    expect(report).toMatchObject({ hasMore: true, stuck: [{ task: { id: first.id } }] });
  });
});

describe('the doctor', () => {
  test('finds a store well that answers, and leaves nothing behind [OPS-1]', async () => {
    const runtime = new StuckUnderTest();

    expect(await runtime.states()).toEqual({ reading: 'fine', writing: 'fine', clock: 'fine', servers: 'fine' });
    expect((await runtime.backend.list('probe', { limit: 10 })).records).toEqual([]);
  });

  test('finds that nobody looks at the agenda, and that only some tasks do not go on [OPS-1 OPS-7]', async () => {
    const runtime = new StuckUnderTest();
    await runtime.create('adds');
    await runtime.pass(300);
    expect(await runtime.states()).toMatchObject({ servers: 'warning' });

    await runtime.clock.advance(3_600_000);
    await runtime.create('adds');
    await runtime.clock.advance(200_000);

    expect(await runtime.states()).toMatchObject({ servers: 'wrong' });
  });

  test('finds a clock that is behind that of a server [OPS-1]', async () => {
    const runtime = new StuckUnderTest();
    await runtime.create('adds');
    const behind = { now: () => runtime.clock.now() - 5_000, after: () => () => {} };

    expect(await runtime.states({ clock: behind })).toMatchObject({ clock: 'wrong' });
  });

  test('looks no further where the store does not answer, or cannot be written [OPS-1]', async () => {
    const runtime = new StuckUnderTest();
    runtime.backend.putIfVersion = () => Promise.reject(new BackendUnavailableError('read only'));

    expect(await runtime.states()).toEqual({ reading: 'fine', writing: 'wrong' });
  });
});
