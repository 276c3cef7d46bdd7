/**
 * Calls of task tools by clients that know no tasks: run as a task all the same, awaited, and handed over past
 * a limit. Those that ask are in asked-within-calls.test.ts.
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { ProtocolError } from '../../src/protocol/sdk.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { greet, keepAll } from '../support/hostile-world.ts';
import type { McpAnswer } from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
const empty = z.object({});
const SERVER = { 'io.modelcontextprotocol/serverInfo': { name: 'held-server', version: '1.2.3' } };

const refused = defineTaskTool({
  name: 'refused',
  description: 'Fails with an error of the protocol.',
  inputSchema: empty,
  run: async () => {
    throw new ProtocolError(-32050, 'No more coffee.', { cups: 0 });
  },
});

const long = defineTaskTool({
  name: 'long',
  description: 'Has a result too long for the head.',
  inputSchema: empty,
  run: async () => text('x'.repeat(500_000)),
});

const NO_ERRORS: Readonly<Record<'text' | 'object', unknown>> = {
  text: 'Out of milk.',
  object: { reason: 'Out of sugar.' },
};

const direct = defineTaskTool({
  name: 'direct',
  description: 'Never becomes a task.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ fail: z.enum(['no', 'throw', 'text', 'object', 'protocol', 'nothing']) }),
  run: async ({ fail }) => {
    if (fail === 'throw') throw new Error('Spilled.');
    if (fail === 'text' || fail === 'object') throw NO_ERRORS[fail];
    if (fail === 'protocol') throw new ProtocolError(-32050, 'No more coffee.');
    return fail === 'nothing' ? (undefined as unknown as ReturnType<typeof text>) : text('at once');
  },
});

let held: HeldServer;

beforeEach(() => {
  held = holdServer([greet, refused, long, direct, keepAll]);
});

const plainly = { declares: false };

/** The task that the only call so far has made. */
async function onlyTask() {
  const { tasks } = await held.server.store.list({ issuer: 'unspecified', subject: 'client alice' }, { limit: 10 });
  expect(tasks).toHaveLength(1);
  return tasks[0];
}

/** Calls, and runs the task that the call makes. */
async function callAndRun(name: string, args: object = {}): Promise<McpAnswer> {
  const answer = held.peer.call(name, { ...args }, plainly);
  await held.queue.filled();
  await held.runDue();
  return answer;
}

const handedOver = (id: string | undefined) => ({
  resultType: 'complete',
  content: [
    {
      type: 'text',
      text:
        `greet goes on as task ${id}. This is no failure: do not call greet again for it. ` +
        'A client that supports tasks can follow it with tasks/get.',
    },
  ],
  structuredContent: {
    taskId: id,
    tool: 'greet',
    status: 'working',
    createdAt: expect.any(String),
    lastUpdatedAt: expect.any(String),
    pollIntervalMs: expect.any(Number),
    message: expect.stringContaining('This is no failure'),
  },
  _meta: SERVER,
});

