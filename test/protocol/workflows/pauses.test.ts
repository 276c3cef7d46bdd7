/** Each reason for which a workflow does not go on by itself, and what ends it. */
import { expect, test } from '@jest/globals';
import * as z from 'zod';
import { ProtocolError } from '../../../src/protocol/sdk.ts';
import type { AnyTool } from '../../../src/protocol/tool.ts';
import type { TaskServerOptions } from '../../../src/server/create-task-server.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import { defineResource } from '../../../src/workflow/resources.ts';
import type { Workflow } from '../../../src/workflow/workflow.ts';
import type { JsonMap } from '../../support/mcp-requests.ts';
import { holdServer } from '../../support/mcp-server.ts';
import { WorkflowSession } from '../../support/workflow-session.ts';
import { add, echo, json, look } from '../../support/workflow-tools.ts';

const NOTHING = z.object({});

/** Fails as often as it is told, and then does not. */
function flaky(times: number, error: () => unknown = () => new Error('Out of paper.')) {
  const calls: number[] = [];
  const tool = defineTaskTool({
    name: 'flaky',
    description: 'Fails at first.',
    taskSupport: 'forbidden',
    inputSchema: NOTHING,
    run: async () => {
      calls.push(calls.length);
      if (calls.length <= times) throw error();
      return json({ tries: calls.length });
    },
  });
  return { tool, calls };
}

const begin = (workflow: Workflow, tools: readonly AnyTool[], options: Partial<TaskServerOptions> = {}) =>
  new WorkflowSession(holdServer([...tools, look], { workflows: [workflow], ...options }));

test('an argument that nothing gives pauses, and is filled in by getting the prompt again [WF-3 WF-7]', async () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Echoes.',
    arguments: z.object({ value: z.string().optional(), more: z.string().optional() }),
    steps: (steps) =>
      steps.tool('say', ({ argument }) => ({
        tool: 'echo',
        arguments: { value: argument('value'), more: argument('more') },
      })),
  });
  const session = begin(workflow, [echo]);
  const reply = await session.get('w');
  expect(reply.pause).toEqual({
    type: 'unresolvableParams',
    blockedStep: 'say',
    missingParam: 'value',
    missing: [{ argument: 'value', why: 'the prompt argument value is not given' }],
    suggestedTool: 'echo',
  });
  expect(reply.list).toContain('Step say lacks value (the prompt argument value is not given).');
  expect(await session.peer.task(reply.taskId)).toMatchObject({
    status: 'working',
    statusMessage: '0 of 1 steps done; step say lacks something: see the prompt.',
  });

  const again = await session.again('w', reply.taskId, { value: 'there' });
  expect(again.taskId).toBe(reply.taskId);
  expect(again.statuses).toEqual(['say: completed']);
  expect(await session.outputs(reply.taskId)).toEqual([{ value: 'there' }]);
});

test('a variable that is not there pauses, and is looked at anew when something is reported [WF-3 WF-5]', async () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Echoes.',
    arguments: NOTHING,
    steps: (steps) => steps.tool('say', ({ variable }) => ({ tool: 'echo', arguments: { value: variable('word') } })),
  });
  const setWord = defineTaskTool({
    name: 'set_word',
    description: 'Sets it.',
    taskSupport: 'forbidden',
    inputSchema: NOTHING,
    run: async (_args, { related }) => {
      await related?.variables.set('word', 'set');
      return json('set');
    },
  });
  const session = begin(workflow, [echo, setWord]);
  const { taskId, pause } = await session.get('w');
  expect(pause).toMatchObject({ type: 'unresolvableParams', missingParam: 'value' });

  await session.call('set_word', {}, taskId);

  expect((await session.peer.task(taskId))['status']).toBe('completed');
  expect(await session.outputs(taskId)).toEqual([{ value: 'set' }]);
});

test('arguments that do not fit their tool pause, and a better output of an earlier step ends it [WF-3 WF-5]', async () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Adds.',
    arguments: NOTHING,
    steps: (steps) =>
      steps
        .client('first', ({ constant }) => ({ tool: 'echo', arguments: { value: constant(1) } }))
        .tool('second', ({ output }) => ({ tool: 'add', arguments: { to: output('first', 'value') } })),
  });
  const session = begin(workflow, [echo, add]);
  const { taskId } = await session.get('w');
  await session.call('echo', { value: 'no number' }, taskId);

  const reply = await session.again('w', taskId);
  expect(reply.pause).toMatchObject({
    type: 'schemaMismatch',
    blockedStep: 'second',
    missingFields: [],
    problem: expect.stringContaining('to: '),
    suggestedTool: 'add',
  });

  await session.call('echo', { value: 41 }, taskId);
  expect(await session.outputs(taskId)).toEqual([{ value: 41 }, 42]);
});

