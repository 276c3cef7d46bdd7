/** What a user of the official client sees: every kind of end, input, reconnecting, and variables over a restart. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type ApplicationInputHandler,
  type SerializedTaskReference,
  type ToolExecution,
  withRelatedTaskMetadata,
} from '@modelcontextprotocol/ext-tasks/client';
import * as z from 'zod';
import { SqliteBackend } from '../../src/backends/sqlite.ts';
import {
  type AnyTool,
  defineTaskTool,
  type LocalServer,
  ProtocolError,
  silentLogger,
  startLocalServer,
} from '../../src/index.ts';
import { present } from '../../src/present.ts';
import { connectOfficialClient, type OfficialClient } from '../support/official-client.ts';
import { until } from '../support/until.ts';

const ENDPOINT = 'the tasks of the official client test';
const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] });
const form = (name: string) => ({
  message: `${name}?`,
  requestedSchema: { type: 'object', properties: { [name]: { type: 'string' } }, required: [name] },
});

let heardCancel: boolean;
let runsOfAsking: number;
let heardProgress: Promise<void>;

const tools: readonly AnyTool[] = [
  defineTaskTool({
    name: 'greet',
    description: 'Answers within the call.',
    taskSupport: 'forbidden',
    inputSchema: z.object({ name: z.string() }),
    run: async ({ name }) => text(`hello ${name}`),
  }),
  defineTaskTool({
    name: 'work',
    description: 'Three steps and a wait.',
    inputSchema: z.object({}),
    pollIntervalMs: 20,
    run: async (_args, task) => {
      const numbers: number[] = [];
      for (let step = 1; step <= 3; step += 1) numbers.push(await task.step(`step ${step}`, async () => step));
      await task.variables.set(
        'sum',
        numbers.reduce((sum, number) => sum + number, 0),
      );
      await task.wait('pause', { seconds: 1 });
      return text(numbers.join(' '));
    },
  }),
  defineTaskTool({
    name: 'ask',
    description: 'Asks two things at once.',
    inputSchema: z.object({}),
    pollIntervalMs: 20,
    run: async (_args, task) => {
      runsOfAsking += 1;
      const [colour, size] = await Promise.all([task.elicit(form('colour')), task.elicit(form('size'))]);
      return text(`${String(colour.content?.['colour'])} ${String(size.content?.['size'])}`);
    },
  }),
  defineTaskTool({
    name: 'endless',
    description: 'Runs until it is told to stop.',
    inputSchema: z.object({}),
    pollIntervalMs: 20,
    run: async (_args, task) => {
      await new Promise((_resolve, reject) => {
        task.signal.addEventListener('abort', () => {
          heardCancel = true;
          reject(task.signal.reason);
        });
      });
      return text('never');
    },
  }),
  defineTaskTool({
    name: 'refuse',
    description: 'Fails with a protocol error.',
    inputSchema: z.object({}),
    pollIntervalMs: 20,
    run: async () => {
      throw new ProtocolError(-32042, 'Not in this state', { state: 'closed' });
    },
  }),
  defineTaskTool({
    name: 'stumble',
    description: 'Fails as a tool.',
    inputSchema: z.object({}),
    pollIntervalMs: 20,
    run: async () => {
      throw new Error('the file has no line 7');
    },
  }),
  defineTaskTool({
    name: 'told',
    description: 'Says that it has begun, and ends once the client has heard it.',
    inputSchema: z.object({}),
    run: async (_args, task) => {
      task.progress('begun');
      await task.step('be heard', () => heardProgress);
      return text('heard');
    },
  }),
  defineTaskTool({
    name: 'report',
    description: 'Reads the variables of the task that the call is bound to.',
    taskSupport: 'forbidden',
    inputSchema: z.object({}),
    run: async (_args, call) => text(JSON.stringify(await call.related?.variables.all())),
  }),
];

let folder: string;
let server: LocalServer;
let backend: SqliteBackend;
const clients: OfficialClient[] = [];

async function start(): Promise<void> {
  backend = new SqliteBackend({ path: join(folder, 'tasks.sqlite') });
  server = await startLocalServer({
    logger: silentLogger,
    name: 'e2e',
    version: '1',
    tools,
    backend,
    port: 0,
    allowAnonymous: true,
  });
}

async function stop(): Promise<void> {
  for (const client of clients.splice(0)) await client[Symbol.asyncDispose]();
  await server.close();
  await backend.close();
}

async function connect(onInputRequest?: ApplicationInputHandler['handle']): Promise<OfficialClient> {
  const client = await connectOfficialClient(server.url, ENDPOINT, present({ onInputRequest }));
  clients.push(client);
  return client;
}

type TaskExecution = Extract<ToolExecution<unknown>, { kind: 'task' }>;

async function callTask({ session }: OfficialClient, name: string): Promise<TaskExecution> {
  const execution = await session.callTool(name);
  if (execution.kind !== 'task') throw new Error(`${name} answered without a task`);
  return execution;
}

/** Lets the task go, undriven and uncancelled; resolves to what another client needs, as a host would store it. */
async function handOff(execution: TaskExecution): Promise<SerializedTaskReference> {
  let stored = '';
  await execution.handoff((reference) => {
    stored = JSON.stringify(reference);
  });
  return JSON.parse(stored) as SerializedTaskReference;
}

