/** A workflow's step that calls a tool: as its caller would have, with the workflow's task as the task that the call is bound to. */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import { TaskAborted } from '../engine/aborts.ts';
import { recordable } from '../engine/recordable.ts';
import { describeThrown } from '../engine/thrown.ts';
import { present } from '../present.ts';
import { objectSchema } from '../protocol/object-schema.ts';
import { isInputRequiredResult, ProtocolError } from '../protocol/sdk.ts';
import {
  type AnyTool,
  type CallContext,
  checkResult,
  describeIssues,
  isTaskTool,
  newestOf,
  parseArguments,
  type TaskTool,
  ToolInputError,
  toolErrorText,
  toRunnable,
} from '../protocol/tool.ts';
import { describeFailure } from '../runtime/logger.ts';
import type { TaskContext } from '../runtime/running/task-context.ts';
import { toolKey } from '../runtime/running/tool.ts';
import type { StepOutcome } from './interpreter.ts';
import { type ResourceCall, type ResourceRegistry, resultOfContents, UnknownResourceError } from './resources.ts';
import type { ToolStep, WorkflowStep } from './workflow.ts';
import { type StepFailure, valueOfResult } from './workflow-state.ts';

const ASKS_FIRST = 'the tool asks its caller before it begins';

/** What a call came to, before it is kept. */
export type CallOutcome =
  | Exclude<StepOutcome, { kind: 'done' }>
  | { readonly kind: 'done'; readonly result: JsonObject };

/** A task tool that may begin: its code stays this version's, whatever is deployed meanwhile. */
export interface BegunTask {
  readonly kind: 'task';
  readonly tool: string;
  readonly version?: number;
  readonly args: JsonObject;
  readonly admission?: JsonValue;
}

export class WorkflowToolbox {
  readonly #newest: ReadonlyMap<string, AnyTool>;
  readonly #taskTools: ReadonlyMap<string, TaskTool>;

  constructor(tools: readonly AnyTool[]) {
    this.#newest = newestOf(tools);
    this.#taskTools = new Map(tools.filter(isTaskTool).map((tool) => [toolKey(tool.name, tool.version), tool]));
  }

  /**
   * All that depends on the tool as it is now: to be recorded as one. A tool that answers within its call is called, a task
   * tool is made ready. Rejects only where the call was cut off, so that it may be made again.
   */
  async begin(
    step: ToolStep,
    args: JsonObject,
    missing: readonly string[],
    call: CallContext,
  ): Promise<CallOutcome | BegunTask> {
    const tool = this.#newest.get(step.tool);
    if (tool === undefined) return failed(`The server has no tool ${step.tool}.`, false);
    const { required } = objectSchema(tool.inputSchema);
    const needed = missing.filter((name) => required.includes(name));
    if (needed.length > 0) return { kind: 'unresolved', arguments: needed };
    try {
      const parsed = await parseArguments(tool, args);
      if (isTaskTool(tool)) return await admitted(tool, parsed, call);
      const returned = await tool.run(parsed, call);
      if (isInputRequiredResult(returned)) return { kind: 'client', why: ASKS_FIRST };
      return { kind: 'done', result: (await checkResult(tool, returned)) as unknown as JsonObject };
    } catch (error) {
      if (call.signal.aborted) throw error;
      if (error instanceof ToolInputError) {
        const missingFields = required.filter((name) => !Object.hasOwn(args, name));
        return { kind: 'misfit', problem: error.message, missingFields };
      }
      call.logger.warn('The tool threw', { tool: tool.name, ...describeFailure(error) });
      return { kind: 'failed', failure: failureOf(error) };
    }
  }

  /** A task tool, within the workflow's task: its operations are the workflow's, and survive what that survives. */
  async run(key: string, begun: BegunTask, task: TaskContext, call: CallContext): Promise<CallOutcome> {
    const tool = this.#taskTools.get(toolKey(begun.tool, begun.version)) ?? this.#newest.get(begun.tool);
    // Where the code is gone, the replay does not match, and the task is parked until it is back.
    if (tool === undefined || !isTaskTool(tool)) return failed(`The server has no tool ${begun.tool}.`, false);
    const runnable = toRunnable(tool);
    try {
      const result = await task.runInChildContext(key, (scope) =>
        runnable.run(begun.args, { ...task, ...scope, admission: begun.admission, related: call.related }),
      );
      return { kind: 'done', result: result as JsonObject };
    } catch (error) {
      // The workflow's task has ended: its handler is to clean up.
      if (error instanceof TaskAborted) throw error;
      const outcome = runnable.outcomeOf(error);
      if (outcome.kind === 'result') return { kind: 'done', result: outcome.result as JsonObject };
      return failed(outcome.failure.message, false);
    }
  }

  /** What a tool cannot do without; of one that the server does not have, nothing is known. */
  requiredOf(name: string): readonly string[] {
    const tool = this.#newest.get(name);
    return tool === undefined ? [] : objectSchema(tool.inputSchema).required;
  }

  isTaskTool(name: string): boolean {
    const tool = this.#newest.get(name);
    return tool !== undefined && isTaskTool(tool);
  }
}

async function admitted(tool: TaskTool, parsed: unknown, call: CallContext): Promise<CallOutcome | BegunTask> {
  const admission = await tool.admit?.(parsed, call);
  if (isInputRequiredResult(admission)) return { kind: 'client', why: ASKS_FIRST };
  const args = recordable(parsed, `The input schema of tool "${tool.name}" makes`) as JsonObject;
  return { kind: 'task', tool: tool.name, args, ...present({ version: tool.version, admission }) };
}

/** An error of the protocol is the caller's; what else is thrown may pass. */
function failureOf(error: unknown): StepFailure {
  return { error: describeThrown(error), retryable: !(error instanceof ProtocolError) };
}

export function failed(error: string, retryable: boolean): Extract<CallOutcome, { kind: 'failed' }> {
  return { kind: 'failed', failure: { error, retryable } };
}

/** Resources as one result. Rejects only where reading was cut off. */
export async function readAll(
  uris: readonly string[],
  resources: ResourceRegistry,
  call: ResourceCall,
): Promise<CallOutcome> {
  try {
    const contents = await Promise.all(uris.map((uri) => resources.read(uri, call)));
    return { kind: 'done', result: resultOfContents(contents.flat()) };
  } catch (error) {
    if (call.signal.aborted) throw error;
    return failed(describeThrown(error), !(error instanceof UnknownResourceError));
  }
}

/** The outcome as the step's: a result that says that its tool failed, or that cannot be the step's output, is none. */
export async function asStep(step: WorkflowStep, outcome: CallOutcome): Promise<CallOutcome> {
  if (outcome.kind !== 'done') return outcome;
  const error = toolErrorText(outcome.result);
  if (error !== undefined) return failed(error, true);
  const fault = await outputFault(step, outcome.result);
  return fault === undefined ? outcome : failed(fault, false);
}

/** By step, why a result cannot be that step's output. */
export async function outputFaults(
  steps: readonly WorkflowStep[],
  result: JsonObject,
): Promise<Record<string, string>> {
  const faults: Record<string, string> = {};
  for (const step of steps) {
    const fault = await outputFault(step, result);
    if (fault !== undefined) faults[step.name] = fault;
  }
  return faults;
}

async function outputFault({ name, output }: WorkflowStep, result: JsonObject): Promise<string | undefined> {
  if (output === undefined) return undefined;
  const { issues } = await output['~standard'].validate(valueOfResult(result));
  return issues && `The output of step ${name} is not what it must be: ${describeIssues(issues)}`;
}
