/** What a client reports while a workflow asks, waits to try again, or has not come that far: it counts, before anything else. */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { inputRequired } from '../../../src/protocol/sdk.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import type { JsonMap } from '../../support/mcp-requests.ts';
import { holdServer } from '../../support/mcp-server.ts';
import { boundTo, WorkflowSession } from '../../support/workflow-session.ts';
import { json, plain } from '../../support/workflow-tools.ts';

const NOTHING = z.object({});

describe('while a step waits to be tried again', () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Tries.',
    arguments: NOTHING,
    steps: (steps) =>
      steps
        .tool('try', () => ({ tool: 'flaky', retry: { maxAttempts: 3, delay: { seconds: 5 } } }))
        .client('rest', () => ({ guidance: 'Rest.' })),
  });

  test('a call of its tool does it, and the server calls that tool no more [WF-3 WF-5]', async () => {
    let calls = 0;
    const flaky = plain('flaky', async () => {
      calls += 1;
      if (calls === 1) throw new Error('Out of paper.');
      return json(`try ${calls}`);
    });
    const session = new WorkflowSession(holdServer([flaky], { workflows: [workflow], promptBudgetMs: 1_000 }));
    const { taskId, pause } = await session.get('w');
    expect(pause).toMatchObject({ type: 'timeBudget', step: 'try' });

    await session.call('flaky', {}, taskId);
    expect((await session.again('w', taskId)).pause).toMatchObject({ type: 'clientStep', step: 'rest' });
    await session.held.clock.advance(60_000);
    await session.run(taskId);
    expect(calls).toBe(2);
    await session.report(taskId, 'rest', 'rested');
    expect(await session.outputs(taskId)).toEqual(['try 2', 'rested']);
  });
});

describe('while a step asks its form', () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Greets.',
    arguments: z.object({ name: z.string().optional() }),
    steps: (steps) =>
      steps
        .tool('greet', ({ argument }) => ({
          tool: 'greet',
          arguments: { name: argument('name') },
          askFor: { message: 'Who?', fields: { name: { type: 'string' } } },
        }))
        .client('rest', () => ({ guidance: 'Rest.' })),
  });
  const asking = async () => {
    const greeted: string[] = [];
    const greet = defineTaskTool({
      name: 'greet',
      description: 'Greets.',
      taskSupport: 'forbidden',
      inputSchema: z.object({ name: z.string() }),
      run: async ({ name }) => {
        greeted.push(name);
        return json(`Hello, ${name}!`);
      },
    });
    const session = new WorkflowSession(holdServer([greet], { workflows: [workflow] }));
    const { taskId } = await session.get('w');
    const questions = async () => Object.keys(((await session.peer.task(taskId))['inputRequests'] ?? {}) as JsonMap);
    const answer = async (key: string | undefined, outcome: JsonMap) => {
      await session.peer.ask('tasks/update', { taskId, inputResponses: { [key ?? '']: outcome } });
      await session.held.runDue();
    };
    return { session, taskId, greeted, questions, answer };
  };

  test('a call of its tool does it, and the question is withdrawn [WF-5 WF-11]', async () => {
    const { session, taskId, greeted, questions, answer } = await asking();
    const [question] = await questions();
    expect(question).toEqual(expect.any(String));

    await session.call('greet', { name: 'Ada' }, taskId);
    expect(await questions()).toEqual([]);
    expect(await session.peer.task(taskId)).toMatchObject({
      status: 'working',
      statusMessage: '1 of 2 steps done; waits for step rest: the client calls task_report.',
    });
    await answer(question, { action: 'accept', content: { name: 'Bob' } });
    await session.report(taskId, 'rest', 'rested');
    expect(await session.outputs(taskId)).toEqual(['Hello, Ada!', 'rested']);
    expect(greeted).toEqual(['Ada']);
  });

  test('the argument, given by the prompt, does without the form [WF-7 WF-11]', async () => {
    const { session, taskId, questions } = await asking();
    expect((await session.again('w', taskId, { name: 'Ada' })).statuses[0]).toBe('greet: completed');
    expect(await questions()).toEqual([]);
  });

  test('who has declined is asked again by getting the prompt again, and by nothing else [WF-7 WF-11]', async () => {
    const { session, taskId, questions, answer } = await asking();
    const [first] = await questions();
    await answer(first, { action: 'decline' });
    expect(await questions()).toEqual([]);

    await session.report(taskId, 'rest', 'rested');
    await session.report(taskId, 'none', 1);
    expect(await questions()).toEqual([]);
    await session.again('w', taskId);
    const [second, ...others] = await questions();
    expect([second === first, others]).toEqual([false, []]);
    await answer(second, { action: 'accept', content: { name: 'Ada' } });
    expect(await session.outputs(taskId)).toEqual(['Hello, Ada!', 'rested']);
  });
});

