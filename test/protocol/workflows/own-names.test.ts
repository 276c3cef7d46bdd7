/** Names that workflows keep to themselves: of the resource of results, of its scheme, and of the argument that binds a call. */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import { defineResource } from '../../../src/workflow/resources.ts';
import { holdServer } from '../../support/mcp-server.ts';
import { WorkflowSession } from '../../support/workflow-session.ts';
import { json, plain } from '../../support/workflow-tools.ts';

const say = plain('say', async (args) => json(args));
const workflow = defineWorkflow({
  name: 'w',
  description: 'Says.',
  arguments: z.object({}),
  steps: (steps) => steps.tool('say', () => ({ tool: 'say' })).client('rest', () => ({ guidance: 'Rest.' })),
});

describe('the resource of steps’ results', () => {
  test.each([
    ['its name', 'workflow-step-result', 'note://{x}'],
    ['its scheme', 'mine', 'durable-task://{+rest}'],
    ['its scheme, without a template', 'mine', 'durable-task://x/steps/a'],
  ])('is nobody else’s: %s is refused when the server starts [WF-9]', (_what, name, uri) => {
    const resource = defineResource({ name, uri, read: async () => 'mine' });

    expect(() => holdServer([say], { workflows: [workflow], resources: [resource] })).toThrow(
      `Resource "${name}": workflow-step-result and durable-task: are the workflows’ own`,
    );
  });

  test.each([
    ['is no encoding', '%zz'],
    ['is no step’s', 'none'],
    ['has no result yet', 'rest'],
    ['is of two parts', 'say/say'],
  ])('is an error of the client’s where the name of the step %s [WF-4]', async (_what, step) => {
    const session = new WorkflowSession(holdServer([say], { workflows: [workflow] }));
    const { taskId } = await session.get('w');
    const uri = `durable-task://${taskId}/steps/${step}`;
    const { message } = await session.peer.ask('resources/read', { uri }, { headers: { 'mcp-name': uri } });

    expect(message?.error?.code).toBe(-32602);
  });
});

describe('an argument _task_id', () => {
  const id = 'JIRA-1';

  test('is its tool’s on a server without workflows [WF-8]', async () => {
    const { peer } = holdServer([say]);

    expect((await peer.call('say', { _task_id: id, word: 'x' })).message?.result).toMatchObject(
      json({ _task_id: id, word: 'x' }),
    );
  });

  test('is its tool’s where the tool has an argument of that name [WF-5]', async () => {
    const own = { ...say, name: 'own', inputSchema: z.object({ _task_id: z.string() }) };
    const { peer } = holdServer([say, own], { workflows: [workflow] });

    expect((await peer.call('own', { _task_id: id })).message?.result).toMatchObject(json({ _task_id: id }));
  });
});
