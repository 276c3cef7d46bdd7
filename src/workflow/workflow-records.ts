/**
 * What a workflow keeps in its task's variables, under `_workflow.`: clients never see it. `progress`, `pause_reason`,
 * `result.<step>` and `extra.<tool>` are named and shaped as pmcp-tasks has them; `state` is all that a reply is made of,
 * with references to results; `given` has arguments as they came later; `inbox` and `report.<id>` carry reports to the run.
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
  inbox: '_workflow.inbox.',
  given: '_workflow.given',
  result: '_workflow.result.',
  extra: '_workflow.extra.',
  report: '_workflow.report.',
} as const;

/** Shown to clients: the goal, the steps and their statuses, and why the workflow pauses. */
const SHOWN_KEY = 'workflow';

const SCHEMA_VERSION = 1;
/** A result that is kept in the variables themselves, beside its record. */
const SMALL_RESULT = { bytes: 1_024, depth: 6, steps: 32 };
const EXCERPT_LENGTH = 300;
const MAX_TEXT_LENGTH = 1_000;
const MAX_SHOWN_MISSING = 20;
const MAX_KEY_LENGTH = 128;

/**
 * What the variables become when the workflow is there: what it needs itself, and what others read. `kept`: where the
 * record of its state is kept.
 */
export function workflowVariables(
  state: WorkflowState,
  goal: string,
  pause: PauseReason | undefined,
  kept: JsonValue,
): { readonly needed: JsonObject; readonly shown: JsonObject } {
  const progress = progressOf(state, goal);
  const why = pause === undefined ? {} : { pauseReason: shownPause(pause) };
  return {
    needed: { [WORKFLOW_KEYS.state]: kept, [WORKFLOW_KEYS.pauseReason]: why.pauseReason ?? null },
    shown: {
      [WORKFLOW_KEYS.progress]: progress,
      [SHOWN_KEY]: { ...progress, ...why },
      ...results(state),
      ...extras(state),
    },
  };
}

/** As pmcp-tasks' `WorkflowProgress`. */
function progressOf(state: WorkflowState, goal: string): JsonObject {
  const steps = state.steps.map((step) => ({
    name: step.step.name,
    ...(step.step.kind === 'tool' ? { tool: step.step.tool } : {}),
    status: statusOf(step),
  }));
  return { goal: shorten(goal, MAX_TEXT_LENGTH), steps, schemaVersion: SCHEMA_VERSION };
}

/** With bounds: what it says may be a client's, of any length, and of any number of arguments. */
export function shownPause(pause: PauseReason, textLength = MAX_TEXT_LENGTH, count = MAX_SHOWN_MISSING): JsonObject {
  const bounded = Object.entries(pause).map(([name, value]): [string, JsonValue] => {
    if (typeof value === 'string') return [name, shorten(value, textLength)];
    if (!Array.isArray(value)) return [name, value as JsonValue];
    const members = (value as readonly (string | JsonObject)[]).slice(0, count);
    return [
      name,
      members.map((member) =>
        typeof member === 'string'
          ? shorten(member, MAX_KEY_LENGTH)
          : Object.fromEntries(
              Object.entries(member).map(([key, text]) => [
                key,
                shorten(text as string, Math.min(EXCERPT_LENGTH, textLength)),
              ]),
            ),
      ),
    ];
  });
  return Object.fromEntries(bounded);
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
  const named = aside.filter(
    ({ tool }) => tool.isWellFormed() && tool.length <= MAX_KEY_LENGTH - WORKFLOW_KEYS.extra.length,
  );
  return Object.fromEntries(
    named.map(({ tool, why, id }) => [`${WORKFLOW_KEYS.extra}${tool}`, { why: shorten(why, EXCERPT_LENGTH), id }]),
  );
}

function smallOrExcerpt(result: JsonObject): JsonValue {
  const bytes = jsonBytes(result);
  if (bytes <= SMALL_RESULT.bytes && findJsonFault(result, { maxDepth: SMALL_RESULT.depth }) === undefined)
    return result;
  return { truncated: true, bytes, excerpt: shorten(JSON.stringify(result), EXCERPT_LENGTH) };
}

/** All that a reply is made of, but for what the task itself has. A value of its own. */
export function stateRecord(state: WorkflowState): JsonObject {
  return {
    schemaVersion: SCHEMA_VERSION,
    arguments: state.arguments,
    steps: state.steps.map(({ step, isSkipped, pieces, items }) => ({
      name: step.name,
      ...(isSkipped ? { isSkipped } : {}),
      ...(items === undefined ? {} : { items }),
      pieces: pieces.map(pieceRecord),
    })),
    aside: state.aside.map(({ id, tool, why, kept }) => ({
      id,
      tool: shorten(tool, MAX_KEY_LENGTH),
      why: shorten(why, EXCERPT_LENGTH),
      kept,
    })),
  };
}

function pieceRecord({ status, done, failure, handedOver }: Piece): JsonObject {
  return {
    status,
    ...(done === undefined ? {} : { by: done.by, differs: done.differs, kept: done.kept }),
    ...(failure === undefined ? {} : { error: shorten(failure.error, MAX_TEXT_LENGTH), retryable: failure.retryable }),
    ...(handedOver === undefined ? {} : { handedOver }),
  };
}

/** What is kept of a call, by which its step is done. */
export interface KeptCall {
  readonly arguments?: JsonObject;
  readonly result: JsonObject;
}

/** A workflow's state as it was kept last; `undefined`: it has not begun. */
export async function loadState(
  store: TaskStore,
  ref: TaskRef,
  workflow: Workflow,
  variables: JsonObject,
): Promise<WorkflowState | undefined> {
  const kept = variables[WORKFLOW_KEYS.state];
  if (!isJsonObject(kept)) return undefined;
  const record = (await store.load(ref, kept as unknown as Payload)) as JsonObject;
  const state = new WorkflowState(workflow, record.arguments as JsonObject);
  state.variables = variables;
  for (const saved of listOf(record.steps)) {
    const index = state.steps.findIndex(({ step }) => step.name === saved.name);
    const before = state.steps[index];
    // Of another version of the workflow.
    if (before === undefined) continue;
    const pieces = await inBatches(listOf(saved.pieces), (piece) => pieceOf(store, ref, piece));
    const items = Array.isArray(saved.items) ? (saved.items as readonly JsonValue[]) : undefined;
    state.steps[index] = { ...before, isSkipped: saved.isSkipped === true, pieces, ...present({ items }) };
  }
  for (const saved of listOf(record.aside)) state.putAside(saved as unknown as Aside);
  return state;
}

/** Values that are read at the same time. */
const AT_ONCE = 16;

async function inBatches<T, Result>(list: readonly T[], read: (one: T) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < list.length; start += AT_ONCE)
    results.push(...(await Promise.all(list.slice(start, start + AT_ONCE).map(read))));
  return results;
}

async function pieceOf(store: TaskStore, ref: TaskRef, saved: JsonObject): Promise<Piece> {
  const status = saved.status as Piece['status'];
  if (status === 'failed')
    return { status, failure: { error: saved.error as string, retryable: saved.retryable === true } };
  if (status !== 'completed') {
    return { status, ...present({ handedOver: saved.handedOver as string | undefined }) };
  }
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