describe('a plain call of a task tool', () => {
  test('is answered with the tool’s result, as if there were no task [MOD-1]', async () => {
    const { message } = await callAndRun('greet', { name: 'Ada' });

    expect(message?.result).toEqual({
      resultType: 'complete',
      content: [{ type: 'text', text: 'Hello, Ada!' }],
      _meta: SERVER,
    });
    expect((await onlyTask())?.status).toBe('completed');
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('is answered whole where the result is long [MOD-1]', async () => {
    const { message } = await callAndRun('long');

    expect(message?.result?.['content']).toEqual([{ type: 'text', text: 'x'.repeat(500_000) }]);
  });

  test('gets the error of a task that fails [MOD-1]', async () => {
    expect((await callAndRun('refused')).message?.error).toEqual({
      code: -32050,
      message: 'No more coffee.',
      data: { cups: 0 },
    });
  });

  test('is handed over when it takes longer than a call is kept open [MOD-1]', async () => {
    const answer = held.peer.call('greet', { name: 'Ada' }, plainly);
    await held.queue.filled();

    await held.clock.advance(25_000);

    const task = await onlyTask();
    expect((await answer).message?.result).toEqual(handedOver(task?.id));
    expect(task?.status).toBe('working');
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('is kept open to its last millisecond [MOD-1]', async () => {
    const answer = held.peer.call('greet', { name: 'Ada' }, plainly);
    await held.queue.filled();
    await held.clock.advance(24_999);

    await held.runDue();

    expect((await answer).message?.result?.['isError']).toBeUndefined();
  });

  test('is told when the task is cancelled by somebody else [MOD-1]', async () => {
    const answer = held.peer.call('greet', { name: 'Ada' }, plainly);
    await held.queue.filled();

    await held.peer.result('tasks/cancel', { taskId: (await onlyTask())?.id });

    expect((await answer).message?.result).toMatchObject({
      isError: true,
      content: [{ text: 'The task was cancelled.' }],
    });
  });

  test('whose client leaves cancels the task [MOD-1]', async () => {
    const client = new AbortController();
    const cancelled = new Promise<string>((resolve) => {
      held.server.store.onChange(({ task }) => task.status === 'cancelled' && resolve(String(task.statusMessage)));
    });
    const answer = held.peer.call('greet', { name: 'Ada' }, { ...plainly, signal: client.signal });
    await held.queue.filled();

    client.abort();

    expect(await cancelled).toBe('The caller went away.');
    await answer.catch(() => {});
    await held.clock.advance(0);
    expect(held.clock.pendingTimers).toBe(0);
  });

  test.each([
    ['each second', 60_000, 1_000],
    ['as often as its clients may poll, where that is more', 200, 200],
  ])(
    'notices the end of a task that another process ran, for which it looks %s [MOD-1]',
    async (_often, pollIntervalMs, lookEveryMs) => {
      held = holdServer([{ ...greet, pollIntervalMs }]);
      const other = holdServer([greet], { backend: held.backend, clock: held.clock });
      let answered = false;
      const answer = held.peer.call('greet', { name: 'Ada' }, plainly).finally(() => {
        answered = true;
      });
      await held.queue.filled();
      await held.clock.advance(lookEveryMs);
      const task = await onlyTask();
      if (task !== undefined) await other.server.runTask(task);

      await held.clock.advance(lookEveryMs - 1);
      expect(answered).toBe(false);
      await held.clock.advance(1);

      expect((await answer).message?.result?.['content']).toEqual([{ type: 'text', text: 'Hello, Ada!' }]);
    },
  );
});

describe('a tool without tasks', () => {
  test.each([
    ['no', { result: { content: [{ type: 'text', text: 'at once' }] } }],
    ['throw', { result: { isError: true, content: [{ type: 'text', text: 'Spilled.' }] } }],
    ['text', { result: { isError: true, content: [{ type: 'text', text: 'Out of milk.' }] } }],
    ['object', { result: { isError: true, content: [{ type: 'text', text: '{"reason":"Out of sugar."}' }] } }],
    ['protocol', { error: { code: -32050, message: 'No more coffee.' } }],
    ['nothing', { result: { isError: true, content: [{ text: expect.stringContaining('returned no tool result') }] } }],
  ])('is answered within the call, and stores nothing: %s [MOD-1]', async (fail, expected) => {
    expect((await held.peer.call('direct', { fail })).message).toMatchObject(expected);
    expect((await held.stored()).size).toBe(0);
  });

  test('that throws is in the log, with its name and stack [EXEC-18]', async () => {
    const lines: unknown[] = [];
    const logger = { ...silentLogger, warn: (line: string, fields?: object) => lines.push({ line, ...fields }) };
    held = holdServer([direct], { logger });

    await held.peer.call('direct', { fail: 'throw' });
    await held.peer.call('direct', { fail: 'protocol' });

    const stack = expect.stringMatching(/^Error: Spilled\.\n\s+at /);
    expect(lines).toEqual([{ line: 'The tool threw', tool: 'direct', error: 'Error', message: 'Spilled.', stack }]);
  });
});
