/**
 * The bundles that deploy, driven over HTTP by a client of the 2025-11-25 era: each request is an invocation, and what two
 * of them share is in DynamoDB. An instance serves one request at a time, so that whatever comes while a stream is open
 * reaches another one.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type Deployment, deploy } from '../support/lambda/deployment.ts';
import { type Gateway, startGateway } from '../support/lambda/gateway.ts';
import { LegacyClient, readerOf } from '../support/legacy-client.ts';
import type { EventReader, RpcMessage } from '../support/mcp-requests.ts';
import { until } from '../support/until.ts';

let deployment: Deployment;
/** In front of the same function, as a function URL is: its events are those of an HTTP API, its answers streams. */
let functionUrl: Gateway;

beforeAll(async () => {
  deployment = await deploy({
    name: 'legacy-era',
    context: { auth: 'none', tools: 'test/support/lambda/deployed-tools.ts', taskTools: 'true' },
    dynamoDbEndpoint: process.env['TEST_DYNAMODB_ENDPOINT'] ?? '',
  });
  functionUrl = await startGateway({ invoke: (event) => deployment.mcp.invoke(event), api: 'http' });
});

afterAll(async () => {
  await functionUrl?.close();
  await deployment?.[Symbol.asyncDispose]();
});

afterEach(() => {
  expect(deployment.mcp.logs.filter((line) => line.includes('"ERROR"'))).toEqual([]);
});

const connect = (url = deployment.url) => LegacyClient.connect((request) => fetch(request), { url });
const FRONTS: readonly (readonly [string, () => string])[] = [
  ['a REST API', () => deployment.url],
  ['a function URL', () => functionUrl.url],
];
const saying = (text: string) => ({ content: [{ type: 'text', text }] });
const RED = { result: { action: 'accept', content: { colour: 'red' } } };
const QUESTION = { method: 'elicitation/create', params: { message: 'Which colour?' } };

/** The next message of a stream that is the question, or the answer to the request. */
async function questionOrAnswer(stream: EventReader): Promise<RpcMessage> {
  const message = await stream.message();
  return message.method?.startsWith('notifications/') === true ? questionOrAnswer(stream) : message;
}

describe('through the deployed bundles, a client of the 2025 era', () => {
  test.each(FRONTS)('gets a session that %s carries both ways, and is offered tasks [AWS-2 LEG-1]', async (_, url) => {
    const client = await connect(url());

    expect(client.session).toMatch(/^2025-11-25\.f\.[0-9a-f]{16}$/);
    expect(client.initialized).toMatchObject({
      protocolVersion: '2025-11-25',
      capabilities: { tasks: { requests: { tools: { call: {} } } } },
    });
    const { tools } = await client.result('tools/list');
    expect(tools).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'work', execution: { taskSupport: 'optional' } }),
        expect.objectContaining({ name: 'task_status' }),
      ]),
    );
  });

  test('follows a task to its result [AWS-2 LEG-2]', async () => {
    const client = await connect();
    const taskId = await client.createTask('work');

    expect(await client.result('tasks/result', { taskId })).toMatchObject(saying('1 2 3'));
    expect(await client.task(taskId)).toMatchObject({ taskId, status: 'completed' });
  });

  test.each(FRONTS)(
    'is asked on a stream of tasks/result behind %s, and answers while it is open [AWS-2 LEG-4]',
    async (_, url) => {
      const client = await connect(url());
      const taskId = await client.createTask('ask');
      const stream = await client.stream('tasks/result', { taskId });

      const question = await questionOrAnswer(stream);
      expect(question).toMatchObject(QUESTION);
      expect(await client.answer(question.id, RED)).toBe(202);

      expect((await questionOrAnswer(stream)).result).toMatchObject(saying('It is red.'));
      expect(await stream.rest()).toEqual([]);
    },
  );

  test('is asked by the answer to tasks/get, if it only polls [AWS-2 LEG-4]', async () => {
    const client = await connect();
    const taskId = await client.createTask('ask');

    const question = await until('the question', async () =>
      (await client.messages('tasks/get', { taskId })).find(({ method }) => method === 'elicitation/create'),
    );
    expect(question).toMatchObject(QUESTION);
    await client.answer(question.id, RED);

    await until('the end', async () => (await client.task(taskId))['status'] === 'completed');
    expect(await client.result('tasks/result', { taskId })).toMatchObject(saying('It is red.'));
  });

  test('is asked by a plain call that became a task, on its stream [AWS-2 MOD-6 LEG-4]', async () => {
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'ask', arguments: {} });

    const question = await questionOrAnswer(stream);
    expect(question).toMatchObject(QUESTION);
    await client.answer(question.id, RED);

    expect((await questionOrAnswer(stream)).result).toMatchObject(saying('It is red.'));
  });

  test('is asked by a tool without tasks, whose answer another instance takes and hands on [AWS-2 MOD-5 LEG-5]', async () => {
    const client = await connect();
    const stream = await client.stream('tools/call', { name: 'ask_within', arguments: {} });

    const question = await questionOrAnswer(stream);
    expect(question).toMatchObject({ ...QUESTION, id: expect.stringMatching(/^mcp-durable-tasks:call:/) });
    expect(await client.answer(question.id, RED)).toBe(202);

    expect((await questionOrAnswer(stream)).result).toMatchObject(
      saying('{"kind":"elicit","action":"accept","content":{"colour":"red"}}'),
    );
  });

  test('goes on with a stream that ended after maxStreamSeconds, at another instance [AWS-2 LEG-2 LEG-4]', async () => {
    const client = await connect();
    const taskId = await client.createTask('ask');
    await deployment.mcp.reconfigure({ TASKS_MAX_STREAM_SECONDS: '1' });
    let stream = await client.stream('tasks/result', { taskId });
    const asked = client.lastId;
    // The task stands still at its question, however often the stream ends before it is asked.
    let seen = await stream.rest();
    while (!seen.some(({ method }) => method === 'elicitation/create')) {
      stream = readerOf(await client.resume(String(stream.lastEventId)));
      seen = await stream.rest();
    }
    expect(seen.filter((message) => 'result' in message || 'error' in message)).toEqual([]);
    await deployment.mcp.reconfigure();

    await client.answer(seen.find(({ method }) => method === 'elicitation/create')?.id, RED);
    const rest = readerOf(await client.resume(String(stream.lastEventId)));

    expect(await questionOrAnswer(rest)).toMatchObject({ id: asked, result: saying('It is red.') });
  });

  test.each(['GET', 'DELETE'])(
    'is refused a %s that goes on with nothing, without delay [AWS-2 LEG-2]',
    async (method) => {
      const client = await connect();
      const headers = { accept: 'text/event-stream', 'mcp-session-id': String(client.session) };

      const response = await fetch(deployment.url, { method, headers });

      expect([response.status, await response.json()]).toMatchObject([405, { error: { code: -32000 } }]);
    },
  );
});
