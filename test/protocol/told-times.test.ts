/** What a client is told of times: how long a task stays readable, and how often to ask, on each answer that shows a task. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { greet } from '../support/hostile-world.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

const MINUTE = 60_000;

const soonEnded = defineTaskTool({
  name: 'soon_ended',
  description: 'May take an hour, and is readable for a minute from its end on.',
  inputSchema: z.object({}),
  runDeadlineMs: 60 * MINUTE,
  retentionMs: MINUTE,
  run: async () => ({ content: [{ type: 'text', text: 'done' }] }),
});

const patient = defineTaskTool({ ...greet, name: 'patient', inputSchema: z.object({}), pollIntervalMs: 7000 });

let held: HeldServer;

beforeEach(() => {
  held = holdServer([greet, soonEnded, patient]);
});

const created = async (name: string, args: object = {}) =>
  (await held.peer.call(name, { ...args })).message?.result ?? {};
const read = (taskId: unknown) => held.peer.result('tasks/get', { taskId });

describe('a task of a tool that says how long it is readable', () => {
  test('is promised for the longest to begin with, and from its end on for what the tool says [LIFE-3 MOD-1 I1]', async () => {
    const { taskId, ttlMs } = await created('soon_ended');
    await held.clock.advance(5 * MINUTE);
    expect((await read(taskId))['ttlMs']).toBe(61 * MINUTE);

    await held.runDue();
    const atEnd = await read(taskId);
    await held.clock.advance(MINUTE - 1);
    const atLast = await read(taskId);
    await held.clock.advance(1);
    const gone = await held.peer.ask('tasks/get', { taskId });

    expect(ttlMs).toBe(61 * MINUTE);
    expect([atEnd, atLast].map((task) => [task['status'], task['ttlMs']])).toEqual([
      ['completed', 6 * MINUTE],
      ['completed', 6 * MINUTE],
    ]);
    expect(gone.message?.error?.code).toBe(-32602);
  });

  test('is promised no less by a server whose own policy is used: that counts from the deadline [LIFE-3 MOD-1]', async () => {
    const { taskId, ttlMs } = await created('greet', { name: 'Ada' });
    await held.runDue();

    expect([ttlMs, (await read(taskId))['ttlMs']]).toEqual([48 * 60 * MINUTE, 48 * 60 * MINUTE]);
  });
});

describe('how often to ask', () => {
  test('is a quarter of the task’s age, within bounds, on each answer that shows the task [PERF-3 MOD-1]', async () => {
    const task = await created('greet', { name: 'Ada' });
    const { taskId } = task;
    const young = await read(taskId);
    await held.clock.advance(20_000);
    const older = await read(taskId);
    const stream = await held.peer.listen({ taskIds: [taskId] });
    await stream.message();
    const shown = await stream.message();
    await held.clock.advance(MINUTE);
    await held.peer.result('tasks/cancel', { taskId });
    const cancelled = await stream.message();
    await held.clock.advance(60 * MINUTE);
    const ended = await read(taskId);

    const intervals = [task, young, older, shown.params, cancelled.params, ended].map(
      (told) => told?.['pollIntervalMs'],
    );
    expect(intervals).toEqual([200, 200, 5000, 5000, 20_000, 30_000]);
  });

  test('is what the tool says, at any age, where it does [PERF-3 MOD-1]', async () => {
    const task = await created('patient');
    await held.clock.advance(60 * MINUTE);

    expect([task, await read(task['taskId'])].map((told) => told['pollIntervalMs'])).toEqual([7000, 7000]);
  });
});
