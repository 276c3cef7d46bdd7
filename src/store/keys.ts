/**
 * Which record lives where. An owner's task heads are spread over shards that the task id names (record id = task id, so
 * that a listing is in order of creation); the owner's counter, each idempotency key, and each task's log and large
 * values have partitions of their own, which listings of tasks never touch. The agenda is everybody's, in shards.
 */
import type { RecordKey } from '../backends/backend.ts';
import { encodeOwner, type Owner } from '../domain/owner.ts';
import type { TaskRef } from '../domain/task.ts';
import type { TaskId } from '../domain/task-id.ts';

/**
 * One DynamoDB partition key bears 1,000 write units a second. A lifecycle writes its head three times at one unit (1 KB)
 * each: 2,000 lifecycles a second are 6,000 units, 375 a shard of 16, which leaves room for chance and for heads of up to
 * 2 KB. More shards would make listings dearer, which ask all of them. The last digit of the id is random, so the
 * shards are filled evenly. A change moves every head: it needs a migration.
 */
export const SHARDS = [...'0123456789abcdef'] as const;

export function shardOf(id: TaskId): string {
  return id.slice(-1);
}

type PartitionKind = 'tasks' | 'active' | 'idempotency' | 'log' | 'values' | 'agenda';

/** JSON arrays are injective for any text, and the owner is itself encoded so. */
function partition(kind: PartitionKind, ...parts: readonly string[]): string {
  return JSON.stringify([kind, ...parts]);
}

export function headsPartition(owner: Owner, shard: string): string {
  return partition('tasks', encodeOwner(owner), shard);
}

/** All in which an owner's task heads are. */
export function headsPartitions(owner: Owner): readonly string[] {
  return SHARDS.map((shard) => headsPartition(owner, shard));
}

export function headKey(ref: TaskRef): RecordKey {
  return { partition: headsPartition(ref.owner, shardOf(ref.id)), id: ref.id };
}

/** Counts the owner's active tasks. */
export function activeCountKey(owner: Owner): RecordKey {
  return { partition: partition('active', encodeOwner(owner)), id: 'active' };
}

/** `digest`: of the caller's idempotency key. */
export function idempotencyKey(owner: Owner, digest: string): RecordKey {
  return { partition: partition('idempotency', encodeOwner(owner), digest), id: `idempotency ${digest}` };
}

export function logPartition(ref: TaskRef): string {
  return partition('log', encodeOwner(ref.owner), ref.id);
}

export function valuesPartition(ref: TaskRef): string {
  return partition('values', encodeOwner(ref.owner), ref.id);
}

export function agendaPartition(shard: string): string {
  return partition('agenda', shard);
}
