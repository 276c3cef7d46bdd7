/** Workflows by their data, without the builder, for the tests of what only looks at that data. */
import * as z from 'zod';
import type { JsonObject, JsonValue } from '../../../src/domain/json.ts';
import type { Source, ToolStep, Workflow, WorkflowStep } from '../../../src/workflow/workflow.ts';
import type { Report } from '../../../src/workflow/workflow-state.ts';

export const workflowOf = (...steps: WorkflowStep[]): Workflow => ({
  name: 'sample',
  description: 'A sample.',
  arguments: z.object({ file: z.string().optional(), count: z.number().optional() }),
  steps,
});

export const toolStep = (
  name: string,
  tool: string,
  args: Readonly<Record<string, Source>> = {},
  more: Partial<ToolStep> = {},
): ToolStep => ({ name, kind: 'tool', by: 'client', tool, arguments: args, ...more });

export const constant = (value: JsonValue): Source => ({ from: 'constant', value });
export const output = (step: string, path?: string): Source => ({
  from: 'output',
  step,
  ...(path === undefined ? {} : { path }),
});

export const said = (value: JsonValue): JsonObject => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });
export const failed = (words: string): JsonObject => ({ isError: true, content: [{ type: 'text', text: words }] });

export const callReport = (id: string, tool: string, result: JsonObject, args: JsonObject = {}): Report => ({
  kind: 'call',
  id,
  tool,
  arguments: args,
  result,
});
