/** A workflow from its prompt to its end: what the reply says, what clients are told, and who may go on with it. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { McpServer } from '../../../src/protocol/sdk.ts';
import { LegacyClient } from '../../support/legacy-client.ts';
import { credentials, IDEMPOTENCY_KEY, type JsonMap, RELATED_TASK_KEY } from '../../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../../support/mcp-server.ts';
import { boundTo, replyIn, WorkflowSession } from '../../support/workflow-session.ts';
import { note, profile, profileTools } from '../../support/workflow-tools.ts';

let held: HeldServer;
let session: WorkflowSession;

beforeEach(() => {
  held = holdServer(profileTools, { workflows: [profile], resources: [note] });
  session = new WorkflowSession(held);
});

const AT_NAMES = ['measure: completed', 'shout: completed', 'names: pending', 'write: pending'];
const ALL_DONE = ['measure: completed', 'shout: completed', 'names: completed', 'write: completed'];

describe('the prompt of a workflow', () => {
  test('is listed with its arguments, and its tools take a task’s id [WF-1]', async () => {
    const { prompts } = await held.peer.result('prompts/list');
    const { tools } = await held.peer.result('tools/list');

    expect(prompts).toEqual([
      expect.objectContaining({
        name: 'profile',
        title: 'Profile',
        description: 'Profiles a file.',
        arguments: [
          { name: 'file', required: true },
          { name: 'rows', required: false },
        ],
      }),
    ]);
    const measure = (tools as JsonMap[]).find(({ name }) => name === 'measure');
    expect(measure).toMatchObject({ inputSchema: { properties: { _task_id: { type: 'string' } } } });
    expect(measure).toMatchObject({ inputSchema: { required: ['file'] } });
  });

  test('makes a task, runs what the server can, and hands the rest over [WF-2 WF-3 WF-4]', async () => {
    const reply = await session.get('profile', { file: 'a.csv', rows: '5' });

    expect(reply.words[0]).toBe('Profile a.csv\n\nBe brief.');
    expect(reply.meta).toMatchObject({
      [RELATED_TASK_KEY]: { taskId: reply.taskId },
      task_id: reply.taskId,
      task_status: 'working',
      pause_reason: { type: 'clientStep', step: 'names', suggestedTool: 'name_columns' },
    });
    expect(reply.statuses).toEqual(AT_NAMES);
    expect(reply.block).toMatchObject({
      taskId: reply.taskId,
      status: 'working',
      workflow: 'profile',
      done: [
        { step: 'measure', output: { file: 'a.csv', columns: ['a', 'b'], rows: 5 } },
        { step: 'shout', output: ['A', 'B'] },
      ],
      remaining: [
        {
          step: 'names',
          tool: 'name_columns',
          by: 'client',
          arguments: { columns: ['A', 'B'] },
          unresolved: [{ argument: 'names', why: 'it is yours to say' }],
          guidance: 'Name ["A","B"].',
        },
        {
          step: 'write',
          tool: 'write',
          by: 'server',
          arguments: { seen: 2 },
          unresolved: [{ argument: 'names', why: 'step names has no output yet' }],
        },
      ],
      continue: { _meta: { [RELATED_TASK_KEY]: { taskId: reply.taskId } }, complete: 'task_complete' },
    });
    expect(reply.list).toContain(
      '1. names: call name_columns with {"columns":["A","B"]}. Find: names (it is yours to say). Name ["A","B"].',
    );
    expect(reply.list).toContain(
      '2. write: the server does it, by write, once it can: it waits for names (step names has no output yet).',
    );
    expect(reply.messages.map(({ content }) => content)).toContainEqual({
      type: 'resource',
      resource: { uri: 'note://style', text: 'Short names.', mimeType: 'text/plain' },
    });
  });

  test('ends, with a summary by step, when its last step is done [WF-5 WF-6]', async () => {
    const { taskId } = await session.get('profile', { file: 'a.csv' });
    await session.call('name_columns', { names: ['x', 'y'], columns: ['A', 'B'] }, taskId);

    const task = await held.peer.task(taskId);
    expect(task).toMatchObject({ status: 'completed', statusMessage: '4 of 4 steps done.' });
    expect(task['result']).toMatchObject({
      content: [
        {
          type: 'text',
          text: 'Profile a.csv\n- measure: completed\n- shout: completed\n- names: completed\n- write: completed',
        },
      ],
      structuredContent: {
        goal: 'Profile a.csv',
        steps: [
          {},
          { name: 'shout', tool: 'shout', status: 'completed', output: ['A', 'B'] },
          { name: 'names', tool: 'name_columns', output: { names: ['x', 'y'] } },
          { name: 'write', output: { written: { names: ['x', 'y'], seen: 2 } } },
        ],
      },
    });
    const again = await session.again('profile', taskId);
    expect(again.statuses).toEqual(ALL_DONE);
    expect(again.pause).toBeUndefined();
    expect(again.list).toBe(`This is task ${taskId}, now completed. Every step is done.`);
  });

  test('is the same for a client of the 2025 era [WF-2 WF-5 WF-6]', async () => {
    const client = await LegacyClient.connect(held.server.fetch, { authInfo: credentials('alice') });
    const reply = replyIn(
      await session.meanwhile(client.result('prompts/get', { name: 'profile', arguments: { file: 'a.csv' } })),
    );
    expect(reply.statuses).toEqual(AT_NAMES);
    expect(await client.task(reply.taskId)).toMatchObject({
      status: 'working',
      statusMessage: '2 of 4 steps done; waits for step names: the client calls name_columns.',
    });

    await session.meanwhile(client.call('name_columns', { names: ['x', 'y'], _task_id: reply.taskId }));
    await held.runDue();

    expect(await client.task(reply.taskId)).toMatchObject({ status: 'completed', statusMessage: '4 of 4 steps done.' });
    const result = await client.result('tasks/result', { taskId: reply.taskId });
    expect(result).toMatchObject({ structuredContent: { goal: 'Profile a.csv' } });
  });

  test('says by status message and visible variables how far it is, and shows nothing internal [WF-2 WF-3]', async () => {
    const { taskId } = await session.get('profile', { file: 'a.csv' });

    expect(await held.peer.task(taskId)).toMatchObject({
      status: 'working',
      statusMessage: '2 of 4 steps done; waits for step names: the client calls name_columns.',
    });
    expect((await session.call('look', {}, taskId))['structuredContent']).toEqual({
      seen: 2,
      workflow: {
        goal: 'Profile a.csv',
        schemaVersion: 1,
        pauseReason: { type: 'clientStep', step: 'names', suggestedTool: 'name_columns' },
        steps: [
          { name: 'measure', tool: 'measure', status: 'completed' },
          { name: 'shout', tool: 'shout', status: 'completed' },
          { name: 'names', tool: 'name_columns', status: 'pending' },
          { name: 'write', tool: 'write', status: 'pending' },
        ],
      },
    });
    const kept = await session.allVariables(taskId);
    expect(Object.keys(kept)).toEqual(
      expect.arrayContaining(['_workflow.progress', '_workflow.pause_reason', '_workflow.result.shout']),
    );
    expect(kept['_workflow.result.shout']).toEqual({ content: [{ type: 'text', text: '["A","B"]' }] });
  });

  test('gives a step’s whole result as a resource, to its owner alone [WF-4 WF-10]', async () => {
    const { taskId } = await session.get('profile', { file: 'a.csv' });
    const uri = `durable-task://${taskId}/steps/shout`;
    const read = (client: string, asked: string) =>
      held.as(credentials(client)).ask('resources/read', { uri: asked }, { headers: { 'mcp-name': asked } });

    const { message } = await read('alice', uri);
    expect(message?.result?.['contents']).toEqual([
      { uri, mimeType: 'application/json', text: '{"content":[{"type":"text","text":"[\\"A\\",\\"B\\"]"}]}' },
    ]);
    const foreign = await read('mallory', uri);
    const unknown = await read('alice', `durable-task://${'0'.repeat(44)}/steps/shout`);
    expect(foreign.message?.error).toBeDefined();
    expect(foreign.message?.error).toEqual(unknown.message?.error);
    expect((await read('alice', `durable-task://${taskId}/steps/write`)).message?.error?.message).toContain(
      'no result of step write',
    );
  });
});

describe('getting a prompt twice', () => {
  test('with one idempotency key makes one task [WF-2]', async () => {
    const keyed = { meta: { [IDEMPOTENCY_KEY]: 'k1' } };
    const first = await session.get('profile', { file: 'a.csv' }, keyed);
    const second = await session.get('profile', { file: 'a.csv' }, keyed);
    const others = await session.ask('profile', { file: 'b.csv' }, keyed);

    expect(second.taskId).toBe(first.taskId);
    expect(second.statuses).toEqual(AT_NAMES);
    expect(others.message?.error?.data).toMatchObject({ reason: 'idempotency_conflict' });
  });

  test('without one makes two', async () => {
    const first = await session.get('profile', { file: 'a.csv' });
    const second = await session.get('profile', { file: 'a.csv' });

    expect(second.taskId).not.toBe(first.taskId);
  });
});

describe('somebody else', () => {
  test('learns nothing by the id of a workflow’s task, whichever way it is given [WF-10]', async () => {
    const { taskId } = await session.get('profile', { file: 'a.csv' });
    const mallory = held.as(credentials('mallory'));
    const before = await held.stored();
    const errors = async (id: string) => {
      const asked = new WorkflowSession(held, mallory);
      return [
        (await asked.ask('profile', { file: 'a.csv' }, boundTo(id))).message,
        (await mallory.call('name_columns', { names: [] }, boundTo(id))).message,
        (await mallory.call('name_columns', { names: [] }, { meta: { _task_id: id } })).message,
        (await mallory.call('name_columns', { names: [], _task_id: id })).message,
        (await mallory.call('task_complete', { taskId: id, result: 1 })).message,
        (await mallory.call('task_report', { taskId: id, step: 'names', result: 1 })).message,
      ];
    };

    const foreign = await errors(taskId);
    expect(foreign.map((message) => message?.error !== undefined || message?.result?.['isError'] === true)).toEqual(
      Array.from({ length: 6 }, () => true),
    );
    expect(foreign).toEqual(await errors('0'.repeat(44)));
    expect(foreign).toEqual(await errors('no id at all'));
    expect(await held.stored()).toEqual(before);
  });
});

describe('prompts of the host’s own', () => {
  test('are served beside workflows as without them [WF-8]', async () => {
    const createServer = () => {
      const mcp = new McpServer({ name: 'hosted', version: '1' });
      mcp.registerPrompt('own', { description: 'The host’s.' }, () => ({
        messages: [{ role: 'user', content: { type: 'text', text: 'Hello.' } }],
      }));
      return mcp;
    };
    const alone = holdServer(profileTools, { createServer });
    const beside = holdServer(profileTools, { workflows: [profile], resources: [note], createServer });
    const get = async (server: HeldServer) =>
      (await server.peer.ask('prompts/get', { name: 'own' }, { headers: { 'mcp-name': 'own' } })).message?.result;

    expect(await get(beside)).toMatchObject({ messages: [{ content: { text: 'Hello.' } }] });
    expect(await get(beside)).toEqual(await get(alone));
    expect((await beside.peer.result('prompts/list'))['prompts']).toEqual([
      expect.objectContaining({ name: 'own' }),
      expect.objectContaining({ name: 'profile' }),
    ]);
    const unknown = await new WorkflowSession(beside).ask('nobodys');
    expect(unknown.message?.error).toEqual((await new WorkflowSession(alone).ask('nobodys')).message?.error);
  });
});