describe('what a tool would ask its caller first', () => {
  test('is left to the client, who is told why; the tool is not called with each report [WF-3 WF-4]', async () => {
    let calls = 0;
    const asks = plain('asks', async (_args, { inputResponses }) => {
      calls += 1;
      if (inputResponses !== undefined) return json('asked');
      const requestedSchema = { type: 'object' as const, properties: {} };
      return inputRequired({ inputRequests: { q: inputRequired.elicit({ message: '?', requestedSchema }) } });
    });
    const workflow = defineWorkflow({
      name: 'w',
      description: 'Asks.',
      arguments: NOTHING,
      steps: (steps) => steps.tool('ask', () => ({ tool: 'asks' })).client('rest', () => ({ guidance: 'Rest.' })),
    });
    const session = new WorkflowSession(holdServer([asks], { workflows: [workflow] }));
    const { taskId, pause, block, list } = await session.get('w');
    expect(pause).toEqual({ type: 'clientStep', step: 'ask', suggestedTool: 'asks' });
    expect((block['remaining'] as JsonMap[])[0]).toMatchObject({
      step: 'ask',
      by: 'client',
      because: 'the tool asks its caller before it begins',
    });
    expect(list).toContain('ask: call asks with {}. It is yours, since the tool asks its caller before it begins.');

    for (const step of ['none', 'rest', 'none']) await session.report(taskId, step, 1);
    expect(calls).toBe(1);
    const inputResponses = { q: { action: 'accept', content: {} } };
    await session.meanwhile(session.peer.ask('tools/call', { name: 'asks', inputResponses }, boundTo(taskId)));
    await session.held.runDue();
    expect(await session.outputs(taskId)).toEqual(['asked', 1]);
  });
});

describe('before a step’s list is known', () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Visits.',
    arguments: NOTHING,
    steps: (steps) =>
      steps
        .client('list', () => ({ guidance: 'Make a list.' }))
        .client('visit', ({ output, item }) => ({ tool: 'visit', forEach: output('list'), arguments: { at: item() } }))
        .client('none', ({ constant }) => ({ guidance: 'Do nothing.', forEach: constant([]) }))
        .client('rest', () => ({ guidance: 'Rest.' })),
  });

  test('what is reported for it is kept aside, and so is what is reported for an empty one [WF-5 WF-11]', async () => {
    const visit = plain('visit', async ({ at }: never) => json(`visited ${String(at)}`));
    const session = new WorkflowSession(holdServer([visit], { workflows: [workflow] }));
    const { taskId } = await session.get('w');
    await session.call('visit', { at: 'x' }, taskId);
    await session.report(taskId, 'visit', 'mine');
    await session.report(taskId, 'none', 'nothing');

    const { block, statuses } = await session.again('w', taskId);
    expect(statuses).toEqual(['list: pending', 'visit: pending', 'none: completed', 'rest: pending']);
    expect(block['aside']).toEqual([
      { tool: 'visit', why: 'the step with this tool is done for the items of a list, which is not there yet' },
      { tool: 'visit', why: 'the step is done for the items of a list, which has none yet' },
      { tool: 'none', why: 'the step is done for the items of a list, which has none yet' },
    ]);

    await session.report(taskId, 'list', ['p']);
    await session.call('visit', { at: 'p' }, taskId);
    await session.report(taskId, 'rest', 'rested');
    expect(await session.outputs(taskId)).toEqual([['p'], ['visited p'], [], 'rested']);
  });
});

test('reports count in the order in which they came, whatever the clocks of their instances say [WF-5]', async () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Puts.',
    arguments: NOTHING,
    steps: (steps) => steps.client('put', () => ({ tool: 'put' })).client('rest', () => ({ guidance: 'Rest.' })),
  });
  const put = plain('put', async ({ what }: never) => json(what));
  const held = holdServer([put], { workflows: [workflow] });
  const clock = new ManualClock(held.clock.now() - 60_000);
  const late = holdServer([put], { workflows: [workflow], clock }, held);
  const session = new WorkflowSession(held);
  const { taskId } = await session.get('w');
  // None of them is taken in before all are there.
  await held.peer.call('put', { what: 'first' }, boundTo(taskId));
  await late.peer.call('put', { what: 'second' }, boundTo(taskId));
  await late.peer.call('put', { what: 'third' }, boundTo(taskId));

  await session.run(taskId);
  await session.report(taskId, 'rest', 'rested');
  expect(await session.outputs(taskId)).toEqual(['third', 'rested']);
});
