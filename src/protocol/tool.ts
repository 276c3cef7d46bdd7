/**
 * A tool as users define it and as the protocol serves it. `defineTaskTool` (src/server) checks and
 * types a definition; here is what it means.
 */
import {
  type CallToolResult,
  type InputRequiredResult,
  isCallToolResult,
  ProtocolError,
  type StandardSchemaV1,
  type StandardSchemaWithJSON,
  type ToolAnnotations,
} from '@modelcontextprotocol/server';
import type { Askable } from '../domain/askable.ts';
import { isTaskError } from '../domain/errors.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Owner } from '../domain/owner.ts';
import { shorten } from '../domain/text.ts';
import { StepError } from '../engine/recorded-error.ts';
import { describeThrown } from '../engine/thrown.ts';
import { present } from '../present.ts';
import type { Logger } from '../runtime/logger.ts';
import type { RelatedTask, TaskContext } from '../runtime/running/task-context.ts';
import type { RunnableTool, RunOutcome } from '../runtime/running/tool.ts';
import { assertAskable } from './answers.ts';
import { checkInput } from './tool-input.ts';

export type TaskSupport = 'optional' | 'required' | 'forbidden';

/** What a call is given before, or without, a task. */
export interface CallContext {
  readonly owner: Owner;
  /** Fires when the client goes away. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** The task that the call is bound to by its `_meta`, if any. */
  readonly related: RelatedTask | undefined;
  /**
   * Whether the client has declared that it can be asked for this. A call that asks with `inputRequired(...)` for what is
   * not declared is answered with error -32021.
   */
  canAsk(kind: Askable | 'elicitation'): boolean;
  /** Answers to an earlier `inputRequired(...)` of this call; untrusted. */
  readonly inputResponses: Readonly<Record<string, unknown>> | undefined;
  /**
   * What an earlier `inputRequired(...)` of this call sent along: the string as it came back, untrusted, or what
   * the `requestState.verify` of the host's `McpServer` made of it.
   */
  readonly requestState: JsonValue | undefined;
}

export interface ToolDeclaration {
  readonly name: string;
  readonly title?: string;
  readonly description: string;
  /** Any Standard Schema that also gives JSON Schema (zod, valibot, arktype). */
  readonly inputSchema: StandardSchemaWithJSON;
  readonly outputSchema?: StandardSchemaWithJSON;
  readonly annotations?: ToolAnnotations;
}

interface TaskSettings {
  /**
   * A whole number from 1 that grows with each change of `run` that running tasks could not follow. A task stays with
   * the version that it began with, so a server offers older ones beside the newest until their tasks have ended.
   */
  readonly version?: number;
  /** How long the handler of a cancelled or overdue task may take to clean up. @default 60000 */
  readonly cleanupMs?: number;
  /** How long a task may stay unfinished. @default the server's `lifetime` (24 h) */
  readonly runDeadlineMs?: number;
  /**
   * How long a finished task stays readable, counted from its end; `null`: for ever.
   * @default the server's `lifetime` (24 h), counted from the run deadline
   */
  readonly retentionMs?: number | null;
  /** How often clients are told to ask. @default a quarter of the task's age, from 200 ms to 30 s */
  readonly pollIntervalMs?: number;
  /** Crashed runs in a row before the task fails. @default 5 */
  readonly maxAttempts?: number;
  /**
   * What a client of the 2025-11-25 era may tell its model as soon as the call has become a task
   * (`io.modelcontextprotocol/model-immediate-response`). @default nothing
   */
  readonly immediateResponse?: string;
}

/** A call that is bound to a task, when it has ended. */
export interface RelatedCall {
  /** Another for each call. */
  readonly id: string;
  readonly tool: string;
  readonly arguments: JsonObject;
  /** A `CallToolResult`. */
  readonly result: JsonObject;
}

/** A tool whose calls become tasks. */
export interface TaskTool extends ToolDeclaration, TaskSettings {
  readonly taskSupport: 'optional' | 'required';
  /**
   * Runs in the call, before there is a task: returns `inputRequired(...)` to ask first, throws a
   * `ProtocolError` to refuse, or returns what the task's handler finds in `task.admission`.
   */
  admit?(args: unknown, call: CallContext): Promise<JsonValue | undefined | InputRequiredResult>;
  run(args: unknown, task: TaskContext): Promise<CallToolResult>;
}

/** A tool that answers within the call. */
export interface PlainTool extends ToolDeclaration {
  readonly taskSupport: 'forbidden';
  run(args: unknown, call: CallContext): Promise<CallToolResult | InputRequiredResult>;
}

