/** A workflow in its task: each step is durable, questions are the task's own, and reports wake it. */
import { isTaskError } from '../domain/errors.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Payload } from '../domain/payload.ts';
import type { TaskRef } from '../domain/task.ts';
import { shorten } from '../domain/text.ts';
import type { Duration } from '../engine/duration.ts';
import { StepError } from '../engine/recorded-error.ts';
import { NO_RETRY } from '../engine/retry.ts';
import type { CallContext } from '../protocol/tool.ts';
import { describeError } from '../runtime/logger.ts';
import type { Deliveries } from '../runtime/queues/deliveries.ts';
import { decodeCallbackToken } from '../runtime/running/callback-token.ts';
import { relatedTask } from '../runtime/running/related-task.ts';
import type { TaskContext, TaskScope } from '../runtime/running/task-context.ts';
import { passingTrouble } from '../runtime/running/task-scope.ts';
import { REPORTED, type StepOutcome, type TakenReport, type WorkflowHost } from './interpreter.ts';
import { nextReport, wakeForEarlier } from './reports.ts';
import type { ResourceRegistry } from './resources.ts';
import {
  asStep,
  type BegunTask,
  type CallOutcome,
  failed,
  outputFaults,
  readAll,
  type WorkflowToolbox,
} from './tool-steps.ts';
import type { PauseReason, ResourceStep, ToolStep, Workflow, WorkflowStep } from './workflow.ts';
import { type KeptCall, stateRecord, WORKFLOW_KEYS, workflowVariables } from './workflow-records.ts';
import { isOver, type WorkflowState } from './workflow-state.ts';

export interface TaskHostOptions {
  readonly task: TaskContext;
  readonly deliveries: Deliveries;
  readonly tools: WorkflowToolbox;
  readonly resources: ResourceRegistry;
  readonly workflow: Workflow;
  readonly goal: string;
}

/** Writing that is the same however often it is done. */
const REPEATED = { retryStrategy: passingTrouble };
const MAX_MESSAGE_LENGTH = 500;

export class TaskHost implements WorkflowHost {
  readonly #options: TaskHostOptions;
  readonly #ref: TaskRef;
  readonly #taken = new Set<string>();
  /** Keys of callbacks that it has waited by, while they are in the variables. */
  readonly #inboxes = new Set<string>();

  constructor(options: TaskHostOptions) {
    this.#options = options;
    this.#ref = { owner: options.task.owner, id: options.task.id };
  }

  async callTool(key: string, step: ToolStep, args: JsonObject, missing: readonly string[]): Promise<StepOutcome> {
    const { task, tools } = this.#options;
    task.logger.info('A workflow calls a tool', { step: key, tool: step.tool });
    const begun = await this.#recorded(key, (signal) => tools.begin(step, args, missing, this.#call(signal)));
    if (begun.kind !== 'task') return this.#kept(key, step, begun, args);
    return this.#kept(key, step, await tools.run(key, begun, task, this.#call(task.signal)), args);
  }

  async readResources(key: string, step: ResourceStep, uris: readonly string[]): Promise<StepOutcome> {
    const { task, resources } = this.#options;
    const { owner, logger } = task;
    const outcome = await this.#recorded(key, (signal) => readAll(uris, resources, { owner, signal, logger }));
    return this.#kept(key, step, outcome, { uris });
  }

  variable(name: string): Promise<JsonValue | undefined> {
    return this.#options.task.variables.get(name);
  }

