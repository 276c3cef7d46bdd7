/**
 * Workflows that chance makes, their tools, and what was really called: what a run of them is judged by. Each call says a number
 * of its own, so that its result is known wherever it is kept.
 */
import * as z from 'zod';
import type { JsonValue } from '../../../src/domain/json.ts';
import type { AnyTool } from '../../../src/protocol/tool.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { assertWorkflow } from '../../../src/workflow/definition-checks.ts';
import type { Source, Workflow, WorkflowStep } from '../../../src/workflow/workflow.ts';
import type { Seeded } from '../../simulation/seeded.ts';
import { failing, json } from '../../support/workflow-tools.ts';

/** One call, or one report of a step without a tool. */
export interface Called {
  readonly number: number;
  /** For `task_report`, `step NAME`. */
  readonly tool: string;
  /** The step for which the workflow's run called it; absent: a client did. */
  readonly step: string | undefined;
  readonly item: JsonValue | undefined;
  readonly from: JsonValue | undefined;
  readonly fails: boolean;
  /** When it ended. */
  readonly at: number;
}

export interface RandomWorkflow {
  readonly workflow: Workflow;
  readonly tools: readonly AnyTool[];
  readonly called: Called[];
  /** Notes what is reported without a tool; gives its number. */
  note(tool: string, fails: boolean): number;
}

export const PLAIN_TOOLS = ['alpha', 'beta', 'gamma'] as const;
export const TASK_TOOL = 'delta';

export interface Surroundings {
  readonly chance: Seeded;
  readonly now: () => number;
  /** While the run of a workflow calls a tool. */
  readonly whileRunning: (taskId: string, step: string, item: JsonValue | undefined) => Promise<void>;
}

const callArguments = z.object({
  step: z.string().optional(),
  item: z.number().optional(),
  from: z.unknown().optional(),
  fails: z.boolean().optional(),
});

export function randomWorkflow({ chance, now, whileRunning }: Surroundings): RandomWorkflow {
  const called: Called[] = [];
  const call = async (tool: string, args: z.infer<typeof callArguments>, taskId = '') => {
    const { step, item, from } = args;
    if (step !== undefined) await whileRunning(taskId, step, item);
    const fails = args.fails ?? (step !== undefined && chance.chance(0.2));
    const number = called.length + 1;
    called.push({ number, tool, step, item, from: from as JsonValue | undefined, fails, at: now() });
    return fails
      ? failing(`call ${number} failed`)
      : json({ number, list: Array.from({ length: number % 3 }, (_, index) => index) });
  };
  const plain = PLAIN_TOOLS.map((name) =>
    defineTaskTool({
      name,
      description: 'Says a number of its own.',
      taskSupport: 'forbidden',
      inputSchema: callArguments,
      run: (args, { related }) => call(name, args, related?.id),
    }),
  );
  const slow = defineTaskTool({
    name: TASK_TOOL,
    description: 'The same, as a task.',
    inputSchema: callArguments,
    run: async (args, task) => {
      await task.wait('a moment', { milliseconds: 20 });
      return task.step('call', () => call(TASK_TOOL, args, task.related?.id));
    },
  });
  const workflow = workflowOf(chance);
  assertWorkflow(workflow);
  return {
    workflow,
    tools: [...plain, slow],
    called,
    note: (tool, fails) => {
      const number = called.length + 1;
      called.push({ number, tool, step: undefined, item: undefined, from: undefined, fails, at: now() });
      return number;
    },
  };
}

function workflowOf(chance: Seeded): Workflow {
  const count = 2 + chance.below(6);
  const steps: WorkflowStep[] = [];
  for (let index = 0; index < count; index += 1) steps.push(stepOf(chance, index, steps));
  return { name: 'random', description: 'By chance.', arguments: z.object({}), steps };
}

function stepOf(chance: Seeded, index: number, before: readonly WorkflowStep[]): WorkflowStep {
  const name = `s${index}`;
  const whole = before.filter(({ forEach, when }) => forEach === undefined && when === undefined);
  const from: Source | undefined =
    whole.length > 0 && chance.chance(0.5)
      ? { from: 'output', step: chance.pick(whole).name, path: 'number' }
      : undefined;
  const isLoop = chance.chance(0.2);
  const list: Source =
    whole.length > 0 && chance.chance(0.5)
      ? { from: 'output', step: chance.pick(whole).name, path: 'list' }
      : { from: 'constant', value: Array.from({ length: chance.below(4) }, (_, at) => at) };
  const common = {
    name,
    ...(chance.chance(0.2) ? { when: { from: 'constant', value: chance.chance(0.5) } as const } : {}),
    ...(isLoop ? { forEach: list } : {}),
  };
  if (chance.chance(0.15)) return { ...common, kind: 'manual', by: 'client', guidance: 'Do it.' };
  const by = chance.chance(0.55) ? 'server' : 'client';
  return {
    ...common,
    kind: 'tool',
    by,
    tool: chance.chance(0.2) ? TASK_TOOL : chance.pick(PLAIN_TOOLS),
    arguments: {
      step: { from: 'constant', value: name },
      ...(isLoop ? { item: { from: 'item' } as const } : {}),
      ...(from === undefined ? {} : { from }),
    },
    ...(chance.chance(0.3) && by === 'server' ? { retry: { maxAttempts: 2 } } : {}),
  };
}
