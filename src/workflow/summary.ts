/** What a workflow comes to, in short: its goal, and by step what came of it. What is large is there as its beginning and a link. */
import { type JsonObject, type JsonValue, jsonBytes } from '../domain/json.ts';
import { shorten } from '../domain/text.ts';
import { valueFrom } from './resolving.ts';
import { fillTemplate } from './templates.ts';
import { outputOf, statusOf, type WorkflowState } from './workflow-state.ts';

/** Of one step's output in the result of a workflow. */
const MAX_OUTPUT_BYTES = 16 * 1024;
const EXCERPT_LENGTH = 400;

export function goalOf(state: WorkflowState): string {
  const { goal, description } = state.workflow;
  return fillTemplate(goal ?? description, (source) => valueFrom(source, state.known()));
}

/** Where the result of one step is read whole; see `WorkflowPrompts.stepResults`. */
export function stepUri(taskId: string, step: string): string {
  return `durable-task://${taskId}/steps/${encodeURIComponent(step)}`;
}

/** An output, or what stands for one that is larger; without a task it is nowhere else. */
export function outputShown(output: JsonValue, maxBytes: number, taskId: string | undefined, step: string): JsonObject {
  const bytes = jsonBytes(output);
  if (bytes <= maxBytes) return { output };
  const excerpt = { excerpt: shorten(JSON.stringify(output), EXCERPT_LENGTH), bytes };
  return taskId === undefined ? excerpt : { ...excerpt, resource: stepUri(taskId, step) };
}

/** The result of a workflow whose steps are all done: by step, in order. */
export function summaryOf(state: WorkflowState, goal: string, taskId: string): JsonObject {
  const steps = state.steps.map((step) => ({
    name: step.step.name,
    ...(step.step.kind === 'tool' ? { tool: step.step.tool } : {}),
    status: statusOf(step),
    ...(statusOf(step) === 'completed' ? outputShown(outputOf(step), MAX_OUTPUT_BYTES, taskId, step.step.name) : {}),
  }));
  const lines = steps.map(({ name, status }) => `- ${name}: ${status}`);
  return {
    content: [{ type: 'text', text: `${goal}\n${lines.join('\n')}` }],
    structuredContent: { goal, steps },
  };
}
