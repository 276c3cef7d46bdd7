/**
 * Calls of task tools by clients of the 2026-07-28 era that hold no tasks and can be asked: within the call, which they
 * repeat with their answers; and that no task is left with a question that nobody can answer.
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Task } from '../../src/domain/task.ts';
import { inputRequired, McpServer } from '../../src/protocol/sdk.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { asksTwice, NAME_FORM, noArguments, text } from '../support/asking-tools.ts';
import { greet } from '../support/hostile-world.ts';
import { credentials, type JsonMap, type McpAnswer } from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

const OWNER = { issuer: 'unspecified', subject: 'client alice' };

const asksBefore = defineTaskTool({
  name: 'asks_before',
  description: 'Asks before its task, and in it.',
  inputSchema: noArguments,
  admit: async (_args, call) =>
    call.inputResponses === undefined
      ? inputRequired({
          inputRequests: { sure: inputRequired.elicit({ message: 'Sure?', requestedSchema: NAME_FORM }) },
          requestState: 'of the tool',
        })
      : (call.requestState ?? null),
  run: async (_args, task) => {
    const { content } = await task.elicit({ message: 'Who?', requestedSchema: NAME_FORM });
    return text(`${JSON.stringify(task.admission)}, ${String(content?.['name'])}`);
  },
});
let cleanedUp = 0;
const asksLate = defineTaskTool({
  name: 'asks_late',
  description: 'Works for a while before it asks.',
  inputSchema: noArguments,
  run: async (_args, task) => {
    await task.wait('work', { seconds: 60 });
    try {
      await task.elicit({ message: 'Who?', requestedSchema: NAME_FORM });
    } finally {
      cleanedUp += 1;
    }
    return text('told');
  },
});
const tools = [greet, asksTwice, asksBefore, asksLate];

let held: HeldServer;
const askable = { declares: false, capabilities: { elicitation: {} } };

beforeEach(() => {
  cleanedUp = 0;
  held = holdServer(tools);
});

/** Calls, and runs what the call makes. */
async function call(tool: string, more: object = {}): Promise<McpAnswer['message']> {
  const answer = held.peer.ask('tools/call', { name: tool, arguments: {}, ...more }, askable);
  await held.queue.filled();
  await held.runDue();
  return (await answer).message;
}

/** The same call again, with an answer to each question. */
function again(tool: string, asked: JsonMap | undefined, name: string): Promise<McpAnswer['message']> {
  const keys = Object.keys(asked?.['inputRequests'] as JsonMap);
  const inputResponses = Object.fromEntries(keys.map((key) => [key, { action: 'accept', content: { name } }]));
  return call(tool, { inputResponses, requestState: asked?.['requestState'] });
}

async function tasks(): Promise<readonly Task[]> {
  return (await held.server.store.list(OWNER, { limit: 10 })).tasks;
}

