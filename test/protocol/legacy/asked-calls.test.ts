/**
 * Calls of the 2025-11-25 era that ask their client while they are answered: on their own stream, with answers by requests
 * of their own; and what becomes of questions where no stream reaches a client.
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { TaskError } from '../../../src/domain/errors.ts';
import { inputRequired, inputResponse } from '../../../src/protocol/sdk.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { asksName, asksTwice, NAME_FORM, noArguments, text } from '../../support/asking-tools.ts';
import { LegacyClient, type LegacyClientOptions, readerOf, taskIdIn } from '../../support/legacy-client.ts';
import { credentials } from '../../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../../support/mcp-server.ts';

const plainAsks = defineTaskTool({
  name: 'plain_asks',
  description: 'Asks in its call.',
  taskSupport: 'forbidden',
  inputSchema: noArguments,
  run: async (_args, call) => {
    const answer = inputResponse(call.inputResponses ?? {}, 'who');
    if (answer.kind === 'missing') {
      return inputRequired({
        inputRequests: { who: inputRequired.elicit({ message: 'Who?', requestedSchema: NAME_FORM }) },
      });
    }
    return text(JSON.stringify(call.inputResponses));
  },
});

let held: HeldServer;
const tools = [asksName, plainAsks];

beforeEach(() => {
  held = holdServer(tools);
});

const connect = (options: LegacyClientOptions = {}) =>
  LegacyClient.connect(held.server.fetch, { authInfo: credentials('alice'), ...options });

const accept = (name: string) => ({ result: { action: 'accept', content: { name } } });

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
    held = holdServer(tools, { taskTools: true });
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'asks_name', arguments: {} });
    await held.queue.filled();
    await held.runDue();
    const question = await stream.message();
    await held.clock.advance(50_000);

    const { result } = await stream.message();
    expect(result).toMatchObject({ structuredContent: { tool: 'asks_name', status: 'input_required' } });
    const taskId = taskIdIn(result?.['structuredContent']);
    await client.answer(question.id, accept('Ada'));
    await held.runDue();
    expect(await client.task(taskId)).toMatchObject({ status: 'completed' });
  });

  test('that nobody answers in that time ends its task where nobody could answer it later [MOD-6 I13]', async () => {
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'asks_name', arguments: {} });
    await held.queue.filled();
    await held.runDue();
    await stream.message();
    await held.clock.advance(50_000);

    expect((await stream.message()).error).toMatchObject({ code: -32603, data: { reason: 'unattended' } });
    const { tasks } = await client.result('tasks/list');
    expect(tasks).toMatchObject([{ status: 'failed' }]);
  });

  test('that is asked late has somebody to answer what is asked next [MOD-6 I13]', async () => {
    held = holdServer([asksTwice]);
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'asks_twice', arguments: {} });
    await held.queue.filled();
    await held.runDue();
    for (const name of ['Ada', 'Bob']) {
      const question = await stream.message();
      await held.clock.advance(24_000);
      await client.answer(question.id, accept(name));
      await held.runDue();
    }

    expect((await stream.message()).result).toEqual(text('Ada and Bob'));
  });

  test('whose connection is lost goes on: only a notification gives it up [LEG-2]', async () => {
    const client = await connect();
    const gone = new AbortController();
    const call = client.open('tools/call', { name: 'asks_name', arguments: {} }, gone.signal);
    await held.queue.filled();
    gone.abort();
    await call.catch(() => {});
    await held.runDue();
    await held.clock.advance(1_000);

    const { tasks } = await client.result('tasks/list');
    expect(tasks).toMatchObject([{ status: 'input_required' }]);
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('goes on asking when storage was away for a moment [MOD-6 EXEC-22]', async () => {
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'asks_name', arguments: {} });
    await held.queue.filled();
    const { store } = held.server;
    const update = store.update.bind(store);
    let failures = 0;
    store.update = async (ref, transition, known) => {
      if (known?.task.status !== 'input_required' || failures > 0) return update(ref, transition, known);
      failures += 1;
      throw new TaskError('unavailable', 'The store is away.');
    };
    await held.runDue();
    await held.clock.advance(1_000);

    expect((await stream.message()).method).toBe('elicitation/create');
    expect(failures).toBe(1);
  });

  test('waits no longer for a person than streams stay open [MOD-6 LEG-2]', async () => {
    held = holdServer(tools, { maxStreamSeconds: 30 });
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'asks_name', arguments: {} });
    await held.queue.filled();
    await held.runDue();
    await stream.message();

    await held.clock.advance(30_000);

    expect((await stream.message()).error).toMatchObject({ data: { reason: 'unattended' } });
  });

  test('of a tool without tasks waits no longer either, and is told so [MOD-5 LEG-2]', async () => {
    // The SDK's own timer, which knows no other clock.
    held = holdServer(tools, { maxStreamSeconds: 1 });
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'plain_asks', arguments: {} });
    await stream.message();

    expect((await stream.rest()).at(-1)?.result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('timed out') }],
    });
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('of a tool without tasks is asked on its stream as well [MOD-5 LEG-5]', async () => {
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'plain_asks', arguments: {} });

    const question = await stream.message();
    expect(question.id).toMatch(/^mcp-durable-tasks:call:[0-9a-f]{32}$/);
    const bob = await connect({ authInfo: credentials('bob') });
    expect(await bob.answer(question.id, accept('Bob'))).toBe(202);
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

  test('is not given up by another caller, whose session has the same name [LEG-2 I6]', async () => {
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'asks_name', arguments: {} });
    await held.queue.filled();
    await held.runDue();
    const question = await stream.message();
    const bob = client.as(credentials('bob'));

    await bob.post({ method: 'notifications/cancelled', params: { requestId: client.lastId } });
    await client.answer(question.id, accept('Ada'));
    await held.runDue();

    expect((await stream.message()).result).toEqual(text('accept Ada'));
  });
});

test('a plain call is told of progress on its stream, and kept open for as long as that counts [MOD-9 LEG-3]', async () => {
  held = holdServer(tools, { taskTools: true });
  const client = await connect();
  const params = { name: 'asks_name', arguments: {}, _meta: { progressToken: 'p1' } };
  const stream = await client.stream('tools/call', params);
  await held.queue.filled();
  await held.runDue();
  expect((await stream.message()).method).toBe('elicitation/create');

  await held.clock.advance(10_000);

  expect(await stream.message()).toMatchObject({
    method: 'notifications/progress',
    params: { progressToken: 'p1', progress: 1 },
  });
  await held.clock.advance(230_000);
  expect((await stream.rest()).at(-1)?.result).toMatchObject({ structuredContent: { status: 'input_required' } });
});

describe('behind something that buffers answers', () => {
  beforeEach(() => {
    held = holdServer(tools, { progressCallWaitMs: null });
  });

  test('a stream of a result ends with the question, and its client comes again for the result [LEG-4]', async () => {
    const client = await connect();
    const taskId = await client.createTask('asks_name');
    await held.runDue();
    const first = await client.stream('tasks/result', { taskId });

    const messages = await first.rest();
    expect(messages.map(({ method }) => method)).toEqual(['elicitation/create']);
    await client.answer(messages[0]?.id, accept('Ada'));
    await held.runDue();

    const again = readerOf(await client.resume(String(first.lastEventId)));
    expect((await again.rest()).at(-1)?.result).toMatchObject(text('accept Ada'));
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('a stream of a result without questions ends when a call would [LEG-2]', async () => {
    const client = await connect();
    const taskId = await client.createTask('asks_name');
    const stream = await client.stream('tasks/result', { taskId });
    await stream.next();

    await held.clock.advance(25_000);

    expect(await stream.rest()).toEqual([]);
  });

  test('a call is not asked within: its tool is told, and without tools for tasks nothing is left [MOD-6 MOD-8 I13]', async () => {
    const client = await connect();
    const answer = client.call('asks_name');
    await held.queue.filled();
    await held.runDue();

    expect((await answer).result).toMatchObject({ content: [{ text: expect.stringContaining('cannot be asked') }] });
    expect((await client.call('plain_asks')).result).toMatchObject({ isError: true });
  });
});
