/**
 * How a task may stand when nothing happens in its world any more: ended with the result that its journal leads to, and
 * cleaned up after; or waiting for what nobody gives it. And what others are told of it.
 */
import { isDeepStrictEqual } from 'node:util';
import { isTaskError } from '../../../src/domain/errors.ts';
import type { JsonObject } from '../../../src/domain/json.ts';
import { isTerminal } from '../../../src/domain/status.ts';
import type { Task } from '../../../src/domain/task.ts';
import { newTaskId, type TaskId } from '../../../src/domain/task-id.ts';
import { firstDifference } from './differences.ts';
import type { Replayed } from './replays.ts';
import type { World } from './world.ts';
import { CALM } from './world-settings.ts';

/** `whole`: the replay of the whole journal. */
export async function endFaults(world: World, whole: Replayed): Promise<string[]> {
  const strangers = await strangerFaults(world);
  const { promisedUntil } = world.head;
  if (promisedUntil !== null && world.time.now >= promisedUntil) return strangers;
  const stored = await world.witness.store.get(world.ref).catch((error: unknown) => String(error));
  if (typeof stored === 'string') return [...strangers, `the task is not there: ${stored} [I1 I5]`];
  const { task } = stored;
  return [...strangers, ...(await statusFaults(world, whole, task))];
}

async function statusFaults(world: World, whole: Replayed, task: Task): Promise<string[]> {
  if (!isTerminal(task.status)) return [...waitFaults(world, whole, task)];
  const faults = task.run.cleanup === undefined ? [] : ['the task has ended and was never cleaned up after [I5]'];
  switch (task.status) {
    case 'completed':
      return [...faults, ...(await resultFaults(world, whole, task))];
    case 'failed':
      return [...faults, ...(await failureFaults(world, task)), ...uncleaned(world, whole)];
    default:
      return [...faults, ...uncleaned(world, whole)];
  }
}

function* waitFaults(world: World, whole: Replayed, { run }: Task): Iterable<string> {
  if (!world.clients.areSilent) yield `the task hangs: ${JSON.stringify(run)} [I5]`;
  if (whole.end?.kind !== 'suspended') yield `the task waits, its replay does not: ${JSON.stringify(whole.end)} [I5]`;
  if (run.lease !== undefined || run.dueAt !== null) yield `the task is not at rest: ${JSON.stringify(run)} [I5]`;
}

async function resultFaults(world: World, whole: Replayed, task: Task): Promise<string[]> {
  const result = task.result === undefined ? {} : ((await world.witness.store.load(task, task.result)) as JsonObject);
  const { trace = [] } = result as { trace?: string[] };
  return isDeepStrictEqual(trace, whole.trace)
    ? []
    : [`the result is ${firstDifference(trace, whole.trace)}, which is what its journal leads to [I11]`];
}

async function failureFaults(world: World, task: Task): Promise<string[]> {
  const error = task.error === undefined ? {} : ((await world.witness.store.load(task, task.error)) as JsonObject);
  const { reason } = (error['data'] ?? {}) as { reason?: string };
  if (reason === 'attempts_exhausted' && world.hadFaults) return [];
  const isDue = world.time.now >= task.deadlineAt || !world.areTimesComparable;
  if (reason !== 'deadline_exceeded' || !isDue) return [`the task failed: ${JSON.stringify(error)}`];
  const mayHang = world.clients.areSilent || world.wereClientsCutOff;
  return world.settings.deadlineMs === CALM.deadlineMs && !mayHang ? ['the task hung until its deadline [I5]'] : [];
}

/** Code side by side with the handler's own, which does not wait for it when the handler ends. */
const ASIDE = /(?:all|first|any|settled|stream|start)\d+[./]/;

/** After a cancellation or the deadline the handler comes to its end, through every `finally` that it had entered. */
function uncleaned(world: World, whole: Replayed): string[] {
  if (!world.journal.isAborted || whole.end?.kind !== 'returned') return [];
  const open = new Set<string>();
  for (const what of whole.trace) {
    if (what.startsWith('enter ') && !ASIDE.test(what)) open.add(what.slice('enter '.length));
    if (what.startsWith('leave ')) open.delete(what.slice('leave '.length));
  }
  return open.size === 0 ? [] : [`was not cleaned up: ${[...open].join()}`];
}

/** I6: another owner is told of it what they are told of a task that never was. */
async function strangerFaults(world: World): Promise<string[]> {
  const owner = { issuer: 'simulation', subject: 'a stranger' };
  const { store } = world.witness;
  const told = (id: TaskId) =>
    store.get({ owner, id }).then(
      () => 'it is there',
      (error: unknown) => (isTaskError(error, 'task_not_found') ? JSON.stringify(error) : String(error)),
    );
  const foreign = await told(world.ref.id);
  const unknown = await told(newTaskId(world.time.now, (count) => new Uint8Array(count)));
  const { tasks } = await store.list(owner, { limit: 10 });
  return foreign === unknown && tasks.length === 0 ? [] : [`a stranger is told "${foreign}" [I6]`];
}
