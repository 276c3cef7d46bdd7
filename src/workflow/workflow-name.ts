/** The names that workflows go by: that of a workflow's task, of its steps, and of the tools that are for workflows. */

/** Of its task. No tool can have it: their names have no slash. */
const PREFIX = 'workflow/';

export function toolNameOf(workflow: string): string {
  return `${PREFIX}${workflow}`;
}

export function isWorkflow(tool: string): boolean {
  return tool.startsWith(PREFIX);
}

/** Of the tool of a workflow's task. */
export function workflowNameOf(tool: string): string {
  return tool.slice(PREFIX.length);
}

/** Part of variables' keys and of URIs; without the marks of paths and placeholders. */
export const STEP_NAME = /^[A-Za-z0-9_-]{1,64}$/;

export const WORKFLOW_TOOLS = { complete: 'task_complete', report: 'task_report' } as const;
