/**
 * How far a workflow is: pure. What its run has done, and what clients report of it, in the order in which it was taken in;
 * the same for the run and for the reply that tells a client.
 */
import { isJsonObject, type JsonObject, type JsonValue } from '../domain/json.ts';
import { toolErrorText } from '../protocol/tool.ts';
import { canonicalJson } from '../store/codec.ts';
import { type Known, resolve, resolveArguments } from './resolving.ts';
import { type StepStatus, sourcesOf, stepsIn, type Workflow, type WorkflowStep } from './workflow.ts';

/** One call of a step's tool, or what stands for it, that has ended well. */
export interface Done {
  readonly arguments: JsonObject;
  /** As a tool gives it (`CallToolResult`). */
  readonly result: JsonObject;
  readonly by: 'server' | 'client';
  /** Whether its arguments are others than the workflow has for it. */
  readonly differs: boolean;
  /** Where `arguments` and `result` are kept; see `workflow-records.ts`. */
  readonly kept: JsonValue;
}

export interface StepFailure {
  readonly error: string;
  readonly retryable: boolean;
}

/** One time that a step is done: a step without `forEach` has one. */
export interface Piece {
  readonly status: Exclude<StepStatus, 'skipped'>;
  readonly done?: Done;
  readonly failure?: StepFailure;
  /** Why the server leaves it to the client after all. */
  readonly handedOver?: string;
}

export interface StepState {
  readonly step: WorkflowStep;
  readonly isSkipped: boolean;
  readonly pieces: readonly Piece[];
  /** Of a step with `forEach`, once its list is known. */
  readonly items?: readonly JsonValue[];
}

/** What somebody did for a workflow outside of its run. */
export type Report =
  | {
      readonly kind: 'call';
      readonly id: string;
      readonly tool: string;
      readonly arguments: JsonObject;
      readonly result: JsonObject;
    }
  | { readonly kind: 'step'; readonly id: string; readonly step: string; readonly result: JsonObject }
  /** The prompt was asked for again: what failed is tried again, and arguments that were missing may be there now. */
  | { readonly kind: 'continue'; readonly id: string; readonly arguments: JsonObject };

/** A result that belongs to no open step. */
export interface Aside {
  readonly id: string;
  readonly tool: string;
  readonly why: string;
  readonly kept: JsonValue;
}

/** Results that are kept aside, at most; the oldest go. */
export const MAX_ASIDE = 50;
/** Items that a step may be done for. */
const MAX_ITEMS = 1_000;

const OPEN: Piece = { status: 'pending' };

export class WorkflowState {
  readonly workflow: Workflow;
  arguments: JsonObject;
  /** How often it has been gone on with. */
  continued = 0;
  /** Of the task, as they were when they were last looked at. */
  variables: JsonObject = {};
  readonly steps: StepState[];
  readonly aside: Aside[] = [];

  constructor(workflow: Workflow, args: JsonObject) {
    this.workflow = workflow;
    this.arguments = args;
    this.steps = workflow.steps.map((step) => ({
      step,
      isSkipped: false,
      pieces: step.forEach === undefined ? [OPEN] : [],
    }));
  }

  known(item?: JsonValue): Known {
    return {
      arguments: this.arguments,
      outputs: this.outputs(),
      variables: this.variables,
      ...(item === undefined ? {} : { item }),
    };
  }

  /** Of the steps that are completed. */
  outputs(): ReadonlyMap<string, JsonValue> {
    return new Map(
      this.steps.flatMap((state) =>
        statusOf(state) === 'completed' ? [[state.step.name, outputOf(state)] as const] : [],
      ),
    );
  }

  /** The first step that is neither completed nor skipped. */
  get next(): StepState | undefined {
    return this.steps.find((state) => !isOver(state));
  }

  at(name: string): StepState | undefined {
    return this.steps.find(({ step }) => step.name === name);
  }

  skip(name: string): void {
    this.#change(name, (state) => ({ ...state, isSkipped: true }));
  }

  /** Says for what a step with `forEach` is done; nothing, where its list is not there yet. */
  expand(name: string): void {
    const state = this.at(name);
    if (state?.step.forEach === undefined || state.items !== undefined) return;
    const list = resolve(state.step.forEach, this.known());
    if (!('value' in list) || !Array.isArray(list.value) || list.value.length > MAX_ITEMS) return;
    const items = list.value as readonly JsonValue[];
    this.#change(name, (before) => ({ ...before, items, pieces: items.map(() => OPEN) }));
  }

  settle(name: string, index: number, piece: Piece): void {
    this.#change(name, (state) => ({ ...state, pieces: state.pieces.map((old, at) => (at === index ? piece : old)) }));
  }

  putAside(aside: Aside): void {
    this.aside.push(aside);
    if (this.aside.length > MAX_ASIDE) this.aside.shift();
  }

