/** Callers who cannot call a tool do not have it called by way of a prompt. */
import { expect, test } from '@jest/globals';
import * as z from 'zod';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import { holdServer } from '../../support/mcp-server.ts';
import { WorkflowSession } from '../../support/workflow-session.ts';

test('for a caller whom nobody knows no tool is called: the steps are handed over [WF-10 WF-12 SEC-1]', async () => {
  let calls = 0;
  const count = defineTaskTool({
    name: 'count',
    description: 'Counts its calls.',
    taskSupport: 'forbidden',
    inputSchema: z.object({}),
    run: async () => {
      calls += 1;
      return { content: [] };
    },
  });
  const workflow = defineWorkflow({
    name: 'w',
    description: 'Counts.',
    arguments: z.object({}),
    steps: (steps) => steps.tool('count', () => ({ tool: 'count' })),
  });
  const held = holdServer([count], { workflows: [workflow] });
  const reply = await new WorkflowSession(held, held.as(undefined)).get('w');

  expect(calls).toBe(0);
  expect(reply.statuses).toEqual(['count: pending']);
  expect(reply.list).toContain('It is yours, since the server calls tools for callers only that it knows.');
  expect((await held.stored()).size).toBe(0);
});
