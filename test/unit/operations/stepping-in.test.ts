/** Stepping in as an operator: answers, cancelling, waking and retrying, which servers find on the agenda at once. */
import { describe, expect, test } from '@jest/globals';
import { acquireLease } from '../../../src/domain/run.ts';
import { answerTask } from '../../../src/operations/answering.ts';
import { cancelTask, retryTask, wake } from '../../../src/operations/stepping-in.ts';
import { reportOf } from '../../../src/operations/task-report.ts';
import { OperationsUnderTest } from './operations-under-test.ts';

const ann = { kind: 'accept', content: { name: 'Ann' } } as const;

describe('an answer', () => {
  test('to the only question has servers go on at once, as one of the client’s would [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const task = await runtime.made('asks');

    await answerTask(runtime.deliveries, task, ann);

    expect((await runtime.noted(task))[0]).toBe(0);
    await runtime.run(task);
    expect(await runtime.result(task)).toEqual({ hello: 'Ann' });
  });

  test('that does not fit the form is refused, and the question stays [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const task = await runtime.made('asks');

    await expect(answerTask(runtime.deliveries, task, { kind: 'accept', content: {} })).rejects.toMatchObject({
      code: 'invalid_answer',
    });
    expect(await runtime.asked(task)).toHaveLength(1);
  });

  test('needs a key where several questions are open, and names them [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const task = await runtime.made('asks_two');
    const [first = '', second = ''] = await runtime.asked(task);

    await expect(answerTask(runtime.deliveries, task, ann)).rejects.toThrow(`one of ${first}, ${second}`);
    await expect(answerTask(runtime.deliveries, task, ann, 'nine')).rejects.toThrow('does not ask for "nine"');
    await answerTask(runtime.deliveries, task, { kind: 'decline' }, second);

    expect(await runtime.asked(task)).toEqual([first]);
  });

  test('to a task that asks nothing, or has ended, says so [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();

    await expect(answerTask(runtime.deliveries, await runtime.made('waits'), ann)).rejects.toThrow('asks nothing');
    await expect(answerTask(runtime.deliveries, await runtime.made('fails'), ann)).rejects.toThrow('is failed');
  });
});

describe('cancelling', () => {
  test('ends the task and has its handler clean up at once; one that has ended is refused [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const task = await runtime.made('waits');

    const cancelled = await cancelTask(runtime.deliveries, task);

    expect(cancelled).toMatchObject({ status: 'cancelled', statusMessage: 'Cancelled by an operator.' });
    expect((await runtime.noted(task))[0]).toBe(0);
    await expect(cancelTask(runtime.deliveries, task)).rejects.toThrow('has ended already: it is cancelled');
  });
});

describe('waking', () => {
  test('has a parked task looked at now, by servers that have its code again [OPS-1 OPS-7]', async () => {
    const runtime = new OperationsUnderTest();
    const task = await runtime.create('adds', { args: { a: 1, b: 1 } });
    await runtime.runner([]).runTask(task);
    expect((await runtime.read(task)).run.parked).toBeDefined();

    const { how } = await wake(runtime.deliveries, task, runtime.clock);
    await runtime.run(task);

    expect(how).toBe('woken');
    expect((await runtime.read(task)).status).toBe('completed');
  });

  test('does not end a wait, which goes on [OPS-7]', async () => {
    const runtime = new OperationsUnderTest();
    const task = await runtime.made('waits');
    const { dueAt } = (await runtime.read(task)).run;

    await wake(runtime.deliveries, task, runtime.clock);
    expect((await runtime.noted(task))[0]).toBe(0);
    await runtime.run(task);

    expect(await runtime.read(task)).toMatchObject({ status: 'working', run: { dueAt } });
  });

  test('leaves a task alone that a run holds, and refuses one that has ended [OPS-7]', async () => {
    const runtime = new OperationsUnderTest();
    const held = await runtime.create('adds');
    await runtime.store.update(held, (task, now) => acquireLease(task, 'somebody', 30_000, now));
    const before = await runtime.noted(held);

    expect(await wake(runtime.deliveries, held, runtime.clock)).toMatchObject({ how: 'running' });
    expect(await runtime.noted(held)).toEqual(before);
    await expect(wake(runtime.deliveries, await runtime.made('fails'), runtime.clock)).rejects.toThrow('tasks retry');
  });
});

describe('a retry', () => {
  test('is a new task with the arguments of the old one, and both name each other [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const old = await runtime.create('fails', { args: { a: 1 }, admission: { seat: 7 }, maxAttempts: 3 });
    await runtime.run(old);

    const { task, created } = await retryTask(runtime.deliveries, old);

    expect(created).toBe(true);
    expect(await runtime.noted(task)).toContain(0);
    expect(task).toMatchObject({ tool: 'fails', status: 'working', maxAttempts: 3, deadlineAt: expect.any(Number) });
    expect(task.deadlineAt - task.createdAt).toBe(old.deadlineAt - old.createdAt);
    expect(await reportOf(runtime.store, task)).toMatchObject({ arguments: { a: 1 }, retryOf: old.id });
    expect(await reportOf(runtime.store, old)).toMatchObject({ retriedAs: task.id });
    const { admission } = await runtime.read(task);
    expect(admission).toEqual({ json: { seat: 7 } });
  });

  test('is made once, however often it is asked for [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const old = await runtime.made('fails');

    const both = [await retryTask(runtime.deliveries, old), await retryTask(runtime.deliveries, old)];

    expect(both.map(({ created }) => created)).toEqual([true, false]);
    expect(both[1]?.task.id).toBe(both[0]?.task.id);
  });

  test('of a task that goes on is refused, and of one that succeeded without being told so [OPS-1]', async () => {
    const runtime = new OperationsUnderTest();
    const succeeded = await runtime.made('adds', { a: 1, b: 1 });

    await expect(retryTask(runtime.deliveries, await runtime.made('waits'))).rejects.toThrow('has not ended');
    await expect(retryTask(runtime.deliveries, succeeded)).rejects.toThrow('add --yes');
    expect(await retryTask(runtime.deliveries, succeeded, { evenIfCompleted: true, toolVersion: 2 })).toMatchObject({
      created: true,
      task: { toolVersion: 2 },
    });
  });
});
