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
import { isTaskError } from '../domain/errors.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Owner } from '../domain/owner.ts';
import type { Logger } from '../runtime/logger.ts';
import type { RelatedTask, TaskContext } from '../runtime/task-context.ts';
import type { RunnableTool, RunOutcome } from '../runtime/tool.ts';
import { assertAskable } from './answers.ts';
import { checkAdmitted, checkInput } from './tool-input.ts';

export type TaskSupport = 'optional' | 'required' | 'forbidden';

/** What a call is given before, or without, a task. */
export interface CallContext {
  readonly owner: Owner;
  /** Fires when the client goes away. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** The task that the call is bound to by its `_meta`, if any. */
  readonly related: RelatedTask | undefined;
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
  /** How long a task may stay unfinished. @default the server's `lifetime` (24 h) */
  readonly runDeadlineMs?: number;
  /** How long a finished task stays readable; `null`: for ever. @default the server's `lifetime` (24 h) */
  readonly retentionMs?: number | null;
  /** What clients are told. @default 1000 */
  readonly pollIntervalMs?: number;
  /** Crashed runs in a row before the task fails. @default 5 */
  readonly maxAttempts?: number;
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
  return outputOf(tool, await checkInput(tool.inputSchema, raw));
}

function outputOf(tool: ToolDeclaration, checked: StandardSchemaV1.Result<unknown>): unknown {
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
function outcomeOfError(error: unknown): RunOutcome {
  if (error instanceof ProtocolError) {
    const { code, message, data } = error;
    const failure = data === undefined ? { code, message } : { code, message, data: data as JsonValue };
    return { kind: 'failure', failure };
  }
  const message = error instanceof Error && !isTaskError(error) ? error.message : 'The tool failed.';
  return { kind: 'result', result: toolError(message) as unknown as JsonObject };
}

/** What the runner needs of a task tool. */
export function toRunnable(tool: TaskTool): RunnableTool {
  return {
    name: tool.name,
    outcomeOf: outcomeOfError,
    assertAskable,
    run: async (raw, task) => {
      const args = outputOf(tool, await checkAdmitted(tool.inputSchema, raw));
      return (await checkResult(tool, await tool.run(args, task))) as unknown as JsonObject;
    },
  };
}

function describeIssues(issues: readonly StandardSchemaV1.Issue[]): string {
  return issues
    .map(({ message, path }) => {
      const at = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
      return at === '' ? message : `${at}: ${message}`;
    })
    .join('; ');
}
