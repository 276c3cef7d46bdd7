/** What the runner needs of a workflow: its prompt's task runs as a tool's would. */
import type { JsonObject } from '../domain/json.ts';
import { describeThrown } from '../engine/thrown.ts';
import { present } from '../present.ts';
import { type AnyTool, newestOf, toolError, toolErrorIn } from '../protocol/tool.ts';
import type { Deliveries } from '../runtime/queues/deliveries.ts';
import type { RunnableTool } from '../runtime/running/tool.ts';
import { interpret } from './interpreter.ts';
import { valueFrom } from './resolving.ts';
import type { ResourceRegistry } from './resources.ts';
import { TaskHost } from './task-host.ts';
import { fillTemplate } from './templates.ts';
import type { Workflow } from './workflow.ts';
import { toolNameOf } from './workflow-name.ts';
import { outputOf, statusOf, WorkflowState } from './workflow-state.ts';

export interface WorkflowServices extends Deliveries {
  readonly tools: readonly AnyTool[];
  readonly resources: ResourceRegistry;
}

export function workflowTool(workflow: Workflow, services: WorkflowServices): RunnableTool {
  const { tools, resources, ...deliveries } = services;
  const byName = newestOf(tools);
  return {
    name: toolNameOf(workflow.name),
    ...present({ version: workflow.version }),
    toolErrorIn,
    outcomeOf: (error) => ({ kind: 'result', result: toolError(describeThrown(error)) as unknown as JsonObject }),
    run: async (args, task) => {
      const state = new WorkflowState(workflow, args);
      const goal = goalOf(state);
      await interpret(state, byName, new TaskHost({ task, owner: task.owner, deliveries, resources, goal }));
      return summaryOf(state, goal);
    },
  };
}

function goalOf(state: WorkflowState): string {
  const { goal, description } = state.workflow;
  return fillTemplate(goal ?? description, (source) => valueFrom(source, state.known()));
}

/** The result of a workflow whose steps are all done: by step, in order. */
export function summaryOf(state: WorkflowState, goal: string): JsonObject {
  const steps = state.steps.map((step) => ({
    name: step.step.name,
    ...(step.step.kind === 'tool' ? { tool: step.step.tool } : {}),
    status: statusOf(step),
    ...(statusOf(step) === 'completed' ? { output: outputOf(step) } : {}),
  }));
  const lines = steps.map(({ name, status }) => `- ${name}: ${status}`);
  return {
    content: [{ type: 'text', text: `${goal}\n${lines.join('\n')}` }],
    structuredContent: { goal, steps },
  };
}
