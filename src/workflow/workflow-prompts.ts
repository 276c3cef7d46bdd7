/**
 * The prompts of workflows: getting one makes its task, or goes on with one, and waits until the server can do no more by
 * itself, or until its time for a request is over; the reply says how far it is and hands the rest over.
 */
import { type Clock, type RandomBytes, systemRandom } from '../clock.ts';
import { TaskError, taskNotFound } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import { grantLifetime, type LifetimePolicy } from '../domain/lifetime.ts';
import type { Owner } from '../domain/owner.ts';
import { BY_AGE } from '../domain/poll-interval.ts';
import { isTerminal } from '../domain/status.ts';
import { shownStatusMessage, type Task, type TaskRef } from '../domain/task.ts';
import { asTaskId } from '../domain/task-id.ts';
import { present } from '../present.ts';
import { awaitTask } from '../protocol/awaiting.ts';
import type { PromptCall, ServedPrompt, ServedResource } from '../protocol/prompts.ts';
import type { GetPromptResult, ResourceContents } from '../protocol/sdk.ts';
import { type CallContext, newestOf } from '../protocol/tool.ts';
import { describeError } from '../runtime/logger.ts';
import { healForgotten, nudge } from '../runtime/queues/deliveries.ts';
import { toolKey } from '../runtime/running/tool.ts';
import { isOutage } from '../store/errors.ts';
import type { StoredTask } from '../store/task-store.ts';
import { replyOf } from './hand-over.ts';
import { interpret, toolOf } from './interpreter.ts';
import { parseMoreArguments, parsePromptArguments } from './prompt-arguments.ts';
import { sendReport } from './reports.ts';
import { RequestHost } from './request-host.ts';
import { resolveUri } from './resolving.ts';
import { expandUri, STEP_RESULTS, UnknownResourceError } from './resources.ts';
import { WorkflowToolbox } from './tool-steps.ts';
import type { PauseReason, Workflow } from './workflow.ts';
import { isWorkflow, toolNameOf, workflowNameOf } from './workflow-name.ts';
import { loadState, WORKFLOW_KEYS } from './workflow-records.ts';
import { isOver, WorkflowState } from './workflow-state.ts';
import type { WorkflowServices } from './workflow-tool.ts';

export interface WorkflowPromptsOptions extends WorkflowServices {
  readonly workflows: readonly Workflow[];
  readonly clock: Clock;
  readonly random?: RandomBytes;
  readonly lifetime: LifetimePolicy;
  readonly healingGraceMs: number;
  /** Fires when the server is closing: waiting ends then. */
  readonly closing: AbortSignal;
  /** How long a request waits for the server's own steps, in milliseconds. */
  readonly budgetMs: number;
  /** The largest reply, roughly, in bytes. */
  readonly maxReplyBytes: number;
}

export const DEFAULT_PROMPT_BUDGET_MS = 20_000;
export const DEFAULT_MAX_REPLY_BYTES = 64 * 1024;

const LOOK_EVERY_MS = 500;
const MAX_ATTEMPTS = 5;

export class WorkflowPrompts {
  readonly #options: WorkflowPromptsOptions;
  readonly #byKey: ReadonlyMap<string, Workflow>;
  readonly #newest: ReadonlyMap<string, Workflow>;
  readonly #toolbox: WorkflowToolbox;

