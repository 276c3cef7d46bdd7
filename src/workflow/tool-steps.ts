/** A workflow's step that calls a tool: as its caller would have, with the workflow's task as the task that the call is bound to. */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import { TaskAborted } from '../engine/aborts.ts';
import { recordable } from '../engine/recordable.ts';
import { NO_RETRY } from '../engine/retry.ts';
import { describeThrown } from '../engine/thrown.ts';
import { present } from '../present.ts';
import { isInputRequiredResult, ProtocolError } from '../protocol/sdk.ts';
import {
  type CallContext,
  checkResult,
  describeIssues,
  type PlainTool,
  parseArguments,
  type TaskTool,
  ToolInputError,
  toRunnable,
} from '../protocol/tool.ts';
import type { TaskContext } from '../runtime/running/task-context.ts';
import type { StepOutcome } from './interpreter.ts';
import { type ResourceCall, type ResourceRegistry, resultOfContents, UnknownResourceError } from './resources.ts';
import type { WorkflowStep } from './workflow.ts';
import { failureIn, type StepFailure, valueOfResult } from './workflow-state.ts';

const ASKS_FIRST = 'The tool asks its caller before it begins: call it yourself.';

/** What a call came to, before it is kept. */
export type CallOutcome =
  | Exclude<StepOutcome, { kind: 'done' }>
  | { readonly kind: 'done'; readonly result: JsonObject };

/** A tool that answers within its call. Never rejects for what the tool does. */
export async function callPlainTool(tool: PlainTool, args: JsonObject, call: CallContext): Promise<CallOutcome> {
  try {
    const returned = await tool.run(await parseArguments(tool, args), call);
    if (isInputRequiredResult(returned)) return { kind: 'client', why: ASKS_FIRST };
    return { kind: 'done', result: (await checkResult(tool, returned)) as unknown as JsonObject };
  } catch (error) {
    return outcomeOf(error);
  }
}

type Prepared =
  | { readonly kind: 'prepared'; readonly args: JsonObject; readonly admission?: JsonValue }
  | Exclude<CallOutcome, { kind: 'done' }>;

/** A task tool, within the workflow's task: its operations are the workflow's, and survive what that survives. */
export async function runTaskTool(
  key: string,
  tool: TaskTool,
  args: JsonObject,
  task: TaskContext,
  call: CallContext,
): Promise<CallOutcome> {
  const prepared = await task.step(`prepare ${key}`, () => prepare(tool, args, call), { retryStrategy: NO_RETRY });
  if (prepared.kind !== 'prepared') return prepared;
  const { admission } = prepared;
  const runnable = toRunnable(tool);
  try {
    const result = await task.runInChildContext(key, (scope) =>
      runnable.run(prepared.args, { ...task, ...scope, admission, related: call.related }),
    );
    return { kind: 'done', result: result as JsonObject };
  } catch (error) {
    // The workflow's task has ended: its handler is to clean up.
    if (error instanceof TaskAborted) throw error;
    const outcome = runnable.outcomeOf(error);
    if (outcome.kind === 'result') return { kind: 'done', result: outcome.result as JsonObject };
    return { kind: 'failed', failure: { error: outcome.failure.message, retryable: false } };
  }
}

async function prepare(tool: TaskTool, given: JsonObject, call: CallContext): Promise<Prepared> {
  try {
    const parsed = await parseArguments(tool, given);
    const admission = await tool.admit?.(parsed, call);
    if (isInputRequiredResult(admission)) return { kind: 'client', why: ASKS_FIRST };
    const args = recordable(parsed, `The input schema of tool "${tool.name}" makes`) as JsonObject;
    return { kind: 'prepared', args, ...present({ admission }) };
  } catch (error) {
    return outcomeOf(error);
  }
}

function outcomeOf(error: unknown): Exclude<CallOutcome, { kind: 'done' }> {
  if (error instanceof ToolInputError) return { kind: 'misfit', problem: error.message };
  return { kind: 'failed', failure: failureOf(error) };
}

/** An error of the protocol is the caller's; what else is thrown may pass. */
function failureOf(error: unknown): StepFailure {
  return { error: describeThrown(error), retryable: !(error instanceof ProtocolError) };
}

/** Resources as one result. Never rejects for what they do. */
export async function readAll(
  uris: readonly string[],
  resources: ResourceRegistry,
  call: ResourceCall,
): Promise<CallOutcome> {
  try {
    const contents = await Promise.all(uris.map((uri) => resources.read(uri, call)));
    return { kind: 'done', result: resultOfContents(contents.flat()) };
  } catch (error) {
    const retryable = !(error instanceof UnknownResourceError);
    return { kind: 'failed', failure: { error: describeThrown(error), retryable } };
  }
}

/** The outcome as the step's: a result that says that its tool failed, or that cannot be the step's output, is none. */
export async function asStep(step: WorkflowStep, outcome: CallOutcome): Promise<CallOutcome> {
  if (outcome.kind !== 'done') return outcome;
  const error = failureIn(outcome.result);
  if (error !== undefined) return { kind: 'failed', failure: { error, retryable: true } };
  const fault = await outputFault(step, outcome.result);
  return fault === undefined ? outcome : { kind: 'failed', failure: { error: fault, retryable: false } };
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
