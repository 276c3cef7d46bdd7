/** Arguments that a prompt is given later, when its workflow is gone on with: parsed with those that it was given before. */
import { expect, test } from '@jest/globals';
import * as z from 'zod';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import { holdServer } from '../../support/mcp-server.ts';
import { boundTo, WorkflowSession } from '../../support/workflow-session.ts';
import { json, plain } from '../../support/workflow-tools.ts';

const say = plain('say', async (args) => json(args));

/** Two of its arguments are not what they come as. */
const workflow = defineWorkflow({
  name: 'w',
  description: 'Says when.',
  arguments: z
    .object({
      when: z.string().transform((text) => Date.parse(text)),
      words: z
        .string()
        .transform((text) => text.split(' '))
        .optional(),
      count: z.number().optional(),
    })
    // All that was given has to be there to tell.
    .refine(({ words, count }) => count === undefined || words !== undefined, 'There is nothing to count.'),
  steps: (steps) =>
    steps
      .client('rest', () => ({ guidance: 'Rest.' }))
      .tool('say', ({ argument }) => ({
        tool: 'say',
        arguments: { when: argument('when'), words: argument('words'), count: argument('count') },
      })),
});
const WHEN = '2026-01-01T00:00:00Z';

test('arguments given one after the other are each what the schema makes of their text, once [WF-7]', async () => {
  const session = new WorkflowSession(holdServer([say], { workflows: [workflow] }));
  const { taskId } = await session.get('w', { when: WHEN });
  await session.again('w', taskId, { words: 'one two' });
  await session.again('w', taskId, { count: '2' });
  // What is there is not changed.
  await session.again('w', taskId, { when: '1970-01-01T00:00:00Z', count: '3' });
  await session.report(taskId, 'rest', 'rested');

  expect(await session.outputs(taskId)).toEqual([
    'rested',
    { when: Date.parse(WHEN), words: ['one', 'two'], count: 2 },
  ]);
});

test('an error names the argument that is wrong, and none that was given before [WF-7 WF-1]', async () => {
  const session = new WorkflowSession(holdServer([say], { workflows: [workflow] }));
  const { taskId } = await session.get('w', { when: WHEN });
  const { message } = await session.ask('w', { words: 'one', count: 'abc' }, boundTo(taskId));

  expect(message?.error).toMatchObject({ code: -32602, message: expect.stringContaining('count') });
  expect(message?.error?.message).not.toContain('when');
  expect((await session.again('w', taskId)).statuses).toEqual(['rest: pending', 'say: pending']);
});
