/**
 * What a workflow keeps in its task's variables, under `_workflow.`: clients never see it. `progress`, `pause_reason`,
 * `result.<step>` and `extra.<tool>` are named and shaped as pmcp-tasks has them; `state` is all that a reply is made of,
 * with references to results; `inbox` and `report.<id>` carry reports to the run.
 */
import { findJsonFault, isJsonObject, type JsonObject, type JsonValue, jsonBytes } from '../domain/json.ts';
import type { Payload } from '../domain/payload.ts';
import type { TaskRef } from '../domain/task.ts';
import { shorten } from '../domain/text.ts';
import { present } from '../present.ts';
import type { TaskStore } from '../store/task-store.ts';
import type { PauseReason, Workflow } from './workflow.ts';
import { type Aside, type Done, type Piece, statusOf, WorkflowState } from './workflow-state.ts';

export const WORKFLOW_KEYS = {
  progress: '_workflow.progress',
  pauseReason: '_workflow.pause_reason',
  state: '_workflow.state',
  inbox: '_workflow.inbox',
  result: '_workflow.result.',
  extra: '_workflow.extra.',
  report: '_workflow.report.',
} as const;

/** Shown to clients: the goal, the steps and their statuses, and why the workflow pauses. */
const SHOWN_KEY = 'workflow';

const SCHEMA_VERSION = 1;
/** A result that is kept in the variables themselves, beside its record. */
const SMALL_RESULT = { bytes: 2_048, depth: 6, steps: 64 };
const EXCERPT_LENGTH = 500;
const MAX_SHOWN_ERROR_LENGTH = 1_000;

/** What the variables become when the workflow is there. */
export function workflowVariables(state: WorkflowState, goal: string, pause: PauseReason | undefined): JsonObject {
  const progress = progressOf(state, goal);
  return {
    [WORKFLOW_KEYS.progress]: progress,
    [WORKFLOW_KEYS.pauseReason]: pause === undefined ? null : shownPause(pause),
    [WORKFLOW_KEYS.state]: stateRecord(state),
    [SHOWN_KEY]: { ...progress, ...(pause === undefined ? {} : { pauseReason: shownPause(pause) }) },
    ...results(state),
    ...extras(state),
  };
}

/** As pmcp-tasks' `WorkflowProgress`. */
function progressOf(state: WorkflowState, goal: string): JsonObject {
  const steps = state.steps.map((step) => ({
    name: step.step.name,
    ...(step.step.kind === 'tool' ? { tool: step.step.tool } : {}),
    status: statusOf(step),
  }));
  return { goal: shorten(goal, MAX_SHOWN_ERROR_LENGTH), steps, schemaVersion: SCHEMA_VERSION };
}

export function shownPause(pause: PauseReason): JsonObject {
  const shown = 'error' in pause ? { ...pause, error: shorten(pause.error, MAX_SHOWN_ERROR_LENGTH) } : pause;
  return shown as unknown as JsonObject;
}

/** The raw result of each completed step where it is small; of a larger one its size and its beginning. */
function results(state: WorkflowState): JsonObject {
  const entries = state.steps.slice(0, SMALL_RESULT.steps).flatMap((step): [string, JsonValue][] => {
    const last = step.pieces.findLast(({ done }) => done !== undefined)?.done;
    return last === undefined ? [] : [[`${WORKFLOW_KEYS.result}${step.step.name}`, smallOrExcerpt(last.result)]];
  });
  return Object.fromEntries(entries);
}

function extras({ aside }: WorkflowState): JsonObject {
  const newest = aside.slice(-SMALL_RESULT.steps);
  // A key has at most 128 characters, as a tool's name may.
  return Object.fromEntries(
    newest.map(({ tool, why, id }) => [shorten(`${WORKFLOW_KEYS.extra}${tool}`, 128), { why, id }]),
  );
}

function smallOrExcerpt(result: JsonObject): JsonValue {
  const bytes = jsonBytes(result);
  if (bytes <= SMALL_RESULT.bytes && findJsonFault(result, { maxDepth: SMALL_RESULT.depth }) === undefined)
    return result;
  return { truncated: true, bytes, excerpt: shorten(JSON.stringify(result), EXCERPT_LENGTH) };
}

function stateRecord(state: WorkflowState): JsonObject {
  return {
    schemaVersion: SCHEMA_VERSION,
    arguments: JSON.stringify(state.arguments),
    steps: state.steps.map(({ step, isSkipped, pieces, items }) => ({
      name: step.name,
      ...(isSkipped ? { isSkipped } : {}),
      ...(items === undefined ? {} : { isList: true }),
      pieces: pieces.map(pieceRecord),
    })),
    aside: state.aside.map(({ id, tool, why, kept }) => ({ id, tool, why: shorten(why, EXCERPT_LENGTH), kept })),
  };
}

function pieceRecord({ status, done, failure }: Piece): JsonObject {
  return {
    status,
    ...(done === undefined ? {} : { by: done.by, differs: done.differs, kept: done.kept }),
    ...(failure === undefined
      ? {}
      : { error: shorten(failure.error, MAX_SHOWN_ERROR_LENGTH), retryable: failure.retryable }),
  };
}

/** What is kept of a call, by which its step is done. */
export interface KeptCall {
  readonly arguments?: JsonObject;
  readonly result: JsonObject;
}

/** A workflow's state as its task's variables have it; `undefined`: it has not begun. */
export async function loadState(
  store: TaskStore,
  ref: TaskRef,
  workflow: Workflow,
  variables: JsonObject,
): Promise<WorkflowState | undefined> {
  const record = variables[WORKFLOW_KEYS.state];
  if (!isJsonObject(record)) return undefined;
  const state = new WorkflowState(workflow, JSON.parse(record.arguments as string) as JsonObject);
  state.variables = variables;
  for (const saved of listOf(record.steps)) {
    const index = state.steps.findIndex(({ step }) => step.name === saved.name);
    const before = state.steps[index];
    // Of another version of the workflow.
    if (before === undefined) continue;
    const pieces = await Promise.all(listOf(saved.pieces).map((piece) => pieceOf(store, ref, piece)));
    state.steps[index] = { ...before, isSkipped: saved.isSkipped === true, pieces };
  }
  // In order: a list may be made of the outputs before it.
  for (const { step } of [...state.steps]) {
    const at = state.steps.findIndex((other) => other.step.name === step.name);
    const { pieces } = state.steps[at] ?? { pieces: [] };
    if (step.forEach === undefined || pieces.length === 0) continue;
    state.expand(step.name);
    const expanded = state.steps[at];
    if (expanded !== undefined) state.steps[at] = { ...expanded, pieces };
  }
  for (const saved of listOf(record.aside)) state.putAside(saved as unknown as Aside);
  return state;
}

async function pieceOf(store: TaskStore, ref: TaskRef, saved: JsonObject): Promise<Piece> {
  const status = saved.status as Piece['status'];
  if (status === 'failed')
    return { status, failure: { error: saved.error as string, retryable: saved.retryable === true } };
  if (status !== 'completed') return { status };
  const { arguments: args, result } = (await store.load(ref, saved.kept as unknown as Payload)) as unknown as KeptCall;
  const done: Done = {
    arguments: args ?? {},
    result,
    by: saved.by === 'client' ? 'client' : 'server',
    differs: saved.differs === true,
    kept: saved.kept ?? null,
  };
  return { status, ...present({ done }) };
}

function listOf(value: JsonValue | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? (value as readonly JsonObject[]).filter(isJsonObject) : [];
}