  async ask(message: string, fields: JsonObject): Promise<JsonObject | undefined | typeof REPORTED> {
    const { task } = this.#options;
    if (!task.canAsk('elicitation')) return undefined;
    const requestedSchema = { type: 'object', properties: fields, required: Object.keys(fields) };
    return this.#orReported('ask', async (branch) => {
      const { action, content } = await branch.elicit({ message, requestedSchema });
      return action === 'accept' ? content : undefined;
    });
  }

  wait(key: string, delay: Duration): Promise<typeof REPORTED | undefined> {
    return this.#orReported(key, async (branch) => {
      await branch.wait(key, delay);
      return undefined;
    });
  }

  async save(state: WorkflowState, pause: PauseReason | undefined): Promise<void> {
    const { task, goal } = this.#options;
    task.progress(shorten(progressText(state, pause), MAX_MESSAGE_LENGTH));
    const record = stateRecord(state);
    await task.step(
      'save',
      async () => {
        const { store } = this.#options.deliveries;
        const before = (await store.readVariables(this.#ref))[WORKFLOW_KEYS.state];
        const kept = await this.#keep(record);
        await this.#merge(workflowVariables(state, goal, pause, kept));
        if (before !== undefined) await store.discard(this.#ref, before as unknown as Payload).catch(() => {});
      },
      REPEATED,
    );
  }

  async reports(): Promise<readonly TakenReport[]> {
    await this.#inbox(this.#options.task);
    return this.reportsSoFar();
  }

  async reportsSoFar(): Promise<readonly TakenReport[]> {
    const { task } = this.#options;
    const taken: TakenReport[] = [];
    for (;;) {
      const next = await task.step('take a report', () => this.#nextReport(), REPEATED);
      if (next === undefined) break;
      this.#taken.add(next.report.id);
      taken.push(next);
    }
    if (taken.length === 0) return taken;
    // Once they are recorded.
    const gone = [
      ...taken.map(({ report }) => [`${WORKFLOW_KEYS.report}${report.id}`, null] as const),
      ...[...this.#inboxes].map((key) => [`${WORKFLOW_KEYS.inbox}${key}`, null] as const),
    ];
    this.#inboxes.clear();
    await task.variables.merge(Object.fromEntries(gone));
    return taken;
  }

  /** Resolves when there are reports that the run does not know. */
  #inbox(scope: TaskScope): Promise<unknown> {
    const { deliveries } = this.#options;
    return scope.waitForCallback('reports', async (token) => {
      const { key } = decodeCallbackToken(token);
      // Under the run's lease: one that has lost it would have reports go where nobody waits any more.
      // A variable of its own: one that is written late, when the run waits by another, must not take that one's place.
      this.#inboxes.add(key);
      await scope.variables.set(`${WORKFLOW_KEYS.inbox}${key}`, true);
      await wakeForEarlier(deliveries, this.#ref, this.#taken);
    });
  }

  /** What the branch comes to, unless something is reported first: what it waits for is then withdrawn. */
  #orReported<T>(name: string, wait: (branch: TaskScope) => Promise<T>): Promise<T | typeof REPORTED> {
    return this.#options.task.race<T | typeof REPORTED>(name, [
      wait,
      async (branch) => {
        await this.#inbox(branch);
        return REPORTED;
      },
    ]);
  }

  async #nextReport(): Promise<TakenReport | undefined> {
    const { deliveries, workflow, task } = this.#options;
    const next = await nextReport(deliveries.store, this.#ref, this.#taken, task.logger);
    if (next === undefined) return undefined;
    const { report } = next;
    return { ...next, faults: report.kind === 'continue' ? {} : await outputFaults(workflow.steps, report.result) };
  }

  /** How often a step is tried again is the workflow's to say. */
  async #recorded<T extends CallOutcome | BegunTask>(
    key: string,
    call: (signal: AbortSignal) => Promise<T>,
  ): Promise<T | Extract<CallOutcome, { kind: 'failed' }>> {
    try {
      return await this.#options.task.step(key, ({ signal }) => call(signal), { retryStrategy: NO_RETRY });
    } catch (error) {
      // What it returned cannot be recorded.
      if (error instanceof StepError) return failed(error.message, false);
      throw error;
    }
  }

  /** Where replies find the result; apart from the call, which trouble with storage must not repeat. */
  async #kept(key: string, step: WorkflowStep, called: CallOutcome, args: JsonObject): Promise<StepOutcome> {
    if (called.kind !== 'done') return called;
    const { task } = this.#options;
    const call: KeptCall = { arguments: args, result: called.result };
    const keep = async (): Promise<StepOutcome> => {
      const outcome = await asStep(step, called);
      if (outcome.kind !== 'done') return outcome;
      // The result itself is recorded by the call.
      return { kind: 'done', result: {}, kept: await this.#keep(call as unknown as JsonObject) };
    };
    try {
      const outcome = await task.step(`keep ${key}`, keep, REPEATED);
      return outcome.kind === 'done' ? { ...outcome, result: called.result } : outcome;
    } catch (error) {
      if (error instanceof StepError) return failed(error.message, false);
      throw error;
    }
  }

  async #keep(value: JsonObject): Promise<JsonValue> {
    const { store } = this.#options.deliveries;
    const { task } = await store.get(this.#ref);
    return (await store.keep(task, 'report', value)) as unknown as JsonValue;
  }

  /** The workflow goes on where its task's variables have no room for what is shown of it. */
  async #merge(variables: { readonly needed: JsonObject; readonly shown: JsonObject }): Promise<void> {
    const { task } = this.#options;
    try {
      await task.variables.merge({ ...variables.needed, ...variables.shown });
    } catch (error) {
      if (!isTaskError(error, 'invalid_variables')) throw error;
      task.logger.warn('How far a workflow is cannot be shown in its variables', describeError(error));
      await task.variables.merge(variables.needed);
    }
  }

  #call(signal: AbortSignal): CallContext {
    const { task, deliveries } = this.#options;
    return {
      owner: task.owner,
      signal,
      logger: task.logger,
      related: relatedTask(deliveries.store, this.#ref),
      canAsk: () => false,
      inputResponses: undefined,
      requestState: undefined,
    };
  }
}

function progressText(state: WorkflowState, pause: PauseReason | undefined): string {
  const done = state.steps.filter(isOver).length;
  const of = `${done} of ${state.steps.length} steps done`;
  const { next } = state;
  if (pause === undefined) {
    const isLoop = next?.items !== undefined;
    const within = isLoop
      ? `, ${next.pieces.filter(({ status }) => status === 'completed').length} of ${next.pieces.length} of step ${next.step.name}`
      : '';
    return `${of}${within}.`;
  }
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
