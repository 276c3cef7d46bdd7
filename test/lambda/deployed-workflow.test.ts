/** The workflow of `lambda/tools.ts` through the bundles that deploy: the endpoint hands over what the worker has done. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Deployment, deploy } from '../support/lambda/deployment.ts';
import { type JsonMap, McpPeer } from '../support/mcp-requests.ts';
import { until } from '../support/until.ts';

let deployment: Deployment;

beforeAll(async () => {
  deployment = await deploy({
    name: 'workflows',
    context: { auth: 'none' },
    dynamoDbEndpoint: process.env['TEST_DYNAMODB_ENDPOINT'] ?? '',
  });
});

afterAll(async () => {
  await deployment?.[Symbol.asyncDispose]();
});

test('a deployed workflow runs its steps, takes a report, skips what its policy says, and ends [WF-2 WF-5 WF-6 AWS-2]', async () => {
  const peer = new McpPeer((request) => fetch(new Request(deployment.url, request)));
  const arguments_ = { release: 'v1', environment: 'preview', targets: '["eu","us-down"]' };

  const reply = await peer.result(
    'prompts/get',
    { name: 'ship_release', arguments: arguments_ },
    { headers: { 'mcp-name': 'ship_release' } },
  );
  const { task_id: taskId, pause_reason: pause } = reply['_meta'] as { task_id: string; pause_reason: JsonMap };
  await peer.call('task_report', { taskId, step: 'notes', result: { text: 'Faster.' } });
  const task = await until('the end', async () => {
    const now = await peer.task(taskId);
    return now['status'] === 'completed' ? now : undefined;
  });

  expect(pause).toEqual({ type: 'clientStep', step: 'notes', suggestedTool: 'task_report' });
  expect(task['result']).toMatchObject({
    structuredContent: {
      steps: [
        { name: 'policy', status: 'completed' },
        { name: 'checks', output: [{ healthy: true }, { target: 'us-down', healthy: false }] },
        { name: 'notes', output: { text: 'Faster.' } },
        { name: 'deploy', status: 'skipped' },
      ],
    },
  });
});
