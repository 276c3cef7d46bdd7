/** Under which name a workflow's task runs. No tool can have it: their names have no slash. */
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
