/**
 * Workflows of a tools file through the bundles that deploy, on both stores: the prompt is answered by one function, its task
 * is run by another, and whoever takes a call for it need not be who took the last.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type Deployment, deploy } from '../support/lambda/deployment.ts';
import { connectWorkflowClient, ERAS, type WorkflowClient } from '../support/workflow-client.ts';

const NAMED = { names: ['x', 'y'] };
const TOOLS = { auth: 'none', tools: 'test/support/workflow-fixtures.ts', taskTools: 'true' };
const STORES = [
  { store: 'DynamoDB', name: 'workflows-dynamodb', context: TOOLS },
  {
    store: 'Redis',
    name: 'workflows-redis',
    context: { ...TOOLS, backend: 'redis', api: 'http' },
    redisUrl: process.env['TEST_REDIS_URL'] ?? '',
  },
];

describe.each(STORES)('through the bundles deployed on $store', ({ store: _store, ...options }) => {
  let deployment: Deployment;
  const clients: WorkflowClient[] = [];

  beforeAll(async () => {
    deployment = await deploy({ ...options, dynamoDbEndpoint: process.env['TEST_DYNAMODB_ENDPOINT'] ?? '' });
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) await client[Symbol.asyncDispose]();
    const lines = [...deployment.mcp.logs, ...deployment.worker.logs];
    expect(lines.filter((line) => line.includes('"ERROR"'))).toEqual([]);
  });

  afterAll(async () => {
    await deployment?.[Symbol.asyncDispose]();
  });

  describe.each(ERAS)('the official client of %s', (era) => {
    async function connect(): Promise<WorkflowClient> {
      const client = await connectWorkflowClient(deployment.url, era);
      clients.push(client);
      return client;
    }

    test('has a workflow done that needs no help, with resources of the tools file [AWS-2 WF-2 WF-9]', async () => {
      const client = await connect();

      const { taskId, text } = await client.prompt('survey', { file: 'x.csv' });

      expect(text).toContain('Short names.');
      expect(await client.result(taskId)).toMatchObject({
        structuredContent: { steps: [{}, {}, {}, { status: 'completed', output: { report: { words: ['A', 'B'] } } }] },
      });
    });

    test('goes on with one that pauses, and with one that asks [AWS-2 WF-3 WF-5 WF-7 WF-11]', async () => {
      const client = await connect();

      const paused = await client.prompt('profile', { file: 'x.csv' });
      const asking = await client.prompt('approval', { file: 'x.csv' });
      expect([paused.pause?.['type'], asking.pause?.['type']]).toEqual(['clientStep', 'needsInput']);
      await client.call('name_columns', NAMED, paused.taskId);

      expect(await client.result(paused.taskId)).toMatchObject({
        structuredContent: { steps: [{}, {}, { output: NAMED }, { output: { report: { ...NAMED, shouted: 2 } } }] },
      });
      expect(await client.result(asking.taskId, { 'Who signs x.csv?': { file: 'Ada' } })).toMatchObject({
        structuredContent: { steps: [{}, {}, { output: { report: { signer: 'Ada', said: 'accept' } } }] },
      });
      expect(await client.prompt('profile', {}, paused.taskId)).toMatchObject({ status: 'completed' });
    });
  });
});
