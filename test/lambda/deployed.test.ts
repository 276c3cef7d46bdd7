/**
 * The bundles that deploy, driven over HTTP by the official client: gateway, Lambda's Runtime API, queue with its
 * event source, and DynamoDB.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { ApplicationInputHandler } from '@modelcontextprotocol/ext-tasks/client';
import { present } from '../../src/present.ts';
import { DeployedAgenda } from '../support/lambda/deployed-agenda.ts';
import { type Deployment, deploy } from '../support/lambda/deployment.ts';
import { httpApiEvent, restProxyEvent } from '../support/lambda/events.ts';
import { readPrelude } from '../support/lambda/gateway.ts';
import { McpPeer } from '../support/mcp-requests.ts';
import { connectOfficialClient, type OfficialClient } from '../support/official-client.ts';
import { until } from '../support/until.ts';

/** Of workers that beat each quarter of a second. */
const LEASE_MS = 3_000;
/** Of one worker's invocation; so short only where it is waited for. Three quarters on, what runs is given back. */
const WORKER_TIMEOUT_MS = 8_000;
/** Of one stream, which ends two seconds before. */
const STREAM_TIMEOUT_MS = 15_000;
/** Longer than a lease: who comes first would find the task taken. */
const REDELIVERED_AFTER_SECONDS = 4;
const ENDPOINT = 'the deployed tasks';
const OWNER = { issuer: 'https://issuer.example', subject: 'direct' };

let deployment: Deployment;
let agenda: DeployedAgenda;
let folder: string;
let file: string;
const clients: OfficialClient[] = [];

beforeAll(async () => {
  deployment = await deploy({
    name: 'deployed',
    context: { auth: 'none', tools: 'test/support/lambda/deployed-tools.ts' },
    dynamoDbEndpoint: process.env['TEST_DYNAMODB_ENDPOINT'] ?? '',
    variables: { TASKS_LEASE_MS: String(LEASE_MS), TASKS_HEARTBEAT_MS: '250' },
  });
  agenda = new DeployedAgenda(deployment.tableName, process.env['TEST_DYNAMODB_ENDPOINT'] ?? '');
});

afterAll(async () => {
  agenda?.close();
  await deployment?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deployed-'));
  file = join(folder, 'signs');
});

