/** Workflows over stdio: a host that knows tasks, and one that knows nothing but prompts and tools, in both eras. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { SpawnedServer } from '../support/official-stdio-client.ts';
import { until } from '../support/until.ts';
import {
  connectPlainStdioClient,
  connectWorkflowStdioClient,
  ERAS,
  type PlainClient,
} from '../support/workflow-client.ts';
import { SERVE } from './stdio-process.ts';

const TOOLS = fileURLToPath(new URL('../support/workflow-fixtures.ts', import.meta.url));
const NAMED = { names: ['x', 'y'] };

let folder: string;
const clients: AsyncDisposable[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stdio-workflows-'));
});

afterEach(async () => {
  for (const client of clients.splice(0)) await client[Symbol.asyncDispose]();
});

afterAll(() => rm(folder, { recursive: true }));

/** On the file of that name. */
function served(name: string): SpawnedServer {
  return {
    command: process.execPath,
    args: [SERVE, '--stdio', '--tools', TOOLS, '--backend', `sqlite:${join(folder, `${name}.sqlite`)}`],
    env: { PATH: process.env['PATH'] ?? '', HOME: folder },
  };
}

async function closed<T extends AsyncDisposable>(connecting: Promise<T>): Promise<T> {
  const client = await connecting;
  clients.push(client);
  return client;
}

describe.each(ERAS)('over stdio, the official client of %s', (era) => {
  test('begins a workflow, and goes on with it in the next process [DX-4 WF-3 WF-5 WF-7]', async () => {
    const first = await connectWorkflowStdioClient(served(era), era);
    const { taskId, status, pause } = await first.prompt('profile', { file: 'x.csv' });
    expect([status, pause?.['type']]).toEqual(['working', 'clientStep']);
    await first[Symbol.asyncDispose]();

    const second = await closed(connectWorkflowStdioClient(served(era), era));
    expect(await second.prompt('profile', {}, taskId)).toMatchObject({ taskId, steps: { shouted: 'completed' } });
    await second.call('name_columns', NAMED, taskId);

    expect(await second.result(taskId)).toMatchObject({
      structuredContent: { steps: [{}, {}, { output: NAMED }, { output: { report: { ...NAMED, shouted: 2 } } }] },
    });
  });

  test('answers what a workflow asks [DX-4 WF-11 EXEC-3]', async () => {
    const client = await closed(connectWorkflowStdioClient(served(`${era} asks`), era));
    const { taskId, pause } = await client.prompt('approval', { file: 'x.csv' });
    expect(pause).toMatchObject({ type: 'needsInput' });

    expect(await client.result(taskId, { 'Who signs x.csv?': { file: 'Ada' } })).toMatchObject({
      structuredContent: { steps: [{}, {}, { output: { report: { signer: 'Ada', said: 'accept' } } }] },
    });
  });
});

/** What `task_status` says once the task has that status. */
function standing({ client }: PlainClient, taskId: string, status: string): Promise<string> {
  return until(`the task to be ${status}`, async () => {
    const said = JSON.stringify(await client.callTool({ name: 'task_status', arguments: { taskId, waitSeconds: 0 } }));
    return said.includes(status) && said;
  });
}

describe.each(ERAS)('over stdio, a client of %s that knows no tasks', (era) => {
  test('goes on with a workflow by an argument of its tools, and follows it by tools for tasks [DX-4 MOD-6 WF-5]', async () => {
    const plain = await closed(connectPlainStdioClient(served(`${era} plain`), era));
    const { taskId, text } = await plain.prompt('profile', { file: 'x.csv' });
    expect(text).toContain(`with "_task_id": "${taskId}" among its arguments`);
    const { tools } = await plain.client.listTools();
    expect(tools.find(({ name }) => name === 'name_columns')?.inputSchema.properties).toHaveProperty('_task_id');
    expect(tools.find(({ name }) => name === 'task_status')?.inputSchema.properties).not.toHaveProperty('_task_id');

    expect(await plain.call('name_columns', { ...NAMED, _task_id: taskId })).toEqual(NAMED);

    expect(await standing(plain, taskId, 'completed')).toContain('written: completed');
  });

  test('answers what a workflow asks by a tool, and completes another by one [DX-4 MOD-6 WF-6]', async () => {
    const plain = await closed(connectPlainStdioClient(served(`${era} plain asks`), era));
    const asking = await plain.prompt('approval', { file: 'x.csv' });
    expect(asking.pause).toEqual({ type: 'needsInput', step: 'measured', suggestedTool: 'task_respond' });
    const respond = (answer: object) =>
      plain.client.callTool({ name: 'task_respond', arguments: { taskId: asking.taskId, ...answer } });
    await respond({ action: 'accept', content: { file: 'Ada' } });
    await standing(plain, asking.taskId, 'Is Ada right?');
    await respond({ action: 'accept', content: {} });
    expect(await standing(plain, asking.taskId, 'completed')).toContain('written: completed');

    const open = await plain.prompt('pair');
    await plain.client.callTool({
      name: 'task_report',
      arguments: { taskId: open.taskId, step: 'named', result: NAMED },
    });
    await plain.client.callTool({
      name: 'task_complete',
      arguments: { taskId: open.taskId, result: 'That is enough.' },
    });

    expect(await plain.prompt('pair', {}, open.taskId)).toMatchObject({ status: 'completed' });
    expect(await standing(plain, open.taskId, 'completed')).toContain('That is enough.');
  });
});
