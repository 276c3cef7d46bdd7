/**
 * What clients do for a workflow outside of its prompt: a call that carries the task's id is recorded, a step without a tool is
 * reported, and the whole may be completed. Recording never fails a call, and holds it up for a moment at the most.
 */
import * as z from 'zod';
import type { Clock } from '../clock.ts';
import { assertCarried } from '../domain/answer-size.ts';
import { TaskError, type TaskErrorCode } from '../domain/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../domain/json.ts';
import { isTerminal } from '../domain/status.ts';
import { completeByClient, type Task, type TaskRef } from '../domain/task.ts';
import { asTaskId } from '../domain/task-id.ts';
import { TaskAborted } from '../engine/aborts.ts';
import { modelTool } from '../protocol/model-tool.ts';
import { isCallToolResult } from '../protocol/sdk.ts';
import { type PlainTool, type RelatedCall, toolError, toolErrorIn } from '../protocol/tool.ts';
import { describeError } from '../runtime/logger.ts';
import { type Deliveries, nudgeIfDue } from '../runtime/queues/deliveries.ts';
import { passingTrouble } from '../runtime/running/task-scope.ts';
import type { RunnableTool } from '../runtime/running/tool.ts';
import { type Reported, sendReport } from './reports.ts';
import { isWorkflow, STEP_NAME, WORKFLOW_TOOLS } from './workflow-name.ts';
import type { Report } from './workflow-state.ts';

/** What completing a workflow needs. */
export interface Completing extends Deliveries {
  /** See `answer-size.ts`. */
  readonly maxAnswerBytes?: number | undefined;
}

export interface ContinuingOptions extends Completing {
  readonly clock: Clock;
}

/** Records the call of a tool against the workflow that it is bound to; resolves in any case. */
export async function recordCall(ref: TaskRef, call: RelatedCall, options: ContinuingOptions): Promise<void> {
  try {
    await send(ref, call, options);
  } catch (error) {
    const where = { task: ref.id, tool: call.tool };
    options.logger.warn('A call was not recorded in its workflow', { ...where, ...describeError(error) });
  }
}

async function send(ref: TaskRef, call: RelatedCall, options: ContinuingOptions): Promise<void> {
  const outcome = await sendReport(options, ref, { kind: 'call', ...call }, options.clock.now());
  if (outcome === 'full')
    options.logger.warn('A call was not recorded in its workflow: too many wait there', {
      task: ref.id,
      tool: call.tool,
    });
}

/** The same for a task tool: when its own task ends, as a step of it, so that it is recorded whatever dies meanwhile. */
export function recordedAtEnd(tool: RunnableTool, options: ContinuingOptions): RunnableTool {
  return {
    ...tool,
    run: async (args, task) => {
      const { related } = task;
      if (related === undefined) return tool.run(args, task);
      const ref = { owner: task.owner, id: related.id };
      const record = async (result: JsonValue) => {
        const call = { id: task.id, tool: tool.name, arguments: args, result: result as JsonObject };
        const sending = task.step('record in workflow', () => send(ref, call, options), {
          retryStrategy: passingTrouble,
        });
        await sending.catch((error: unknown) => {
          if (error instanceof TaskAborted) throw error;
          task.logger.warn('A task was not recorded in its workflow', { related: related.id, ...describeError(error) });
        });
      };
      let result: JsonValue;
      try {
        result = await tool.run(args, task);
      } catch (error) {
        // A task that was ended from outside has no outcome of its tool's.
        if (error instanceof TaskAborted) throw error;
        const outcome = tool.outcomeOf(error);
        await record(
          outcome.kind === 'result' ? outcome.result : (toolError(outcome.failure.message) as unknown as JsonObject),
        );
        throw error;
      }
      await record(result);
      return result;
    },
  };
}

const completeArgs = z.object({
  taskId: z.string().describe('The id of the workflow’s task.'),
  result: z.unknown().optional().describe('What came of it: any JSON.'),
});
const reportArgs = z.object({
  taskId: z.string().describe('The id of the workflow’s task.'),
  step: z.string().regex(STEP_NAME).describe('The name of the step.'),
  result: z.unknown().describe('What came of the step: any JSON.'),
});

const MISTAKES: readonly TaskErrorCode[] = ['task_not_found', 'invalid_transition', 'value_too_large'];

/** Tools for what no other tool of the workflow says. */
export function workflowTools(options: ContinuingOptions & { readonly newId: () => string }): readonly PlainTool[] {
  return [
    modelTool(
      {
        name: WORKFLOW_TOOLS.report,
        title: 'Report a step',
        description: 'Reports what came of a step of a workflow that is not done by a tool.',
        inputSchema: reportArgs,
        annotations: { openWorldHint: false },
        mistakes: MISTAKES,
      },
      async ({ taskId, step, result }, { owner }) => {
        const report: Report = { kind: 'step', id: options.newId(), step, result: resultFrom(result ?? null) };
        const reported = await sendReport(options, { owner, id: asTaskId(taskId) }, report, options.clock.now());
        return reported === 'recorded' ? said(`Recorded for step ${step}.`) : toolError(REFUSED[reported]);
      },
    ),
    modelTool(
      {
        name: WORKFLOW_TOOLS.complete,
        title: 'Complete a workflow',
        description: 'Completes a workflow with a result, whether all of its steps are done or not.',
        inputSchema: completeArgs,
        annotations: { openWorldHint: false },
        mistakes: MISTAKES,
      },
      async ({ taskId, result }, { owner }) => {
        const task = await completeWorkflow(options, { owner, id: asTaskId(taskId) }, result);
        return task === undefined ? toolError(REFUSED.no_workflow) : said(`Task ${task.id} is completed.`);
      },
    ),
  ];
}

/**
 * Completes a workflow's task with what its client says; `undefined`: it is no workflow's. Rejects with
 * `invalid_transition` for one that has ended.
 */
export async function completeWorkflow(
  deliveries: Completing,
  ref: TaskRef,
  given: unknown,
): Promise<Task | undefined> {
  const { store } = deliveries;
  const known = await store.get(ref);
  if (!isWorkflow(known.task.tool)) return undefined;
  if (isTerminal(known.task.status)) throw new TaskError('invalid_transition', `The task is ${known.task.status}.`);
  const value = resultFrom(given ?? null);
  assertCarried(value, deliveries.maxAnswerBytes, 'The result');
  const result = await store.keep(known.task, 'result', value);
  const error = toolErrorIn(value);
  const { task } = await store.update(ref, (current, now) => completeByClient(current, result, now, error), known);
  await nudgeIfDue(deliveries, task);
  return task;
}

const REFUSED: Readonly<Record<Exclude<Reported, 'recorded'>, string>> = {
  no_workflow: 'The task is no workflow: only a workflow’s task is reported to, and completed, by its client.',
  ended: 'The task has ended.',
  full: 'Too many reports wait to be taken in; try again in a moment.',
};

/** Any JSON as a tool's result. */
function resultFrom(given: unknown): JsonObject {
  const value = given as JsonValue;
  if (isCallToolResult(given)) return value as JsonObject;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return { content: [{ type: 'text', text }], ...(isJsonObject(value) ? { structuredContent: value } : {}) };
}

function said(text: string) {
  return { content: [{ type: 'text' as const, text }] };
}
