/** A workflow as a part of a program: its steps drawn from a seed, its tools the world's, and everything that it takes in seen. */
import * as z from 'zod';
import type { JsonObject } from '../../../src/domain/json.ts';
import type { AnyTool } from '../../../src/protocol/tool.ts';
import type { Deliveries } from '../../../src/runtime/queues/deliveries.ts';
import type { TaskContext } from '../../../src/runtime/running/task-context.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { defineWorkflow, type WorkflowSteps } from '../../../src/workflow/define-workflow.ts';
import { interpret, type TakenReport, type WorkflowHost } from '../../../src/workflow/interpreter.ts';
import { ResourceRegistry } from '../../../src/workflow/resources.ts';
import { TaskHost } from '../../../src/workflow/task-host.ts';
import { WorkflowToolbox } from '../../../src/workflow/tool-steps.ts';
import type { Source, Workflow } from '../../../src/workflow/workflow.ts';
import { outputOf, statusOf, WorkflowState } from '../../../src/workflow/workflow-state.ts';
import { Seeded } from '../seeded.ts';
import type { Options } from './program.ts';

/** What clients call for a workflow. */
export const CLIENT_TOOLS = ['done_a', 'done_b', 'fail', 'act', 'work'] as const;

/** What a workflow needs of the run that it is in. */
export interface WorkflowSurroundings {
  readonly task: TaskContext;
  readonly deliveries: Deliveries;
  /** Where an action of a tool begins. */
  readonly act: () => Promise<void>;
  readonly see: (what: string) => void;
}

/** Names are made: nothing of them is known to the types. */
type Steps = WorkflowSteps<object, object>;

export function workflowOf({ times = 0, key = 0 }: Options): Workflow {
  const chance = new Seeded(key);
  return defineWorkflow({
    name: 'simulated',
    description: 'Simulated.',
    arguments: z.object({}),
    steps: (none) => {
      let steps: unknown = none;
      for (let index = 0; index <= times; index += 1) steps = withStep(steps as Steps, `s${index}`, index, chance);
      return steps as typeof none;
    },
  });
}

function withStep(steps: Steps, name: string, index: number, chance: Seeded): unknown {
  const from = (): Source =>
    index > 0 && chance.chance(0.6)
      ? { from: 'output', step: `s${chance.below(index)}` }
      : { from: 'constant', value: name };
  const many = chance.chance(0.2) ? { forEach: { from: 'constant', value: [1, 2] } as const } : {};
  const sometimes = chance.chance(0.15) ? { when: { from: 'constant', value: chance.chance(0.5) } as const } : {};
  const common = { ...many, ...sometimes };
  const kind = chance.below(10);
  if (kind < 3) return steps.tool(name, () => ({ ...common, tool: 'act', arguments: { of: from() } }));
  if (kind < 5) return steps.tool(name, () => ({ ...common, tool: 'work', arguments: { of: from() } }));
  if (kind < 6) {
    const retry = { maxAttempts: 3, delay: { seconds: 1 } };
    return steps.tool(name, () => ({ ...common, tool: 'fail', arguments: { of: from() }, retry }));
  }
  if (kind < 9) {
    const tool = chance.pick(CLIENT_TOOLS.slice(0, 2));
    return steps.client(name, () => ({ ...common, tool, arguments: { of: from() } }));
  }
  return steps.client(name, () => ({ ...common, guidance: 'Do it.' }));
}

/** Resolves to what came of it, by step. */
export async function runWorkflow(options: Options, surroundings: WorkflowSurroundings): Promise<string> {
  const { task, deliveries, see } = surroundings;
  const workflow = workflowOf(options);
  const state = new WorkflowState(workflow, {});
  const host = new TaskHost({
    task,
    tools: new WorkflowToolbox(toolsOf(surroundings)),
    deliveries,
    resources: new ResourceRegistry([]),
    workflow,
    goal: 'Simulated.',
  });
  await interpret(state, watched(host, see));
  return state.steps
    .map((step) => `${step.step.name} ${statusOf(step)} ${JSON.stringify(outputOf(step))}`)
    .concat(state.aside.map(({ id, why }) => `aside ${id}: ${why}`))
    .join('; ');
}

/** The same, with everything that a run takes in seen. */
function watched(host: TaskHost, see: (what: string) => void): WorkflowHost {
  const seen = (reports: readonly TakenReport[]) => {
    see(`reports ${reports.map(({ report }) => report.id).join()}`);
    return reports;
  };
  return {
    callTool: async (key, ...call) => {
      const outcome = await host.callTool(key, ...call);
      see(`${key} ${outcome.kind}`);
      return outcome;
    },
    readResources: (key, step, uris) => host.readResources(key, step, uris),
    variable: (name) => host.variable(name),
    ask: (message, fields) => host.ask(message, fields),
    wait: (key, delay) => host.wait(key, delay),
    save: (state, pause) => host.save(state, pause),
    reports: async () => seen(await host.reports()),
    reportsSoFar: async () => seen(await host.reportsSoFar()),
  };
}

function toolsOf({ act }: WorkflowSurroundings): readonly AnyTool[] {
  const inputSchema = z.object({ of: z.unknown() });
  const said = (value: unknown) => ({ content: [{ type: 'text' as const, text: JSON.stringify(value) }] });
  const plain = (name: string, run: (of: unknown) => JsonObject) =>
    defineTaskTool({
      name,
      description: name,
      taskSupport: 'forbidden',
      inputSchema,
      run: async ({ of }) => {
        await act();
        return said(run(of));
      },
    });
  let fails = 0;
  return [
    plain('act', (of) => ({ acted: JSON.stringify(of).length })),
    plain('fail', () => {
      fails += 1;
      if (fails % 2 === 1) throw new Error('not yet');
      return { failed: 'before' };
    }),
    defineTaskTool({
      name: 'work',
      description: 'work',
      inputSchema,
      run: async ({ of }, task) => {
        await task.wait('a while', { seconds: 2 });
        const length = await task.step('measure', async () => JSON.stringify(of).length);
        return said({ length });
      },
    }),
  ];
}
