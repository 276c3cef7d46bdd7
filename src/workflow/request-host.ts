/**
 * A workflow within one request, where nothing can be kept: for a server without tasks for its caller, or whose storage does
 * not answer. Tools that need a task are the client's to call.
 */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { CallContext } from '../protocol/tool.ts';
import type { StepOutcome, TakenReport, WorkflowHost } from './interpreter.ts';
import type { ResourceCall, ResourceRegistry } from './resources.ts';
import { asStep, type CallOutcome, readAll, type WorkflowToolbox } from './tool-steps.ts';
import type { ResourceStep, ToolStep } from './workflow.ts';

export interface RequestHostOptions {
  /** `undefined`: nobody on whose behalf tools could be called. */
  readonly call: CallContext | undefined;
  readonly tools: WorkflowToolbox;
  readonly resources: ResourceRegistry;
  readonly resourceCall: ResourceCall;
  /** Fires when the request has taken long enough: what is not done by then is the client's. */
  readonly budget: AbortSignal;
}

export class RequestHost implements WorkflowHost {
  readonly #options: RequestHostOptions;

  constructor(options: RequestHostOptions) {
    this.#options = options;
  }

  async callTool(_key: string, step: ToolStep, args: JsonObject, missing: readonly string[]): Promise<StepOutcome> {
    const { call, tools, budget } = this.#options;
    if (call === undefined) return { kind: 'client', why: 'the server calls tools for callers only that it knows' };
    if (tools.isTaskTool(step.tool))
      return { kind: 'client', why: 'it needs a task, which the server cannot make now' };
    if (budget.aborted) return { kind: 'client', why: 'the request has taken long enough' };
    const begun = await tools.begin(step, args, missing, call);
    if (begun.kind === 'task') return { kind: 'client', why: 'it needs a task, which the server cannot make now' };
    return notKept(await asStep(step, begun));
  }

  async readResources(_key: string, step: ResourceStep, uris: readonly string[]): Promise<StepOutcome> {
    const { resources, resourceCall } = this.#options;
    return notKept(await asStep(step, await readAll(uris, resources, resourceCall)));
  }

  async variable(): Promise<JsonValue | undefined> {
    return undefined;
  }

  async ask(): Promise<undefined> {
    return undefined;
  }

  /** A try that follows is made at once: nobody waits within a request. */
  async wait(): Promise<undefined> {
    return undefined;
  }

  async save(): Promise<void> {}

  async reports(): Promise<undefined> {
    return undefined;
  }

  async reportsSoFar(): Promise<readonly TakenReport[]> {
    return [];
  }
}

function notKept(outcome: CallOutcome): StepOutcome {
  return outcome.kind === 'done' ? { ...outcome, kept: null } : outcome;
}