  constructor(options: WorkflowPromptsOptions) {
    const { workflows } = options;
    this.#options = options;
    this.#byKey = new Map(
      workflows.map((workflow) => [toolKey(toolNameOf(workflow.name), workflow.version), workflow]),
    );
    this.#newest = newestOf(workflows);
    this.#toolbox = new WorkflowToolbox(options.tools);
  }

  get prompts(): readonly ServedPrompt[] {
    return [...this.#newest.values()].map((workflow) => ({
      name: workflow.name,
      title: workflow.title,
      description: workflow.description,
      arguments: workflow.arguments,
      get: (args, call) => this.#get(workflow, args, call),
    }));
  }

  /** What is linked to from replies: the result of one step, whole. */
  get stepResults(): ServedResource {
    return {
      name: STEP_RESULTS.name,
      uri: `${STEP_RESULTS.scheme}//{taskId}/steps/{step}`,
      description: 'The result of one step of a workflow, whole.',
      mimeType: 'application/json',
      read: async (uri, owner) => {
        const [, id = '', step = ''] = /^durable-task:\/\/([^/]+)\/steps\/([^/]+)$/u.exec(uri) ?? [];
        if (owner === undefined) throw taskNotFound();
        const { state } = await this.#standing({ owner, id: asTaskId(id) });
        const found = state.at(step);
        const results = found?.pieces.flatMap(({ done }) => (done === undefined ? [] : [done.result])) ?? [];
        if (results.length === 0) throw new TaskError('invalid_arguments', `There is no result of step ${step}.`);
        const text = JSON.stringify(found?.items === undefined ? results[0] : results);
        return [{ uri, mimeType: 'application/json', text }];
      },
    };
  }

  async #get(workflow: Workflow, raw: Readonly<Record<string, string>>, call: PromptCall): Promise<GetPromptResult> {
    const { owner, related } = call;
    if (related !== undefined) {
      if (owner === undefined) throw taskNotFound();
      return this.#goOn(workflow, { owner, id: related }, raw, call);
    }
    const args = await parsePromptArguments(workflow, raw);
    if (owner === undefined || workflow.taskSupport === 'forbidden') return this.#withoutTask(workflow, args, call);
    let task: Task;
    try {
      task = await this.#create(workflow, owner, args, raw, call);
    } catch (error) {
      if (!isOutage(error)) throw error;
      this.#options.logger.warn('A workflow is begun without a task: storage does not answer', {
        workflow: workflow.name,
        ...describeError(error),
      });
      return this.#withoutTask(workflow, args, call);
    }
    return this.#reply(task, call, { task, state: new WorkflowState(workflow, args) });
  }

  async #create(
    workflow: Workflow,
    owner: Owner,
    args: JsonObject,
    given: JsonObject,
    { idempotencyKey, trace, mayAsk }: PromptCall,
  ): Promise<Task> {
    const { store, lifetime, logger, clock, healingGraceMs } = this.#options;
    const { version, runDeadlineMs, retentionMs } = workflow;
    const retentionFromEnd = retentionMs === undefined ? undefined : (true as const);
    const { stored, created } = await store.create({
      owner,
      tool: toolNameOf(workflow.name),
      arguments: args,
      given,
      // As they came, for what is given later is parsed with them.
      admission: given,
      lifetime: grantLifetime({ ...lifetime, ...present({ runDeadlineMs, retentionMs, retentionFromEnd }) }, undefined),
      pollIntervalMs: BY_AGE,
      maxAttempts: MAX_ATTEMPTS,
      mayAsk,
      ...present({ toolVersion: version, trace, idempotencyKey }),
    });
    if (created) {
      logger.info('Task created', { task: stored.task.id, workflow: workflow.name });
      await nudge(this.#options, stored.task);
    } else {
      await healForgotten(this.#options, stored, clock.now(), healingGraceMs);
    }
    return stored.task;
  }

  /** The prompt, asked for again. */
  async #goOn(
    workflow: Workflow,
    ref: TaskRef,
    raw: Readonly<Record<string, string>>,
    call: PromptCall,
  ): Promise<GetPromptResult> {
    const { store, clock, random = systemRandom } = this.#options;
    const { task } = await store.get(ref);
    if (task.tool !== toolNameOf(workflow.name)) {
      const whose = isWorkflow(task.tool) ? `of prompt ${workflowNameOf(task.tool)}` : 'of a tool';
      throw new TaskError('invalid_arguments', `Task ${ref.id} is ${whose}, not of prompt ${workflow.name}.`);
    }
    const before = task.admission === undefined ? {} : await store.load(task, task.admission);
    const later = await this.#givenLater(ref);
    const args = await parseMoreArguments(workflow, { ...(before as Record<string, string>), ...later }, raw);
    if (Object.keys(args).length > 0 && !isTerminal(task.status))
      await store.mergeVariables(ref, { [WORKFLOW_KEYS.given]: JSON.stringify({ ...later, ...raw }) });
    const id = Buffer.from(random(12)).toString('hex');
    await sendReport(this.#options, ref, { kind: 'continue', id, arguments: args }, clock.now());
    return this.#reply(task, call);
  }

  /** Arguments as they came with earlier requests that went on with the workflow. */
  async #givenLater(ref: TaskRef): Promise<Readonly<Record<string, string>>> {
    const { [WORKFLOW_KEYS.given]: given } = await this.#options.store.readVariables(ref);
    return typeof given === 'string' ? JSON.parse(given) : {};
  }

  /** Once the server can do no more by itself, or its time is over. */
  async #reply(
    ref: TaskRef,
    { signal, answersBy }: PromptCall,
    begun?: { readonly task: Task; readonly state: WorkflowState },
  ): Promise<GetPromptResult> {
    const { store, clock, closing, budgetMs, healingGraceMs, maxReplyBytes } = this.#options;
    const rested = await awaitTask(ref, (stored) => isAtRest(stored, clock.now()), {
      store,
      clock,
      maxMs: budgetMs,
      lookEveryMs: LOOK_EVERY_MS,
      signal: AbortSignal.any([signal, closing]),
      onLook: (stored) => healForgotten(this.#options, stored, clock.now(), healingGraceMs),
    });
    const { state, task, pause } = await this.#standing(ref, rested, answersBy).catch(async (error: unknown) => {
      if (!isOutage(error) || begun === undefined) throw error;
      // The task is there: its client is told of it, and finds out by it.
      return { ...begun, pause: pauseOf(begun.state, begun.task, {}, false, answersBy) };
    });
    return replyOf({
      requiredOf: (tool) => this.#toolbox.requiredOf(tool),
      state,
      task: {
        id: task.id,
        status: task.status,
        message: shownStatusMessage(task),
        isParked: task.run.parked !== undefined,
      },
      pause,
      attached: await this.#attached(state, ref.owner, signal),
      maxBytes: maxReplyBytes,
    });
  }

  /** Where a workflow stands, as its task's variables have it. */
  async #standing(ref: TaskRef, rested?: StoredTask, answersBy = 'tasks/update') {
    const { store } = this.#options;
    const { task } = rested ?? (await store.get(ref));
    const workflow =
      this.#byKey.get(toolKey(task.tool, task.toolVersion)) ?? this.#newest.get(workflowNameOf(task.tool));
    if (!isWorkflow(task.tool) || workflow === undefined) throw taskNotFound();
    const variables = await store.readVariables(task);
    const args = (await store.load(task, task.arguments)) as JsonObject;
    const state = (await loadState(store, task, workflow, variables)) ?? new WorkflowState(workflow, args);
    return { task, state, pause: pauseOf(state, task, variables, rested !== undefined, answersBy) };
  }

  async #withoutTask(workflow: Workflow, args: JsonObject, { owner, signal }: PromptCall): Promise<GetPromptResult> {
    const { resources, logger, clock, budgetMs, maxReplyBytes } = this.#options;
    const state = new WorkflowState(workflow, args);
    const over = new AbortController();
    const cancel = clock.after(budgetMs, () => over.abort());
    const within = AbortSignal.any([signal, over.signal]);
    // Who cannot call a tool does not have it called by way of a prompt.
    const call: CallContext | undefined = owner && {
      owner,
      signal: within,
      logger,
      related: undefined,
      canAsk: () => false,
      inputResponses: undefined,
      requestState: undefined,
    };
    // A tool that takes longer than the request may is left to its client.
    const late = new Promise<PauseReason | undefined>((resolve) => {
      over.signal.addEventListener('abort', () => {
        const step = state.next?.step;
        resolve(step === undefined ? undefined : { type: 'clientStep', step: step.name, suggestedTool: toolOf(step) });
      });
    });
    try {
      const resourceCall = { owner, signal: within, logger };
      const host = new RequestHost({ call, tools: this.#toolbox, resources, resourceCall, budget: over.signal });
      const pause = await Promise.race([interpret(state, host), late]);
      return replyOf({
        requiredOf: (tool) => this.#toolbox.requiredOf(tool),
        state,
        task: undefined,
        pause,
        attached: await this.#attached(state, owner, signal),
        maxBytes: maxReplyBytes,
      });
    } finally {
      cancel();
    }
  }

  /** What is attached to the steps that remain, as far as it can be read. */
  async #attached(
    state: WorkflowState,
    owner: Owner | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly ResourceContents[]>> {
    const { resources, logger } = this.#options;
    const attached = new Map<string, readonly ResourceContents[]>();
    for (const { step } of state.steps.filter((one) => !isOver(one))) {
      for (const use of step.attach ?? []) {
        const resolved = resolveUri(use, state.known(), expandUri);
        if ('missing' in resolved || attached.has(resolved.uri)) continue;
        try {
          attached.set(resolved.uri, await resources.read(resolved.uri, { owner, signal, logger }));
        } catch (error) {
          if (!(error instanceof UnknownResourceError))
            logger.warn('An attached resource could not be read', { uri: resolved.uri, ...describeError(error) });
        }
      }
    }
    return attached;
  }
}

/** Whether a task does not go on by itself; one that waits for other code does not within any request. */
function isAtRest({ task }: StoredTask, now: number): boolean {
  const { dueAt, lease, parked } = task.run;
  if (isTerminal(task.status)) return true;
  // What has been answered or reported meanwhile may withdraw the question.
  if (task.status === 'input_required' && Object.keys(task.answers).length === 0) return true;
  return lease === undefined && (dueAt === null || (parked !== undefined && dueAt > now));
}

function pauseOf(
  state: WorkflowState,
  task: Task,
  variables: JsonObject,
  isRested: boolean,
  answersBy: string,
): PauseReason | undefined {
  const step = state.next?.step;
  if (isTerminal(task.status) || step === undefined) return undefined;
  if (task.status === 'input_required') return { type: 'needsInput', step: step.name, suggestedTool: answersBy };
  const recorded = variables[WORKFLOW_KEYS.pauseReason];
  // What one that is parked had paused for has been seen to: it is the server that is to go on.
  const isPaused = isRested && task.run.parked === undefined;
  if (recorded !== undefined && isPaused) return recorded as unknown as PauseReason;
  return { type: 'timeBudget', step: step.name, suggestedTool: toolOf(step) };
}
