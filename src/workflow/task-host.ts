/** A workflow in its task: each step is durable, questions are the task's own, and reports wake it. */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Owner } from '../domain/owner.ts';
import type { TaskRef } from '../domain/task.ts';
import type { Duration } from '../engine/duration.ts';
import { describeThrown } from '../engine/thrown.ts';
import { type AnyTool, type CallContext, isTaskTool } from '../protocol/tool.ts';
import type { Deliveries } from '../runtime/queues/deliveries.ts';
import { decodeCallbackToken } from '../runtime/running/callback-token.ts';
import { relatedTask } from '../runtime/running/related-task.ts';
import type { TaskContext } from '../runtime/running/task-context.ts';
import type { StepOutcome, TakenReport, WorkflowHost } from './interpreter.ts';
import { nextReport, openInbox } from './reports.ts';
import { type ResourceRegistry, resultOfContents, UnknownResourceError } from './resources.ts';
import { type CallOutcome, callPlainTool, runTaskTool } from './tool-steps.ts';
import type { PauseReason } from './workflow.ts';
import { type KeptCall, WORKFLOW_KEYS, workflowVariables } from './workflow-records.ts';
import { isOver, type WorkflowState } from './workflow-state.ts';

export interface TaskHostOptions {
  readonly task: TaskContext;
  readonly owner: Owner;
  readonly deliveries: Deliveries;
  readonly resources: ResourceRegistry;
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

  async callTool(key: string, tool: AnyTool, args: JsonObject): Promise<StepOutcome> {
    const { task } = this.#options;
    task.logger.info('A workflow calls a tool', { step: key, tool: tool.name });
    if (isTaskTool(tool)) {
      const outcome = await runTaskTool(key, tool, args, task, this.#call());
      return outcome.kind === 'done' ? task.step(`keep ${key}`, () => this.#kept(outcome, args)) : outcome;
    }
    return task.step(key, async () => this.#kept(await callPlainTool(tool, args, this.#call()), args));
  }

  readResources(key: string, uris: readonly string[]): Promise<StepOutcome> {
    const { task, resources, owner } = this.#options;
    const { signal, logger } = task;
    return task.step(key, async () => {
      try {
        const contents = await Promise.all(uris.map((uri) => resources.read(uri, { owner, signal, logger })));
        return await this.#kept({ kind: 'done', result: resultOfContents(contents.flat()) }, { uris });
      } catch (error) {
        const retryable = !(error instanceof UnknownResourceError);
        return { kind: 'failed', failure: { error: describeThrown(error), retryable } } as const;
      }
    });
  }

  variable(name: string): Promise<JsonValue | undefined> {
    return this.#options.task.variables.get(name);
  }

  async ask(_key: string, message: string, fields: JsonObject): Promise<JsonObject | undefined> {
    const { task } = this.#options;
    if (!task.canAsk('elicitation')) return undefined;
    const requestedSchema = { type: 'object', properties: fields, required: Object.keys(fields) };
    const { action, content } = await task.elicit({ message, requestedSchema });
    return action === 'accept' ? (content as JsonObject | undefined) : undefined;
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
      const next = await task.step('take a report', () => nextReport(deliveries.store, this.#ref, this.#taken));
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

  async #kept(outcome: CallOutcome, args: JsonObject): Promise<StepOutcome> {
    if (outcome.kind !== 'done') return outcome;
    const { store } = this.#options.deliveries;
    const { task } = await store.get(this.#ref);
    const call: KeptCall = { arguments: args, result: outcome.result };
    const kept = await store.keep(task, 'report', call as unknown as JsonObject);
    return { ...outcome, kept: kept as unknown as JsonValue };
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
