/**
 * A workflow within one request, where nothing can be kept: for a server without tasks for its caller, or whose storage does
 * not answer. Tools that need a task are the client's to call.
 */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import { type AnyTool, type CallContext, isTaskTool } from '../protocol/tool.ts';
import type { StepOutcome, WorkflowHost } from './interpreter.ts';
import type { ResourceRegistry } from './resources.ts';
import { asStep, type CallOutcome, callPlainTool, readAll } from './tool-steps.ts';
import type { ResourceStep, ToolStep } from './workflow.ts';

export class RequestHost implements WorkflowHost {
  readonly #call: CallContext;
  readonly #resources: ResourceRegistry;
  readonly #budget: AbortSignal;

  /** `budget` fires when the request has taken long enough: what is not done by then is the client's. */
  constructor(call: CallContext, resources: ResourceRegistry, budget: AbortSignal) {
    this.#call = call;
    this.#resources = resources;
    this.#budget = budget;
  }

  async callTool(_key: string, step: ToolStep, tool: AnyTool, args: JsonObject): Promise<StepOutcome> {
    if (isTaskTool(tool)) return { kind: 'client', why: 'It needs a task, which this server cannot make now.' };
    if (this.#budget.aborted) return { kind: 'client', why: 'The request has taken long enough.' };
    return notKept(await asStep(step, await callPlainTool(tool, args, this.#call)));
  }

  async readResources(_key: string, step: ResourceStep, uris: readonly string[]): Promise<StepOutcome> {
    return notKept(await asStep(step, await readAll(uris, this.#resources, this.#call)));
  }

  async variable(): Promise<JsonValue | undefined> {
    return undefined;
  }

  async ask(): Promise<JsonObject | undefined> {
    return undefined;
  }

  /** A try that follows is made at once: nobody waits within a request. */
  async wait(): Promise<void> {}

  async save(): Promise<void> {}

  async reports(): Promise<undefined> {
    return undefined;
  }
}

function notKept(outcome: CallOutcome): StepOutcome {
  return outcome.kind === 'done' ? { ...outcome, kept: null } : outcome;
}