test('a part that an output lacks pauses, and names the step that was to give it [WF-3]', async () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Adds.',
    arguments: NOTHING,
    steps: (steps) =>
      steps
        .tool('first', ({ constant }) => ({ tool: 'echo', arguments: { value: constant(1) } }))
        .tool('second', ({ output }) => ({ tool: 'add', arguments: { to: output('first', 'deep[0].number') } })),
  });
  const session = begin(workflow, [echo, add]);
  const { pause, taskId, list } = await session.get('w');
  expect(pause).toEqual({
    type: 'unresolvedDependency',
    blockedStep: 'second',
    missingOutput: 'first.deep[0].number',
    producingStep: 'first',
    suggestedTool: 'echo',
  });
  expect(list).toContain('Step second needs first.deep[0].number, which step first did not give.');

  await session.call('add', { to: 1 }, taskId);
  expect(await session.outputs(taskId)).toEqual([{ value: 1 }, 2]);
});

test('a tool that fails pauses, is tried again by getting the prompt again, and counts then [WF-3 WF-7]', async () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Tries.',
    arguments: NOTHING,
    steps: (steps) => steps.tool('try', () => ({ tool: 'flaky' })),
  });
  const { tool, calls } = flaky(2);
  const session = begin(workflow, [tool]);
  const reply = await session.get('w');
  expect(reply.pause).toEqual({
    type: 'toolError',
    failedStep: 'try',
    error: 'Out of paper.',
    retryable: true,
    suggestedTool: 'flaky',
  });
  expect(reply.statuses).toEqual(['try: failed']);
  expect(await session.peer.task(reply.taskId)).toMatchObject({
    status: 'working',
    statusMessage: '0 of 1 steps done; step try failed: Out of paper.',
  });

  expect((await session.again('w', reply.taskId)).statuses).toEqual(['try: failed']);
  expect((await session.again('w', reply.taskId)).statuses).toEqual(['try: completed']);
  expect(calls).toHaveLength(3);
  expect(await session.outputs(reply.taskId)).toEqual([{ tries: 3 }]);
});

test('an error of the protocol is not tried again by itself; the client’s own call counts [WF-3 WF-5]', async () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Tries.',
    arguments: NOTHING,
    steps: (steps) => steps.tool('try', () => ({ tool: 'flaky', retry: { maxAttempts: 5 } })),
  });
  const { tool, calls } = flaky(1, () => new ProtocolError(-32050, 'No more coffee.'));
  const session = begin(workflow, [tool]);
  const { pause, taskId } = await session.get('w');
  expect(pause).toMatchObject({ type: 'toolError', error: 'No more coffee.', retryable: false });
  expect(calls).toHaveLength(1);

  await session.again('w', taskId);
  expect(calls).toHaveLength(1);
  await session.call('flaky', {}, taskId);
  expect(await session.outputs(taskId)).toEqual([{ tries: 2 }]);
});

test('a step that fails twice succeeds where its retries allow it, after their delay [WF-1 WF-3]', async () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Tries.',
    arguments: NOTHING,
    steps: (steps) => steps.tool('try', () => ({ tool: 'flaky', retry: { maxAttempts: 3, delay: { seconds: 5 } } })),
  });
  const { tool, calls } = flaky(2);
  const session = begin(workflow, [tool]);
  const before = session.held.clock.now();
  const reply = await session.get('w');

  expect(reply.statuses).toEqual(['try: completed']);
  expect(calls).toHaveLength(3);
  expect(session.held.clock.now() - before).toBeGreaterThanOrEqual(10_000);
});

test('a resource that does not answer is an error to try again; one that is not there is none [WF-3 WF-9]', async () => {
  let isAway = true;
  const resource = defineResource({
    name: 'page',
    uri: 'page://{id}',
    read: async (_uri, { id = '' }) => {
      if (isAway) throw new Error('The shelf is closed.');
      return id === 'none' ? undefined : { page: id };
    },
  });
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Reads.',
    arguments: z.object({ id: z.string() }),
    steps: (steps) =>
      steps.resources('read', ({ argument }) => ({
        resources: [{ uri: 'page://{id}', bindings: { id: argument('id') } }],
      })),
  });
  const session = begin(workflow, [], { resources: [resource] });
  const reply = await session.get('w', { id: '7' });
  expect(reply.pause).toEqual({
    type: 'toolError',
    failedStep: 'read',
    error: 'The shelf is closed.',
    retryable: true,
    suggestedTool: 'task_report',
  });

  isAway = false;
  await session.again('w', reply.taskId);
  expect(await session.outputs(reply.taskId)).toEqual([{ page: '7' }]);
  const { pause } = await session.get('w', { id: 'none' });
  expect(pause).toMatchObject({ type: 'toolError', error: 'There is no resource page://none.', retryable: false });
});