/** Answers as a person would who knows both. */
const answers: Record<string, string> = { 'colour?': 'red', 'size?': 'large' };
const answerAll: ApplicationInputHandler['handle'] = async (request) => {
  const message = String((request.params as { message?: unknown }).message);
  return { action: 'accept', content: { [message.slice(0, -1)]: answers[message] ?? '' } } as never;
};

beforeEach(async () => {
  heardCancel = false;
  runsOfAsking = 0;
  folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-client-'));
  await start();
});

afterEach(async () => {
  await stop();
  await rm(folder, { recursive: true });
});

describe('the official client', () => {
  test('gets the result of a plain tool at once [MOD-1]', async () => {
    const { session } = await connect();

    const execution = await session.callTool('greet', { name: 'you' });

    expect(execution.kind).toBe('immediate');
    expect(await execution.result()).toMatchObject({ status: 'completed', result: text('hello you') });
  });

  test('lists the tools, and calls one without knowing of tasks, through its own `callTool` [MOD-1]', async () => {
    const { client } = await connect();

    const { tools: listed } = await client.listTools();

    // A client that does not say that it holds tasks finds those for tasks on the local server.
    const forTasks = ['task_status', 'task_respond', 'task_cancel', 'task_list'];
    expect(listed.map(({ name }) => name)).toEqual([...tools.map(({ name }) => name), ...forTasks]);
    expect(await client.callTool({ name: 'work', arguments: {} })).toMatchObject(text('1 2 3'));
  });

  test('is told of the progress of a plain call while it waits for the result [MOD-9]', async () => {
    const { client } = await connect();
    const { promise: heard, resolve: hear } = Promise.withResolvers<unknown>();
    heardProgress = heard.then(() => {});

    const result = await client.callTool({ name: 'told', arguments: {} }, { onprogress: hear });

    expect(await heard).toEqual({ progress: 1, message: 'begun' });
    expect(result).toMatchObject(text('heard'));
  });

  test('that leaves a plain call which it hears of cancels the task [EXEC-5 MOD-9]', async () => {
    const { client } = await connect();
    const { promise: endless, resolve: end } = Promise.withResolvers<void>();
    heardProgress = endless;
    const leaving = new AbortController();
    const { store } = server.tasks;
    const owner = { issuer: 'anonymous', subject: 'anonymous' };

    const call = client.callTool(
      { name: 'told', arguments: {} },
      { onprogress: () => leaving.abort(), signal: leaving.signal },
    );

    await expect(call).rejects.toThrow(/abort/i);
    await until('the end of the task', async () => {
      const { tasks } = await store.list(owner, { limit: 1 });
      return tasks[0]?.status === 'cancelled';
    });
    end();
  });

  test('follows a task to its completion [EXEC-1 LIFE-1 MOD-1]', async () => {
    const execution = await callTask(await connect(), 'work');

    const { outcome, lastTask } = await execution.settle();

    expect(outcome).toMatchObject({ status: 'completed', result: text('1 2 3') });
    expect(lastTask).toMatchObject({ taskId: execution.handle.taskId, status: 'completed' });
  });

  test('answers what a task asks, and gets the result that follows [EXEC-3 MOD-1 MOD-4]', async () => {
    const execution = await callTask(await connect(answerAll), 'ask');

    expect(await execution.result()).toMatchObject({ status: 'completed', result: text('red large') });
  });

  test('may answer one of two questions and the other later; the first is not asked again [EXEC-3 I4 MOD-4]', async () => {
    const { taskId } = await handOff(await callTask(await connect(), 'ask'));
    const task = (await connect()).session.task(taskId);
    const requests = async () => {
      const { raw } = await task.snapshot();
      return Object.entries((raw['inputRequests'] ?? {}) as Record<string, { params: { message: string } }>);
    };
    await until('both questions', async () => (await requests()).length === 2);
    const [colour, size] = (await requests()).sort(([, a], [, b]) => (a.params.message < b.params.message ? -1 : 1));

    await task.update({ [colour?.[0] ?? '']: { action: 'accept', content: { colour: 'red' } } });
    expect((await requests()).map(([, request]) => request.params.message)).toEqual(['size?']);
    await until('a run with the first answer', async () => runsOfAsking === 2);
    expect((await task.snapshot()).status).toBe('input_required');
    await task.update({ [size?.[0] ?? '']: { action: 'accept', content: { size: 'large' } } });

    await until('the end', async () => (await task.snapshot()).status === 'completed');
    expect(await task.result()).toMatchObject({ status: 'completed', result: text('red large') });
  });

  test('cancels work that is running: the handler hears it [EXEC-5 MOD-1]', async () => {
    const execution = await callTask(await connect(), 'endless');

    await execution.cancel();

    await until('the signal', async () => heardCancel);
    expect(await server.tasks.store.list({ issuer: 'anonymous', subject: 'anonymous' }, { limit: 1 })).toMatchObject({
      tasks: [{ id: execution.handle.taskId, status: 'cancelled' }],
    });
  });

  test('sees a thrown protocol error as a failed task, with code and data [MOD-1]', async () => {
    const execution = await callTask(await connect(), 'refuse');

    const outcome = await execution.result();

    expect(outcome).toMatchObject({ status: 'failed', error: { code: -32042, data: { state: 'closed' } } });
  });

  test('sees any other error as a completed task with a tool error [MOD-1]', async () => {
    const execution = await callTask(await connect(), 'stumble');

    const outcome = await execution.result();

    expect(outcome).toMatchObject({
      status: 'completed',
      result: { isError: true, ...text('the file has no line 7') },
    });
  });

  test('goes on with a task from a new client, by the reference alone [I1 MOD-1]', async () => {
    const reference = await handOff(await callTask(await connect(), 'work'));

    const resumed = await (await connect()).session.resumeTask(reference);

    expect(await resumed.result()).toMatchObject({ status: 'completed', result: text('1 2 3') });
  });

  test('goes on with a task, and reads its variables in another call, after the server was restarted [I1 LIFE-6]', async () => {
    const reference = await handOff(await callTask(await connect(), 'ask'));
    const work = await callTask(await connect(), 'work');
    await work.result();
    await stop();
    await start();

    const after = await connect(answerAll);
    const resumed = await after.session.resumeTask(reference);
    expect(await resumed.result()).toMatchObject({ status: 'completed', result: text('red large') });
    const report = await after.session.callTool(
      'report',
      {},
      { metadata: withRelatedTaskMetadata(undefined, work.handle) },
    );

    expect(await report.result()).toMatchObject({ status: 'completed', result: text('{"sum":6}') });
  });
});
