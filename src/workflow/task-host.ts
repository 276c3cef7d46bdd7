/** A workflow in its task: each step is durable, questions are the task's own, and reports wake it. */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Owner } from '../domain/owner.ts';
import type { TaskRef } from '../domain/task.ts';
import type { Duration } from '../engine/duration.ts';
import { StepError } from '../engine/recorded-error.ts';
import { NO_RETRY } from '../engine/retry.ts';
import { type AnyTool, type CallContext, isTaskTool } from '../protocol/tool.ts';
import type { Deliveries } from '../runtime/queues/deliveries.ts';
import { decodeCallbackToken } from '../runtime/running/callback-token.ts';
import { relatedTask } from '../runtime/running/related-task.ts';
import type { TaskContext } from '../runtime/running/task-context.ts';
import { passingTrouble } from '../runtime/running/task-scope.ts';
import type { StepOutcome, TakenReport, WorkflowHost } from './interpreter.ts';
import { nextReport, openInbox } from './reports.ts';
import type { ResourceRegistry } from './resources.ts';
import { asStep, type CallOutcome, callPlainTool, outputFaults, readAll, runTaskTool } from './tool-steps.ts';
import type { PauseReason, ResourceStep, ToolStep, Workflow, WorkflowStep } from './workflow.ts';
import { type KeptCall, WORKFLOW_KEYS, workflowVariables } from './workflow-records.ts';
import { isOver, type WorkflowState } from './workflow-state.ts';

export interface TaskHostOptions {
  readonly task: TaskContext;
  readonly owner: Owner;
  readonly deliveries: Deliveries;
  readonly resources: ResourceRegistry;
  readonly workflow: Workflow;
  readonly goal: string;
}

export class TaskHost implements WorkflowHost {
  readonly #options: TaskHostOptions;
  readonly #ref: TaskRef;
  readonly #taken = new Set<string>();

  constructor(options: TaskHostOptions) {
    this.#options = options;
    this.#ref = { owner: options.owner, id: options.task.id };
  }

  async callTool(key: string, step: ToolStep, tool: AnyTool, args: JsonObject): Promise<StepOutcome> {
    const { task } = this.#options;
    task.logger.info('A workflow calls a tool', { step: key, tool: tool.name });
    const outcome = isTaskTool(tool)
      ? await runTaskTool(key, tool, args, task, this.#call())
      : await this.#recorded(key, () => callPlainTool(tool, args, this.#call()));
    return this.#kept(key, step, outcome, args);
  }

  async readResources(key: string, step: ResourceStep, uris: readonly string[]): Promise<StepOutcome> {
    const { task, resources, owner } = this.#options;
    const { signal, logger } = task;
    const outcome = await this.#recorded(key, () => readAll(uris, resources, { owner, signal, logger }));
    return this.#kept(key, step, outcome, { uris });
  }

  variable(name: string): Promise<JsonValue | undefined> {
    return this.#options.task.variables.get(name);
  }

  async ask(message: string, fields: JsonObject): Promise<JsonObject | undefined> {
    const { task } = this.#options;
    if (!task.canAsk('elicitation')) return undefined;
    const requestedSchema = { type: 'object', properties: fields, required: Object.keys(fields) };
    const { action, content } = await task.elicit({ message, requestedSchema });
    return action === 'accept' ? content : undefined;
  }

  wait(key: string, delay: Duration): Promise<void> {
    return this.#options.task.wait(key, delay);
  }

  async save(state: WorkflowState, pause: PauseReason | undefined): Promise<void> {
    const { task, goal } = this.#options;
    const done = state.steps.filter(isOver).length;
    task.progress(progressText(state, done, pause));
    await task.variables.merge(workflowVariables(state, goal, pause));
  }

  async reports(): Promise<readonly TakenReport[]> {
    const { task, deliveries } = this.#options;
    await task.waitForCallback('reports', (token) =>
      openInbox(deliveries, this.#ref, decodeCallbackToken(token).key, this.#taken),
    );
    const taken: TakenReport[] = [];
    for (;;) {
      const next = await task.step('take a report', () => this.#nextReport(), { retryStrategy: passingTrouble });
      if (next === undefined) break;
      this.#taken.add(next.report.id);
      taken.push(next);
    }
    // Once they are recorded.
    await task.variables.merge(
      Object.fromEntries(taken.map(({ report }) => [`${WORKFLOW_KEYS.report}${report.id}`, null])),
    );
    return taken;
  }

  async #nextReport(): Promise<TakenReport | undefined> {
    const { deliveries, workflow } = this.#options;
    const next = await nextReport(deliveries.store, this.#ref, this.#taken);
    if (next === undefined) return undefined;
    const { report } = next;
    return { ...next, faults: report.kind === 'continue' ? {} : await outputFaults(workflow.steps, report.result) };
  }

  /** How often a step is tried again is the workflow's to say. */
  async #recorded(key: string, call: () => Promise<CallOutcome>): Promise<CallOutcome> {
    try {
      return await this.#options.task.step(key, call, { retryStrategy: NO_RETRY });
    } catch (error) {
      // What it returned is too large to be recorded.
      if (error instanceof StepError) return { kind: 'failed', failure: { error: error.message, retryable: false } };
      throw error;
    }
  }

  /** Where replies find the result; apart from the call, which trouble with storage must not repeat. */
  async #kept(key: string, step: WorkflowStep, called: CallOutcome, args: JsonObject): Promise<StepOutcome> {
    if (called.kind !== 'done') return called;
    const { task, deliveries } = this.#options;
    const keep = async (): Promise<StepOutcome> => {
      const outcome = await asStep(step, called);
      if (outcome.kind !== 'done') return outcome;
      const call: KeptCall = { arguments: args, result: outcome.result };
      const { task: current } = await deliveries.store.get(this.#ref);
      const kept = await deliveries.store.keep(current, 'report', call as unknown as JsonObject);
      // The result itself is recorded by the call.
      return { kind: 'done', result: {}, kept: kept as unknown as JsonValue };
    };
    const outcome = await task.step(`keep ${key}`, keep, { retryStrategy: passingTrouble });
    return outcome.kind === 'done' ? { ...outcome, result: called.result } : outcome;
  }

  #call(): CallContext {
    const { task, owner, deliveries } = this.#options;
    return {
      owner,
      signal: task.signal,
      logger: task.logger,
      related: relatedTask(deliveries.store, this.#ref),
      canAsk: () => false,
      inputResponses: undefined,
      requestState: undefined,
    };
  }
}

function progressText(state: WorkflowState, done: number, pause: PauseReason | undefined): string {
  const of = `${done} of ${state.steps.length} steps done`;
  if (pause === undefined) return `${of}.`;
  switch (pause.type) {
    case 'clientStep':
      return `${of}; waits for step ${pause.step}: the client calls ${pause.suggestedTool}.`;
    case 'toolError':
      return `${of}; step ${pause.failedStep} failed: ${pause.error}`;
    case 'needsInput':
    case 'timeBudget':
      return `${of}; step ${pause.step} needs the client: call ${pause.suggestedTool}.`;
    default:
      return `${of}; step ${pause.blockedStep} lacks something: see the prompt.`;
  }
}
