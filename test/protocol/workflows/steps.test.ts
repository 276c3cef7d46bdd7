/** Conditions, lists, forms and resources of steps; and what a prompt does where there can be no task. */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { BackendError } from '../../../src/backends/errors.ts';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import type { TaskServerOptions } from '../../../src/server/create-task-server.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import { defineResource } from '../../../src/workflow/resources.ts';
import { countingBackend } from '../../support/counting-backend.ts';
import { LegacyClient, taskIdIn } from '../../support/legacy-client.ts';
import { credentials, type JsonMap } from '../../support/mcp-requests.ts';
import { holdServer } from '../../support/mcp-server.ts';
import { boundTo, replyIn, WorkflowSession } from '../../support/workflow-session.ts';
import { failing, json, note, profile, profileTools } from '../../support/workflow-tools.ts';

const NOTHING = z.object({});

const list = defineTaskTool({
  name: 'list',
  description: 'Lists.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ count: z.number() }),
  run: async ({ count }) => json(Array.from({ length: count }, (_, at) => ({ id: at }))),
});
const visit = defineTaskTool({
  name: 'visit',
  description: 'Visits one.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ id: z.number() }),
  run: async ({ id }) => (id === 13 ? failing('Unlucky.') : json({ visited: id })),
});
const sum = defineTaskTool({
  name: 'sum',
  description: 'Counts.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ all: z.array(z.unknown()) }),
  run: async ({ all }) => json(all.length),
});
const greet = defineTaskTool({
  name: 'greet',
  description: 'Greets.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ name: z.string() }),
  run: async ({ name }) => json(`Hello, ${name}!`),
});
const tools = [list, visit, sum, greet];

describe('a step with a condition', () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Greets some.',
    arguments: z.object({ name: z.string().optional(), loud: z.boolean().optional() }),
    steps: (steps) =>
      steps
        .tool('greet', ({ argument }) => ({
          tool: 'greet',
          when: argument('name'),
          arguments: { name: argument('name') },
        }))
        .tool('count', ({ constant, computed, argument }) => ({
          tool: 'list',
          when: computed({ loud: argument('loud') }, ({ loud }) => loud === true),
          arguments: { count: constant(1) },
        })),
  });

  test.each([
    [{}, ['skipped', 'skipped']],
    [{ name: '' }, ['skipped', 'skipped']],
    [{ name: 'Ada', loud: 'false' }, ['Hello, Ada!', 'skipped']],
    [{ name: 'Ada', loud: 'true' }, ['Hello, Ada!', [{ id: 0 }]]],
  ])('with arguments %j comes to %j [WF-11]', async (args, expected) => {
    const session = new WorkflowSession(holdServer(tools, { workflows: [workflow] }));
    const { taskId, pause } = await session.get('w', args);

    expect(pause).toBeUndefined();
    expect(await session.outputs(taskId)).toEqual(expected);
  });
});