afterEach(async () => {
  for (const client of clients.splice(0)) await client[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function connect(onInputRequest?: ApplicationInputHandler['handle']): Promise<OfficialClient> {
  const client = await connectOfficialClient(deployment.url, ENDPOINT, present({ onInputRequest }));
  clients.push(client);
  return client;
}

async function callTask(name: string, args: object = {}, onInputRequest?: ApplicationInputHandler['handle']) {
  const { session } = await connect(onInputRequest);
  const execution = await session.callTool(name, { ...args });
  if (execution.kind !== 'task') throw new Error(`${name} answered without a task`);
  return execution;
}

const peer = () => new McpPeer((request) => fetch(new Request(deployment.url, request)));
const signs = () => readFile(file, 'utf8').catch(() => '');
const saying = (text: string) => ({ content: [{ type: 'text', text }] });

describe('through the deployed bundles, the official client', () => {
  test('gets the result of a plain tool at once [AWS-2]', async () => {
    const { session } = await connect();

    const execution = await session.callTool('greet', { name: 'you' });

    expect(await execution.result()).toMatchObject({ status: 'completed', result: saying('hello you') });
  });

  test('follows a task with steps and a wait to its completion [AWS-2 EXEC-8]', async () => {
    const execution = await callTask('work');

    expect(await execution.result()).toMatchObject({ status: 'completed', result: saying('1 2 3') });
  });

  test('is told of the progress of a plain call that another function runs [AWS-2 MOD-9]', async () => {
    const { client } = await connect();
    const heard: unknown[] = [];

    const result = await client.callTool(
      { name: 'tell', arguments: {} },
      { onprogress: (progress) => heard.push(progress) },
    );

    expect(heard).toEqual([{ progress: 1, message: 'waiting' }]);
    expect(result).toMatchObject(saying('told'));
  });

  test('answers what a task asks [AWS-2 EXEC-3]', async () => {
    const execution = await callTask(
      'ask',
      {},
      async () => ({ action: 'accept', content: { colour: 'red' } }) as never,
    );

    expect(await execution.result()).toMatchObject({ status: 'completed', result: saying('It is red.') });
  });

  test('cancels work that another function runs: its signal fires [AWS-2 EXEC-5]', async () => {
    const execution = await callTask('endless', { file });
    await until('the start', async () => (await signs()).includes('started'));

    await execution.cancel();

    await until('the signal', async () => (await signs()).includes('aborted: cancelled'));
  });

  test('gets a result of 5 MiB [AWS-2 LIFE-10]', async () => {
    const bytes = 5 * 1024 * 1024 - 200;
    const execution = await callTask('large', { bytes });

    const outcome = await execution.result();

    expect(outcome).toMatchObject({ status: 'completed', result: { content: [{ type: 'text' }] } });
    const { content } = (outcome as unknown as { result: { content: { text: string }[] } }).result;
    expect(content[0]?.text.length).toBe(bytes);
  });

  test('gets the outcome of a task whose worker was killed within a step: another takes over, and redoes no finished step [AWS-2 EXEC-1 EXEC-4 I5]', async () => {
    const execution = await callTask('two_steps', { file });
    await until('the second step', async () => (await signs()).includes('second'));

    expect(deployment.worker.killBusy()).toBe(1);

    // The message itself comes back after 16 minutes only: it is the polls that bring the task forward.
    expect(await execution.result()).toMatchObject({ status: 'completed', result: saying('first\nsecond\nsecond\n') });
  });
});

describe('the deployed MCP function', () => {
  test('streams the changes of a task [AWS-2 MOD-6]', async () => {
    const taskId = await peer().createTask('ask');

    const events = await peer().listen({ taskIds: [taskId] });
    expect(await events.message()).toMatchObject({
      method: 'notifications/subscriptions/acknowledged',
      params: { notifications: { taskIds: [taskId] } },
    });
    // The task stands still at its question, however long it took to listen.
    let state = (await events.message()).params;
    while (state?.['status'] !== 'input_required') state = (await events.message()).params;
    const [key = ''] = Object.keys(state['inputRequests'] as object);
    const inputResponses = { [key]: { action: 'accept', content: { colour: 'red' } } };
    await peer().result('tasks/update', { taskId, inputResponses });
    while (state?.['status'] !== 'completed') state = (await events.message()).params;

    expect(state).toMatchObject({ taskId, status: 'completed', result: saying('It is red.') });
    await events.leave();
  });

  test('answers a direct invocation with a JSON-RPC payload, on behalf of the owner that it names [AWS-3]', async () => {
    const invoke = async (message: object) => {
      const reply = await deployment.mcp.invoke({ jsonrpc: '2.0', id: 7, owner: OWNER, ...message });
      if (reply.kind !== 'stream') throw new Error(JSON.stringify(reply));
      return JSON.parse((await reply.body.toArray()).join('')) as {
        id: number;
        result: Record<string, unknown>;
        error: unknown;
      };
    };

    const { id, result } = await invoke({ method: 'tools/call', params: { name: 'work', arguments: {} } });
    expect([id, result['resultType']]).toEqual([7, 'task']);
    const params = { taskId: result['taskId'] };
    await until(
      'the end',
      async () => (await invoke({ method: 'tasks/get', params })).result['status'] === 'completed',
    );

    const other = await invoke({ method: 'tasks/get', params, owner: { ...OWNER, subject: 'else' } });
    expect(other.error).toMatchObject({ code: -32602 });
    expect((await peer().ask('tasks/get', params)).message?.error).toMatchObject({ code: -32602 });
  });

  test('refuses what cannot be parsed, through whatever runs around it, without an error line [AWS-2 SEC-3]', async () => {
    const before = deployment.mcp.logs.length;

    for (const [event, status] of [
      [restProxyEvent({ method: 'TRACE' }), 405],
      [restProxyEvent({ rawHeaders: ['x', '😀'] }), 400],
      [httpApiEvent({ rawHeaders: ['x y', 'z'] }), 400],
    ] as const) {
      const reply = await deployment.mcp.invoke(event);
      if (reply.kind !== 'stream') throw new Error(JSON.stringify(reply));
      const { prelude, rest } = await readPrelude(reply.body);
      const body = `${rest.toString()}${(await reply.body.toArray()).join('')}`;
      expect([prelude.statusCode, JSON.parse(body)]).toMatchObject([status, { error: { code: -32000 } }]);
    }

    expect(deployment.mcp.logs.slice(before).filter((line) => line.includes('"ERROR"'))).toEqual([]);
  });

  test('serves one request after the other with the same instance [AWS-2]', async () => {
    await peer().ask('server/discover');
    const { coldStarts } = deployment.mcp;

    for (let request = 0; request < 10; request += 1) await peer().ask('server/discover');

    expect(deployment.mcp.coldStarts).toBe(coldStarts);
  });

  test('says nothing of arguments and results in its logs [SEC-4]', async () => {
    const secret = `secret-${Date.now()}`;
    await peer().call('greet', { name: secret });
    const taskId = await peer().createTask('endless', { file: join(folder, secret) });
    await peer().result('tasks/cancel', { taskId });

    const logs = await until('the log', () => {
      const said = [...deployment.mcp.logs, ...deployment.worker.logs].join('\n');
      return said.includes(taskId) && said;
    });
    expect(logs).not.toContain(secret);
  });
});

/** Everything that a stream shows whose function has little time; those that are invoked later have theirs. */
async function listenForLong(): Promise<{ readonly rest: Promise<readonly unknown[]> }> {
  const taskId = await peer().createTask('ask');
  deployment.mcp.timeoutMs = STREAM_TIMEOUT_MS;
  const events = await peer().listen({ taskIds: [taskId] });
  deployment.mcp.timeoutMs = undefined;
  return { rest: events.rest() };
}

// Nobody asks about these tasks: only the schedule's look brings them on.
describe('without any client', () => {
  /** The queue as a stack that was deleted and deployed anew has it, or a restored table finds it: empty. */
  async function createWithLostMessage(name: string, args: object = {}): Promise<string> {
    await deployment.poller.pause();
    const taskId = await peer().createTask(name, { ...args });
    await until('the message', () => deployment.queue.counts().waiting > 0);
    await deployment.queue.lose();
    deployment.poller.resume();
    return taskId;
  }

  test('a task whose queue was lost goes on after a look [AWS-10 EXEC-20 I12]', async () => {
    const taskId = await createWithLostMessage('work');
    expect(await deployment.look()).toMatchObject({ enqueued: 0 });

    await agenda.letTimeCome(taskId);

    expect(await deployment.look()).toMatchObject({ enqueued: 1 });
    await until('the end', async () => (await agenda.headOf(taskId)).status === 'completed');
  });

  test('a task whose worker died, and its message with it, is taken over [AWS-10 EXEC-4 EXEC-20 I12]', async () => {
    const taskId = await peer().createTask('endless', { file });
    await until('the start', async () => (await signs()) !== '');
    deployment.worker.killBusy();
    await deployment.queue.lose();

    await until('the second start', async () => {
      await agenda.letTimeCome(taskId);
      await deployment.look();
      return (await signs()).startsWith('started\nstarted\n');
    });
    await peer().result('tasks/cancel', { taskId });
    await until('the end of the run', async () => (await signs()).includes('aborted'));
  });

  test('a task that a throttled worker could not be given is given back to the agenda, and none the worse for it [AWS-2 EXEC-7 EXEC-20]', async () => {
    const { poller } = deployment;
    const before = deployment.deadLetter.logs.length;
    const said = () => deployment.deadLetter.logs.slice(before).join('\n');
    Object.assign(poller, { isThrottled: true, visibilityTimeoutSeconds: 1 });
    const { receives } = poller;
    await until('a receive with these settings', () => poller.receives > receives);
    const taskId = await peer().createTask('work');
    // The letter itself is gone in a moment.
    await until('the log', () => said().includes('A task could not be delivered'));
    await until('the dead letter to be gone', () => deployment.queue.counts().dead === 0);
    Object.assign(poller, { isThrottled: false, visibilityTimeoutSeconds: undefined });

    expect(await agenda.headOf(taskId)).toMatchObject({ status: 'working', run: { crashes: 0 } });
    expect(await agenda.isOn(taskId)).toBe(true);
    await agenda.letTimeCome(taskId);
    await deployment.look();
    await until('the end', async () => (await agenda.headOf(taskId)).status === 'completed');
  });

  test('a deadline is enforced [EXEC-20 LIFE-3]', async () => {
    const taskId = await peer().createTask('brief');
    await until('the deadline to have passed', async () => (await agenda.headOf(taskId)).deadlineAt < Date.now());

    await agenda.letTimeCome(taskId);
    await deployment.look();

    expect(await agenda.headOf(taskId)).toMatchObject({
      status: 'failed',
      error: { json: { data: { reason: 'deadline_exceeded' } } },
    });
  });
});

// Most of it is waiting, for leases, messages and a function's time; so all of it is waited for at once.
describe('in the long run', () => {
  let shared: string;
  let ends: Readonly<Record<'poison' | 'turns', Promise<unknown>>>;
  let streamed: Promise<readonly unknown[]>;

  beforeAll(async () => {
    shared = await mkdtemp(join(tmpdir(), 'deployed-'));
    ({ rest: streamed } = await listenForLong());
    deployment.poller.visibilityTimeoutSeconds = REDELIVERED_AFTER_SECONDS;
    deployment.worker.timeoutMs = WORKER_TIMEOUT_MS;
    const begin = async (name: string, args: object) => {
      await using client = await connectOfficialClient(deployment.url, ENDPOINT);
      const execution = await client.session.callTool(name, { ...args });
      return await execution.result();
    };
    ends = {
      poison: begin('poison', { file: join(shared, 'poison') }),
      turns: begin('in_turns', { steps: 10, stepMs: 1_000 }),
    };
    // What goes wrong is told to the test that waits for it.
    for (const end of [...Object.values(ends), streamed]) end.catch(() => {});
  });

  afterAll(async () => {
    await Promise.allSettled([...Object.values(ends), streamed]);
    await rm(shared, { recursive: true });
  });

  test('a task that kills its workers fails after its attempts, with the reason [AWS-2 EXEC-7]', async () => {
    expect(await ends.poison).toMatchObject({ status: 'failed', error: { data: { reason: 'attempts_exhausted' } } });
    expect(await readFile(join(shared, 'poison'), 'utf8')).toBe('run\nrun\n');
  });

  test('a task that takes longer than its function may run comes to its end [AWS-2 EXEC-1]', async () => {
    expect(await ends.turns).toMatchObject({ status: 'completed', result: saying('10 steps') });
    await until('the log', () => /"reason":"(out_of_time|shutdown)"/.test(deployment.worker.logs.join('\n')));
    expect(deployment.worker.logs.join('\n')).not.toContain('timed out');
  });

  test('a stream ends properly before its function’s time is over [AWS-2]', async () => {
    expect((await streamed).length).toBeGreaterThan(1);
    expect(deployment.mcp.logs.join('\n')).not.toContain('timed out');
  });
});
