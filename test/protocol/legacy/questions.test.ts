/**
 * Questions to clients of the 2025-11-25 era: on which streams they travel, that each comes once, and that an answer, which
 * comes by a request of its own, is taken by any instance, without a session.
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { inputRequired, inputResponse } from '../../../src/protocol/sdk.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { LegacyClient, type LegacyClientOptions } from '../../support/legacy-client.ts';
import { credentials, type JsonMap, type RpcMessage } from '../../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../../support/mcp-server.ts';

const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
const empty = z.object({});
const FORM = { type: 'object' as const, properties: { name: { type: 'string' as const } }, required: ['name'] };

const asksName = defineTaskTool({
  name: 'asks_name',
  description: 'Asks for a name.',
  inputSchema: empty,
  run: async (_args, task) => {
    try {
      const { action, content } = await task.elicit({ message: 'Who?', requestedSchema: FORM });
      return text(`${action} ${String(content?.['name'])}`);
    } catch (error) {
      return text(`no answer: ${error instanceof Error ? error.message : ''}`);
    }
  },
});
const asksTwice = defineTaskTool({
  name: 'asks_twice',
  description: 'Asks one thing after the other.',
  inputSchema: empty,
  run: async (_args, task) => {
    const first = await task.elicit({ message: 'First?', requestedSchema: FORM });
    const second = await task.elicit({ message: 'Second?', requestedSchema: FORM });
    return text(`${String(first.content?.['name'])} and ${String(second.content?.['name'])}`);
  },
});
const asksAll = defineTaskTool({
  name: 'asks_all',
  description: 'Asks everything.',
  inputSchema: empty,
  run: async (_args, task) => {
    await Promise.all([
      task.elicit({ mode: 'url', message: 'Sign.', url: 'https://sign.example/' }),
      task.sample({ messages: [], maxTokens: 5 }),
      task.listRoots(),
    ]);
    return text('all');
  },
});
const plainAsks = defineTaskTool({
  name: 'plain_asks',
  description: 'Asks in its call.',
  taskSupport: 'forbidden',
  inputSchema: empty,
  run: async (_args, call) => {
    const answer = inputResponse(call.inputResponses ?? {}, 'who');
    if (answer.kind === 'missing') {
      return inputRequired({
        inputRequests: { who: inputRequired.elicit({ message: 'Who?', requestedSchema: FORM }) },
      });
    }
    return text(JSON.stringify(call.inputResponses));
  },
});

let held: HeldServer;
const tools = [asksName, asksTwice, asksAll, plainAsks];

beforeEach(() => {
  held = holdServer(tools);
});

const connect = (options: LegacyClientOptions = {}) =>
  LegacyClient.connect(held.server.fetch, { authInfo: credentials('alice'), ...options });

const questions = (messages: readonly RpcMessage[]) => messages.filter(({ id, method }) => id !== undefined && method);
const accept = (name: string) => ({ result: { action: 'accept', content: { name } } });

async function asking(tool: string, client: LegacyClient): Promise<string> {
  const taskId = await client.createTask(tool);
  await held.runDue();
  return taskId;
}

describe('a question of a task', () => {
  test('comes on the stream of its result, and the answer by a request of its own [LEG-4]', async () => {
    const client = await connect();
    const taskId = await asking('asks_name', client);
    const stream = await client.stream('tasks/result', { taskId });

    const question = await stream.message();
    expect(question).toEqual({
      jsonrpc: '2.0',
      id: `mcp-durable-tasks:task:${taskId}:input-000000`,
      method: 'elicitation/create',
      params: {
        message: 'Who?',
        requestedSchema: FORM,
        _meta: { 'io.modelcontextprotocol/related-task': { taskId } },
      },
    });
    expect(await client.answer(question.id, accept('Ada'))).toBe(202);
    await held.runDue();

    const rest = await stream.rest();
    expect(questions(rest)).toEqual([]);
    expect(rest.at(-1)?.result).toMatchObject(text('accept Ada'));
  });

  test('comes on the stream of a poll, the first that finds it, and never again [LEG-4 LEG-7]', async () => {
    const client = await connect();
    const taskId = await asking('asks_name', client);

    const polls: RpcMessage[][] = [];
    for (let poll = 0; poll < 4; poll += 1) {
      polls.push(await client.messages('tasks/get', { taskId }));
      await held.clock.advance(60_000);
    }

    expect(polls.map((messages) => questions(messages).length)).toEqual([1, 0, 0, 0]);
    for (const messages of polls) expect(messages.at(-1)?.result).toMatchObject({ status: 'input_required' });
    await client.answer(questions(polls.flat())[0]?.id, accept('Ada'));
    await held.runDue();
    expect(await client.result('tasks/result', { taskId })).toMatchObject(text('accept Ada'));
  });

  test('that came on a poll does not come on the stream of the result that is asked for next [LEG-4 LEG-7]', async () => {
    const client = await connect();
    const taskId = await asking('asks_name', client);
    const [question] = questions(await client.messages('tasks/get', { taskId }));
    await held.clock.advance(200);

    const stream = await client.stream('tasks/result', { taskId });
    await held.clock.advance(1_000);
    await client.answer(question?.id, accept('Ada'));
    await held.runDue();

    expect(questions(await stream.rest())).toEqual([]);
  });

  test('comes again on a later stream of the result, where the one before may have been cut [LEG-4]', async () => {
    const client = await connect();
    const taskId = await asking('asks_name', client);
    const first = await client.stream('tasks/result', { taskId });
    await first.message();
    await first.leave();
    await held.clock.advance(30_000);

    const second = await client.stream('tasks/result', { taskId });

    expect((await second.message()).method).toBe('elicitation/create');
    await second.leave();
  });

  test('comes anew to a client that has begun a new session [LEG-4]', async () => {
    const taskId = await asking('asks_name', await connect());
    for (let session = 0; session < 6; session += 1) {
      const client = await connect();
      expect(questions(await client.messages('tasks/get', { taskId }))).toHaveLength(1);
      expect(questions(await client.messages('tasks/get', { taskId }))).toHaveLength(0);
    }
  });

  test('one after the other come on one stream [LEG-4]', async () => {
    const client = await connect();
    const taskId = await asking('asks_twice', client);
    const stream = await client.stream('tasks/result', { taskId });

    for (const name of ['Ada', 'Bob']) {
      const question = await nextQuestion(stream);
      await client.answer(question.id, accept(name));
      await held.runDue();
    }

    expect((await stream.rest()).at(-1)?.result).toMatchObject(text('Ada and Bob'));
  });

  test('is answered at another instance than asked, and shown there as answered [LEG-4]', async () => {
    const other = holdServer(tools, { backend: held.backend, clock: held.clock });
    const client = await connect();
    const taskId = await asking('asks_name', client);
    const [question] = questions(await client.messages('tasks/get', { taskId }));

    expect(await client.at(other.server.fetch).answer(question?.id, accept('Ada'))).toBe(202);
    await other.runDue();

    expect(await client.task(taskId)).toMatchObject({ status: 'completed' });
  });

  test('is answered without a session too [LEG-4]', async () => {
    const client = await connect();
    const taskId = await asking('asks_name', client);
    const [question] = questions(await client.messages('tasks/get', { taskId }));

    await client.withoutSession().answer(question?.id, accept('Ada'));
    await held.runDue();

    expect(await client.task(taskId)).toMatchObject({ status: 'completed' });
  });

  test.each([
    [
      'an error',
      { error: { code: -1, message: 'The user is away.' } },
      'The client answered with an error: The user is away.',
    ],
    ['what does not fit the form', { result: { action: 'accept', content: { name: 7 } } }, 'does not fit its schema'],
    ['what is no answer', { result: { yes: true } }, 'not a valid response to elicitation/create'],
    ['nothing', { result: null }, 'not a valid response'],
  ])('that is answered with %s tells its handler so [LEG-4 MOD-4]', async (_what, answer, reason) => {
    const client = await connect();
    const taskId = await asking('asks_name', client);
    const [question] = questions(await client.messages('tasks/get', { taskId }));

    expect(await client.answer(question?.id, answer)).toBe(202);
    await held.runDue();

    const { content } = await client.result('tasks/result', { taskId });
    expect(content).toEqual([{ type: 'text', text: expect.stringContaining(reason) }]);
  });

  test('is answered by its owner only, and once [LEG-4 I4 I6]', async () => {
    const client = await connect();
    const taskId = await asking('asks_name', client);
    const [question] = questions(await client.messages('tasks/get', { taskId }));
    const before = await held.stored();

    const bob = await connect({ authInfo: credentials('bob') });
    expect(await bob.answer(question?.id, accept('Bob'))).toBe(202);
    expect(await client.answer('mcp-durable-tasks:task:no such', accept('Bob'))).toBe(202);
    expect(await client.answer(`mcp-durable-tasks:task:${taskId}:input-000009`, accept('Bob'))).toBe(202);
    expect(await client.answer(17, accept('Bob'))).toBe(202);
    expect(await held.stored()).toEqual(before);

    await client.answer(question?.id, accept('Ada'));
    await client.answer(question?.id, accept('Bob'));
    await held.runDue();
    await client.answer(question?.id, accept('Bob'));
    expect(await client.result('tasks/result', { taskId })).toMatchObject(text('accept Ada'));
  });

  test('is asked of whom it can be asked, each kind as this era has it [LEG-4 MOD-8 I13]', async () => {
    const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
    const able = await connect({ capabilities });
    const taskId = await asking('asks_all', able);

    const none = await connect({ capabilities: {} });
    const some = await connect({ capabilities: { roots: {} } });
    const asked = async (client: LegacyClient) => questions(await client.messages('tasks/get', { taskId }));

    expect(await asked(none)).toEqual([]);
    expect((await asked(some)).map(({ method }) => method)).toEqual(['roots/list']);
    const all = await asked(able);
    expect(all.map(({ method }) => method)).toEqual(['elicitation/create', 'sampling/createMessage', 'roots/list']);
    expect(all[0]?.params).toMatchObject({ mode: 'url', url: 'https://sign.example/', elicitationId: all[0]?.id });
    await able.answer(all[0]?.id, { result: { action: 'accept' } });
    await able.answer(all[1]?.id, { result: { role: 'assistant', model: 'm', content: { type: 'text', text: 'Hi' } } });
    await able.answer(all[2]?.id, { result: { roots: [] } });
    await held.runDue();
    expect(await able.result('tasks/result', { taskId })).toMatchObject(text('all'));
  });

  test('that the client which made the task has not declared is refused to its handler [MOD-8 I13]', async () => {
    const client = await connect({ capabilities: { roots: {} } });
    const taskId = await asking('asks_name', client);

    expect(await client.result('tasks/result', { taskId })).toMatchObject({
      content: [{ text: expect.stringContaining('has not declared elicitation.form') }],
    });
  });
});

describe('a plain call', () => {
  test('is asked on its own stream, and goes on with the answer [MOD-6 LEG-4]', async () => {
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'asks_name', arguments: {} });
    await held.queue.filled();
    await held.runDue();

    const question = await stream.message();
    expect(question).toMatchObject({ method: 'elicitation/create', params: { message: 'Who?' } });
    await client.answer(question.id, accept('Ada'));
    await held.runDue();

    expect((await stream.message()).result).toEqual(text('accept Ada'));
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('is answered at another instance too [MOD-6 LEG-4]', async () => {
    const other = holdServer(tools, { backend: held.backend, clock: held.clock });
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'asks_name', arguments: {} });
    await held.queue.filled();
    await held.runDue();
    const question = await stream.message();

    await client.at(other.server.fetch).answer(question.id, accept('Ada'));
    await other.runDue();
    await held.clock.advance(1_000);

    expect((await stream.message()).result).toEqual(text('accept Ada'));
  });

  test('waits for a person fifty seconds, and the answer counts after that as well [MOD-6]', async () => {
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'asks_name', arguments: {} });
    await held.queue.filled();
    await held.runDue();
    const question = await stream.message();
    await held.clock.advance(50_000);

    const { result } = await stream.message();
    expect(result).toMatchObject({ structuredContent: { tool: 'asks_name', status: 'input_required' } });
    const taskId = String((result?.['structuredContent'] as JsonMap)['taskId']);
    await client.answer(question.id, accept('Ada'));
    await held.runDue();
    expect(await client.task(taskId)).toMatchObject({ status: 'completed' });
  });

  test('of a tool without tasks is asked on its stream as well [MOD-5 LEG-5]', async () => {
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'plain_asks', arguments: {} });

    const question = await stream.message();
    expect(question.id).toMatch(/^mcp-durable-tasks:call:[0-9a-f]{32}$/);
    await client.answer(question.id, accept('Ada'));

    expect((await stream.message()).result).toMatchObject(text('{"who":{"action":"accept","content":{"name":"Ada"}}}'));
  });

  test('of two such tools at once mixes no answers up [MOD-5 LEG-5]', async () => {
    const client = await connect();
    const streams = await Promise.all(
      [1, 2].map(() => client.stream('tools/call', { name: 'plain_asks', arguments: {} })),
    );
    const asked = await Promise.all(streams.map((stream) => stream.message()));

    await client.answer(asked[1]?.id, accept('second'));
    await client.answer(asked[0]?.id, accept('first'));

    const answers = await Promise.all(streams.map((stream) => stream.message()));
    expect(answers.map(({ result }) => JSON.stringify(result?.['content']))).toEqual([
      expect.stringContaining('first'),
      expect.stringContaining('second'),
    ]);
  });

  test('of such a tool takes an answer that has reached another instance, and leaves nothing behind [MOD-5 LEG-5]', async () => {
    const other = holdServer(tools, { backend: held.backend, clock: held.clock });
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'plain_asks', arguments: {} });
    const question = await stream.message();
    const elsewhere = client.at(other.server.fetch);

    const bob = await LegacyClient.connect(other.server.fetch, { authInfo: credentials('bob') });
    expect(await bob.answer(question.id, accept('Bob'))).toBe(202);
    await elsewhere.answer(question.id, accept('Ada'));
    await elsewhere.answer(question.id, accept('too late'));
    await held.clock.advance(1_000);

    expect((await stream.message()).result).toMatchObject(text('{"who":{"action":"accept","content":{"name":"Ada"}}}'));
    await held.clock.advance(0);
    expect((await held.stored()).size).toBe(0);
    expect(held.clock.pendingTimers).toBe(0);
    await elsewhere.answer(question.id, accept('far too late'));
    expect((await held.stored()).size).toBe(0);
  });

  test('of such a tool is told of an answer that is too large to come from another instance [MOD-4]', async () => {
    const other = holdServer(tools, { backend: held.backend, clock: held.clock });
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'plain_asks', arguments: {} });
    const question = await stream.message();

    await client.at(other.server.fetch).answer(question.id, accept('x'.repeat(65_536)));
    await held.clock.advance(1_000);

    expect((await stream.message()).result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('larger than 65536 bytes') }],
    });
  });

  test('that its client gives up is cancelled, by a notification of its own [LEG-2]', async () => {
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'asks_name', arguments: {} });
    await held.queue.filled();
    await held.runDue();
    await stream.message();
    const cancelled = new Promise<string>((resolve) => {
      held.server.store.onChange(({ task }) => task.status === 'cancelled' && resolve(String(task.statusMessage)));
    });

    await client.post({ method: 'notifications/cancelled', params: { requestId: client.lastId } });

    expect(await cancelled).toBe('The caller went away.');
  });
});

async function nextQuestion(stream: { message(): Promise<RpcMessage> }): Promise<RpcMessage> {
  for (;;) {
    const message = await stream.message();
    if (message.method === 'elicitation/create') return message;
  }
}