export type AnyTool = TaskTool | PlainTool;

export function isTaskTool(tool: AnyTool): tool is TaskTool {
  return tool.taskSupport !== 'forbidden';
}

/** Arguments that do not fit the tool's schema. */
export class ToolInputError extends Error {
  override readonly name = 'ToolInputError';
}

/** The schema's own output for a client's arguments, in bounded time; rejects with `ToolInputError`. */
export async function parseArguments(tool: ToolDeclaration, raw: unknown): Promise<unknown> {
  const checked = await checkInput(tool.inputSchema, raw);
  if (checked.issues === undefined) return checked.value;
  throw new ToolInputError(`Invalid arguments for tool ${tool.name}: ${describeIssues(checked.issues)}`);
}

/** The result as given, or one that says what is wrong with it. */
export async function checkResult(tool: ToolDeclaration, returned: unknown): Promise<CallToolResult> {
  if (!isJson(returned)) return toolError(`The tool ${tool.name} returned what JSON cannot say.`);
  if (!isCallToolResult(returned)) {
    return toolError(`The tool ${tool.name} returned no tool result: it must return an object with a content array.`);
  }
  // Which kind of answer this is, is not the tool's to say, be it one that was relayed from elsewhere.
  const { resultType: _resultType, ...result } = returned;
  if (tool.outputSchema === undefined || result.isError === true) return result;
  const checked = await tool.outputSchema['~standard'].validate(result.structuredContent);
  if (checked.issues === undefined) return result;
  return toolError(
    `The structured content of tool ${tool.name} does not fit its schema: ${describeIssues(checked.issues)}`,
  );
}

function isJson(value: unknown): boolean {
  try {
    JSON.stringify(value);
    return true;
  } catch {
    return false;
  }
}

export function toolError(text: string): CallToolResult {
  return { content: [{ type: 'text', text }], isError: true };
}

/**
 * A thrown `ProtocolError` fails the task with that error. Any other throw is a tool error, with the
 * error's message: what a tool throws is meant for its caller.
 */
export function outcomeOfError(error: unknown): RunOutcome {
  if (isProtocolError(error)) {
    const { code, message, data } = error;
    const failure = data === undefined ? { code, message } : { code, message, data: data as JsonValue };
    return { kind: 'failure', failure };
  }
  const message = isTaskError(error) ? 'The tool failed.' : describeThrown(error);
  return { kind: 'result', result: toolError(message) as unknown as JsonObject };
}

const MAX_SHOWN_ERROR_LENGTH = 200;

/** What a result says that is an error of the tool's; `undefined`: it is none. */
export function toolErrorText(result: unknown): string | undefined {
  if (!isCallToolResult(result) || result.isError !== true) return undefined;
  const words = result.content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('\n');
  return words === '' ? 'The tool failed.' : words;
}

/** The same in short. */
export function toolErrorIn(result: unknown): string | undefined {
  const text = toolErrorText(result);
  return text === undefined ? undefined : shorten(text, MAX_SHOWN_ERROR_LENGTH);
}

/** Also one that a step threw, which comes back from the journal as what was recorded of it. */
function isProtocolError(error: unknown): error is Pick<ProtocolError, 'code' | 'message' | 'data'> {
  return (
    error instanceof ProtocolError ||
    (error instanceof StepError && error.name === 'ProtocolError' && typeof error.code === 'number')
  );
}

/** By name, of what there may be several versions: what new calls get. What has no version is older than any that has one. */
export function newestOf<T extends { readonly name: string; readonly version?: number }>(
  all: readonly T[],
): ReadonlyMap<string, T> {
  const newest = new Map<string, T>();
  for (const one of all) {
    const other = newest.get(one.name);
    if (other === undefined || (other.version ?? 0) < (one.version ?? 0)) newest.set(one.name, one);
  }
  return newest;
}

/** What the runner needs of a task tool. */
export function toRunnable(tool: TaskTool): RunnableTool {
  return {
    name: tool.name,
    ...present({ version: tool.version, cleanupMs: tool.cleanupMs }),
    outcomeOf: outcomeOfError,
    toolErrorIn,
    assertAskable,
    run: async (args, task) => (await checkResult(tool, await tool.run(args, task))) as unknown as JsonObject,
  };
}

export function describeIssues(issues: readonly StandardSchemaV1.Issue[]): string {
  return issues
    .map(({ message, path }) => {
      const at = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
      return at === '' ? message : `${at}: ${message}`;
    })
    .join('; ');
}
