/**
 * Goes through a workflow's steps, in order, as far as the server can, and on with what clients report. What doing a step
 * means is the host's: durable in a task (`task-host.ts`), or within one request where nothing is kept (`request-host.ts`).
 */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Duration } from '../engine/duration.ts';
import { isTruthy, type Known, type Missing, resolve, resolveArguments, resolveUri, valueFrom } from './resolving.ts';
import { expandUri } from './resources.ts';
import { fillTemplate } from './templates.ts';
import {
  type PauseReason,
  type ResourceStep,
  sourcesOf,
  type ToolStep,
  type Unresolved,
  variablesIn,
  type WorkflowStep,
} from './workflow.ts';
import { WORKFLOW_TOOLS } from './workflow-name.ts';
import {
  type Done,
  pieceName,
  type Report,
  type StepFailure,
  type StepState,
  type WorkflowState,
} from './workflow-state.ts';

/** A long list is shown as it comes along. */
const PIECES_PER_SAVE = 20;

/** What came of one try of a step. */
export type StepOutcome =
  | { readonly kind: 'done'; readonly result: JsonObject; readonly kept: JsonValue }
  | { readonly kind: 'failed'; readonly failure: StepFailure }
  /** The arguments do not fit the tool: why, and which it lacks. */
  | { readonly kind: 'misfit'; readonly problem: string; readonly missingFields: readonly string[] }
  /** The tool needs these arguments, which have no value. */
  | { readonly kind: 'unresolved'; readonly arguments: readonly string[] }
  /** The server cannot do it by itself: why. */
  | { readonly kind: 'client'; readonly why: string };

export interface TakenReport {
  readonly report: Report;
  readonly kept: JsonValue;
  /** By step, why the result cannot be that step's output. */
  readonly faults: Readonly<Record<string, string>>;
}

/** Something was reported meanwhile, which comes first. */
export const REPORTED = 'reported';

/**
 * Whatever may come out otherwise a second time (tools, schemas, clocks, storage) is the host's to do, and to record: the
 * interpreter itself is deterministic.
 */
export interface WorkflowHost {
  /** `key` names this piece among all of the workflow; `missing`: arguments without a value, which the tool may not need. */
  callTool(key: string, step: ToolStep, args: JsonObject, missing: readonly string[]): Promise<StepOutcome>;
  readResources(key: string, step: ResourceStep, uris: readonly string[]): Promise<StepOutcome>;
  variable(name: string): Promise<JsonValue | undefined>;
  /** What a person fills in; `undefined`: nobody can be asked, or nothing was given. */
  ask(message: string, fields: JsonObject): Promise<JsonObject | undefined | typeof REPORTED>;
  wait(key: string, delay: Duration): Promise<typeof REPORTED | undefined>;
  /** Keeps how far the workflow is; `pause`: it does not go on by itself. */
  save(state: WorkflowState, pause: PauseReason | undefined): Promise<void>;
  /** What is reported next; `undefined`: nothing ever will be. */
  reports(): Promise<readonly TakenReport[] | undefined>;
  /** What has been reported and not been taken in yet. */
  reportsSoFar(): Promise<readonly TakenReport[]>;
}

/** Where the workflow stands when it ends, or when nothing more is reported to it. */
export async function interpret(state: WorkflowState, host: WorkflowHost): Promise<PauseReason | undefined> {
  const run = new Interpreter(state, host);
  for (;;) {
    const pause = await run.advance();
    if (pause !== REPORTED) await host.save(state, pause);
    const reports = pause === undefined ? await host.reportsSoFar() : await host.reports();
    if (reports === undefined) return pause === REPORTED ? undefined : pause;
    if (pause === undefined && reports.length === 0) return undefined;
    run.take(reports);
  }
}

class Interpreter {
  readonly #state: WorkflowState;
  readonly #host: WorkflowHost;
  /** What people filled in for pieces of steps. */
  readonly #filledIn = new Map<string, JsonObject>();
  /** Pieces for which nobody filled anything in, by how often the workflow had been gone on with by then. */
  readonly #declined = new Map<string, number>();
  /** Whether a step has ended, or something was reported, since the host was last told. */
  #isChanged = false;

  constructor(state: WorkflowState, host: WorkflowHost) {
    this.#state = state;
    this.#host = host;
  }

  take(reports: readonly TakenReport[]): void {
    for (const { report, kept, faults } of reports) this.#state.take(report, kept, faults);
    this.#isChanged = true;
  }

  /** Until a step is not the server's to do; `undefined`: all are done. */
  async advance(): Promise<PauseReason | typeof REPORTED | undefined> {
    for (;;) {
      const { next } = this.#state;
      if (next === undefined) return undefined;
      const pause = await this.#goOnWith(next);
      if (pause !== undefined) return pause;
    }
  }

