/**
 * Goes through a workflow's steps, in order, as far as the server can, and on with what clients report. What doing a step
 * means is the host's: durable in a task (`task-host.ts`), or within one request where nothing is kept (`request-host.ts`).
 */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Duration } from '../engine/duration.ts';
import type { AnyTool } from '../protocol/tool.ts';
import { checkInput } from '../protocol/tool-input.ts';
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
import {
  type Done,
  failureIn,
  type Report,
  type StepFailure,
  type StepState,
  valueOfResult,
  type WorkflowState,
} from './workflow-state.ts';

/** What came of one try of a step. */
export type StepOutcome =
  | { readonly kind: 'done'; readonly result: JsonObject; readonly kept: JsonValue }
  | { readonly kind: 'failed'; readonly failure: StepFailure }
  /** The server cannot do it by itself: why. */
  | { readonly kind: 'client'; readonly why: string };

export interface TakenReport {
  readonly report: Report;
  readonly kept: JsonValue;
}

export interface WorkflowHost {
  /** `key` names this try among all of the workflow. */
  callTool(key: string, tool: AnyTool, args: JsonObject): Promise<StepOutcome>;
  readResources(key: string, uris: readonly string[]): Promise<StepOutcome>;
  variable(name: string): Promise<JsonValue | undefined>;
  /** What a person fills in; `undefined`: nobody can be asked, or nothing was given. */
  ask(key: string, message: string, fields: JsonObject): Promise<JsonObject | undefined>;
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
    for (const { report, kept } of reports) await run.take(report, kept);
  }
}

class Interpreter {
  readonly #state: WorkflowState;
  readonly #tools: ReadonlyMap<string, AnyTool>;
  readonly #host: WorkflowHost;
  /** Whether a step has ended, or something was reported, since the host was last told. */
  #isChanged = false;

  constructor(state: WorkflowState, tools: ReadonlyMap<string, AnyTool>, host: WorkflowHost) {
    this.#state = state;
    this.#tools = tools;
    this.#host = host;
  }

  async take(report: Report, kept: JsonValue): Promise<void> {
    const output = report.kind === 'continue' ? null : valueOfResult(report.result);
    // Schemas may take their time to answer, which whoever takes reports in cannot.
    const faults = new Map<string, string | undefined>();
    for (const { step } of this.#state.steps) faults.set(step.name, await outputFault(step, output));
    this.#state.take(report, kept, ({ name }) => faults.get(name));
    this.#isChanged = true;
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
    return this.#tried(step, index, { uris }, (key) => this.#host.readResources(key, uris));
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
      const asked = await this.#ask(step, missing, known);
      values = { ...values, ...asked };
      missing = missing.filter(({ argument }) => !Object.hasOwn(values, argument));
    }
    missing = missing.filter(({ argument }) => required.includes(argument));
    if (missing.length > 0) return this.#unresolved(step, missing);
    const checked = await checkInput(tool.inputSchema, values);
    if (checked.issues !== undefined)
      return mismatch(
        step,
        required.filter((name) => !Object.hasOwn(values, name)),
        checked.issues,
      );
    return this.#tried(step, index, values, (key) => this.#host.callTool(key, tool, values));
  }

  async #ask(step: ToolStep, missing: readonly { readonly argument: string }[], known: Known): Promise<JsonObject> {
    const { message = '', fields = {} } = step.askFor ?? {};
    const names = missing.map(({ argument }) => argument).filter((name) => fields[name] !== undefined);
    if (names.length === 0) return {};
    const shown = fillTemplate(message, (source) => valueFrom(source, known));
    await this.#saveChanges();
    const given = await this.#host.ask(
      `ask ${step.name}`,
      shown,
      Object.fromEntries(names.map((name) => [name, fields[name] ?? {}])),
    );
    return Object.fromEntries(Object.entries(given ?? {}).filter(([name]) => names.includes(name)));
  }

  async #tried(
    step: ToolStep | ResourceStep,
    index: number,
    args: JsonObject,
    attempt: (key: string) => Promise<StepOutcome>,
  ): Promise<PauseReason | undefined> {
    const { maxAttempts, delay } = step.retry ?? { maxAttempts: 1 };
    await this.#saveChanges();
    for (let left = maxAttempts; ; left -= 1) {
      const piece = this.#at(step).items === undefined ? step.name : `${step.name}[${index}]`;
      const outcome = await attempt(piece);
      if (outcome.kind === 'client') return clientStep(step);
      const fault = outcome.kind === 'done' ? await this.#faultIn(step, outcome.result) : outcome.failure;
      if (outcome.kind === 'done' && fault === undefined) {
        const done: Done = {
          arguments: args,
          result: outcome.result,
          by: 'server',
          differs: false,
          kept: outcome.kept,
        };
        this.#state.settle(step.name, index, { status: 'completed', done });
        return undefined;
      }
      const failure = fault ?? { error: 'The step failed.', retryable: false };
      if (!failure.retryable || left <= 1) {
        this.#state.settle(step.name, index, { status: 'failed', failure });
        return toolError(step, failure);
      }
      if (delay !== undefined) await this.#host.wait(`retry ${piece}`, delay);
    }
  }

  async #faultIn(step: WorkflowStep, result: JsonObject): Promise<StepFailure | undefined> {
    const error = failureIn(result);
    if (error !== undefined) return { error, retryable: true };
    const fault = await outputFault(step, valueOfResult(result));
    return fault === undefined ? undefined : { error: fault, retryable: false };
  }

  /** Before something that takes its time; what follows at once is kept together. */
  async #saveChanges(): Promise<void> {
    if (this.#isChanged) await this.#host.save(this.#state, undefined);
    this.#isChanged = false;
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

function mismatch(
  step: ToolStep,
  missingFields: readonly string[],
  issues: readonly { readonly message: string; readonly path?: unknown }[],
): PauseReason {
  const problem = issues
    .map(({ message, path }) =>
      Array.isArray(path) && path.length > 0
        ? `${path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')}: ${message}`
        : message,
    )
    .join('; ');
  return { type: 'schemaMismatch', blockedStep: step.name, missingFields, problem, suggestedTool: step.tool };
}

async function outputFault({ name, output, forEach }: WorkflowStep, value: JsonValue): Promise<string | undefined> {
  if (output === undefined || forEach !== undefined) return undefined;
  const checked = await output['~standard'].validate(value);
  if (checked.issues === undefined) return undefined;
  return `The output of step ${name} is not what it must be: ${checked.issues.map(({ message }) => message).join('; ')}`;
}