test('a client’s step without a tool is reported by task_report [WF-3 WF-5 WF-6]', async () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Thinks.',
    arguments: NOTHING,
    steps: (steps) =>
      steps
        .client('think', () => ({ guidance: 'Think of a number.', output: z.number() }))
        .tool('sum', ({ output }) => ({ tool: 'add', arguments: { to: output('think') } })),
  });
  const session = begin(workflow, [add]);
  const { pause, taskId, list } = await session.get('w');
  expect(pause).toEqual({ type: 'clientStep', step: 'think', suggestedTool: 'task_report' });
  expect(list).toContain('Step think is yours.');

  const report = (args: object) => session.meanwhile(session.peer.call('task_report', { taskId, ...args }));
  await report({ step: 'think', result: 'no number' });
  await session.held.runDue();
  expect((await session.again('w', taskId)).pause).toMatchObject({ type: 'toolError', failedStep: 'think' });
  await report({ step: 'think', result: 20 });
  await session.held.runDue();
  expect(await session.outputs(taskId)).toEqual([20, 21]);
});

test('a question of a step’s own tool makes the task wait for it [WF-3 WF-11]', async () => {
  const approve = defineTaskTool({
    name: 'approve',
    description: 'Asks.',
    inputSchema: NOTHING,
    run: async (_args, task) => {
      const requestedSchema = { type: 'object' as const, properties: { ok: { type: 'boolean' as const } } };
      const { content } = await task.elicit({ message: 'Well?', requestedSchema });
      return json(content?.['ok'] ?? null);
    },
  });
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Asks.',
    arguments: NOTHING,
    steps: (steps) => steps.tool('ask', () => ({ tool: 'approve' })),
  });
  const session = begin(workflow, [approve]);
  const { pause, taskId, list } = await session.get('w');
  expect(pause).toEqual({ type: 'needsInput', step: 'ask', suggestedTool: 'tasks/update' });
  expect(list).toContain('Step ask waits for an answer to the question of its task.');
  const task = await session.peer.task(taskId);
  expect(task['status']).toBe('input_required');

  const [key = ''] = Object.keys(task['inputRequests'] as JsonMap);
  await session.peer.result('tasks/update', {
    taskId,
    inputResponses: { [key]: { action: 'accept', content: { ok: true } } },
  });
  await session.held.runDue();
  expect(await session.outputs(taskId)).toEqual([true]);
});

test('a server at work past the time for a request says so, and goes on [WF-3]', async () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Waits.',
    arguments: NOTHING,
    steps: (steps) => steps.tool('slow', () => ({ tool: 'sleep' })),
  });
  const sleep = defineTaskTool({
    name: 'sleep',
    description: 'Sleeps.',
    inputSchema: NOTHING,
    run: async (_args, task) => {
      await task.wait('long', { minutes: 5 });
      return json('rested');
    },
  });
  const session = begin(workflow, [sleep], { promptBudgetMs: 3_000 });
  const before = session.held.clock.now();
  const { pause, taskId, list } = await session.get('w');

  expect(session.held.clock.now() - before).toBe(3_000);
  expect(pause).toEqual({ type: 'timeBudget', step: 'slow', suggestedTool: 'sleep' });
  expect(list).toContain('The server is at work on step slow, and goes on');
  await session.held.clock.advance(300_000);
  await session.held.runDue();
  expect(await session.outputs(taskId)).toEqual(['rested']);
});

test('a tool that waits for another system is at work, whatever the workflow waited for before it [WF-3]', async () => {
  const tokens: string[] = [];
  const outside = defineTaskTool({
    name: 'outside',
    description: 'Waits for another system.',
    inputSchema: NOTHING,
    run: async (_args, task) => json(await task.waitForCallback('other', async (token) => void tokens.push(token))),
  });
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Waits.',
    arguments: NOTHING,
    steps: (steps) =>
      steps
        .client('go', ({ constant }) => ({ tool: 'echo', arguments: { value: constant('go') } }))
        .tool('wait', () => ({ tool: 'outside' })),
  });
  const session = begin(workflow, [echo, outside]);
  const { taskId } = await session.get('w');
  await session.call('echo', { value: 'go' }, taskId);

  const again = await session.again('w', taskId);
  expect(again.statuses).toEqual(['go: completed', 'wait: pending']);
  expect(again.pause).toEqual({ type: 'timeBudget', step: 'wait', suggestedTool: 'outside' });
  expect(await session.peer.task(taskId)).toMatchObject({ statusMessage: '1 of 2 steps done.' });
  await session.held.server.completeCallback(tokens[0] ?? '', { value: 'here' });
  await session.held.runDue();
  expect(await session.outputs(taskId)).toEqual([{ value: 'go' }, 'here']);
});