describe('a step for each item of a list', () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Visits.',
    arguments: z.object({ count: z.number() }),
    steps: (steps) =>
      steps
        .tool('list', ({ argument }) => ({ tool: 'list', arguments: { count: argument('count') } }))
        .tool('visit', ({ output, item }) => ({
          tool: 'visit',
          forEach: output('list'),
          arguments: { id: item('id') },
          guidance: 'Visit {item.id}.',
        }))
        .tool('sum', ({ output }) => ({ tool: 'sum', arguments: { all: output('visit') } })),
  });

  test('is done for each, in order; its output is the list of theirs [WF-11]', async () => {
    const session = new WorkflowSession(holdServer(tools, { workflows: [workflow] }));
    const { taskId } = await session.get('w', { count: '3' });
    expect((await session.outputs(taskId)).slice(1)).toEqual([[{ visited: 0 }, { visited: 1 }, { visited: 2 }], 3]);

    const none = await session.get('w', { count: '0' });
    expect((await session.outputs(none.taskId)).slice(1)).toEqual([[], 0]);
  });

  test('stops at the item that fails, which may be the client’s then [WF-11 WF-3]', async () => {
    const session = new WorkflowSession(holdServer(tools, { workflows: [workflow] }));
    const { taskId, pause, block, list: words } = await session.get('w', { count: '15' });
    expect(pause).toMatchObject({ type: 'toolError', failedStep: 'visit', error: 'Unlucky.' });
    expect((block['remaining'] as JsonMap[]).map(({ step }) => step)).toEqual(['visit[13]', 'visit[14]', 'sum']);
    expect(words).toContain(
      '1. visit[13]: get the prompt again, and the server tries it again, or call visit with {"id":13} yourself. Visit 13.',
    );

    await session.call('visit', { id: 12 }, taskId);
    const all = await session.outputs(taskId);
    expect(all.slice(2)).toEqual([15]);
    expect((all[1] as unknown[])[13]).toEqual({ visited: 12 });
  });

  test('over something that is no list pauses and says so [WF-11 WF-3]', async () => {
    const wrong = defineWorkflow({
      name: 'w',
      description: 'Visits.',
      arguments: z.object({ over: z.unknown() }),
      steps: (steps) =>
        steps.tool('visit', ({ argument, item }) => ({
          tool: 'visit',
          forEach: argument('over'),
          arguments: { id: item() },
        })),
    });
    const session = new WorkflowSession(holdServer(tools, { workflows: [wrong] }));
    expect((await session.get('w', { over: 'all of them' })).pause).toMatchObject({
      type: 'unresolvableParams',
      blockedStep: 'visit',
      missing: [{ argument: 'forEach', why: 'it is no list of at most 1000 items' }],
    });
  });
});

describe('a form for what is missing', () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Greets.',
    arguments: z.object({ name: z.string().optional(), who: z.string() }),
    steps: (steps) =>
      steps
        .tool('count', ({ constant }) => ({ tool: 'list', arguments: { count: constant(1) } }))
        .tool('greet', ({ argument }) => ({
          tool: 'greet',
          arguments: { name: argument('name') },
          askFor: { message: 'Which name for {argument.who}?', fields: { name: { type: 'string' } } },
        })),
  });
  const waiting = async () => {
    const session = new WorkflowSession(holdServer(tools, { workflows: [workflow] }));
    const reply = await session.get('w', { who: 'her' });
    const { inputRequests } = (await session.peer.task(reply.taskId)) as { inputRequests: JsonMap };
    const [[key, request] = []] = Object.entries(inputRequests);
    const answer = async (outcome: JsonMap) => {
      await session.peer.result('tasks/update', {
        taskId: reply.taskId,
        inputResponses: { [key ?? '']: outcome },
      });
      await session.held.runDue();
    };
    return { session, reply, request, answer };
  };

  test('is asked by the task, and its answer is the argument [WF-11 WF-3]', async () => {
    const { session, reply, request, answer } = await waiting();
    expect(reply.pause).toEqual({ type: 'needsInput', step: 'greet', suggestedTool: 'tasks/update' });
    expect(reply.statuses).toEqual(['count: completed', 'greet: pending']);
    expect(reply.meta['task_status']).toBe('input_required');
    expect(request).toMatchObject({
      method: 'elicitation/create',
      params: {
        message: 'Which name for her?',
        requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
      },
    });

    await answer({ action: 'accept', content: { name: 'Ada' } });
    expect(await session.outputs(reply.taskId)).toEqual([[{ id: 0 }], 'Hello, Ada!']);
  });

  test('that is declined leaves the argument missing [WF-11 WF-3]', async () => {
    const { session, reply, answer } = await waiting();
    await answer({ action: 'decline' });

    expect(await session.allVariables(reply.taskId)).toMatchObject({
      '_workflow.pause_reason': { type: 'unresolvableParams', missingParam: 'name' },
    });
    expect((await session.peer.task(reply.taskId))['status']).toBe('working');
  });

  test('is not needed where the argument is there, and not asked of who cannot be asked [WF-11 WF-3]', async () => {
    const session = new WorkflowSession(holdServer(tools, { workflows: [workflow] }));
    const given = await session.get('w', { who: 'her', name: 'Ada' });
    expect(await session.outputs(given.taskId)).toEqual([[{ id: 0 }], 'Hello, Ada!']);

    const unasked = await session.get('w', { who: 'her' }, { capabilities: {} });
    expect(unasked.pause).toMatchObject({ type: 'unresolvableParams', missingParam: 'name' });
  });
});

