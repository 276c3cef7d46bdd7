/** Tasks of revision 2025-11-25: what is offered to whom, and each method, from creation to the end. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { fromJsonSchema } from '@modelcontextprotocol/server';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { noArguments, protocolError, structured, text, toolError } from '../../support/asking-tools.ts';
import { greet } from '../../support/hostile-world.ts';
import { LegacyClient, type LegacyClientOptions, taskIdIn } from '../../support/legacy-client.ts';
import { credentials, type JsonMap } from '../../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../../support/mcp-server.ts';

const RELATED = 'io.modelcontextprotocol/related-task';

const required = defineTaskTool({ ...greet, name: 'required', taskSupport: 'required', inputSchema: noArguments });
const forbidden = defineTaskTool({
  name: 'forbidden',
  description: 'Answers at once.',
  taskSupport: 'forbidden',
  inputSchema: noArguments,
  run: async () => text('at once'),
});
const eager = defineTaskTool({
  name: 'eager',
  description: 'Says something at once.',
  inputSchema: noArguments,
  immediateResponse: 'I have begun.',
  run: async () => text('done'),
});

let held: HeldServer;

beforeEach(() => {
  held = holdServer([greet, required, forbidden, eager, toolError, protocolError, structured]);
});

const connect = (options: LegacyClientOptions = {}) =>
  LegacyClient.connect(held.server.fetch, { authInfo: credentials('alice'), ...options });

describe('what is offered', () => {
  test('to revision 2025-11-25 is tasks, and no extension of the later era [LEG-1]', async () => {
    const { initialized } = await connect();

    expect(initialized).toMatchObject({
      protocolVersion: '2025-11-25',
      capabilities: { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } },
    });
    expect(initialized['capabilities']).not.toHaveProperty('extensions');
  });

  test('to callers that cannot be told apart is no list [LEG-1 I6]', async () => {
    held = holdServer([greet], { allowAnonymous: true });

    const client = await connect({ authInfo: undefined });

    expect(client.initialized['capabilities']).toMatchObject({ tasks: { cancel: {} } });
    expect((client.initialized['capabilities'] as JsonMap)['tasks']).not.toHaveProperty('list');
    expect((await client.ask('tasks/list')).error).toMatchObject({ code: -32601 });
  });

  test.each(['2025-06-18', '2025-03-26'])('to revision %s is neither [LEG-1]', async (revision) => {
    const client = await connect({ revision });

    expect(client.initialized['protocolVersion']).toBe(revision);
    expect(client.initialized['capabilities']).not.toHaveProperty('tasks');
    expect(client.initialized['capabilities']).not.toHaveProperty('extensions');
    const { tools } = await client.result('tools/list');
    for (const tool of tools as JsonMap[]) expect(tool).not.toHaveProperty('execution');
    expect((await client.ask('tasks/get', { taskId: '0'.repeat(44) })).error).toMatchObject({ code: -32601 });
  });

  test('of each tool is whether it can, must or cannot be called as a task [LEG-1]', async () => {
    const { tools } = await (await connect()).result('tools/list');

    const support = (tools as JsonMap[]).map(({ name, execution }) => [name, execution]);
    expect(support).toContainEqual(['greet', { taskSupport: 'optional' }]);
    expect(support).toContainEqual(['required', { taskSupport: 'required' }]);
    expect(support).toContainEqual(['forbidden', { taskSupport: 'forbidden' }]);
  });

  test('to the later era is no such thing [LEG-1 MOD-1]', async () => {
    const { tools } = await held.peer.result('tools/list');
    const discovered = await held.peer.result('server/discover');

    for (const tool of tools as JsonMap[]) expect(tool).not.toHaveProperty('execution');
    expect(discovered['capabilities']).not.toHaveProperty('tasks');
    for (const method of ['tasks/result', 'tasks/list']) {
      expect((await held.peer.ask(method, { taskId: '0'.repeat(44) })).message?.error).toMatchObject({ code: -32601 });
    }
  });
});

describe('a call with the task parameter', () => {
  test('is answered with a task, which is durable by then [LEG-1 I1]', async () => {
    const client = await connect();

    const { result } = await client.call('greet', { name: 'Ada' }, { task: {} });

    expect(result).toEqual({
      task: {
        taskId: expect.stringMatching(/^[0-9a-f]{44}$/),
        status: 'working',
        createdAt: expect.any(String),
        lastUpdatedAt: expect.any(String),
        ttl: 172_800_000,
        pollInterval: 200,
      },
    });
    expect(await client.task(taskIdIn(result?.['task']))).toMatchObject({ status: 'working' });
  });

  test('tells what the model may be told at once [LEG-3]', async () => {
    expect((await (await connect()).call('eager', {}, { task: {} })).result).toMatchObject({
      _meta: { 'io.modelcontextprotocol/model-immediate-response': 'I have begun.' },
    });
  });

  test.each([
    ['a minute is too short for a person', 60_000, 3_660_000],
    ['a week is what was asked for', 604_800_000, 604_800_000],
    ['a year is more than is kept', 31_536_000_000, 2_592_000_000],
  ])('gets a lifetime that makes sense: %s [LEG-1 LIFE-7]', async (_why, ttl, granted) => {
    const { result } = await (await connect()).call('greet', { name: 'Ada' }, { task: { ttl } });

    expect(result?.['task']).toMatchObject({ ttl: granted });
  });

  test('of a tool that cannot be one is refused, saying what is offered [LEG-1]', async () => {
    const { error } = await (await connect()).call('forbidden', {}, { task: {} });

    expect(error).toMatchObject({
      code: -32601,
      message: expect.stringContaining(
        'Tool forbidden cannot be called as a task: call it without the task parameter.',
      ),
    });
  });

  test('is missed where the tool needs it [LEG-1]', async () => {
    const { error } = await (await connect()).call('required');

    expect(error).toMatchObject({
      code: -32601,
      message: expect.stringContaining('Tool required can only be called as a task: call it with the task parameter'),
    });
    expect((await held.stored()).size).toBe(0);
  });

  test('of a revision that knows none is a call like others [LEG-1]', async () => {
    const client = await connect({ revision: '2025-06-18' });
    const answer = client.call('greet', { name: 'Ada' }, { task: {} });
    await held.queue.filled();
    await held.runDue();

    expect((await answer).result).toEqual(text('Hello, Ada!'));
  });

  test.each([[{ ttl: 'long' }], [[]], ['yes']])('that is none is refused: %j [LEG-1]', async (task) => {
    expect((await (await connect()).call('greet', { name: 'Ada' }, { task })).error).toMatchObject({ code: -32602 });
  });
});

describe('a task', () => {
  test('is read, and its result is what the call would have been answered with [LEG-2 LEG-3]', async () => {
    const client = await connect();
    const taskId = await client.createTask('greet', { name: 'Ada' });
    await held.runDue();

    expect(await client.task(taskId)).toMatchObject({ taskId, status: 'completed' });
    expect(await client.result('tasks/result', { taskId })).toEqual({
      ...text('Hello, Ada!'),
      _meta: { [RELATED]: { taskId } },
    });
  });

  test('keeps whoever asks for its result until it has ended [LEG-2]', async () => {
    const client = await connect();
    const taskId = await client.createTask('greet', { name: 'Ada' });
    const stream = await client.stream('tasks/result', { taskId });
    await held.clock.advance(10_000);

    await held.runDue();

    expect((await stream.message()).result).toMatchObject(text('Hello, Ada!'));
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('that another process ends is noticed within a second [LEG-2]', async () => {
    const other = holdServer([greet], { backend: held.backend, clock: held.clock });
    const client = await connect();
    const taskId = await client.createTask('greet', { name: 'Ada' });
    const stream = await client.stream('tasks/result', { taskId });
    await held.clock.advance(0);
    const { tasks } = await held.server.store.list({ issuer: 'unspecified', subject: 'client alice' }, { limit: 1 });
    if (tasks[0] !== undefined) await other.server.runTask(tasks[0]);

    await held.clock.advance(1_000);

    expect((await stream.message()).result).toMatchObject(text('Hello, Ada!'));
  });

  test('whose tool failed is failed, and says why; its result is the tool’s error [LEG-2]', async () => {
    const client = await connect();
    const taskId = await client.createTask('tool_error');
    await held.runDue();

    expect(await client.task(taskId)).toMatchObject({ status: 'failed', statusMessage: 'The grinder is stuck.' });
    expect(await client.result('tasks/result', { taskId })).toMatchObject({
      ...text('The grinder is stuck.'),
      isError: true,
    });
    // The later era tells a tool's error from a failure of the task.
    expect(await held.peer.task(taskId)).toMatchObject({ status: 'completed', result: { isError: true } });
  });

  test('that failed gives its error [LEG-2]', async () => {
    const client = await connect();
    const taskId = await client.createTask('protocol_error');
    await held.runDue();

    expect(await client.task(taskId)).toMatchObject({ status: 'failed', statusMessage: 'No more coffee.' });
    expect((await client.ask('tasks/result', { taskId })).error).toEqual({
      code: -32050,
      message: 'No more coffee.',
      data: { cups: 0 },
    });
  });

  test('is cancelled before that is answered, and only once [LEG-2]', async () => {
    const client = await connect();
    const taskId = await client.createTask('greet', { name: 'Ada' });

    expect(await client.result('tasks/cancel', { taskId })).toMatchObject({ taskId, status: 'cancelled' });

    expect((await client.ask('tasks/cancel', { taskId })).error).toMatchObject({ code: -32602 });
    expect((await client.ask('tasks/result', { taskId })).error).toMatchObject({ code: -32602 });
  });

  test('that has ended cannot be cancelled [LEG-2 I2]', async () => {
    const client = await connect();
    const taskId = await client.createTask('greet', { name: 'Ada' });
    await held.runDue();

    expect((await client.ask('tasks/cancel', { taskId })).error).toMatchObject({ code: -32602 });
    expect(await client.task(taskId)).toMatchObject({ status: 'completed' });
  });

  test('is listed, the newest first, page by page [LEG-2]', async () => {
    const client = await connect();
    const made: string[] = [];
    for (let index = 0; index < 51; index += 1) {
      await held.clock.advance(1);
      made.unshift(await client.createTask('greet', { name: 'Ada' }));
    }

    const first = await client.result('tasks/list');
    const second = await client.result('tasks/list', { cursor: first['nextCursor'] });

    const ids = [first, second].flatMap(({ tasks }) => (tasks as JsonMap[]).map(({ taskId }) => taskId));
    expect(ids).toEqual(made);
    expect(second).not.toHaveProperty('nextCursor');
    expect((await client.ask('tasks/list', { cursor: 'no such' })).error).toMatchObject({ code: -32602 });
  });

  test.each(['tasks/get', 'tasks/result', 'tasks/cancel'])(
    'of another owner is as unknown as one that never was: %s [LEG-2 I6]',
    async (method) => {
      const taskId = await (await connect()).createTask('greet', { name: 'Ada' });
      const other = await connect({ authInfo: credentials('bob') });

      const foreign = (await other.ask(method, { taskId })).error;
      const unknown = (await other.ask(method, { taskId: '0'.repeat(44) })).error;

      expect(foreign).toEqual(unknown);
      expect(foreign).toMatchObject({ code: -32602 });
      expect((await other.result('tasks/list'))['tasks']).toEqual([]);
    },
  );

  test('made in one era is read in the other [LEG-6]', async () => {
    const client = await connect();
    const old = await client.createTask('structured');
    const later = await held.peer.createTask('structured');
    await held.runDue();

    expect(await held.peer.task(old)).toMatchObject({
      status: 'completed',
      result: { structuredContent: { count: 3 } },
    });
    expect(await client.task(later)).toMatchObject({ taskId: later, status: 'completed' });
    expect(await client.result('tasks/result', { taskId: later })).toMatchObject({ structuredContent: { count: 3 } });
    expect(((await client.result('tasks/list'))['tasks'] as JsonMap[]).map(({ taskId }) => taskId)).toEqual([
      later,
      old,
    ]);
  });
});

test('a tool whose output schema speaks of its own places is listed without it, so that clients can list [LEG-1 MOD-6]', async () => {
  const own = defineTaskTool({
    name: 'own_places',
    description: 'Has a schema that refers to itself.',
    inputSchema: noArguments,
    outputSchema: fromJsonSchema({
      type: 'object',
      properties: { a: { type: 'string' }, b: { $ref: '#/properties/a' } },
    }),
    run: async () => ({ content: [], structuredContent: { a: 'x', b: 'y' } }),
  });
  held = holdServer([own, structured]);

  const { tools } = await (await connect()).result('tools/list');

  const schemas = (tools as JsonMap[]).map(({ name, outputSchema }) => [name, outputSchema !== undefined]);
  expect(schemas).toEqual([
    ['own_places', false],
    ['structured', true],
  ]);
});
