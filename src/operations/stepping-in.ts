/** What an operator does to one task: cancel it, wake it, or try it again as a new one. Servers see it by the agenda. */
import type { Clock } from '../clock.ts';
import type { JsonObject } from '../domain/json.ts';
import { isOver, nextRunAt, wakeTask } from '../domain/run.ts';
import { isTerminal } from '../domain/status.ts';
import type { Task, TaskRef } from '../domain/task.ts';
import { present } from '../present.ts';
import { cancel, type Deliveries, nudge } from '../runtime/queues/deliveries.ts';
import { OperationError } from './errors.ts';
import { RETRY_OF, retryKeyOf } from './retry-links.ts';

/** Rejects with an `OperationError` for a task that has ended. */
export async function cancelTask(deliveries: Deliveries, ref: TaskRef): Promise<Task> {
  const { task: before } = await deliveries.store.get(ref);
  if (isTerminal(before.status)) throw new OperationError(`The task has ended already: it is ${before.status}.`);
  const task = await cancel(deliveries, ref, 'Cancelled by an operator.');
  if (task.status !== 'cancelled') throw new OperationError(`The task ended meanwhile: it is ${task.status}.`);
  return task;
}

/** `running`: a run holds the task, and nothing was to be done. */
export type Waking = { readonly task: Task; readonly how: 'woken' | 'running' };

/**
 * Has servers look at the task now: one that is parked, was forgotten, or waits. A wait that is not over goes on after
 * that. Rejects with an `OperationError` for a task that is never run again.
 */
export async function wake(deliveries: Deliveries, ref: TaskRef, clock: Clock): Promise<Waking> {
  const { store, queue } = deliveries;
  const known = await store.get(ref);
  if (isOver(known.task)) {
    throw new OperationError(`The task has ended: it is ${known.task.status}. A new one of it is made by tasks retry.`);
  }
  const { task } = await store.update(ref, wakeTask, known);
  const due = nextRunAt(task);
  if (task.run.lease !== undefined && due !== null && due > clock.now()) return { task, how: 'running' };
  await queue.enqueue(task, { notBefore: clock.now() });
  return { task, how: 'woken' };
}

export interface RetryOptions {
  /** Also where the task has succeeded, whose effects would be repeated. @default false */
  readonly evenIfCompleted?: boolean | undefined;
  /** Of the tool's code that the new task begins with. @default that of the old one */
  readonly toolVersion?: number | undefined;
}

export interface Retried {
  readonly task: Task;
  /** `false`: it was retried before, as this task. */
  readonly created: boolean;
}

/**
 * A new task of the same tool, arguments and lifetime, which begins anew. A task has one retry: asking again gives the
 * same one. Not counted in its owner's limit, which is the servers' to know. Rejects with an `OperationError` for a task
 * that has not ended.
 */
export async function retryTask(deliveries: Deliveries, ref: TaskRef, options: RetryOptions = {}): Promise<Retried> {
  const { store } = deliveries;
  const { task: old } = await store.get(ref);
  if (!isTerminal(old.status)) {
    throw new OperationError(
      `The task has not ended: it is ${old.status}. Wake it with tasks wake, or cancel it first.`,
    );
  }
  if (old.status === 'completed' && old.toolError === undefined && options.evenIfCompleted !== true) {
    throw new OperationError('The task has succeeded, and trying it again repeats what it did: add --yes to do so.');
  }
  const args = (await store.load(old, old.arguments)) as JsonObject;
  const { stored, created } = await store.create({
    owner: old.owner,
    tool: old.tool,
    arguments: args,
    // An extension of its deadline is part of what it needed.
    lifetime: {
      runDeadlineMs: old.deadlineAt - old.createdAt,
      retentionMs: old.retentionMs,
      ...present({ retentionFromEnd: old.retentionFromEnd }),
    },
    pollIntervalMs: old.pollIntervalMs,
    maxAttempts: old.maxAttempts,
    idempotencyKey: retryKeyOf(old),
    ...present({
      toolVersion: options.toolVersion ?? old.toolVersion,
      admission: old.admission === undefined ? undefined : await store.load(old, old.admission),
      related: old.related,
    }),
  });
  if (!created) return { task: stored.task, created };
  // Before servers learn of it: the variables of a task that has ended are final.
  const { task } = await store.mergeVariables(stored.task, { [RETRY_OF]: old.id });
  await nudge(deliveries, task);
  return { task, created };
}
