/** What a team's tools file exports, as the endpoint and the worker are given it. */
import type { AnyTool } from '../../src/protocol/tool.ts';
import type { TaskResource } from '../../src/workflow/resources.ts';
import type { Workflow } from '../../src/workflow/workflow.ts';

export interface ToolsFile {
  /** The tools. */
  readonly default: readonly AnyTool[];
  /** Prompts that own tasks; a file without any exports no such name. */
  readonly workflows?: readonly Workflow[];
  /** What the workflows read. */
  readonly resources?: readonly TaskResource[];
}

/** The file's module, taken as a value: a name that it does not export is then no warning of the bundler's. */
export function servedBy({ default: tools, workflows, resources }: ToolsFile) {
  return { tools, workflows, resources };
}
