/** A form that no client could show is a mistake of who defined it: found there, and not when a workflow comes to it. */
import { expect, test } from '@jest/globals';
import * as z from 'zod';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import type { MissingForm } from '../../../src/workflow/workflow.ts';

const withForm = (askFor: MissingForm) => () =>
  defineWorkflow({
    name: 'w',
    description: 'Greets.',
    arguments: z.object({ who: z.string().optional() }),
    steps: (steps) =>
      steps.tool('greet', ({ argument }) => ({ tool: 'greet', arguments: { who: argument('who') }, askFor })),
  });

test.each<[string, MissingForm, string]>([
  ['a pattern that is none', { message: 'Who?', fields: { who: { type: 'string', pattern: '((' } } }, 'askFor: '],
  ['a field of a type that there is not', { message: 'Who?', fields: { who: { type: 'name' } } }, 'askFor: '],
  [
    'a field that is no argument of its step',
    { message: 'Who?', fields: { whom: { type: 'string' } } },
    'askFor: the step has no argument "whom"',
  ],
  [
    'a message with a placeholder for nothing',
    { message: 'Who of {argument.all}?', fields: { who: { type: 'string' } } },
    'the placeholder {argument.all} cannot be filled',
  ],
])('%s is refused, and the step is named [WF-11]', (_what, askFor, problem) => {
  expect(withForm(askFor)).toThrow(`Workflow "w", step "greet": ${problem}`);
});

test('a form that can be shown is taken [WF-11]', () => {
  const who = { type: 'string', pattern: '^[A-Z]', title: 'Name' };

  expect(withForm({ message: 'Who, {argument.who}?', fields: { who } })().steps[0]).toMatchObject({
    askFor: { fields: { who } },
  });
});
