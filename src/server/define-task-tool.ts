/** Defining a tool: types that follow from its schemas, and checks that name the tool when something is wrong. */

import { TaskError } from '../domain/errors.ts';
import type { JsonValue } from '../domain/json.ts';
import { present } from '../present.ts';
import type { CallToolResult, InputRequiredResult, StandardSchemaV1, StandardSchemaWithJSON } from '../protocol/sdk.ts';
import { type AnyTool, type CallContext, isTaskTool, type PlainTool, type TaskTool } from '../protocol/tool.ts';
import { inputPatternFault } from '../protocol/tool-input.ts';
import type { TaskContext } from '../runtime/running/task-context.ts';
import { toolKey } from '../runtime/running/tool.ts';

type Output<Schema extends StandardSchemaV1> = StandardSchemaV1.InferOutput<Schema>;

type Untyped<Tool> = Omit<Tool, 'inputSchema' | 'admit' | 'run'>;

/** A tool whose calls become tasks: `taskSupport` is `optional` (default) or `required`. */
export interface TaskToolDefinition<Schema extends StandardSchemaWithJSON>
  extends Omit<Untyped<TaskTool>, 'taskSupport'> {
  /** `required`: clients without task support are refused. @default 'optional' */
  readonly taskSupport?: 'optional' | 'required';
  readonly inputSchema: Schema;
  admit?(args: Output<Schema>, call: CallContext): Promise<JsonValue | undefined | InputRequiredResult>;
  run(args: Output<Schema>, task: TaskContext): Promise<CallToolResult>;
}

/** A tool that answers within the call and never becomes a task. */
export interface PlainToolDefinition<Schema extends StandardSchemaWithJSON> extends Untyped<PlainTool> {
  readonly inputSchema: Schema;
  run(args: Output<Schema>, call: CallContext): Promise<CallToolResult | InputRequiredResult>;
}

/**
 * Makes a tool of a definition. Throws `invalid_definition`, naming the tool, when the definition
 * cannot work: a name that MCP does not allow, a schema without JSON Schema, a time that is no time.
 */
export function defineTaskTool<Schema extends StandardSchemaWithJSON>(definition: TaskToolDefinition<Schema>): TaskTool;
export function defineTaskTool<Schema extends StandardSchemaWithJSON>(
  definition: PlainToolDefinition<Schema>,
): PlainTool;
export function defineTaskTool(
  definition: TaskToolDefinition<StandardSchemaWithJSON> | PlainToolDefinition<StandardSchemaWithJSON>,
): AnyTool {
  const tool = { taskSupport: 'optional', ...definition } as AnyTool;
  assertUsable(tool);
  return tool;
}

/** Throws `invalid_definition` when two tools have one name and version, or a tool is none. */
export function assertTools(tools: readonly AnyTool[]): void {
  const names = new Set<string>();
  for (const tool of tools) {
    assertUsable(tool);
    const key = toolKey(tool.name, isTaskTool(tool) ? tool.version : undefined);
    if (names.has(key))
      throw wrong(tool.name, 'the name is taken by another tool; give versions of one tool a `version` each');
    names.add(key);
  }
}

/** SEP-986. */
const TOOL_NAME = /^[A-Za-z0-9_.-]{1,128}$/;
const TASK_SUPPORT: readonly string[] = ['optional', 'required', 'forbidden'] satisfies AnyTool['taskSupport'][];
const NUMBERS = ['runDeadlineMs', 'retentionMs', 'pollIntervalMs', 'maxAttempts', 'cleanupMs', 'version'] as const;

function assertUsable(tool: AnyTool): void {
  const name = typeof tool?.name === 'string' ? tool.name : '(unnamed)';
  if (!TOOL_NAME.test(name)) {
    throw wrong(name, 'a name has 1 to 128 letters, digits, "_", "-" or "."');
  }
  if (typeof tool.description !== 'string' || tool.description === '') throw wrong(name, 'it needs a description');
  if (!TASK_SUPPORT.includes(tool.taskSupport))
    throw wrong(name, `taskSupport must be one of ${TASK_SUPPORT.join(', ')}`);
  if (typeof tool.run !== 'function') throw wrong(name, 'it needs a run function');
  assertSchema(name, 'inputSchema', tool.inputSchema, 'input');
  if (tool.outputSchema !== undefined) assertSchema(name, 'outputSchema', tool.outputSchema, 'output');
  for (const setting of NUMBERS) {
    const value: unknown = (tool as unknown as Record<string, unknown>)[setting];
    if (value === undefined || (setting === 'retentionMs' && value === null)) continue;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
      throw wrong(name, `${setting} must be a positive whole number`);
    }
  }
}

function assertSchema(name: string, which: string, schema: StandardSchemaWithJSON, side: 'input' | 'output'): void {
  const standard = schema?.['~standard'];
  if (typeof standard?.validate !== 'function' || typeof standard.jsonSchema?.[side] !== 'function') {
    throw wrong(name, `${which} must be a Standard Schema that also gives JSON Schema (zod 4, for example)`);
  }
  let json: Record<string, unknown>;
  try {
    json = standard.jsonSchema[side]({ target: 'draft-2020-12' });
  } catch (cause) {
    throw wrong(name, `${which} cannot be expressed as JSON Schema`, cause);
  }
  if (which !== 'inputSchema') return;
  if (json.type !== 'object') throw wrong(name, 'inputSchema must describe an object');
  const fault = inputPatternFault(schema);
  if (fault !== undefined) throw wrong(name, `in inputSchema, ${fault}`);
}

function wrong(name: string, problem: string, cause?: unknown): TaskError {
  return new TaskError('invalid_definition', `Tool "${name}": ${problem}.`, present({ cause }));
}
