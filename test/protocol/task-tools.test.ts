/** The tools with which a client that knows no tasks follows its owner’s: what they say, and what they do. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import {
  asksName,
  NAME_FORM,
  noArguments,
  protocolError,
  structured,
  text,
  toolError,
} from '../support/asking-tools.ts';
import { greet } from '../support/hostile-world.ts';
import { LegacyClient, taskIdIn } from '../support/legacy-client.ts';
import { credentials, type JsonMap, type McpPeer } from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

const plainly = { declares: false, capabilities: {} };

const asksBoth = defineTaskTool({
  name: 'asks_both',
  description: 'Asks two things.',
  inputSchema: noArguments,
  run: async (_args, task) => {
    const [form, page] = await Promise.all([
      task.elicit({ message: 'Who?', requestedSchema: NAME_FORM }),
      task.elicit({ mode: 'url', message: 'Sign.', url: 'https://sign.example/' }),
    ]);
    return text(`${form.action} ${page.action}`);
  },
});
const samples = defineTaskTool({
  name: 'samples',
  description: 'Asks a model.',
  inputSchema: noArguments,
  run: async (_args, task) => {
    const { content } = await task.sample({ messages: [], maxTokens: 5 });
    return text(JSON.stringify(content));
  },
});
const tools = [greet, asksName, asksBoth, samples, toolError, protocolError, structured];

let held: HeldServer;

beforeEach(() => {
  held = holdServer(tools, { taskTools: true });
});

async function use(tool: string, args: object, peer: McpPeer = held.peer): Promise<JsonMap> {
  const { message } = await peer.call(tool, { ...args }, plainly);
  if (message?.result === undefined) throw new Error(JSON.stringify(message?.error));
  return message.result;
}

const words = (result: JsonMap | undefined) =>
  ((result?.['content'] ?? []) as { text: string }[]).map((block) => block.text);
const standing = (result: JsonMap | undefined) => result?.['structuredContent'] as JsonMap;

/** A plain call that is answered with where its task stands. */
async function handedOver(tool: string, args: object = {}): Promise<JsonMap> {
  const answer = held.peer.call(tool, { ...args }, plainly);
  await held.queue.filled();
  await held.runDue();
  await held.clock.advance(25_000);
  const { message } = await answer;
  return message?.result ?? {};
}

/** A task that waits. */
const begun = (tool: string, args: object = {}) => held.peer.createTask(tool, { ...args });

describe('the tools for tasks', () => {
  const names = async (peer: McpPeer, changes: object) =>
    ((await peer.result('tools/list', {}, changes))['tools'] as JsonMap[]).map(({ name }) => name);
  const OURS = ['task_status', 'task_respond', 'task_cancel', 'task_list'];

  test('are shown to clients that declare no tasks, of either era [MOD-6]', async () => {
    expect(await names(held.peer, plainly)).toEqual(expect.arrayContaining(OURS));
    const legacy = await LegacyClient.connect(held.server.fetch, { authInfo: credentials('alice') });
    const listed = (await legacy.result('tools/list'))['tools'] as JsonMap[];
    expect(listed.map(({ name }) => name)).toEqual(expect.arrayContaining(OURS));
  });

  test('are not shown to clients that hold tasks themselves [MOD-6]', async () => {
    for (const name of await names(held.peer, {})) expect(OURS).not.toContain(name);
  });

  test('are there only where they are wanted [MOD-6]', async () => {
    held = holdServer(tools);

    for (const name of await names(held.peer, plainly)) expect(OURS).not.toContain(name);
    expect((await held.peer.call('task_list', {}, plainly)).message?.error).toMatchObject({ code: -32602 });
  });

  test('do not take a name from a tool of the server’s own [MOD-6 DX-7]', () => {
    const own = defineTaskTool({ ...greet, name: 'task_list' });

    expect(() => holdServer([own], { taskTools: true })).toThrow(
      expect.objectContaining({ code: 'invalid_definition', message: expect.stringContaining('--no-task-tools') }),
    );
    expect(() => holdServer([own])).not.toThrow();
  });
});

