/**
 * What somebody did for a workflow outside of its run, on its way there: written with the same compare-and-swap that wakes
 * the run, so that of any number at once none is lost, and a process that dies after it loses nothing.
 */
import { isTaskError } from '../domain/errors.ts';
import { findJsonFault, isJsonObject, type JsonObject, type JsonValue, jsonBytes } from '../domain/json.ts';
import { inline, MAX_PAYLOAD_BYTES, type Payload } from '../domain/payload.ts';
import { isTerminal } from '../domain/status.ts';
import { type AnswerOutcome, acceptAnswers, type TaskRef } from '../domain/task.ts';
import { shorten } from '../domain/text.ts';
import { describeError, type Logger } from '../runtime/logger.ts';
import { type Deliveries, deliverAnswers, nudgeIfDue } from '../runtime/queues/deliveries.ts';
import type { TaskStore } from '../store/task-store.ts';
import { isWorkflow } from './workflow-name.ts';
import { WORKFLOW_KEYS } from './workflow-records.ts';
import type { Report } from './workflow-state.ts';

/** Reports that a run has not taken in yet, at most. */
const MAX_WAITING = 256;

export type Reported =
  | 'recorded'
  /** The task is no workflow. */
  | 'no_workflow'
  | 'ended'
  /** Too many wait to be taken in. */
  | 'full';

/** Rejects with a `TaskError` where the task is not there, or storage does not answer. */
export async function sendReport(deliveries: Deliveries, ref: TaskRef, report: Report, now: number): Promise<Reported> {
  const { store } = deliveries;
  const { task } = await store.get(ref);
  if (!isWorkflow(task.tool)) return 'no_workflow';
  if (isTerminal(task.status)) return 'ended';
  const before = await store.readVariables(ref);
  const key = `${WORKFLOW_KEYS.report}${report.id}`;
  if (Object.hasOwn(before, key)) return 'recorded';
  if (waitingIn(before).length >= MAX_WAITING) return 'full';
  const payload = await store.keep(task, 'report', recordableReport(report));
  // In the order in which they come, whatever the clocks of their instances say.
  const last = Math.max(0, ...waitingIn(before).map(({ at }) => at));
  const stored = await store.mergeVariables(
    ref,
    { [key]: { at: Math.max(now, last + 1), ...payload } as unknown as JsonValue },
    { also: (current, variables, at) => acceptAnswers(current, wakeUp(variables), at) },
  );
  await nudgeIfDue(deliveries, stored.task);
  return 'recorded';
}

/**
 * Reports that came before the run waited for them complete what it waits by (`_workflow.inbox.<key>`) at once; but for those
 * that it knows.
 */
export async function wakeForEarlier(deliveries: Deliveries, ref: TaskRef, known: ReadonlySet<string>): Promise<void> {
  const { store } = deliveries;
  const variables = await store.readVariables(ref);
  if (waitingIn(variables).some(({ id }) => !known.has(id)))
    await deliverAnswers(deliveries, await store.get(ref), wakeUp(variables));
}

/** A report, and where it is kept. */
export interface WaitingReport {
  readonly report: Report;
  readonly kept: JsonValue;
}

/** The oldest report that the run does not know yet. */
export async function nextReport(
  store: TaskStore,
  ref: TaskRef,
  known: ReadonlySet<string>,
  logger: Logger,
): Promise<WaitingReport | undefined> {
  const waiting = waitingIn(await store.readVariables(ref)).filter(({ id }) => !known.has(id));
  const [first] = waiting.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
  if (first === undefined) return undefined;
  const kept = first.payload as unknown as JsonValue;
  try {
    return { report: (await store.load(ref, first.payload)) as unknown as Report, kept };
  } catch (error) {
    if (!isTaskError(error, 'unreadable_record')) throw error;
    logger.error('A report to a workflow cannot be read', { report: first.id, ...describeError(error) });
    return { report: { kind: 'continue', id: first.id, arguments: {} }, kept };
  }
}

/** The record of a step has the report, and what surrounds it. */
const MAX_REPORT_BYTES = MAX_PAYLOAD_BYTES - 64 * 1024;
const MAX_REPORT_DEPTH = 400;

/** As it can be recorded: in place of a result that cannot, one that says so. */
function recordableReport(report: Report): JsonObject {
  const value = report as unknown as JsonObject;
  const fault = findJsonFault(value, { maxDepth: MAX_REPORT_DEPTH });
  const bytes = fault === undefined ? jsonBytes(value) : 0;
  if (fault === undefined && bytes <= MAX_REPORT_BYTES) return value;
  const problem =
    fault === undefined ? `it has ${bytes} bytes, more than ${MAX_REPORT_BYTES}` : `${fault.path}: ${fault.problem}`;
  const text = `The result cannot be recorded: ${shorten(problem, 300)}.`;
  return { ...value, arguments: {}, result: { content: [{ type: 'text', text }], isError: true } };
}

/** All that a run has said it waits by: what it does not wait by any more is no answer to anything. */
function wakeUp(variables: JsonObject): Record<string, AnswerOutcome> {
  const keys = Object.keys(variables).filter((key) => key.startsWith(WORKFLOW_KEYS.inbox));
  return Object.fromEntries(
    keys.map((key) => [key.slice(WORKFLOW_KEYS.inbox.length), { outcome: 'answered', value: inline(null) } as const]),
  );
}

interface Waiting {
  readonly id: string;
  readonly at: number;
  readonly payload: Payload;
}

function waitingIn(variables: JsonObject): Waiting[] {
  return Object.entries(variables).flatMap(([key, value]) => {
    if (!key.startsWith(WORKFLOW_KEYS.report) || !isJsonObject(value)) return [];
    const { at, ...payload } = value;
    return [{ id: key.slice(WORKFLOW_KEYS.report.length), at: Number(at), payload: payload as unknown as Payload }];
  });
}
