/**
 * A workflow as data: a prompt with steps, each of which the server runs or the client does, and where each argument
 * comes from. `define-workflow.ts` makes one, `definition-checks.ts` says what is wrong with one, `interpreter.ts` runs it.
 */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Duration } from '../engine/duration.ts';
import type { StandardSchemaV1, StandardSchemaWithJSON } from '../protocol/sdk.ts';

/** Where a value comes from. `path`: a part of it, such as `columns[0].name`. */
export type Source =
  | { readonly from: 'argument'; readonly name: string; readonly path?: string }
  | { readonly from: 'constant'; readonly value: JsonValue }
  | { readonly from: 'output'; readonly step: string; readonly path?: string }
  | { readonly from: 'variable'; readonly name: string; readonly path?: string }
  /** Of a step with `forEach`: what it is run for. */
  | { readonly from: 'item'; readonly path?: string }
  | ComputedSource;

/** A small pure function of other sources; `undefined`: there is no value. */
export interface ComputedSource {
  readonly from: 'computed';
  readonly of: Readonly<Record<string, Source>>;
  readonly compute: (values: Readonly<Record<string, JsonValue>>) => JsonValue | undefined;
}

/** A resource by its URI, or by a URI template (RFC 6570) and what its variables are bound to. */
export interface ResourceUse {
  readonly uri: string;
  readonly bindings?: Readonly<Record<string, Source>>;
}

/** How often a step that the server runs is tried where its tool fails. */
export interface StepRetry {
  /** In all. */
  readonly maxAttempts: number;
  /** Between two tries. @default none */
  readonly delay?: Duration;
}

/** A form for arguments that nothing gives a value. */
export interface MissingForm {
  /** Shown to the person. A template, as `guidance` is. */
  readonly message: string;
  /** By argument: the schema of its field, as MCP's forms have it. */
  readonly fields: Readonly<Record<string, JsonObject>>;
}

interface StepCommon {
  readonly name: string;
  /** For the client's model, with placeholders such as `{argument.file}`, `{output.profile.rows}`, `{variable.x}`, `{item}`. */
  readonly guidance?: string;
  /** Go with the step to whoever does it. */
  readonly attach?: readonly ResourceUse[];
  /** The step is skipped unless this is there and none of `false`, `null`, `0`, `''`. */
  readonly when?: Source;
  /** The step is done once for each item of this list, in order; its output is the list of their outputs. */
  readonly forEach?: Source;
  /** What each of its outputs must be: checked, and what later steps' paths are typed by. */
  readonly output?: StandardSchemaV1;
}

export interface ToolStep extends StepCommon {
  readonly kind: 'tool';
  readonly by: 'server' | 'client';
  readonly tool: string;
  readonly arguments: Readonly<Record<string, Source>>;
  readonly retry?: StepRetry;
  readonly askFor?: MissingForm;
}

export interface ResourceStep extends StepCommon {
  readonly kind: 'resources';
  readonly by: 'server';
  readonly resources: readonly ResourceUse[];
  readonly retry?: StepRetry;
}

/** What the client does without a tool, and reports by `task_report`. */
export interface ManualStep extends StepCommon {
  readonly kind: 'manual';
  readonly by: 'client';
  readonly guidance: string;
}

export type WorkflowStep = ToolStep | ResourceStep | ManualStep;

export interface Workflow {
  /** Of the prompt. */
  readonly name: string;
  readonly title?: string;
  readonly description: string;
  readonly arguments: StandardSchemaWithJSON;
  /** A template. @default the description */
  readonly goal?: string;
  /** For the client's model. A template. */
  readonly instructions?: string;
  readonly steps: readonly WorkflowStep[];
  /** `forbidden`: nothing is kept; what the server can run is run within the request. @default 'optional' */
  readonly taskSupport?: 'optional' | 'forbidden';
  /** See `TaskTool.version`. Of the steps; the tools that they call have versions of their own. */
  readonly version?: number;
  /** See `TaskTool`. */
  readonly runDeadlineMs?: number;
  readonly retentionMs?: number | null;
}

export const STEP_STATUSES = ['pending', 'completed', 'failed', 'skipped'] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];

/** Why a workflow does not go on by itself. The first four are the names that pmcp-tasks gave them. */
export type PauseReason =
  | {
      readonly type: 'unresolvableParams';
      readonly blockedStep: string;
      readonly missingParam: string;
      readonly missing: readonly Unresolved[];
      readonly suggestedTool: string;
    }
  | {
      readonly type: 'schemaMismatch';
      readonly blockedStep: string;
      readonly missingFields: readonly string[];
      readonly problem: string;
      readonly suggestedTool: string;
    }
  | {
      readonly type: 'toolError';
      readonly failedStep: string;
      readonly error: string;
      readonly retryable: boolean;
      readonly suggestedTool: string;
    }
  | {
      readonly type: 'unresolvedDependency';
      readonly blockedStep: string;
      readonly missingOutput: string;
      readonly producingStep: string;
      readonly suggestedTool: string;
    }
  | { readonly type: 'clientStep'; readonly step: string; readonly suggestedTool: string }
  | { readonly type: 'needsInput'; readonly step: string; readonly suggestedTool: string }
  | { readonly type: 'timeBudget'; readonly step: string; readonly suggestedTool: string };

/** An argument without a value, and why. */
export interface Unresolved {
  readonly argument: string;
  readonly why: string;
}

/** The steps of which a source is made. */
export function stepsIn(source: Source): readonly string[] {
  if (source.from === 'output') return [source.step];
  return source.from === 'computed' ? Object.values(source.of).flatMap(stepsIn) : [];
}

/** The task's variables of which a source is made. */
export function variablesIn(source: Source): readonly string[] {
  if (source.from === 'variable') return [source.name];
  return source.from === 'computed' ? Object.values(source.of).flatMap(variablesIn) : [];
}

/** The resources that a step reads, or that go with it. */
export function usesIn(step: WorkflowStep): readonly ResourceUse[] {
  return [...(step.attach ?? []), ...(step.kind === 'resources' ? step.resources : [])];
}

/** Whether a source is made of what a step with `forEach` is done for. */
export function usesItem(source: Source): boolean {
  return source.from === 'item' || (source.from === 'computed' && Object.values(source.of).some(usesItem));
}

/** All that a step is made of. */
export function sourcesOf(step: WorkflowStep): readonly Source[] {
  return [
    ...(step.when === undefined ? [] : [step.when]),
    ...(step.forEach === undefined ? [] : [step.forEach]),
    ...(step.kind === 'tool' ? Object.values(step.arguments) : []),
    ...usesIn(step).flatMap(({ bindings = {} }) => Object.values(bindings)),
  ];
}
