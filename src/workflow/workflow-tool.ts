/** What the runner needs of a workflow: its prompt's task runs as a tool's would. */
import type { JsonObject } from '../domain/json.ts';
import { describeThrown } from '../engine/thrown.ts';
import { present } from '../present.ts';
import { type AnyTool, newestOf, toolError, toolErrorIn } from '../protocol/tool.ts';
import type { Deliveries } from '../runtime/queues/deliveries.ts';
import type { RunnableTool } from '../runtime/running/tool.ts';
import { interpret } from './interpreter.ts';
import type { ResourceRegistry } from './resources.ts';
import { goalOf, summaryOf } from './summary.ts';
import { TaskHost } from './task-host.ts';
import type { Workflow } from './workflow.ts';
import { toolNameOf } from './workflow-name.ts';
import { WorkflowState } from './workflow-state.ts';

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
      await interpret(state, byName, new TaskHost({ task, owner: task.owner, deliveries, resources, workflow, goal }));
      return summaryOf(state, goal, task.id);
    },
  };
}
