/**
 * Everything that is known of one task, as JSON for programs; what people are shown is made of it. For operators: also
 * what clients never see, such as internal variables, leases and why a task is parked.
 */
import { isTaskError } from '../domain/errors.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Owner } from '../domain/owner.ts';
import type { Payload } from '../domain/payload.ts';
import { nextRunAt } from '../domain/run.ts';
import type { Answer, RunState, Task, TaskRef } from '../domain/task.ts';
import { present } from '../present.ts';
import type { StoredTask, TaskStore } from '../store/task-store.ts';
import { linksOf, type RetryLinks } from './retry-links.ts';
import { historyOf, type TaskHistory } from './task-history.ts';
import type { TimelineRow } from './timeline.ts';

/** Something outside that the task waits for. */
export interface WaitingInput {
  readonly key: string;
  /** A question for its client; or a callback, which another program completes. */
  readonly kind: 'question' | 'callback';
  readonly request?: JsonValue;
  readonly timeoutAt?: string;
}

/** In one line, as lists show it. */
export interface TaskSummary {
  readonly id: string;
  readonly owner: Owner;
  readonly tool: string;
  readonly toolVersion?: number;
  readonly status: Task['status'];
  readonly statusMessage?: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** Why the code at hand cannot run it. */
  readonly parked?: string;
  /** What an erroneous result of the tool says. */
  readonly toolError?: string;
}

export interface TaskReport extends TaskSummary {
  readonly deadlineAt: string;
  /** `null`: readable for ever. */
  readonly promisedUntil: string | null;
  /** When it may run next; `null`: not before an answer, or never again. */
  readonly nextRunAt: string | null;
  readonly maxAttempts: number;
  readonly run: RunState;
  readonly related?: string;
  readonly retryOf?: string;
  readonly retriedAs?: string;
  readonly arguments: JsonValue;
  readonly waitsFor: readonly WaitingInput[];
  readonly timeline: readonly TimelineRow[];
  readonly variables: JsonObject;
  readonly result?: JsonValue;
  readonly error?: JsonValue;
  /** What of the task cannot be read here, in words. */
  readonly faults: readonly string[];
}

export function iso(at: number): string {
  return new Date(at).toISOString();
}

export function summaryOf(task: Task): TaskSummary {
  const { id, owner, tool, toolVersion, status, statusMessage, toolError, run } = task;
  return {
    id,
    owner: plainOwner(owner),
    tool,
    status,
    createdAt: iso(task.createdAt),
    updatedAt: iso(task.updatedAt),
    ...present({ toolVersion, statusMessage, toolError, parked: run.parked?.reason }),
  };
}

/** Without what a newer build may have added. */
function plainOwner({ issuer, tenant, subject }: Owner): Owner {
  return { issuer, ...present({ tenant }), subject };
}

/** Rejects with `task_not_found`. */
export async function reportOf(store: TaskStore, ref: TaskRef): Promise<TaskReport> {
  const stored = await store.get(ref);
  return reportWith(store, stored, await historyOf(store, stored.task));
}

async function reportWith(store: TaskStore, { task }: StoredTask, history: TaskHistory): Promise<TaskReport> {
  const values = new Values(store, task);
  const variables = ((await values.load('variables', task.variables)) ?? {}) as JsonObject;
  const args = (await values.load('arguments', task.arguments)) ?? null;
  const [result, error] = [await values.load('result', task.result), await values.load('error', task.error)];
  const links: RetryLinks = await linksOf(store, task, args, variables);
  const due = nextRunAt(task);
  return {
    ...summaryOf(task),
    deadlineAt: iso(task.deadlineAt),
    promisedUntil: task.promisedUntil === null ? null : iso(task.promisedUntil),
    nextRunAt: due === null ? null : iso(due),
    maxAttempts: task.maxAttempts,
    run: task.run,
    ...present({ related: task.related, retryOf: links.retryOf, retriedAs: links.retriedAs }),
    arguments: args,
    waitsFor: await waitsOf(values, task),
    timeline: history.timeline,
    variables,
    ...present({ result, error }),
    faults: [...(history.fault === undefined ? [] : [history.fault]), ...values.faults],
  };
}

/** Everything, with the journal as it is stored and answers that no run has taken yet. */
export interface TaskExport extends TaskReport {
  readonly admission?: JsonValue;
  readonly answers: Readonly<Record<string, Answer>>;
  readonly journal: TaskHistory['entries'];
}

/** Rejects with `task_not_found`. */
export async function exportOf(store: TaskStore, ref: TaskRef): Promise<TaskExport> {
  const stored = await store.get(ref);
  const { task } = stored;
  const history = await historyOf(store, task);
  const report = await reportWith(store, stored, history);
  const values = new Values(store, task);
  const admission = await values.load('admission', task.admission);
  const answers: Record<string, Answer> = {};
  for (const [key, answer] of Object.entries(task.answers)) {
    const value = answer.outcome === 'answered' ? await values.load(`answer ${key}`, answer.value) : undefined;
    answers[key] = value === undefined ? answer : ({ ...answer, value: { json: value } } as Answer);
  }
  return {
    ...report,
    ...present({ admission }),
    answers,
    journal: history.entries,
    faults: [...report.faults, ...values.faults],
  };
}

/** The values of a task; one that is damaged, or of a newer build, is left out and told. */
class Values {
  readonly faults: string[] = [];
  readonly #store: TaskStore;
  readonly #task: Task;

  constructor(store: TaskStore, task: Task) {
    this.#store = store;
    this.#task = task;
  }

  async load(what: string, payload: Payload | undefined): Promise<JsonValue | undefined> {
    if (payload === undefined) return undefined;
    try {
      return await this.#store.load(this.#task, payload);
    } catch (error) {
      if (!isTaskError(error, 'unreadable_record')) throw error;
      this.faults.push(`${what}: ${error.message}`);
      return undefined;
    }
  }
}

async function waitsOf(values: Values, task: Task): Promise<WaitingInput[]> {
  const waits: WaitingInput[] = [];
  for (const [key, input] of Object.entries(task.inputs)) {
    const request = await values.load(`question ${key}`, input.request);
    waits.push({
      key,
      kind: input.request === undefined ? 'callback' : 'question',
      ...present({ request, timeoutAt: input.timeoutAt === undefined ? undefined : iso(input.timeoutAt) }),
    });
  }
  return waits;
}
