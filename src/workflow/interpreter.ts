/**
 * Goes through a workflow's steps, in order, as far as the server can, and on with what clients report. What doing a step
 * means is the host's: durable in a task (`task-host.ts`), or within one request where nothing is kept (`request-host.ts`).
 */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Duration } from '../engine/duration.ts';
import type { AnyTool } from '../protocol/tool.ts';
import { objectSchema } from './definition-checks.ts';
import { isTruthy, type Known, type Missing, resolve, resolveArguments, resolveUri, valueFrom } from './resolving.ts';
import { expandUri } from './resources.ts';
import { fillTemplate } from './templates.ts';
import {
  type PauseReason,
  type ResourceStep,
  sourcesOf,
  type ToolStep,
  variablesIn,
  type WorkflowStep,
} from './workflow.ts';
import type { Done, Report, StepFailure, StepState, WorkflowState } from './workflow-state.ts';

/** What came of one try of a step. */
export type StepOutcome =
  | { readonly kind: 'done'; readonly result: JsonObject; readonly kept: JsonValue }
  | { readonly kind: 'failed'; readonly failure: StepFailure }
  /** The arguments do not fit the tool: why. */
  | { readonly kind: 'misfit'; readonly problem: string }
  /** The server cannot do it by itself: why. */
  | { readonly kind: 'client'; readonly why: string };

export interface TakenReport {
  readonly report: Report;
  readonly kept: JsonValue;
  /** By step, why the result cannot be that step's output. */
  readonly faults: Readonly<Record<string, string>>;
}

/** Whatever may come out otherwise a second time is the host's to do, and to record: the interpreter itself is deterministic. */
export interface WorkflowHost {
  /** `key` names this piece among all of the workflow. */
  callTool(key: string, step: ToolStep, tool: AnyTool, args: JsonObject): Promise<StepOutcome>;
  readResources(key: string, step: ResourceStep, uris: readonly string[]): Promise<StepOutcome>;
  variable(name: string): Promise<JsonValue | undefined>;
  /** What a person fills in; `undefined`: nobody can be asked, or nothing was given. */
  ask(message: string, fields: JsonObject): Promise<JsonObject | undefined>;
  wait(key: string, delay: Duration): Promise<void>;
  /** Keeps how far the workflow is; `pause`: it does not go on by itself. */
  save(state: WorkflowState, pause: PauseReason | undefined): Promise<void>;
  /** What is reported next; `undefined`: nothing ever will be. */
  reports(): Promise<readonly TakenReport[] | undefined>;
}

/** Where the workflow stands when it ends, or when nothing more is reported to it. */
export async function interpret(
  state: WorkflowState,
  tools: ReadonlyMap<string, AnyTool>,
  host: WorkflowHost,
): Promise<PauseReason | undefined> {
  const run = new Interpreter(state, tools, host);
  for (;;) {
    const pause = await run.advance();
    await host.save(state, pause);
    if (pause === undefined) return undefined;
    const reports = await host.reports();
    if (reports === undefined) return pause;
    for (const { report, kept, faults } of reports) state.take(report, kept, faults);
  }
}

class Interpreter {
  readonly #state: WorkflowState;
  readonly #tools: ReadonlyMap<string, AnyTool>;
  readonly #host: WorkflowHost;
  /** What people filled in for pieces of steps. */
  readonly #filledIn = new Map<string, JsonObject>();
  /** Whether a step has ended since the host was last told. */
  #isChanged = false;

  constructor(state: WorkflowState, tools: ReadonlyMap<string, AnyTool>, host: WorkflowHost) {
    this.#state = state;
    this.#tools = tools;
    this.#host = host;
  }

  /** Until a step is not the server's to do; `undefined`: all are done. */
  async advance(): Promise<PauseReason | undefined> {
    for (;;) {
      const { next } = this.#state;
      if (next === undefined) return undefined;
      const pause = await this.#goOnWith(next);
      if (pause !== undefined) return pause;
    }
  }

