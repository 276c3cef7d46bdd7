/**
 * Questions to clients of the 2025-11-25 era: on which streams they travel, that each comes once, and that an answer, which
 * comes by a request of its own, is taken by any instance, without a session.
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { TaskError } from '../../../src/domain/errors.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { asksName, asksTwice, NAME_FORM, noArguments, text } from '../../support/asking-tools.ts';
import { LegacyClient, type LegacyClientOptions, readerOf } from '../../support/legacy-client.ts';
import { credentials, type RpcMessage } from '../../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../../support/mcp-server.ts';

const asksAll = defineTaskTool({
  name: 'asks_all',
  description: 'Asks everything.',
  inputSchema: noArguments,
  run: async (_args, task) => {
    await Promise.all([
      task.elicit({ mode: 'url', message: 'Sign.', url: 'https://sign.example/' }),
      task.sample({ messages: [], maxTokens: 5 }),
      task.listRoots(),
    ]);
    return text('all');
  },
});

let held: HeldServer;
const waitsForJob = defineTaskTool({
  name: 'waits_for_job',
  description: 'Waits for a job elsewhere.',
  inputSchema: noArguments,
  run: async (_args, task) => {
    const answer = await task.waitForCallback('job', async () => {});
    return text(JSON.stringify(answer));
  },
});
const tools = [asksName, asksTwice, asksAll, waitsForJob];

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
        requestedSchema: NAME_FORM,
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

  test('comes on a stream of the result that stays open, where an earlier stream lost it [LEG-4]', async () => {
    const client = await connect();
    const taskId = await asking('asks_name', client);
    await (await client.open('tasks/get', { taskId })).body?.cancel();
    await held.clock.advance(5_000);
    const stream = await client.stream('tasks/result', { taskId });
    await held.clock.advance(30_000);

    expect((await stream.message()).method).toBe('elicitation/create');
    await stream.leave();
  });

  test('comes once to each of the sessions that look at it last, whatever their names are [LEG-4]', async () => {
    const taskId = await asking('asks_name', await connect());
    const sessions = [];
    for (let session = 0; session < 5; session += 1) {
      const client = await connect();
      await client.messages('tasks/get', { taskId });
      await held.clock.advance(1);
      sessions.push(client);
    }
    const asked = [];
    for (let poll = 0; poll < 3; poll += 1) {
      for (const client of sessions.slice(-2)) asked.push(...questions(await client.messages('tasks/get', { taskId })));
    }

    expect(asked).toEqual([]);
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

  test('is answered in a batch too, as the first revisions have them [LEG-4]', async () => {
    const client = await connect();
    const taskIds = [await asking('asks_name', client), await asking('asks_name', client)];
    const asked = [];
    for (const taskId of taskIds) asked.push(...questions(await client.messages('tasks/get', { taskId })));
    const answers = asked.map(({ id }) => ({ jsonrpc: '2.0', id, ...accept('Ada') }));

    const both = await client.postBatch(answers);
    const rest = await client.postBatch([...answers, { jsonrpc: '2.0', id: 'ping', method: 'ping' }]);
    await held.runDue();

    expect(both.status).toBe(202);
    expect(await readerOf(rest).message()).toMatchObject({ id: 'ping', result: {} });
    for (const taskId of taskIds) expect(await client.task(taskId)).toMatchObject({ status: 'completed' });
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

  test('and no callback of an outside job is what a client can answer [LEG-4 SEC-3]', async () => {
    const client = await connect();
    const taskId = await asking('waits_for_job', client);
    const before = await held.stored();

    await client.answer(`mcp-durable-tasks:task:${taskId}:input-000000`, { error: { code: -1, message: 'forged' } });

    expect(await held.stored()).toEqual(before);
  });

  test('whose answer cannot be stored now is answered with why, and can be sent again [LEG-4 EXEC-22]', async () => {
    const client = await connect();
    const taskId = await asking('asks_name', client);
    const [question] = questions(await client.messages('tasks/get', { taskId }));
    const { store } = held.server;
    const get = store.get.bind(store);
    store.get = () => Promise.reject(new TaskError('unavailable', 'The store is away.'));

    const refused = await client.post({ id: question?.id, ...accept('Ada') });
    store.get = get;
    await client.answer(question?.id, accept('Ada'));
    await held.runDue();

    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ id: null, error: { code: -32000, message: 'The store is away.' } });
    expect(await client.task(taskId)).toMatchObject({ status: 'completed' });
  });

  test('is answered with JSON that says that it is some, as browsers may not send to others [LEG-4 SEC-3]', async () => {
    const client = await connect();
    const taskId = await asking('asks_name', client);
    const [question] = questions(await client.messages('tasks/get', { taskId }));

    const refused = await client.post({ id: question?.id, ...accept('Ada') }, undefined, 'text/plain');

    expect(refused.status).toBe(415);
    expect(await client.task(taskId)).toMatchObject({ status: 'input_required' });
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

async function nextQuestion(stream: { message(): Promise<RpcMessage> }): Promise<RpcMessage> {
  for (;;) {
    const message = await stream.message();
    if (message.method === 'elicitation/create') return message;
  }
}
