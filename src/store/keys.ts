/**
 * Which record lives where. An owner's task heads share one partition (record id = task id, so that
 * a listing is in order of creation); what else is kept for an owner, and each task's checkpoint
 * log and large values, have partitions of their own, which listings of tasks never touch.
 */
import type { RecordKey } from '../backends/backend.ts';
import { decodeOwner, encodeOwner, type Owner } from '../domain/owner.ts';
import type { TaskRef } from '../domain/task.ts';

/** JSON arrays are injective for any text, and the owner is itself encoded so. */
function partition(kind: 'tasks' | 'owner' | 'log' | 'values', ...parts: readonly string[]): string {
  return JSON.stringify([kind, ...parts]);
}

export function tasksPartition(owner: Owner): string {
  return partition('tasks', encodeOwner(owner));
}

export function headKey(ref: TaskRef): RecordKey {
  return { partition: tasksPartition(ref.owner), id: ref.id };
}

/** Counts the owner's active tasks. */
export function activeCountKey(owner: Owner): RecordKey {
  return { partition: partition('owner', encodeOwner(owner)), id: 'active' };
}

/** `digest`: of the caller's idempotency key. */
export function idempotencyKey(owner: Owner, digest: string): RecordKey {
  return { partition: partition('owner', encodeOwner(owner)), id: `idempotency ${digest}` };
}

export function logPartition(ref: TaskRef): string {
  return partition('log', encodeOwner(ref.owner), ref.id);
}

export function valuesPartition(ref: TaskRef): string {
  return partition('values', encodeOwner(ref.owner), ref.id);
}

/** How the names of all partitions with task heads begin. */
export const TASKS_PARTITIONS = '["tasks",';

/** The owner whose task heads a partition holds. */
export function ownerOfTasksPartition(text: string): Owner {
  const [, owner] = JSON.parse(text) as [string, string];
  return decodeOwner(owner);
}