describe('a plain call whose client can be asked', () => {
  test('is asked as often as the task asks, and all of it is one task [MOD-6 MOD-5]', async () => {
    const first = (await call('asks_twice'))?.result;
    const [task] = await tasks();
    expect(first).toMatchObject({
      resultType: 'input_required',
      inputRequests: { [Object.keys(task?.inputs ?? {})[0] ?? '']: { params: { message: 'First?' } } },
      requestState: `mcp-durable-tasks:task:${task?.id}`,
    });

    const second = (await again('asks_twice', first, 'Ada'))?.result;
    expect(second).toMatchObject({ resultType: 'input_required' });
    const last = (await again('asks_twice', second, 'Bob'))?.result;

    expect(last).toMatchObject(text('Ada and Bob'));
    expect((await tasks()).map(({ status }) => status)).toEqual(['completed']);
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('is asked before its task in the same way, each state going back to whom it is of [MOD-5 MOD-6]', async () => {
    const { message } = await held.peer.call('asks_before', {}, askable);
    const before = message?.result;
    expect(before).toMatchObject({ resultType: 'input_required', requestState: 'of the tool' });

    const within = (await again('asks_before', before, 'yes'))?.result;
    const last = (await again('asks_before', within, 'Ada'))?.result;

    expect(last).toMatchObject(text('"of the tool", Ada'));
  });

  test('brings back its state past a host’s own check of states [MOD-6]', async () => {
    const verify = async (state: string) => {
      throw new Error(`not of this host: ${state}`);
    };
    held = holdServer(tools, {
      createServer: () => new McpServer({ name: 'host', version: '1' }, { requestState: { verify } }),
    });

    const first = (await call('asks_twice'))?.result;
    const second = (await again('asks_twice', first, 'Ada'))?.result;

    expect(second).toMatchObject({ resultType: 'input_required' });
  });

  test('is asked again for what it left out, and told what does not fit [MOD-6 MOD-4]', async () => {
    const first = (await call('asks_twice'))?.result;
    const { requestState, inputRequests } = first as JsonMap;
    const [key = ''] = Object.keys(inputRequests as JsonMap);
    const repeat = (more: object) =>
      held.peer.ask('tools/call', { name: 'asks_twice', arguments: {}, requestState, ...more }, askable);

    expect((await repeat({})).message?.result).toMatchObject({ inputRequests, requestState });
    const wrong = { [key]: { action: 'accept', content: { name: 7 } } };
    expect((await repeat({ inputResponses: wrong })).message?.error).toMatchObject({ code: -32602 });
  });

  test.each([
    ['of another tool', (id: unknown) => ({ name: 'greet', arguments: { name: 'Ada' }, requestState: id })],
    ['of what is no task', () => ({ name: 'asks_twice', arguments: {}, requestState: 'mcp-durable-tasks:task:zzz' })],
    [
      'of no task',
      () => ({ name: 'asks_twice', arguments: {}, requestState: `mcp-durable-tasks:task:${'0'.repeat(44)}` }),
    ],
  ])('with a state %s is refused [MOD-6 I6]', async (_what, params) => {
    const first = (await call('asks_twice'))?.result;

    const { message } = await held.peer.ask('tools/call', params(first?.['requestState']), askable);

    expect(message?.error).toMatchObject({ code: -32602 });
    expect(await tasks()).toHaveLength(1);
  });

  test('by a client that holds tasks now is answered with that task, its answers taken [MOD-6 MOD-1]', async () => {
    const first = (await call('asks_twice'))?.result;
    const keys = Object.keys(first?.['inputRequests'] as JsonMap);
    const inputResponses = Object.fromEntries(keys.map((key) => [key, { action: 'accept', content: { name: 'Ada' } }]));
    const params = { name: 'asks_twice', arguments: {}, inputResponses, requestState: first?.['requestState'] };

    const taken = await held.peer.result('tools/call', params);
    await held.runDue();

    const made = await tasks();
    expect(made).toHaveLength(1);
    expect(taken).toMatchObject({ resultType: 'task', taskId: made[0]?.id });
    expect(await held.peer.task(String(made[0]?.id))).toMatchObject({ status: 'input_required' });
  });

  test('with the state of another owner’s task finds nothing [MOD-6 I6]', async () => {
    const first = (await call('asks_twice'))?.result;
    const params = { name: 'asks_twice', arguments: {}, requestState: first?.['requestState'] };

    const { message } = await held.as(credentials('bob')).ask('tools/call', params, askable);

    expect(message?.error).toMatchObject({ code: -32602 });
  });
});

describe('a task that asks when its call is long answered', () => {
  test('ends at once where nobody can answer, saying so, and its handler cleans up [MOD-6 I13]', async () => {
    const answer = held.peer.call('asks_late', {}, askable);
    await held.queue.filled();
    await held.runDue();
    await held.clock.advance(25_000);
    expect((await answer).message?.result).toMatchObject({ structuredContent: { status: 'working' } });

    await held.clock.advance(60_000);
    await held.runDue();

    const [task] = await tasks();
    expect(task).toMatchObject({ status: 'failed', statusMessage: expect.stringContaining('needs an answer') });
    expect(await held.peer.task(String(task?.id))).toMatchObject({ error: { data: { reason: 'unattended' } } });
    expect(cleanedUp).toBe(1);
    expect(task?.run.cleanup).toBeUndefined();
  });

  test.each([
    ['25 s', {}, 23_000],
    ['four minutes', { progressToken: 'p1' }, 230_000],
  ])('may ask until two looks before its call ends, of one kept open for %s [MOD-6]', async (_kept, meta, askingMs) => {
    const answer = held.peer.call('asks_late', {}, { ...askable, meta });
    await held.queue.filled();

    const [task] = await tasks();

    expect(Number(task?.attendedUntil) - Number(task?.createdAt)).toBe(askingMs);
    await held.server.drain();
    await answer;
  });

  test('waits for whoever answers where there are tools for that [MOD-6]', async () => {
    held = holdServer(tools, { taskTools: true });
    const answer = held.peer.call('asks_late', {}, askable);
    await held.queue.filled();
    await held.runDue();
    await held.clock.advance(25_000);
    await answer;

    await held.clock.advance(60_000);
    await held.runDue();

    expect((await tasks()).map(({ status }) => status)).toEqual(['input_required']);
  });

  test('waits as well where its client holds tasks [MOD-1]', async () => {
    await held.peer.createTask('asks_late');
    await held.runDue();
    await held.clock.advance(60_000);
    await held.runDue();

    expect((await tasks()).map(({ status }) => status)).toEqual(['input_required']);
  });

  test('waits again as long as a call is kept open that brings answers [MOD-6]', async () => {
    const first = (await call('asks_twice'))?.result;
    await held.clock.advance(3_600_000);

    const second = (await again('asks_twice', first, 'Ada'))?.result;

    expect(second).toMatchObject({ resultType: 'input_required' });
  });
});