  /**
   * Takes a report in: the first open piece of a step with that tool gets it; with none open, the newest that no later step
   * has used yet; else it is kept aside. `kept`: where the report itself is kept;
   * `faults`: by step, why the result cannot be its output.
   */
  take(report: Report, kept: JsonValue, faults: Readonly<Record<string, string>>): void {
    if (report.kind === 'continue') {
      this.#continue(report.arguments);
      return;
    }
    const tool = report.kind === 'call' ? report.tool : report.step;
    const place = report.kind === 'call' ? this.#placeFor(report.tool) : this.#placeOf(report.step);
    if (typeof place === 'string') {
      this.putAside({ id: report.id, tool, why: place, kept });
      return;
    }
    const { state, index } = place;
    const { result } = report;
    const given = report.kind === 'call' ? report.arguments : {};
    const before = state.pieces[index] ?? OPEN;
    const failure = toolErrorText(result) ?? faults[state.step.name];
    if (failure !== undefined) {
      // What was done before counts on.
      if (before.status === 'completed') this.putAside({ id: report.id, tool, why: failure, kept });
      else this.settle(state.step.name, index, { status: 'failed', failure: { error: failure, retryable: true } });
      return;
    }
    const differs = report.kind === 'call' && this.#differs(state, index, given);
    this.settle(state.step.name, index, {
      status: 'completed',
      done: { arguments: given, result, by: 'client', differs, kept },
    });
  }

  /** Fills in what was missing, and has the server try again what failed, or what it left to the client. */
  #continue(args: JsonObject): void {
    this.continued += 1;
    const missing = Object.entries(args).filter(([name]) => (this.arguments[name] ?? null) === null);
    this.arguments = { ...this.arguments, ...Object.fromEntries(missing) };
    for (const { step, pieces } of this.steps) {
      if (step.by === 'client') continue;
      for (const [index, { failure, handedOver }] of pieces.entries())
        if (failure?.retryable === true || handedOver !== undefined) this.settle(step.name, index, OPEN);
    }
  }

  #placeFor(tool: string): Place | string {
    const named = this.steps.filter(({ step }) => step.kind === 'tool' && step.tool === tool);
    for (const { step } of named) {
      this.expand(step.name);
      const state = this.at(step.name);
      const index = state?.isSkipped === false ? state.pieces.findIndex(({ status }) => status !== 'completed') : -1;
      if (state !== undefined && index >= 0) return { state, index };
    }
    const again = named.findLast(
      (state) => !state.isSkipped && state.step.forEach === undefined && !this.#isUsed(state),
    );
    if (again !== undefined) return { state: again, index: 0 };
    if (named.length === 0) return 'no step has this tool';
    return named.every(isOver)
      ? 'every step with this tool is done, and later steps have used it'
      : 'the step with this tool is done for the items of a list, which is not there yet';
  }

  #placeOf(name: string): Place | string {
    this.expand(name);
    const state = this.at(name);
    if (state === undefined) return 'there is no such step';
    if (state.isSkipped) return 'the step was skipped';
    const index = state.pieces.findIndex(({ status }) => status !== 'completed');
    if (index >= 0) return { state, index };
    if (state.pieces.length === 0) return 'the step is done for the items of a list, which has none yet';
    return this.#isUsed(state) ? 'later steps have used what was there' : { state, index: state.pieces.length - 1 };
  }

  /** Whether a later step has begun with what this one gave. */
  #isUsed({ step: { name } }: StepState): boolean {
    return this.steps.some(
      (state) =>
        (state.isSkipped || state.items !== undefined || state.pieces.some(({ status }) => status !== 'pending')) &&
        sourcesOf(state.step).flatMap(stepsIn).includes(name),
    );
  }

  /** Only what the workflow has a value for can differ. */
  #differs(state: StepState, index: number, given: JsonObject): boolean {
    if (state.step.kind !== 'tool') return false;
    const { values } = resolveArguments(state.step, this.known(state.items?.[index]));
    return Object.entries(values).some(
      ([name, value]) => !Object.hasOwn(given, name) || canonicalJson(given[name]) !== canonicalJson(value),
    );
  }

  #change(name: string, change: (state: StepState) => StepState): void {
    const index = this.steps.findIndex(({ step }) => step.name === name);
    const state = this.steps[index];
    if (state !== undefined) this.steps[index] = change(state);
  }
}

interface Place {
  readonly state: StepState;
  readonly index: number;
}

export function statusOf({ step, isSkipped, pieces, items }: StepState): StepStatus {
  if (isSkipped) return 'skipped';
  if (pieces.some(({ status }) => status === 'failed')) return 'failed';
  const isWhole = step.forEach === undefined || items !== undefined;
  return isWhole && pieces.every(({ status }) => status === 'completed') ? 'completed' : 'pending';
}

export function isOver(state: StepState): boolean {
  const status = statusOf(state);
  return status === 'completed' || status === 'skipped';
}

/** Names one time that a step is done. */
export function pieceName({ step, items }: StepState, index: number): string {
  return items === undefined ? step.name : `${step.name}[${index}]`;
}

/** Of a completed step. */
export function outputOf({ items, pieces }: StepState): JsonValue {
  const outputs = pieces.map(({ done }) => (done === undefined ? null : valueOfResult(done.result)));
  return items === undefined ? (outputs[0] ?? null) : outputs;
}

const values = new WeakMap<JsonObject, JsonValue>();

/** What a tool's result says: its structured content, or its one text, as JSON where it is JSON; else its content. */
export function valueOfResult(result: JsonObject): JsonValue {
  const known = values.get(result);
  if (known !== undefined) return known;
  const value = valueIn(result);
  values.set(result, value);
  return value;
}

function valueIn({ structuredContent, content }: JsonObject): JsonValue {
  if (structuredContent !== undefined) return structuredContent;
  const blocks = Array.isArray(content) ? (content as readonly JsonValue[]) : [];
  const [only] = blocks;
  if (blocks.length !== 1 || !isJsonObject(only) || only.type !== 'text' || typeof only.text !== 'string')
    return blocks;
  try {
    return JSON.parse(only.text) as JsonValue;
  } catch {
    return only.text;
  }
}