  async #goOnWith({ step }: StepState): Promise<PauseReason | typeof REPORTED | undefined> {
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
      if (index > 0 && index % PIECES_PER_SAVE === 0) this.#isChanged = true;
      const pause = piece.failure === undefined ? await this.#do(step, index) : toolError(step, piece.failure);
      if (pause !== undefined) return pause;
    }
    this.#isChanged = true;
    return undefined;
  }

  /** One piece of a step; `undefined`: it is done. */
  async #do(step: WorkflowStep, index: number): Promise<PauseReason | typeof REPORTED | undefined> {
    const state = this.#at(step);
    if (step.by === 'client' || state.pieces[index]?.handedOver !== undefined) return clientStep(step);
    const known = this.#state.known(state.items?.[index]);
    return step.kind === 'resources' ? this.#read(step, index, known) : this.#call(step, index, known);
  }

  async #read(step: ResourceStep, index: number, known: Known) {
    const uris: string[] = [];
    for (const use of step.resources) {
      const resolved = resolveUri(use, known, expandUri);
      if ('missing' in resolved) return this.#unresolved(step, [{ argument: use.uri, ...resolved.missing }]);
      uris.push(resolved.uri);
    }
    return this.#tried(step, index, { args: { uris }, missing: [] }, (key) =>
      this.#host.readResources(key, step, uris),
    );
  }

  async #call(step: ToolStep, index: number, known: Known) {
    const { values, missing } = resolveArguments(step, known);
    const asked = await this.#asked(step, index, missing, known);
    if (asked === REPORTED) return asked;
    const args = { ...values, ...asked };
    const open = missing.filter(({ argument }) => !Object.hasOwn(args, argument));
    const names = open.map(({ argument }) => argument);
    return this.#tried(step, index, { args, missing: open }, (key) => this.#host.callTool(key, step, args, names));
  }

  /** What a person fills in for arguments that are missing; asked once, and again when the workflow is gone on with. */
  async #asked(step: ToolStep, index: number, missing: readonly Unresolved[], known: Known) {
    const { message = '', fields = {} } = step.askFor ?? {};
    const names = missing.map(({ argument }) => argument).filter((name) => fields[name] !== undefined);
    if (names.length === 0) return {};
    const key = pieceName(this.#at(step), index);
    const before = this.#filledIn.get(key);
    if (before !== undefined) return before;
    if (this.#declined.get(key) === this.#state.continued) return {};
    const shown = fillTemplate(message, (source) => valueFrom(source, known));
    await this.#saveChanges();
    const given = await this.#host.ask(shown, Object.fromEntries(names.map((name) => [name, fields[name] ?? {}])));
    if (given === REPORTED) return given;
    const filled = Object.fromEntries(Object.entries(given ?? {}).filter(([name]) => names.includes(name)));
    if (Object.keys(filled).length > 0) this.#filledIn.set(key, filled);
    else this.#declined.set(key, this.#state.continued);
    return filled;
  }

  async #tried(
    step: ToolStep | ResourceStep,
    index: number,
    { args, missing }: { readonly args: JsonObject; readonly missing: readonly (Missing & Unresolved)[] },
    attempt: (key: string) => Promise<StepOutcome>,
  ): Promise<PauseReason | typeof REPORTED | undefined> {
    const { maxAttempts, delay } = step.retry ?? { maxAttempts: 1 };
    const key = pieceName(this.#at(step), index);
    await this.#saveChanges();
    for (let left = maxAttempts; ; left -= 1) {
      const outcome = await attempt(key);
      if (outcome.kind !== 'failed') return this.#concluded(step, index, args, missing, outcome);
      const { failure } = outcome;
      if (!failure.retryable || left <= 1) {
        this.#state.settle(step.name, index, { status: 'failed', failure });
        return toolError(step, failure);
      }
      // A client that has done it meanwhile need not wait for the server's next try.
      if (delay !== undefined && (await this.#host.wait(`retry ${key}`, delay)) === REPORTED) return REPORTED;
    }
  }

  #concluded(
    step: WorkflowStep,
    index: number,
    args: JsonObject,
    missing: readonly (Missing & Unresolved)[],
    outcome: Exclude<StepOutcome, { kind: 'failed' }>,
  ): PauseReason | undefined {
    switch (outcome.kind) {
      case 'done': {
        const { result, kept } = outcome;
        const done: Done = { arguments: args, result, by: 'server', differs: false, kept };
        this.#state.settle(step.name, index, { status: 'completed', done });
        return undefined;
      }
      case 'client':
        this.#state.settle(step.name, index, { status: 'pending', handedOver: outcome.why });
        return clientStep(step);
      case 'unresolved':
        return this.#unresolved(
          step,
          missing.filter(({ argument }) => outcome.arguments.includes(argument)),
        );
      case 'misfit': {
        // What a person has filled in may be what does not fit.
        this.#filledIn.delete(pieceName(this.#at(step), index));
        const { problem, missingFields } = outcome;
        return { type: 'schemaMismatch', blockedStep: step.name, missingFields, problem, suggestedTool: toolOf(step) };
      }
    }
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
  return step.kind === 'tool' ? step.tool : WORKFLOW_TOOLS.report;
}

function clientStep(step: WorkflowStep): PauseReason & { type: 'clientStep' } {
  return { type: 'clientStep', step: step.name, suggestedTool: toolOf(step) };
}

function toolError(step: WorkflowStep, { error, retryable }: StepFailure): PauseReason {
  return { type: 'toolError', failedStep: step.name, error, retryable, suggestedTool: toolOf(step) };
}
