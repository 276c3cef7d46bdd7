/** However long a workflow is and however much its steps gave, its prompt's reply is within its bound, and can be read. */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import type { Workflow, WorkflowStep } from '../../../src/workflow/workflow.ts';
import type { JsonMap } from '../../support/mcp-requests.ts';
import { holdServer } from '../../support/mcp-server.ts';
import { type PromptReply, WorkflowSession } from '../../support/workflow-session.ts';
import { json, plain } from '../../support/workflow-tools.ts';

const NOTHING = z.object({});
const KIB = 1024;

const much = plain('much', async () => ({ content: [{ type: 'text', text: 'x'.repeat(1_900) }] }));
const go = plain('go', async () => json('gone'));

const NEEDED = Array.from({ length: 40 }, (_, at) => `a${at}`);
const needs = defineTaskTool({
  name: 'needs',
  description: 'Needs a lot.',
  taskSupport: 'forbidden',
  inputSchema: z.object(Object.fromEntries(NEEDED.map((name) => [name, z.string()]))),
  run: async () => json('had'),
});

const bytesOf = ({ result }: PromptReply) => Buffer.byteLength(JSON.stringify(result));

/** 150 steps of the server's, then 50 of the client's. */
const long: Workflow = {
  name: 'long',
  description: 'Goes on and on.',
  arguments: NOTHING,
  steps: [
    ...Array.from(
      { length: 150 },
      (_, at): WorkflowStep => ({ name: `s${at}`, kind: 'tool', by: 'server', tool: 'much', arguments: {} }),
    ),
    ...Array.from(
      { length: 50 },
      (_, at): WorkflowStep => ({
        name: `c${at}`,
        kind: 'manual',
        by: 'client',
        guidance: 'Look at {output.s1} and {output.s2}.',
      }),
    ),
  ],
};

/** A list of 1,000 items for the client. */
const loop = defineWorkflow({
  name: 'loop',
  description: 'Goes round and round.',
  arguments: NOTHING,
  steps: (steps) =>
    steps.client('each', ({ constant, item }) => ({
      tool: 'go',
      forEach: constant(Array.from({ length: 1_000 }, (_, at) => ({ at, name: 'n'.repeat(50) }))),
      arguments: { what: item() },
      guidance: 'Do it well for {item.name}.',
    })),
});

/** Of a step that lacks as much as can be, each for a reason as long as can be; and nothing of it is kept. */
const lacking: Workflow = {
  name: 'lacking',
  description: 'Lacks a lot.',
  arguments: NOTHING,
  taskSupport: 'forbidden',
  steps: [
    {
      name: 'lack',
      kind: 'tool',
      by: 'server',
      tool: 'needs',
      arguments: Object.fromEntries(
        NEEDED.map((name) => [
          name,
          {
            from: 'computed',
            of: {},
            compute: () => {
              throw new Error(`${name} ${'w'.repeat(100_000)}`);
            },
          },
        ]),
      ),
    },
  ],
};

describe('a reply', () => {
  const begin = (options = {}) =>
    new WorkflowSession(
      holdServer([much, go, needs], { workflows: [long, loop, lacking], promptBudgetMs: 600_000, ...options }),
    );
  const remainingIn = ({ block }: PromptReply) => (block['remaining'] as JsonMap[]).map(({ step }) => step);

  test('is within 64 KiB where its server says nothing else [WF-4]', async () => {
    const session = begin();
    const first = await session.get('long');
    expect(bytesOf(first)).toBeLessThan(64 * KIB);
    expect(first.statuses.filter((status) => status.endsWith(': completed'))).toHaveLength(150);
    // The rest is as a number.
    expect(remainingIn(first)).toEqual(Array.from({ length: 10 }, (_, at) => `c${at}`));
    expect(first.block).toMatchObject({ furtherRemaining: 40 });
    expect(first.list).toContain('… and 40 more.');

    const second = await session.get('loop');
    expect(bytesOf(second)).toBeLessThan(64 * KIB);
    expect(remainingIn(second)).toEqual(Array.from({ length: 50 }, (_, at) => `each[${at}]`));
    expect(second.block).toMatchObject({ furtherRemaining: 950 });

    const third = await session.get('lacking');
    expect(bytesOf(third)).toBeLessThan(64 * KIB);
    expect(third.pause).toMatchObject({ type: 'unresolvableParams', missingParam: 'a0' });
  });

  test.each(['long', 'loop', 'lacking'])(
    'is within 4 KiB where its server says so, but for the statuses of all steps: %s [WF-4]',
    async (name) => {
      const reply = await begin({ maxPromptBytes: 4 * KIB }).get(name);
      expect(remainingIn(reply)[0]).toBe({ long: 'c0', loop: 'each[0]', lacking: 'lack' }[name]);
      const { steps, ...meta } = reply.meta;
      expect(steps).toHaveLength(name === 'long' ? 200 : 1);
      expect(bytesOf({ ...reply, result: { ...reply.result, _meta: meta } })).toBeLessThan(4 * KIB);
    },
  );
});

test('the list of an empty step reads as done, and is nothing to do [WF-4 WF-11]', async () => {
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Visits nobody.',
    arguments: NOTHING,
    steps: (steps) =>
      steps
        .tool('none', ({ constant }) => ({ tool: 'go', forEach: constant([]) }))
        .client('rest', () => ({ guidance: 'Rest.' })),
  });
  const session = new WorkflowSession(holdServer([go], { workflows: [workflow] }));
  const { statuses, block, taskId } = await session.get('w');

  expect(statuses).toEqual(['none: completed', 'rest: pending']);
  expect(block['done']).toEqual([{ step: 'none', output: [] }]);
  expect((block['remaining'] as JsonMap[]).map(({ step }) => step)).toEqual(['rest']);
  expect(await session.peer.task(taskId)).toMatchObject({
    statusMessage: '1 of 2 steps done; waits for step rest: the client calls task_report.',
  });
});

test('a step that is at work on a list says how many of how many are done [WF-2 WF-11]', async () => {
  const slow = defineTaskTool({
    name: 'slow',
    description: 'Takes a second.',
    inputSchema: z.object({}),
    run: async (_args, task) => {
      await task.wait('second', { seconds: 1 });
      return json('slow');
    },
  });
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Takes a minute.',
    arguments: NOTHING,
    steps: (steps) =>
      steps
        .tool('go', () => ({ tool: 'go' }))
        .tool('each', ({ constant }) => ({ tool: 'slow', forEach: constant(Array.from({ length: 50 }, () => 1)) })),
  });
  const session = new WorkflowSession(holdServer([go, slow], { workflows: [workflow], promptBudgetMs: 30_000 }));
  const { taskId, pause } = await session.get('w');

  expect(pause).toMatchObject({ type: 'timeBudget', step: 'each' });
  // Shown after each 20 of them.
  expect(await session.peer.task(taskId)).toMatchObject({
    statusMessage: '1 of 2 steps done, 20 of 50 of step each.',
  });
});
