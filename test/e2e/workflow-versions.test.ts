/** Workflows whose definition changes while they are open: each server below is a deployment, on the data of the one before. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { SqliteBackend } from '../../src/backends/sqlite.ts';
import {
  defineTaskTool,
  defineWorkflow,
  type LocalServer,
  silentLogger,
  startLocalServer,
  type Workflow,
} from '../../src/index.ts';
import { PATIENCE_MS, until } from '../support/until.ts';
import { connectWorkflowClient, type WorkflowClient } from '../support/workflow-client.ts';

const tools = ['prepare', 'inspect', 'decide', 'file'].map((name) =>
  defineTaskTool({
    name,
    description: 'Gives back what it is given.',
    taskSupport: 'forbidden',
    inputSchema: z.looseObject({}),
    run: async (given) => ({ content: [{ type: 'text', text: JSON.stringify(given) }] }),
  }),
);

/** As a deployment has it: what its first step calls, what its last step files, and its version. */
function claim(version: number | undefined, first: 'prepare' | 'inspect', filedBy: string): Workflow {
  return defineWorkflow({
    name: 'claim',
    description: 'Handles a claim.',
    arguments: z.object({}),
    ...(version === undefined ? {} : { version }),
    steps: (steps) =>
      steps
        .tool(first, () => ({ tool: first }))
        .client('decided', () => ({ tool: 'decide' }))
        .tool('filed', ({ output, constant }) => ({
          tool: 'file',
          arguments: { ok: output('decided', 'ok'), by: constant(filedBy) },
        })),
  });
}

let folder: string;
let server: LocalServer | undefined;
let backend: SqliteBackend;
let client: WorkflowClient;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'workflow-versions-'));
});

afterEach(async () => {
  await stop();
  await rm(folder, { recursive: true });
});

/** Stops what is deployed, and starts this on its data. */
async function deploy(...workflows: readonly Workflow[]): Promise<void> {
  await stop();
  backend = new SqliteBackend({ path: join(folder, 'tasks.sqlite') });
  server = await startLocalServer({
    logger: silentLogger,
    name: 'versions',
    version: '1',
    tools,
    workflows,
    backend,
    port: 0,
    allowAnonymous: true,
    // Longer than the client waits for any answer.
    promptBudgetMs: PATIENCE_MS,
  });
  client = await connectWorkflowClient(server.url, '2026-07-28');
}

async function stop(): Promise<void> {
  if (server === undefined) return;
  await client[Symbol.asyncDispose]();
  await server.close();
  await backend.close();
  server = undefined;
}

/** What an open one says of itself once it goes no further. */
function parked(taskId: string, why: RegExp): Promise<string> {
  return until('the task to be parked', async () => {
    const { status, statusMessage } = await client.task(taskId);
    expect(status).toBe('working');
    return typeof statusMessage === 'string' && why.test(statusMessage) && statusMessage;
  });
}

const decision = { ok: true };
const filed = (by: string) => ({
  structuredContent: { steps: [{}, { output: decision }, { status: 'completed', output: { ok: true, by } }] },
});

describe('a workflow that is open when its definition changes', () => {
  test('goes on in its own version, while new ones get the newest [WF-7 EXEC-17]', async () => {
    await deploy(claim(1, 'prepare', 'the first'));
    const open = await client.prompt('claim');

    await deploy(claim(1, 'prepare', 'the first'), claim(2, 'inspect', 'the second'));
    const fresh = await client.prompt('claim');
    expect(Object.keys((await client.prompt('claim', {}, open.taskId)).steps)).toEqual(['prepare', 'decided', 'filed']);
    expect(Object.keys(fresh.steps)).toEqual(['inspect', 'decided', 'filed']);
    for (const { taskId } of [open, fresh]) await client.call('decide', decision, taskId);

    expect(await client.result(open.taskId)).toMatchObject(filed('the first'));
    expect(await client.result(fresh.taskId)).toMatchObject(filed('the second'));
  });

  test('waits for a worker that has its version, and loses nothing until then [WF-5 WF-7 EXEC-17]', async () => {
    await deploy(claim(1, 'prepare', 'the first'));
    const { taskId } = await client.prompt('claim');

    await deploy(claim(2, 'inspect', 'the second'));
    await client.call('decide', decision, taskId);
    expect(await parked(taskId, /No version 1/)).toContain('No version 1 of tool "workflow/claim" is registered here');
    await deploy(claim(2, 'inspect', 'the second'), claim(1, 'prepare', 'the first'));

    expect(await client.result(taskId)).toMatchObject(filed('the first'));
  });

  test('and whose code no longer does what it has done waits for code that does, and says so [WF-7 EXEC-17]', async () => {
    await deploy(claim(undefined, 'prepare', 'the first'));
    const { taskId } = await client.prompt('claim');

    await deploy(claim(undefined, 'inspect', 'the second'));
    await client.call('decide', decision, taskId);
    expect(await parked(taskId, /no longer does/)).toMatch(/had recorded.*prepare/s);
    await deploy(claim(undefined, 'prepare', 'the third'));

    // Of what is yet to come, the newest code counts.
    expect(await client.result(taskId)).toMatchObject(filed('the third'));
  });

  test('and waits for other code answers its prompt at once, and says why it does not go on [WF-7 EXEC-17]', async () => {
    await deploy(claim(1, 'prepare', 'the first'));
    const { taskId } = await client.prompt('claim');
    await deploy(claim(2, 'inspect', 'the second'));
    await client.call('decide', decision, taskId);
    await parked(taskId, /No version 1/);

    const reply = await client.prompt('claim', {}, taskId);

    expect(reply.pause).toMatchObject({ type: 'timeBudget' });
    expect(reply.text).toContain('No version 1 of tool "workflow/claim" is registered here');
  });
});
