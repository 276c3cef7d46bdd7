/** What the runner needs of a tool. How users define one is in `src/server/define-task-tool.ts`. */
import type { InputRequest } from '../../domain/inputs.ts';
import type { JsonObject, JsonValue } from '../../domain/json.ts';
import type { Failure } from '../../domain/task.ts';
import type { TaskContext } from './task-context.ts';

export interface RunnableTool {
  readonly name: string;
  /** Of the tool's code; tasks stay with the one that they began with. */
  readonly version?: number;
  /** How long the handler of a cancelled or overdue task may take to clean up, in milliseconds. @default 60000 */
  readonly cleanupMs?: number;
  /** Resolves to the tool's result, or rejects; see {@link RunnableTool.outcomeOf}. */
  run(args: JsonObject, task: TaskContext): Promise<JsonValue>;
  /** Throws, with a sentence for the tool's author, when no answer to the request could be checked. @default nothing */
  assertAskable?(request: InputRequest): void;
  /** What a rejection of `run` means: a result that says so, or the failure of the task. */
  outcomeOf(error: unknown): RunOutcome;
  /** What a result says, in short, where it is an error of the tool's. @default no result is */
  toolErrorIn?(result: JsonValue): string | undefined;
}

export type RunOutcome =
  | { readonly kind: 'result'; readonly result: JsonValue }
  | { readonly kind: 'failure'; readonly failure: Failure };

/** Under what a tool's code is found: its name, and its version where it has one. */
export function toolKey(name: string, version: number | undefined): string {
  return version === undefined ? name : `${name}@${version}`;
}
