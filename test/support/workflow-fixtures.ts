/**
 * Workflows, and the tools and the resource that they use, for tests that drive them through real servers: one that the
 * server does alone, one with a step for the client, one that asks. Also a tools file, as `--tools` and `-c tools=` take it.
 */
import * as z from 'zod';
import { type AnyTool, defineResource, defineTaskTool, defineWorkflow } from '../../src/index.ts';

const json = (value: unknown) => ({ content: [{ type: 'text' as const, text: JSON.stringify(value) }] });
const pollIntervalMs = 20;

const tools: readonly AnyTool[] = [
  defineTaskTool({
    name: 'measure',
    description: 'Says which columns a file has.',
    taskSupport: 'forbidden',
    inputSchema: z.object({ file: z.string(), rows: z.number().optional() }),
    run: async ({ file, rows = 0 }) => ({
      ...json('measured'),
      structuredContent: { columns: ['a', 'b'], file, rows },
    }),
  }),
  defineTaskTool({
    name: 'shout',
    description: 'Writes words in capitals, which takes a moment.',
    inputSchema: z.object({ words: z.array(z.string()) }),
    pollIntervalMs,
    run: async ({ words }, task) => {
      await task.wait('breath', { milliseconds: 20 });
      await task.variables.set('shouted', words.length);
      return json(words.map((word) => word.toUpperCase()));
    },
  }),
  defineTaskTool({
    name: 'name_columns',
    description: 'Takes names for columns.',
    taskSupport: 'forbidden',
    inputSchema: z.object({ names: z.array(z.string()), columns: z.array(z.string()).optional() }),
    run: async ({ names }, call) => {
      await call.related?.variables.set('namedBy', 'the client');
      return json({ names });
    },
  }),
  defineTaskTool({
    name: 'describe_columns',
    description: 'Takes a description of the columns, as a task.',
    inputSchema: z.object({ description: z.string() }),
    pollIntervalMs,
    run: async ({ description }, task) => json({ description: await task.step('read', async () => description) }),
  }),
  defineTaskTool({
    name: 'write_report',
    description: 'Writes a report of what is known of a file.',
    taskSupport: 'forbidden',
    inputSchema: z.looseObject({}),
    run: async (facts) => json({ report: facts }),
  }),
  defineTaskTool({
    name: 'confirm',
    description: 'Has a person confirm something.',
    inputSchema: z.object({ what: z.string() }),
    pollIntervalMs,
    run: async ({ what }, task) => {
      const { action } = await task.elicit({
        message: `Is ${what} right?`,
        requestedSchema: { type: 'object', properties: {} },
      });
      return json({ action });
    },
  }),
];

const note = defineResource({
  name: 'note',
  uri: 'note://columns',
  description: 'How columns are named here.',
  read: async () => 'Short names.',
});

const profile = defineWorkflow({
  name: 'profile',
  description: 'Profiles a file.',
  goal: 'Profile {argument.file}.',
  arguments: z.object({ file: z.string(), rows: z.number().optional() }),
  steps: (steps) =>
    steps
      .tool('measured', ({ argument }) => ({
        tool: 'measure',
        arguments: { file: argument('file'), rows: argument('rows') },
      }))
      .tool('shouted', ({ output }) => ({ tool: 'shout', arguments: { words: output('measured', 'columns') } }))
      .client('named', ({ output }) => ({
        tool: 'name_columns',
        arguments: { columns: output('shouted') },
        guidance: 'Find a name for each of {output.shouted}.',
        attach: ['note://columns'],
      }))
      .tool('written', ({ output, variable }) => ({
        tool: 'write_report',
        arguments: { names: output('named', 'names'), shouted: variable('shouted'), namedBy: variable('namedBy') },
      })),
});

const survey = defineWorkflow({
  name: 'survey',
  description: 'Surveys a file, without any help.',
  arguments: z.object({ file: z.string() }),
  steps: (steps) =>
    steps
      .tool('measured', ({ argument }) => ({ tool: 'measure', arguments: { file: argument('file') } }))
      .resources('rules', () => ({ resources: ['note://columns'] }))
      .tool('shouted', ({ output }) => ({ tool: 'shout', arguments: { words: output('measured', 'columns') } }))
      .tool('written', ({ output }) => ({ tool: 'write_report', arguments: { words: output('shouted') } })),
});

const approval = defineWorkflow({
  name: 'approval',
  description: 'Has a person say who signs, and confirm what is signed.',
  arguments: z.object({ file: z.string(), signer: z.string().optional() }),
  steps: (steps) =>
    steps
      .tool('measured', ({ argument }) => ({
        tool: 'measure',
        arguments: { file: argument('signer') },
        askFor: { message: 'Who signs {argument.file}?', fields: { file: { type: 'string' } } },
      }))
      .tool('confirmed', ({ output }) => ({ tool: 'confirm', arguments: { what: output('measured', 'file') } }))
      .tool('written', ({ output }) => ({
        tool: 'write_report',
        arguments: { signer: output('measured', 'file'), said: output('confirmed', 'action') },
      })),
});

/** Two steps that the client may do at the same time. */
const pair = defineWorkflow({
  name: 'pair',
  description: 'Has the columns of a file named, and described.',
  arguments: z.object({}),
  steps: (steps) =>
    steps
      .client('named', () => ({ tool: 'name_columns' }))
      .client('described', () => ({ tool: 'describe_columns' }))
      .tool('written', ({ output }) => ({
        tool: 'write_report',
        arguments: { names: output('named', 'names'), description: output('described', 'description') },
      })),
});

export default tools;
export const workflows = [profile, survey, approval, pair];
export const resources = [note];
