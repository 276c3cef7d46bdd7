/** How a task ends: by its result, by an error, by itself no more, by its deadline, by another's hand; once. */
import { describe, expect, test } from '@jest/globals';
import { inline, MAX_PAYLOAD_BYTES } from '../../../../src/domain/payload.ts';
import { completeTask, shownStatusMessage } from '../../../../src/domain/task.ts';
import { headKey } from '../../../../src/store/keys.ts';
import { DeliberateFailure, Gate, RuntimeUnderTest, TIMES, toolOf } from '../runtime-under-test.ts';

describe('the end of a task', () => {
  test('is a failure with code, message and data when the handler fails it', async () => {
    const runtime = new RuntimeUnderTest();
    const failure = { code: -32042, message: 'No such order', data: { order: 7 } };
    const tool = toolOf('fails', async () => {
      throw new DeliberateFailure(failure);
    });
    const task = await runtime.create('fails');

    await runtime.runner([tool]).runTask(task);

    expect((await runtime.read(task)).status).toBe('failed');
    expect(await runtime.error(task)).toEqual(failure);
  });

  test('carries an error of any size without growing the head', async () => {
    const runtime = new RuntimeUnderTest();
    const failure = { code: -32042, message: 'x'.repeat(500_000), data: { trace: 'y'.repeat(500_000) } };
    const tool = toolOf('fails', async () => {
      throw new DeliberateFailure(failure);
    });
    const task = await runtime.create('fails');

    expect(await runtime.runner([tool]).runTask(task)).toBe('finished');

    expect(await runtime.error(task)).toEqual(failure);
    const head = await runtime.backend.get(headKey(task));
    expect(head?.value.length).toBeLessThan(4096);
  });

  test('is a tool error that says so when the result is too large to keep', async () => {
    const runtime = new RuntimeUnderTest();
    const task = await runtime.create('large');

    await runtime.runner([toolOf('large', async () => ({ text: 'x'.repeat(MAX_PAYLOAD_BYTES) }))]).runTask(task);

    expect((await runtime.read(task)).status).toBe('completed');
    const result = (await runtime.result(task)) as { isError: boolean; content: { text: string }[] };
    expect(result.isError).toBe(true);
    expect(result.content[0]?.text).toMatch(/could not be kept/);
  });

  test('comes with a step whose outcome is too large, which fails at once and says so [EXEC-7 EXEC-18 LIFE-10]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('large step', async (task) => {
      await task.step('large', async () => 'x'.repeat(MAX_PAYLOAD_BYTES + 1));
      return {};
    });
    const task = await runtime.create('large step');

    expect(await runtime.runner([tool]).runTask(task)).toBe('finished');

    expect(await runtime.result(task)).toMatchObject({
      isError: true,
      text: expect.stringMatching(/Step "large" returned \d+ bytes of JSON; at most 5242880 are recorded/),
    });
  });

  test('comes with a step whose outcome is no JSON, which fails at once and is named [EXEC-7 EXEC-18]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('no json', async (task) => {
      await task.step('count atoms', async () => 10n);
      return {};
    });
    const task = await runtime.create('no json');

    expect(await runtime.runner([tool]).runTask(task)).toBe('finished');

    expect(await runtime.result(task)).toMatchObject({
      isError: true,
      text: expect.stringMatching(/Step "count atoms" returned a bigint/),
    });
  });

  test('does not come when a replay does something else than what was recorded: the task is parked and says so [EXEC-12 EXEC-17]', async () => {
    const runtime = new RuntimeUnderTest();
    let release = 1;
    const tool = toolOf('changes', async (task) => {
      await task.step(release === 1 ? 'old name' : 'new name', async () => 'x');
      await task.wait('pause', { seconds: 1 });
      return {};
    });
    const runner = runtime.runner([tool]);
    const task = await runtime.create('changes');
    await runner.runTask(task);
    release = 2;
    await runtime.clock.advance(1000);

    expect(await runner.runTask(task)).toBe('parked');

    const parked = await runtime.read(task);
    expect(shownStatusMessage(parked)).toMatch(/recorded is step "old name", and the code asked for step "new name"/);
    expect(parked).toMatchObject({ status: 'working', run: { crashes: 0, parked: { looks: 1 } } });
    release = 1;
    await runtime.clock.advance(5_000);
    expect(await runner.runTask(task)).toBe('finished');
  });

  test('says why in a thousand characters at most, while the error itself is kept whole [EXEC-18 I10]', async () => {
    const runtime = new RuntimeUnderTest();
    const message = 'm'.repeat(1_001);
    const fails = toolOf('fails', async () => {
      throw new DeliberateFailure({ code: 1, message });
    });
    const failing = await runtime.create('fails');
    const unknown = await runtime.create('n'.repeat(1_001));
    const runner = runtime.runner([fails]);

    expect([await runner.runTask(failing), await runner.runTask(unknown)]).toEqual(['finished', 'parked']);

    expect((await runtime.read(failing)).statusMessage).toBe(`${'m'.repeat(999)}…`);
    expect(await runtime.error(failing)).toEqual({ code: 1, message });
    expect(shownStatusMessage(await runtime.read(unknown))).toMatch(/^[^…]{999}…$/);
  });

  test('comes at the run deadline, which the next heartbeat notices: the handler’s signal fires [LIFE-3]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    let reason: unknown;
    const tool = toolOf('slow', async (task) => {
      task.signal.addEventListener('abort', () => {
        reason = task.signal.reason;
        gate.open();
      });
      await gate.pass();
      return { late: true };
    });
    const task = await runtime.create('slow', { lifetime: { runDeadlineMs: 12_000 } });
    const running = runtime.runner([tool]).runTask(task);
    await gate.reached;

    await runtime.clock.advance(11_999);
    expect(reason).toBeUndefined();
    await runtime.clock.advance(TIMES.heartbeatMs);

    expect(await running).toBe('cleaned_up');
    expect(reason).toMatchObject({ name: 'TaskAborted', reason: 'deadline' });
    expect(await runtime.error(task)).toMatchObject({ data: { reason: 'deadline_exceeded' } });
  });

  test('is not waited for longer than its time to clean up when the handler does not hear the signal [EXEC-5 EXEC-15]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    const tool = toolOf('deaf', async () => {
      await gate.pass();
      return { late: true };
    });
    const task = await runtime.create('deaf');
    const running = runtime.runner([tool]).runTask(task);
    await gate.reached;
    await runtime.cancel(task);

    await runtime.clock.advance(TIMES.heartbeatMs + 60_000);

    expect(await running).toBe('cleaned_up');
    gate.open();
    expect((await runtime.read(task)).status).toBe('cancelled');
    expect(await runtime.result(task)).toBeUndefined();
  });

  test('by another’s hand is final: what the handler returns afterwards is dropped [I2 I3 I7]', async () => {
    const runtime = new RuntimeUnderTest();
    const gate = new Gate();
    const tool = toolOf('late', async () => {
      await gate.pass();
      return { late: true };
    });
    const task = await runtime.create('late');
    const running = runtime.runner([tool]).runTask(task);
    await gate.reached;
    const other = runtime.otherStore();
    await other.update(task, (now, at) => completeTask(now, inline({ early: true }), at));

    gate.open();

    expect(await running).toBe('stopped');
    expect(await runtime.result(task)).toEqual({ early: true });
  });
});
