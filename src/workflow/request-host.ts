/**
 * A workflow within one request, where nothing can be kept: for a server without tasks for its caller, or whose storage does
 * not answer. Tools that need a task are the client's to call.
 */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import { describeThrown } from '../engine/thrown.ts';
import { type AnyTool, type CallContext, isTaskTool } from '../protocol/tool.ts';
import type { StepOutcome, WorkflowHost } from './interpreter.ts';
import { type ResourceRegistry, resultOfContents, UnknownResourceError } from './resources.ts';
import { callPlainTool } from './tool-steps.ts';

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

  async callTool(_key: string, tool: AnyTool, args: JsonObject): Promise<StepOutcome> {
    if (isTaskTool(tool)) return { kind: 'client', why: 'It needs a task, which this server cannot make now.' };
    if (this.#budget.aborted) return { kind: 'client', why: 'The request has taken long enough.' };
    const outcome = await callPlainTool(tool, args, this.#call);
    return outcome.kind === 'done' ? { ...outcome, kept: null } : outcome;
  }

  async readResources(_key: string, uris: readonly string[]): Promise<StepOutcome> {
    try {
      const contents = await Promise.all(uris.map((uri) => this.#resources.read(uri, this.#call)));
      return { kind: 'done', result: resultOfContents(contents.flat()), kept: null };
    } catch (error) {
      const retryable = !(error instanceof UnknownResourceError);
      return { kind: 'failed', failure: { error: describeThrown(error), retryable } };
    }
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
