/** What a server is given so that it serves workflows, and what a worker is, so that it runs them. */
import { type Clock, systemRandom } from '../clock.ts';
import { roomForValues } from '../domain/answer-size.ts';
import { TaskError } from '../domain/errors.ts';
import type { LifetimePolicy } from '../domain/lifetime.ts';
import type { ServedResource } from '../protocol/prompts.ts';
import type { TasksExtensionOptions } from '../protocol/tasks-extension.ts';
import { type AnyTool, isTaskTool, toRunnable } from '../protocol/tool.ts';
import type { Deliveries } from '../runtime/queues/deliveries.ts';
import { type RunnableTool, toolKey } from '../runtime/running/tool.ts';
import { completeWorkflow, recordCall, recordedAtEnd, workflowTools } from './continuing.ts';
import { assertWorkflows } from './definition-checks.ts';
import { ResourceRegistry, type TaskResource } from './resources.ts';
import type { Workflow } from './workflow.ts';
import { WORKFLOW_TOOLS } from './workflow-name.ts';
import { DEFAULT_MAX_REPLY_BYTES, DEFAULT_PROMPT_BUDGET_MS, WorkflowPrompts } from './workflow-prompts.ts';
import { workflowTool } from './workflow-tool.ts';

interface Defined {
  readonly workflows: readonly Workflow[];
  readonly resources: readonly TaskResource[];
  readonly tools: readonly AnyTool[];
}

export interface ServeWorkflowsOptions extends Defined, Deliveries {
  readonly clock: Clock;
  readonly lifetime: LifetimePolicy;
  readonly healingGraceMs: number;
  readonly closing: AbortSignal;
  readonly budgetMs: number | undefined;
  readonly maxReplyBytes: number | undefined;
  readonly maxAnswerBytes: number | undefined;
}

const HOUR_MS = 3_600_000;
const LEAST_REPLY_BYTES = 4_096;
const ID_BYTES = 12;

/** Throws `invalid_definition` for workflows, resources or settings that cannot work. */
export function serveWorkflows(
  options: ServeWorkflowsOptions,
): Pick<TasksExtensionOptions, 'tools' | 'prompts' | 'resources' | 'continuing' | 'onRelatedCall' | 'onCompletion'> {
  const {
    workflows,
    tools,
    clock,
    budgetMs = DEFAULT_PROMPT_BUDGET_MS,
    maxReplyBytes = DEFAULT_MAX_REPLY_BYTES,
  } = options;
  const resources = new ResourceRegistry(options.resources);
  assertWorkflows(workflows, tools, resources);
  assertWithin('promptBudgetMs', budgetMs, 1, HOUR_MS);
  assertWithin('maxPromptBytes', maxReplyBytes, LEAST_REPLY_BYTES, Number.MAX_SAFE_INTEGER);
  const served = resources.resources.map(
    ({ name, uri, title, description, mimeType }): ServedResource => ({
      name,
      uri,
      title,
      description,
      mimeType,
      read: (asked, owner, signal) => resources.read(asked, { owner, signal, logger: options.logger }),
    }),
  );
  if (workflows.length === 0) return { tools, resources: served };
  for (const { name } of tools) {
    if (!isOwnTool(name)) continue;
    throw new TaskError(
      'invalid_definition',
      `Tool "${name}": the name is that of a tool for workflows; choose another.`,
    );
  }
  const room = roomForValues(options.maxAnswerBytes);
  const prompts = new WorkflowPrompts({
    ...options,
    resources,
    budgetMs,
    maxReplyBytes: Math.min(maxReplyBytes, room / 2),
  });
  const newId = () => Buffer.from(systemRandom(ID_BYTES)).toString('hex');
  return {
    tools: [...tools, ...workflowTools({ ...options, newId })],
    prompts: prompts.prompts,
    resources: [...served, prompts.stepResults],
    continuing: new Set(
      workflows.flatMap(({ steps }) => steps.flatMap((step) => (step.kind === 'tool' ? [step.tool] : []))),
    ),
    onRelatedCall: async (related, call) => {
      // They say themselves what they do for it.
      if (!isOwnTool(call.tool)) await recordCall(related, call, { ...options, clock });
    },
    onCompletion: (ref, result) => completeWorkflow(options, ref, result),
  };
}

function isOwnTool(name: string): boolean {
  return Object.values<string>(WORKFLOW_TOOLS).includes(name);
}

export interface RunWorkflowsOptions extends Defined, Deliveries {
  readonly clock: Clock;
}

/** By `toolKey`: all that a worker runs. Throws `invalid_definition`. */
export function runnableTools(options: RunWorkflowsOptions): ReadonlyMap<string, RunnableTool> {
  const { workflows, tools, clock, store, queue, logger } = options;
  const resources = new ResourceRegistry(options.resources);
  assertWorkflows(workflows, tools, resources);
  const deliveries = { store, queue, logger };
  const runnable = tools.filter(isTaskTool).map(toRunnable);
  const all = [
    // Also where there are no workflows any more: tasks that have begun go on as they did.
    ...runnable.map((tool) => recordedAtEnd(tool, { ...deliveries, clock })),
    ...workflows.map((workflow) => workflowTool(workflow, { ...deliveries, tools, resources })),
  ];
  return new Map(all.map((tool) => [toolKey(tool.name, tool.version), tool]));
}

function assertWithin(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  const bound = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  throw new TaskError('invalid_definition', `${name} must be a whole number ${bound}, not ${value}.`);
}
