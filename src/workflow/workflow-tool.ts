/** What the runner needs of a workflow: its prompt's task runs as a tool's would. */
import { present } from '../present.ts';
import { assertAskable } from '../protocol/answers.ts';
import { type AnyTool, outcomeOfError, toolErrorIn } from '../protocol/tool.ts';
import type { Deliveries } from '../runtime/queues/deliveries.ts';
import type { RunnableTool } from '../runtime/running/tool.ts';
import { interpret } from './interpreter.ts';
import type { ResourceRegistry } from './resources.ts';
import { goalOf, summaryOf } from './summary.ts';
import { TaskHost } from './task-host.ts';
import { WorkflowToolbox } from './tool-steps.ts';
import type { Workflow } from './workflow.ts';
import { toolNameOf } from './workflow-name.ts';
import { WorkflowState } from './workflow-state.ts';

export interface WorkflowServices extends Deliveries {
  readonly tools: readonly AnyTool[];
  readonly resources: ResourceRegistry;
}

export function workflowTool(workflow: Workflow, services: WorkflowServices): RunnableTool {
  const { tools, resources, ...deliveries } = services;
  const toolbox = new WorkflowToolbox(tools);
  return {
    name: toolNameOf(workflow.name),
    ...present({ version: workflow.version }),
    toolErrorIn,
    outcomeOf: outcomeOfError,
    assertAskable,
    run: async (args, task) => {
      const state = new WorkflowState(workflow, args);
      const goal = goalOf(state);
      await interpret(state, new TaskHost({ task, deliveries, tools: toolbox, resources, workflow, goal }));
      return summaryOf(state, goal, task.id);
    },
  };
}
