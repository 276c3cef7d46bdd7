/**
 * Workflows on a store that is away, or slow: a prompt is answered all the same, with what needs no store, and says that nothing
 * is kept; calls for a workflow do their work; and a task ends only once its workflow knows of it.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { BackendError } from '../../src/backends/errors.ts';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { type LocalServer, silentLogger, startLocalServer } from '../../src/index.ts';
import { until } from '../support/until.ts';
import { connectWorkflowClient, ERAS, type WorkflowClient } from '../support/workflow-client.ts';
import tools, { resources, workflows } from '../support/workflow-fixtures.ts';

const NAMED = { names: ['x', 'y'] };

/** Does not answer while `isAway`; keeps writes that carry a report for a workflow waiting for `reportsMayPass`. */
class TroubledBackend extends MemoryBackend {
  isAway = false;
  reportsMayPass: Promise<void> = Promise.resolve();
  waitingReports = 0;

  override async get(...parameters: Parameters<MemoryBackend['get']>) {
    this.#assertThere();
    return super.get(...parameters);
  }

  override async putIfVersion(...parameters: Parameters<MemoryBackend['putIfVersion']>) {
    this.#assertThere();
    if (JSON.stringify(parameters).includes('_workflow.report.')) {
      this.waitingReports += 1;
      await this.reportsMayPass;
    }
    return super.putIfVersion(...parameters);
  }

  override async addIfBelow(...parameters: Parameters<MemoryBackend['addIfBelow']>) {
    this.#assertThere();
    return super.addIfBelow(...parameters);
  }

  #assertThere(): void {
    if (this.isAway) throw new BackendError('unavailable', 'The store is away.');
  }
}

let backend: TroubledBackend;
let server: LocalServer;
const clients: WorkflowClient[] = [];

beforeEach(async () => {
  backend = new TroubledBackend();
  server = await startLocalServer({
    logger: silentLogger,
    name: 'outages',
    version: '1',
    tools,
    workflows,
    resources,
    backend,
    port: 0,
    allowAnonymous: true,
  });
});

afterEach(async () => {
  backend.isAway = false;
  for (const client of clients.splice(0)) await client[Symbol.asyncDispose]();
  await server.close();
  await backend.close();
});

describe.each(ERAS)('a client of %s whose store', (era) => {
  async function connect(): Promise<WorkflowClient> {
    const client = await connectWorkflowClient(server.url, era);
    clients.push(client);
    return client;
  }

  test('is away gets a prompt with what needs none, and hears that nothing is kept [WF-12]', async () => {
    const client = await connect();
    backend.isAway = true;

    const reply = await client.prompt('profile', { file: 'x.csv', rows: '5' });

    expect(reply.steps).toEqual({ measured: 'completed', shouted: 'pending', named: 'pending', written: 'pending' });
    expect(reply.text).toContain('Nothing of this is kept: there is no task.');
    expect(reply.text).toContain('{"columns":["a","b"],"file":"x.csv","rows":5}');
    expect(reply.block).toMatchObject({
      kept: false,
      pauseReason: { type: 'clientStep', step: 'shouted', suggestedTool: 'shout' },
      remaining: [
        { step: 'shouted', tool: 'shout', arguments: { words: ['a', 'b'] } },
        { step: 'named', tool: 'name_columns', guidance: expect.stringContaining('Find a name') },
        { step: 'written', tool: 'write_report' },
      ],
    });
    expect(reply.block).not.toHaveProperty('taskId');
    expect(JSON.stringify(reply.messages)).toContain('Short names.');
  });

  test('goes away for a while still has a workflow that goes on when it is back [WF-5 WF-12]', async () => {
    const client = await connect();
    const { taskId } = await client.prompt('pair');

    backend.isAway = true;
    expect(await client.call('write_report', { by: 'me' }, taskId)).toEqual({ report: { by: 'me' } });
    await expect(client.prompt('pair', {}, taskId)).rejects.toThrow(/try again/i);
    backend.isAway = false;

    // That call was not recorded: the step is still open.
    expect(await client.prompt('pair', {}, taskId)).toMatchObject({ taskId, steps: { written: 'pending' } });
    await client.call('name_columns', NAMED, taskId);
    await client.call('describe_columns', { description: 'letters' }, taskId);
    expect(await client.result(taskId)).toMatchObject({
      structuredContent: {
        steps: [{ output: NAMED }, { output: { description: 'letters' } }, { status: 'completed' }],
      },
    });
  });
});

describe('on a slow store', () => {
  const connect = async () => {
    const client = await connectWorkflowClient(server.url, '2025-11-25');
    clients.push(client);
    return client;
  };

  test('a call is answered before it is recorded, if that takes long [WF-5]', async () => {
    const client = await connect();
    const { taskId } = await client.prompt('pair');
    const { promise, resolve } = Promise.withResolvers<void>();
    backend.reportsMayPass = promise;

    expect(await client.call('name_columns', NAMED, taskId)).toEqual(NAMED);

    expect(await client.task(taskId)).toMatchObject({ statusMessage: expect.stringMatching(/^0 of 3 steps done/) });
    resolve();
    await until('the record', async () =>
      ((await client.task(taskId))['statusMessage'] as string).startsWith('1 of 3'),
    );
  });

  test('a task that does a step of a workflow ends only once the workflow has its result [WF-5 I1]', async () => {
    const client = await connect();
    const { taskId } = await client.prompt('pair');
    const { promise, resolve } = Promise.withResolvers<void>();
    backend.reportsMayPass = promise;
    let isAnswered = false;

    const call = client.call('describe_columns', { description: 'letters' }, taskId).then(() => {
      isAnswered = true;
    });
    await until('the report', () => backend.waitingReports > 0);
    // For longer than a call would wait for its recording.
    const began = performance.now();
    await until('two seconds', () => performance.now() - began > 2_000);
    expect(isAnswered).toBe(false);
    resolve();
    await call;

    await client.call('name_columns', NAMED, taskId);
    expect(await client.result(taskId)).toMatchObject({
      structuredContent: { steps: [{}, { output: { description: 'letters' } }, { status: 'completed' }] },
    });
  });
});
