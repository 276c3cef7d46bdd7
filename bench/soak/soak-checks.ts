/**
 * What must hold after the soak, read from the store, the clients' sightings and the workers'
 * journal. Each check names its invariant and what breaks it.
 */

import type { StorageBackend } from '../../src/backends/backend.ts';
import { isTerminal } from '../../src/domain/status.ts';
import { cancelTask } from '../../src/domain/task.ts';
import type { JournalEntry } from '../../src/engine/journal.ts';
import type { Owner, Task, TaskStore } from '../../src/index.ts';
import { isTaskError } from '../../src/index.ts';
import { present } from '../../src/present.ts';
import { type ActiveCount, decodeCount } from '../../src/store/active-count.ts';
import { activeCountKey } from '../../src/store/keys.ts';
import { recordedOutcomes } from '../../test/support/recorded.ts';
import type { Sighting } from './soak-clients.ts';
import { LIMIT, TOOL } from './soak-settings.ts';

export type JournalEvent =
  | { readonly task: string; readonly ran: string }
  | { readonly task: string; readonly ended: Task['status'] };

/** One line for each breach; none: the invariant held. */
export type Findings = Readonly<Record<string, readonly string[]>>;

export async function tasksOf(store: TaskStore, owner: Owner): Promise<Task[]> {
  const tasks: Task[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list(owner, { limit: 100, ...present({ cursor }) });
    tasks.push(...page.tasks);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return tasks;
}

export async function activeTasks(store: TaskStore, owner: Owner): Promise<number> {
  return (await tasksOf(store, owner)).filter(({ status }) => !isTerminal(status)).length;
}

/** One task against what its client saw. */
export async function checkTask(store: TaskStore, owner: Owner, sighting: Sighting, journal: readonly JournalEvent[]) {
  const { taskId, end, answer } = sighting;
  const { task } = await store.get({ owner, id: taskId as Task['id'] });
  const log = (await store.log.read(task)).entries as unknown as readonly JournalEntry[];
  const result =
    task.result === undefined ? undefined : ((await store.load(task, task.result)) as unknown as JobResult);
  const ends = journal.filter((event) => 'ended' in event);
  const recorded = recordedOutcomes(log, 'step').filter(({ outcome }) => outcome.kind === 'ok');
  const isTwice = new Set(recorded.map(({ key }) => key)).size < recorded.length;
  const callbacks = recordedOutcomes(log, 'question').map(({ key }) => key);
  const logged = new Set(recorded.map(({ outcome }) => (outcome.kind === 'ok' ? (outcome.value ?? null) : null)));
  const { outcomes = [], answer: used = null } = result?.structuredContent ?? {};
  return {
    'every task came to an end (I5)':
      end === undefined || !isTerminal(task.status) ? [`${taskId} is ${task.status}`] : [],
    'the end that a client saw is the end (I2)':
      end !== undefined && (end.status !== task.status || !sameResult(end, result))
        ? [`${taskId} was ${end.status} and is ${task.status}, or its result changed`]
        : [],
    'one end was written, once (I3)':
      ends.length > 1 || ends.some(({ ended }) => ended !== task.status)
        ? [`${taskId} is ${task.status}; written: ${ends.map(({ ended }) => ended).join(', ')}`]
        : [],
    'each step has one recorded outcome, and the result is made of those (I3)':
      isTwice || outcomes.some((outcome) => !logged.has(outcome)) ? [`${taskId}: ${JSON.stringify(outcomes)}`] : [],
    'each accepted answer was used, once (I4)':
      new Set(callbacks).size < callbacks.length || (task.status === 'completed' && used !== (answer ?? null))
        ? [`${taskId}: the client said ${answer}, the task used ${used}`]
        : [],
  } satisfies Findings;
}

export interface CounterReport {
  /** Slots that are counted though no task holds them. */
  readonly surplus: number;
  /** How often a refusal has repaired the counter so far. */
  readonly repairs: number;
  readonly broken: readonly string[];
}

/**
 * The counter against a recount, when nothing runs any more. It may be above it, never below: a process that
 * died between a task and its slot leaves one counted, and so does a task that ends after a repair (see
 * docs/decisions/0002-active-limit.md). Then the owner must still get all of the limit and no more, each
 * time, because the refusal that an over-count causes repairs the counter.
 */
export async function checkCounter(backend: StorageBackend, store: TaskStore, owner: Owner): Promise<CounterReport> {
  const name = owner.subject;
  const surplus = (await countedOf(backend, owner)) - (await activeTasks(store, owner));
  const { generation: repairs } = await counterOf(backend, owner);
  const broken: string[] = [];
  const mustNotBeBelow = async () => {
    const missing = (await activeTasks(store, owner)) - (await countedOf(backend, owner));
    if (missing > 0) broken.push(`${name} has ${missing} active tasks that are not counted`);
  };
  await mustNotBeBelow();
  for (let round = 0; round < 2; round += 1) {
    const { created, refusal } = await fill(store, owner);
    if (created.length !== LIMIT || !isTaskError(refusal, 'too_many_tasks')) {
      broken.push(`${name} got ${created.length} tasks, allowed are ${LIMIT}: ${String(refusal)}`);
    }
    const counted = await countedOf(backend, owner);
    if (counted !== LIMIT) broken.push(`${name} has ${LIMIT} active tasks, counted are ${counted}`);
    for (const task of created) await store.update(task, (now, at) => cancelTask(now, undefined, at));
    await mustNotBeBelow();
  }
  return { surplus, repairs, broken };
}

/** As many tasks as the owner can have, and what refused the next. */
async function fill(store: TaskStore, owner: Owner): Promise<{ created: Task[]; refusal: unknown }> {
  const created: Task[] = [];
  try {
    while (created.length <= LIMIT) created.push(await createIdle(store, owner));
    return { created, refusal: 'none' };
  } catch (refusal) {
    return { created, refusal };
  }
}

async function countedOf(backend: StorageBackend, owner: Owner): Promise<number> {
  return (await counterOf(backend, owner)).active;
}

async function counterOf(backend: StorageBackend, owner: Owner): Promise<ActiveCount> {
  return decodeCount(Number((await backend.get(activeCountKey(owner)))?.value ?? 0));
}

async function createIdle(store: TaskStore, owner: Owner): Promise<Task> {
  const lifetime = { runDeadlineMs: 3_600_000, retentionMs: 3_600_000 };
  const input = { owner, tool: TOOL, arguments: {}, lifetime, pollIntervalMs: 1_000, maxAttempts: 5 };
  return (await store.create(input)).stored.task;
}

interface JobResult {
  readonly structuredContent?: { readonly outcomes?: readonly string[]; readonly answer?: string | null };
}

function sameResult({ result }: { readonly result?: unknown }, stored: JobResult | undefined): boolean {
  const seen = (result as JobResult | undefined)?.structuredContent;
  return JSON.stringify(seen) === JSON.stringify(stored?.structuredContent);
}