describe('resources', () => {
  const page = defineResource({
    name: 'page',
    uri: 'page://{id}',
    mimeType: 'application/json',
    read: async (_uri, { id }, { owner }) => ({ page: id ?? '', reader: owner?.subject ?? '' }),
  });
  const large = defineResource({ name: 'large', uri: 'large://one', read: async () => 'x'.repeat(100_000) });
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Reads.',
    arguments: z.object({ id: z.string() }),
    steps: (steps) =>
      steps
        .resources('read', ({ argument }) => ({
          resources: [{ uri: 'page://{id}', bindings: { id: argument('id') } }],
        }))
        .resources('both', () => ({ resources: ['page://1', 'large://one'] }))
        .client('think', ({ output }) => ({
          guidance: 'Think of {output.read.page}.',
          attach: ['large://one', { uri: 'page://{id}', bindings: { id: output('read', 'page') } }],
        })),
  });

  test('are read as the caller, by template and plainly; large ones are linked [WF-9 WF-10 WF-4]', async () => {
    const session = new WorkflowSession(holdServer(tools, { workflows: [workflow], resources: [page, large] }));
    const { statuses, block, messages, list: words } = await session.get('w', { id: '7' });

    expect(statuses).toEqual(['read: completed', 'both: completed', 'think: pending']);
    expect(block['done']).toMatchObject([
      { step: 'read', output: { page: '7', reader: 'client alice' } },
      { step: 'both', bytes: expect.any(Number), excerpt: expect.stringContaining('"page":"1"') },
    ]);
    expect(words).toContain('Think of 7.');
    const contents = messages.map(({ content }) => content);
    expect(contents).toContainEqual({
      type: 'resource',
      resource: { uri: 'page://7', mimeType: 'application/json', text: '{"page":"7","reader":"client alice"}' },
    });
    expect(contents).toContainEqual({ type: 'resource_link', uri: 'large://one', name: 'large://one' });
    expect(Buffer.byteLength(JSON.stringify(messages))).toBeLessThan(64 * 1024);
  });

  test('are served to clients as workflows read them [WF-9]', async () => {
    const { peer } = holdServer(tools, { workflows: [workflow], resources: [page, large] });
    const read = await peer.ask('resources/read', { uri: 'page://9' }, { headers: { 'mcp-name': 'page://9' } });

    expect(read.message?.result?.['contents']).toEqual([
      { uri: 'page://9', mimeType: 'application/json', text: '{"page":"9","reader":"client alice"}' },
    ]);
    expect((await peer.result('resources/list'))['resources']).toEqual([
      expect.objectContaining({ name: 'large', uri: 'large://one' }),
    ]);
    expect((await peer.result('resources/templates/list'))['resourceTemplates']).toEqual(
      expect.arrayContaining([expect.objectContaining({ uriTemplate: 'page://{id}' })]),
    );
  });
});

