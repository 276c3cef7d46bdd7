/** A workflow's step that calls a tool: as its caller would have, with the workflow's task as the task that the call is bound to. */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import { TaskAborted } from '../engine/aborts.ts';
import { recordable } from '../engine/recordable.ts';
import { describeThrown } from '../engine/thrown.ts';
import { isInputRequiredResult, ProtocolError } from '../protocol/sdk.ts';
import {
  type AnyTool,
  type CallContext,
  checkResult,
  isTaskTool,
  type PlainTool,
  parseArguments,
  type TaskTool,
  toRunnable,
} from '../protocol/tool.ts';
import type { TaskContext } from '../runtime/running/task-context.ts';
import type { StepOutcome } from './interpreter.ts';
import type { StepFailure } from './workflow-state.ts';

const ASKS_FIRST = 'The tool asks its caller before it begins: call it yourself.';

/** A tool that answers within its call. Never rejects for what the tool does. */
export async function callPlainTool(tool: PlainTool, args: JsonObject, call: CallContext): Promise<CallOutcome> {
  try {
    const returned = await tool.run(await parseArguments(tool, args), call);
    if (isInputRequiredResult(returned)) return { kind: 'client', why: ASKS_FIRST };
    return { kind: 'done', result: (await checkResult(tool, returned)) as unknown as JsonObject };
  } catch (error) {
    return { kind: 'failed', failure: failureOf(error) };
  }
}

/** What a call came to, before it is kept. */
export type CallOutcome =
  | Exclude<StepOutcome, { kind: 'done' }>
  | { readonly kind: 'done'; readonly result: JsonObject };

interface Prepared {
  readonly args?: JsonObject;
  readonly admission?: JsonValue;
  readonly stopped?: JsonObject;
}

/** A task tool, within the workflow's task: its operations are the workflow's, and survive what that survives. */
export async function runTaskTool(
  key: string,
  tool: TaskTool,
  args: JsonObject,
  task: TaskContext,
  call: CallContext,
): Promise<CallOutcome> {
  const prepared = await task.step(`prepare ${key}`, () => prepare(tool, args, call), {
    retryStrategy: () => ({ shouldRetry: false }),
  });
  if (prepared.stopped !== undefined) return prepared.stopped as unknown as CallOutcome;
  const runnable = toRunnable(tool);
  try {
    const result = await task.runInChildContext(key, (scope) =>
      runnable.run(prepared.args ?? {}, { ...task, ...scope, admission: prepared.admission, related: call.related }),
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

async function prepare(tool: TaskTool, args: JsonObject, call: CallContext): Promise<Prepared> {
  try {
    const parsed = await parseArguments(tool, args);
    const admission = await tool.admit?.(parsed, call);
    if (isInputRequiredResult(admission)) return { stopped: { kind: 'client', why: ASKS_FIRST } };
    const recorded = recordable(parsed, `The input schema of tool "${tool.name}" makes`) as JsonObject;
    return { args: recorded, ...(admission === undefined ? {} : { admission }) };
  } catch (error) {
    return { stopped: { kind: 'failed', failure: { ...failureOf(error) } } };
  }
}

function failureOf(error: unknown): StepFailure {
  return { error: describeThrown(error), retryable: !(error instanceof ProtocolError) };
}

export function isPlain(tool: AnyTool): tool is PlainTool {
  return !isTaskTool(tool);
}