describe('a call that is handed over', () => {
  test('says that it goes on, how, and with which tools it is followed, and is no error [MOD-6]', async () => {
    const answer = held.peer.call('greet', { name: 'Ada' }, plainly);
    await held.queue.filled();
    await held.clock.advance(25_000);

    const result = (await answer).message?.result;

    const taskId = taskIdIn(standing(result));
    expect(result).not.toHaveProperty('isError');
    expect(standing(result)).toMatchObject({ tool: 'greet', status: 'working', pollIntervalMs: 6_250 });
    expect(words(result)).toEqual([
      `greet goes on as task ${taskId}. This is no failure: do not call greet again for it. ` +
        `Call task_status with {"taskId":"${taskId}"} for its result; task_cancel ends it.`,
    ]);
    // Some hosts hand their model only this.
    expect([standing(result)['message']]).toEqual(words(result));
  });

  test('with a question that its client has not declared says what to ask and how to answer [MOD-6 I13]', async () => {
    const result = await handedOver('asks_name');

    const { inputRequests } = standing(result);
    const taskId = taskIdIn(standing(result));
    expect(result).not.toHaveProperty('isError');
    expect(inputRequests).toEqual({
      [Object.keys(inputRequests as JsonMap)[0] ?? '']: expect.objectContaining({ method: 'elicitation/create' }),
    });
    const [told] = words(result);
    expect(told).toContain(`Who? Form: ${JSON.stringify(NAME_FORM)}`);
    expect(told).toContain(`call task_respond with "taskId": "${taskId}", "action": "accept"`);
  });

  test('fits the output schema that its tool is listed with [MOD-6]', async () => {
    const { tools: listed } = await held.peer.result('tools/list', {}, plainly);
    const schema = (listed as JsonMap[]).find(({ name }) => name === 'structured')?.['outputSchema'];

    expect(schema).toMatchObject({
      type: 'object',
      anyOf: [{ properties: { count: { type: 'number' } } }, { required: ['taskId', 'tool', 'status'] }],
    });
    // A client that holds tasks gets a task instead, and the schema as it is.
    const exact = (await held.peer.result('tools/list'))['tools'] as JsonMap[];
    expect(exact.find(({ name }) => name === 'structured')?.['outputSchema']).not.toHaveProperty('anyOf');
  });
});

describe('task_status', () => {
  test('gives a completed task’s result as its tool gave it [MOD-6]', async () => {
    const taskId = await begun('greet', { name: 'Ada' });
    await held.runDue();

    const result = await use('task_status', { taskId });

    expect(words(result)).toEqual([`Task ${taskId} of greet is completed. Its result:`, 'Hello, Ada!']);
    expect(standing(result)).toMatchObject({ taskId, status: 'completed', result: text('Hello, Ada!') });
  });

  test('waits for the end, as long as a call is kept open [MOD-6]', async () => {
    const taskId = await begun('greet', { name: 'Ada' });
    const answer = use('task_status', { taskId });
    await held.clock.advance(24_999);
    await held.runDue();

    expect(standing(await answer)).toMatchObject({ status: 'completed' });
    expect(held.clock.pendingTimers).toBe(0);
  });

  test.each([
    [undefined, 25_000],
    [2, 2_000],
    [0, 0],
    [3_600, 25_000],
  ])('that is to wait %s seconds says after %s ms where the task stands [MOD-6]', async (waitSeconds, ms) => {
    const taskId = await begun('greet', { name: 'Ada' });
    const answer = use('task_status', { taskId, ...(waitSeconds === undefined ? {} : { waitSeconds }) });
    await held.clock.advance(ms);

    expect(standing(await answer)).toMatchObject({ status: 'working' });
  });

  test.each([
    ['tool_error', 'ended with an error of the tool:', { status: 'completed', result: { isError: true } }],
    ['protocol_error', 'failed: No more coffee.', { status: 'failed', error: { code: -32050 } }],
  ])('tells of %s without being an error itself [MOD-6]', async (tool, told, expected) => {
    const taskId = await begun(tool);
    await held.runDue();

    const result = await use('task_status', { taskId });

    expect(result).not.toHaveProperty('isError');
    expect(words(result)[0]).toBe(`Task ${taskId} of ${tool} ${told}`);
    expect(standing(result)).toMatchObject(expected);
  });

  test.each(['task_status', 'task_cancel', 'task_respond'])(
    'and its like know no other owner’s tasks: %s [MOD-6 I6]',
    async (tool) => {
      const taskId = await begun('asks_name');
      const before = await held.stored();
      const bob = held.as(credentials('bob'));

      const foreign = await use(tool, { taskId, action: 'accept' }, bob);
      const unknown = await use(tool, { taskId: '0'.repeat(44), action: 'accept' }, bob);

      expect(foreign).toMatchObject({ isError: true });
      expect(foreign).toEqual(unknown);
      expect(await held.stored()).toEqual(before);
    },
  );
});

test('a result that does not fit an answer twice is shown once, and no completed task is an error [MOD-6 AWS-2]', async () => {
  const big = defineTaskTool({
    name: 'big',
    description: 'Has a large result.',
    inputSchema: noArguments,
    run: async () => text('x'.repeat(40_000)),
  });
  held = holdServer([big], { taskTools: true, maxAnswerBytes: 65_536 });
  const taskId = await begun('big');
  await held.runDue();

  const result = await use('task_status', { taskId });

  expect(result).not.toHaveProperty('isError');
  expect(words(result).at(-1)).toHaveLength(40_000);
  expect(standing(result)).not.toHaveProperty('result');
});