describe('where there can be no task', () => {
  const AT_SHOUT = ['measure: completed', 'shout: pending', 'names: pending', 'write: pending'];
  const options: Partial<TaskServerOptions> = { workflows: [profile], resources: [note] };
  const expectNothingKept = async (session: WorkflowSession) => {
    const reply = await session.get('profile', { file: 'a.csv' });
    expect(reply.statuses).toEqual(AT_SHOUT);
    expect(reply.taskId).toBe('');
    expect(reply.block).toMatchObject({ kept: false, done: [{ step: 'measure' }] });
    expect(reply.block['continue']).toBeUndefined();
    expect(reply.pause).toEqual({ type: 'clientStep', step: 'shout', suggestedTool: 'shout' });
    expect(reply.list).toContain('Nothing of this is kept: there is no task.');
    expect(reply.list).toContain('Do these in order.');
    return reply;
  };

  test('for a workflow that forbids tasks too [WF-8 WF-12]', async () => {
    const held = holdServer(profileTools, { ...options, workflows: [{ ...profile, taskSupport: 'forbidden' }] });
    await expectNothingKept(new WorkflowSession(held));

    expect((await held.stored()).size).toBe(0);
  });

  test('for storage that does not answer too [WF-12]', async () => {
    const backend = countingBackend(new MemoryBackend());
    backend.intercept(() => Promise.reject(new BackendError('unavailable', 'Away.')));
    await expectNothingKept(new WorkflowSession(holdServer(profileTools, { ...options, backend })));
  });

  test('wrong arguments are told all the same [WF-1 WF-12]', async () => {
    const held = holdServer(profileTools, options);
    const { message } = await new WorkflowSession(held, held.as(undefined)).ask('profile', { rows: 'many' });

    expect(message?.error).toMatchObject({ code: -32602 });
    expect(message?.error?.message).toContain('rows: ');
    expect(message?.error?.message).toContain('file: ');
  });

  test('a tool that takes longer than a request may is left to the client [WF-12]', async () => {
    const stuck = defineTaskTool({
      name: 'stuck',
      description: 'Never answers.',
      taskSupport: 'forbidden',
      inputSchema: NOTHING,
      run: () => new Promise(() => {}),
    });
    const workflow = defineWorkflow({
      name: 'w',
      description: 'Waits.',
      arguments: NOTHING,
      steps: (steps) => steps.tool('stuck', () => ({ tool: 'stuck' })),
    });
    const forbidden = { ...workflow, taskSupport: 'forbidden' as const };
    const held = holdServer([stuck], { workflows: [forbidden], promptBudgetMs: 2_000 });
    const before = held.clock.now();
    const reply = await new WorkflowSession(held).get('w');

    expect(reply.pause).toEqual({ type: 'clientStep', step: 'stuck', suggestedTool: 'stuck' });
    expect(held.clock.now() - before).toBe(2_000);
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('a client that declares no tasks has one all the same, and goes on by arguments [WF-8 WF-5]', async () => {
    const session = new WorkflowSession(holdServer(profileTools, options));
    const { taskId } = await session.get('profile', { file: 'a.csv' }, { declares: false, capabilities: {} });
    const { message } = await session.meanwhile(
      session.peer.call('name_columns', { names: ['x'], _task_id: taskId }, { declares: false }),
    );
    await session.held.runDue();

    expect(message?.result).toMatchObject({ content: [{ text: '{"names":["x"]}' }] });
    expect((await session.peer.task(taskId))['status']).toBe('completed');
  });
});

test('a task tool of the 2025 era that is bound to a workflow is recorded when it ends [WF-5]', async () => {
  const held = holdServer(profileTools, {
    workflows: [
      defineWorkflow({
        name: 'w',
        description: 'Shouts.',
        arguments: NOTHING,
        steps: (steps) =>
          steps.client('shout', ({ constant }) => ({ tool: 'shout', arguments: { columns: constant(['a']) } })),
      }),
    ],
  });
  const session = new WorkflowSession(held);
  const client = await LegacyClient.connect(held.server.fetch, { authInfo: credentials('alice') });
  const { taskId } = replyIn(await session.meanwhile(client.result('prompts/get', { name: 'w', arguments: {} })));
  const meta = { _meta: boundTo(taskId).meta };
  const id = taskIdIn(
    (await client.result('tools/call', { name: 'shout', arguments: { columns: ['a'] }, task: {}, ...meta }))['task'],
  );
  await held.runDue();
  await held.clock.advance(1_000);
  await held.runDue();

  expect(await client.task(id)).toMatchObject({ status: 'completed' });
  expect(await session.outputs(taskId)).toEqual([['A']]);
});

test('an output that is not what its step says it is pauses as an error [WF-3]', async () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Counts.',
    arguments: NOTHING,
    steps: (steps) =>
      steps.tool('sum', ({ constant }) => ({ tool: 'sum', arguments: { all: constant([]) }, output: z.string() })),
  });

  const { pause } = await new WorkflowSession(holdServer(tools, { workflows: [workflow] })).get('w');
  expect(pause).toMatchObject({
    type: 'toolError',
    failedStep: 'sum',
    error: expect.stringContaining('The output of step sum is not what it must be'),
    retryable: false,
  });
});