  async #goOnWith({ step }: StepState): Promise<PauseReason | undefined> {
    await this.#lookAtVariables(step);
    const known = this.#state.known();
    const hasBegun = this.#at(step).pieces.some(({ status }) => status !== 'pending');
    if (step.when !== undefined && !hasBegun && !isTruthy(valueFrom(step.when, known))) {
      this.#state.skip(step.name);
      this.#isChanged = true;
      return undefined;
    }
    if (step.forEach !== undefined) {
      this.#state.expand(step.name);
      if (this.#at(step).items === undefined) {
        const list = resolve(step.forEach, known);
        const missing = 'missing' in list ? list.missing : { why: 'it is no list of at most 1000 items' };
        return this.#unresolved(step, [{ argument: 'forEach', ...missing }]);
      }
    }
    for (const [index, piece] of this.#at(step).pieces.entries()) {
      if (piece.status === 'completed') continue;
      const pause = piece.failure === undefined ? await this.#do(step, index) : toolError(step, piece.failure);
      if (pause !== undefined) return pause;
    }
    this.#isChanged = true;
    return undefined;
  }

  /** One piece of a step; `undefined`: it is done. */
  async #do(step: WorkflowStep, index: number): Promise<PauseReason | undefined> {
    if (step.kind === 'manual') return clientStep(step);
    const known = this.#state.known(this.#state.itemOf(this.#at(step), index));
    return step.kind === 'resources' ? this.#read(step, index, known) : this.#call(step, index, known);
  }

  async #read(step: ResourceStep, index: number, known: Known): Promise<PauseReason | undefined> {
    const uris: string[] = [];
    for (const use of step.resources) {
      const resolved = resolveUri(use, known, expandUri);
      if ('missing' in resolved) return this.#unresolved(step, [{ argument: use.uri, ...resolved.missing }]);
      uris.push(resolved.uri);
    }
    return this.#tried(step, index, { uris }, (key) => this.#host.readResources(key, step, uris));
  }

  async #call(step: ToolStep, index: number, known: Known): Promise<PauseReason | undefined> {
    const tool = this.#tools.get(step.tool);
    if (step.by === 'client') return clientStep(step);
    if (tool === undefined) return toolError(step, { error: `The server has no tool ${step.tool}.`, retryable: false });
    const { required } = objectSchema(tool);
    let { values, missing } = resolveArguments(step, known);
    // What the tool can do without is left out.
    missing = missing.filter(
      ({ argument }) => required.includes(argument) || step.askFor?.fields[argument] !== undefined,
    );
    if (missing.length > 0 && step.askFor !== undefined) {
      const key = keyOf(this.#at(step), index);
      const asked = this.#filledIn.get(key) ?? (await this.#ask(step, missing, known));
      this.#filledIn.set(key, asked);
      values = { ...values, ...asked };
      missing = missing.filter(({ argument }) => !Object.hasOwn(values, argument));
    }
    missing = missing.filter(({ argument }) => required.includes(argument));
    if (missing.length > 0) return this.#unresolved(step, missing);
    return this.#tried(step, index, values, (key) => this.#host.callTool(key, step, tool, values));
  }

  async #ask(step: ToolStep, missing: readonly { readonly argument: string }[], known: Known): Promise<JsonObject> {
    const { message = '', fields = {} } = step.askFor ?? {};
    const names = missing.map(({ argument }) => argument).filter((name) => fields[name] !== undefined);
    if (names.length === 0) return {};
    const shown = fillTemplate(message, (source) => valueFrom(source, known));
    const given = await this.#host.ask(shown, Object.fromEntries(names.map((name) => [name, fields[name] ?? {}])));
    return Object.fromEntries(Object.entries(given ?? {}).filter(([name]) => names.includes(name)));
  }

  async #tried(
    step: ToolStep | ResourceStep,
    index: number,
    args: JsonObject,
    attempt: (key: string) => Promise<StepOutcome>,
  ): Promise<PauseReason | undefined> {
    const { maxAttempts, delay } = step.retry ?? { maxAttempts: 1 };
    // Before something that takes its time; what follows at once is kept together.
    if (this.#isChanged) await this.#host.save(this.#state, undefined);
    this.#isChanged = false;
    for (let left = maxAttempts; ; left -= 1) {
      const key = keyOf(this.#at(step), index);
      const outcome = await attempt(key);
      if (outcome.kind === 'client') return clientStep(step);
      if (outcome.kind === 'misfit') {
        // What a person has filled in may be what does not fit.
        this.#filledIn.delete(key);
        return mismatch(step, outcome.problem, missingIn(this.#tools.get(toolOf(step)), args));
      }
      if (outcome.kind === 'done') {
        const { result, kept } = outcome;
        const done: Done = { arguments: args, result, by: 'server', differs: false, kept };
        this.#state.settle(step.name, index, { status: 'completed', done });
        return undefined;
      }
      const { failure } = outcome;
      if (!failure.retryable || left <= 1) {
        this.#state.settle(step.name, index, { status: 'failed', failure });
        return toolError(step, failure);
      }
      if (delay !== undefined) await this.#host.wait(`retry ${key}`, delay);
    }
  }

  #unresolved(step: WorkflowStep, missing: readonly (Missing & { readonly argument: string })[]): PauseReason {
    const suggestedTool = toolOf(step);
    const dependency = missing.find(({ step: producer }) => producer !== undefined);
    if (dependency?.step !== undefined) {
      const producer = this.#state.at(dependency.step)?.step;
      return {
        type: 'unresolvedDependency',
        blockedStep: step.name,
        missingOutput: dependency.output ?? dependency.step,
        producingStep: dependency.step,
        suggestedTool: producer === undefined ? suggestedTool : toolOf(producer),
      };
    }
    const [first] = missing;
    return {
      type: 'unresolvableParams',
      blockedStep: step.name,
      missingParam: first?.argument ?? '',
      missing: missing.map(({ argument, why }) => ({ argument, why })),
      suggestedTool,
    };
  }

  async #lookAtVariables(step: WorkflowStep): Promise<void> {
    const names = new Set(sourcesOf(step).flatMap(variablesIn));
    const values: Record<string, JsonValue> = {};
    for (const name of names) {
      const value = await this.#host.variable(name);
      if (value !== undefined) values[name] = value;
    }
    this.#state.variables = { ...this.#state.variables, ...values };
  }

  #at({ name }: WorkflowStep): StepState {
    const state = this.#state.at(name);
    if (state === undefined) throw new Error(`The workflow has no step ${name}.`);
    return state;
  }
}

/** The tool that does a step, or by which the client says that it has done it. */
export function toolOf(step: WorkflowStep): string {
  return step.kind === 'tool' ? step.tool : 'task_report';
}

function clientStep(step: WorkflowStep): PauseReason & { type: 'clientStep' } {
  return { type: 'clientStep', step: step.name, suggestedTool: toolOf(step) };
}

function toolError(step: WorkflowStep, { error, retryable }: StepFailure): PauseReason {
  return { type: 'toolError', failedStep: step.name, error, retryable, suggestedTool: toolOf(step) };
}

function mismatch(step: WorkflowStep, problem: string, missingFields: readonly string[]): PauseReason {
  return { type: 'schemaMismatch', blockedStep: step.name, missingFields, problem, suggestedTool: toolOf(step) };
}

function missingIn(tool: AnyTool | undefined, args: JsonObject): readonly string[] {
  return tool === undefined ? [] : objectSchema(tool).required.filter((name) => !Object.hasOwn(args, name));
}

function keyOf({ step, items }: StepState, index: number): string {
  return items === undefined ? step.name : `${step.name}[${index}]`;
}
