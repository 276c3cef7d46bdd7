/** Tools and a workflow of all kinds of steps, for the tests of workflows. */
import * as z from 'zod';
import type { CallToolResult } from '../../src/protocol/sdk.ts';
import type { PlainTool } from '../../src/protocol/tool.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { defineWorkflow } from '../../src/workflow/define-workflow.ts';
import { defineResource } from '../../src/workflow/resources.ts';

export const json = (value: unknown): CallToolResult => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });
export const failing = (words: string): CallToolResult => ({ isError: true, content: [{ type: 'text', text: words }] });

export const measure = defineTaskTool({
  name: 'measure',
  description: 'Measures a file.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ file: z.string(), rows: z.number().optional() }),
  run: async ({ file, rows }) => ({
    content: [{ type: 'text', text: 'Measured.' }],
    structuredContent: { file, columns: ['a', 'b'], rows: rows ?? 0 },
  }),
});

/** A task tool: it waits, and sets a variable of the task that it runs in. */
export const shout = defineTaskTool({
  name: 'shout',
  description: 'Makes columns loud.',
  inputSchema: z.object({ columns: z.array(z.string()) }),
  run: async ({ columns }, task) => {
    await task.wait('a moment', { milliseconds: 50 });
    await task.variables.set('seen', columns.length);
    return json(columns.map((column) => column.toUpperCase()));
  },
});

export const nameColumns = defineTaskTool({
  name: 'name_columns',
  description: 'Takes names for columns.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ names: z.array(z.string()), columns: z.array(z.string()).optional() }),
  run: async ({ names }) => json({ names }),
});

export const write = defineTaskTool({
  name: 'write',
  description: 'Writes a report.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ names: z.array(z.string()), seen: z.number() }),
  run: async (args) => json({ written: args }),
});

/** What a call sees of the task that it is bound to. */
export const look = defineTaskTool({
  name: 'look',
  description: 'Looks at the variables of the task.',
  taskSupport: 'forbidden',
  inputSchema: z.object({}),
  run: async (_args, { related }) => ({ content: [], structuredContent: (await related?.variables.all()) ?? {} }),
});

/** Gives what it is given. */
export const echo = defineTaskTool({
  name: 'echo',
  description: 'Says it again.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ value: z.union([z.string(), z.number()]), more: z.string().optional() }),
  run: async (args) => json(args),
});

export const add = defineTaskTool({
  name: 'add',
  description: 'Adds one.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ to: z.number() }),
  run: async ({ to }) => json(to + 1),
});

export const note = defineResource({
  name: 'note',
  uri: 'note://style',
  mimeType: 'text/plain',
  read: async () => 'Short names.',
});

export const profileTools = [measure, shout, nameColumns, write, look];

/** Server, task tool, client, server. */
export const profile = defineWorkflow({
  name: 'profile',
  title: 'Profile',
  description: 'Profiles a file.',
  goal: 'Profile {argument.file}',
  instructions: 'Be brief.',
  arguments: z.object({ file: z.string(), rows: z.number().optional() }),
  steps: (steps) =>
    steps
      .tool('measure', ({ argument }) => ({
        tool: 'measure',
        arguments: { file: argument('file'), rows: argument('rows') },
        output: z.object({ file: z.string(), columns: z.array(z.string()), rows: z.number() }),
      }))
      .tool('shout', ({ output }) => ({ tool: 'shout', arguments: { columns: output('measure', 'columns') } }))
      .client('names', ({ output }) => ({
        tool: 'name_columns',
        arguments: { columns: output('shout') },
        guidance: 'Name {output.shout}.',
        attach: ['note://style'],
        output: z.object({ names: z.array(z.string()) }),
      }))
      .tool('write', ({ output, variable }) => ({
        tool: 'write',
        arguments: { names: output('names', 'names'), seen: variable('seen') },
      })),
});

/** A tool that answers within its call and takes whatever it is given. */
export function plain(name: string, run: PlainTool['run']) {
  return defineTaskTool({ name, description: name, taskSupport: 'forbidden', inputSchema: z.looseObject({}), run });
}