describe('task_respond', () => {
  test('answers the question, and says what came of it [MOD-6]', async () => {
    const taskId = taskIdIn(standing(await handedOver('asks_name')));

    const answer = use('task_respond', { taskId, action: 'accept', content: { name: 'Ada' } });
    await held.queue.filled();
    await held.runDue();

    expect(words(await answer).at(-1)).toBe('accept Ada');
  });

  test('answers one of several by its key [MOD-6]', async () => {
    const result = await handedOver('asks_both');
    const { taskId, inputRequests } = standing(result);
    const [form, page] = Object.keys(inputRequests as JsonMap);

    const none = await use('task_respond', { taskId, action: 'accept' });
    expect(none).toMatchObject({ isError: true, content: [{ text: expect.stringContaining(`${form}, ${page}`) }] });
    const first = use('task_respond', { taskId, key: page, action: 'accept' });
    await held.runDue();
    await held.clock.advance(1_000);
    expect(standing(await first)).toMatchObject({ status: 'input_required' });
    const second = use('task_respond', { taskId, key: form, action: 'decline' });
    await held.queue.filled();
    await held.runDue();

    expect(words(await second).at(-1)).toBe('decline accept');
  });

  test('answers what is no form with a whole response [MOD-6]', async () => {
    const taskId = await begun('samples');
    await held.runDue();
    const response = { role: 'assistant', model: 'm', content: { type: 'text', text: 'Hi' } };

    expect(await use('task_respond', { taskId, action: 'accept' })).toMatchObject({ isError: true });
    const answer = use('task_respond', { taskId, response });
    await held.queue.filled();
    await held.runDue();

    expect(words(await answer).at(-1)).toBe('{"type":"text","text":"Hi"}');
  });

  test.each([
    ['no action', {}, 'Give the user’s "action"'],
    ['a key that is none', { key: 'no such', action: 'accept' }, 'The task asks nothing of this key'],
    ['a form that does not fit', { action: 'accept', content: { name: 7 } }, 'does not fit its schema'],
    ['nothing in the form', { action: 'accept' }, 'does not fit its schema'],
  ])('says what is wrong with %s, and the question stays [MOD-6 MOD-4]', async (_what, answer, problem) => {
    const taskId = await begun('asks_name');
    await held.runDue();

    expect(await use('task_respond', { taskId, ...answer })).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining(problem) }],
    });
    expect(standing(await use('task_status', { taskId }))).toMatchObject({ status: 'input_required' });
  });

  test('says of a task that asks nothing that it does not [MOD-6]', async () => {
    const taskId = await begun('greet', { name: 'Ada' });

    expect(await use('task_respond', { taskId, action: 'accept' })).toMatchObject({
      isError: true,
      content: [{ text: 'The task waits for no answer: it is working.' }],
    });
  });
});

describe('task_cancel', () => {
  test('ends a task, and leaves one that has ended as it is [MOD-6]', async () => {
    const taskId = await begun('greet', { name: 'Ada' });
    expect(words(await use('task_cancel', { taskId }))).toEqual([`Task ${taskId} of greet was cancelled.`]);

    const other = await begun('greet', { name: 'Bob' });
    await held.runDue();
    expect(standing(await use('task_cancel', { taskId: other }))).toMatchObject({ status: 'completed' });
  });
});

describe('task_list', () => {
  test('lists the owner’s tasks, the newest first, and no other’s [MOD-6 I6]', async () => {
    const first = await begun('greet', { name: 'Ada' });
    await held.clock.advance(1);
    const second = await begun('asks_name');
    await held.runDue();

    const listed = await use('task_list', {});
    expect(standing(listed)).toMatchObject({
      tasks: [
        { taskId: second, tool: 'asks_name', status: 'input_required' },
        { taskId: first, tool: 'greet', status: 'completed' },
      ],
    });
    expect(words(listed)).toEqual([`- ${second} asks_name: input_required\n- ${first} greet: completed`]);
    const waiting = await use('task_list', { status: 'input_required' });
    expect((standing(waiting)['tasks'] as JsonMap[]).map(({ taskId }) => taskId)).toEqual([second]);
    expect(words(await use('task_list', {}, held.as(credentials('bob'))))).toEqual(['There are no such tasks.']);
  });

  test('goes on page by page, also through those of other statuses [MOD-6]', async () => {
    for (let index = 0; index < 45; index += 1) {
      await held.clock.advance(1);
      await begun('greet', { name: 'Ada' });
    }
    const first = standing(await use('task_list', {}));
    const second = standing(await use('task_list', { cursor: first['nextCursor'] }));
    const third = standing(await use('task_list', { cursor: second['nextCursor'] }));

    expect([first, second, third].map(({ tasks }) => (tasks as JsonMap[]).length)).toEqual([20, 20, 5]);
    expect(third).not.toHaveProperty('nextCursor');
    expect(standing(await use('task_list', { status: 'failed' }))).toEqual({ tasks: [] });
    expect(await use('task_list', { cursor: 'no such' })).toMatchObject({ isError: true });
  });
});
