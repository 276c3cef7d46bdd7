/** A workflow that its client completes: by tools, or by cancelling it with a result as clients of the 2025 era do. */
import { beforeEach, expect, test } from '@jest/globals';
import * as z from 'zod';
import { asTaskId } from '../../../src/domain/task-id.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import { LegacyClient } from '../../support/legacy-client.ts';
import { credentials } from '../../support/mcp-requests.ts';
import { holdServer } from '../../support/mcp-server.ts';
import { boundTo, WorkflowSession } from '../../support/workflow-session.ts';
import { failing, json } from '../../support/workflow-tools.ts';

const sleep = defineTaskTool({
  name: 'sleep',
  description: 'Sleeps.',
  inputSchema: z.object({}),
  run: async (_args, task) => {
    await task.wait('long', { minutes: 5 });
    return json('rested');
  },
});
const workflow = defineWorkflow({
  name: 'w',
  description: 'Rests.',
  arguments: z.object({}),
  steps: (steps) => steps.client('rest', () => ({ guidance: 'Rest.' })),
});

let session: WorkflowSession;
let client: LegacyClient;
let taskId: string;

beforeEach(async () => {
  session = new WorkflowSession(holdServer([sleep], { workflows: [workflow] }));
  client = await LegacyClient.connect(session.held.server.fetch, { authInfo: credentials('alice') });
  ({ taskId } = await session.get('w'));
});

test('tasks/cancel with a result cancels a task that is no workflow [WF-6]', async () => {
  const other = await session.peer.createTask('sleep');
  await session.held.runDue();

  expect(await client.result('tasks/cancel', { taskId: other, result: { note: 'x' } })).toMatchObject({
    taskId: other,
    status: 'cancelled',
  });
  expect(await session.peer.task(other)).toMatchObject({ status: 'cancelled' });
});

test('tasks/cancel with a result completes a workflow, which says by whom it was completed [WF-6]', async () => {
  expect(await client.result('tasks/cancel', { taskId, result: { rested: true } })).toMatchObject({
    status: 'completed',
    statusMessage: 'Completed by the client.',
  });
  expect(await session.peer.task(taskId)).toMatchObject({
    status: 'completed',
    statusMessage: 'Completed by the client.',
    result: { structuredContent: { rested: true } },
  });
  expect((await session.again('w', taskId)).list).toContain(
    `This is task ${taskId}, now completed. Completed by the client. Nothing more is to be done for it.`,
  );
});

test.each(['tasks/cancel', 'task_complete'])(
  '%s with a result that is an error says so of the task [WF-6]',
  async (by) => {
    const result = failing('Nobody could rest.');
    if (by === 'tasks/cancel') await client.result(by, { taskId, result });
    else await session.call(by, { taskId, result }, taskId);

    expect(await session.peer.task(taskId)).toMatchObject({ status: 'completed', result });
    const owner = { issuer: 'unspecified', subject: 'client alice' };
    const { task } = await session.held.server.store.get({ owner, id: asTaskId(taskId) });
    expect(task.toolError).toBe('Nobody could rest.');
    // In this era, a tool that failed is a task that failed.
    expect(await client.task(taskId)).toMatchObject({ status: 'failed' });
  },
);

test('the calls that report and complete are no steps themselves, though they carry the task’s id [WF-5 WF-6]', async () => {
  await session.meanwhile(session.peer.call('task_report', { taskId, step: 'none', result: 1 }, boundTo(taskId)));
  await session.held.runDue();

  expect((await session.again('w', taskId)).block['aside']).toEqual([{ tool: 'none', why: 'there is no such step' }]);
});
