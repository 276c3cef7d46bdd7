/**
 * Which record lives where. An owner's task heads are spread over shards that the task id names (record id = task id, so
 * that a listing is in order of creation); the owner's counter, each idempotency key, each answer on its way, and each
 * task's log and large values have partitions of their own, which listings of tasks never touch. The agenda is everybody's, in shards.
 */
import type { RecordKey } from '../backends/backend.ts';
import { encodeOwner, type Owner } from '../domain/owner.ts';
import type { TaskRef } from '../domain/task.ts';
import type { TaskId } from '../domain/task-id.ts';

/**
 * One DynamoDB partition key bears 1,000 write units and 3,000 read units a second. A lifecycle with 1 KB of arguments
 * and 1 KB of result writes its head three times, 7 units in all: 2,000 of them a second are 14,000 units. In 16 shards
 * that would be 875 each on average, which chance often takes above 1,000; in 32 it is 438, with room for heads of 4 KB
 * (12 units, 750 each). More shards would make listings dearer, which ask all of them. The last digits of the id are
 * random, so the shards are filled evenly. A change moves every head: it needs a migration. See
 * docs/decisions/0010-agenda-and-shards.md.
 */
const HEAD_SHARDS = shardNames(32);

/**
 * Of everybody's tasks together. A task that ends soon writes its record and deletes it, one unit each: 16 shards bear
 * 8,000 such tasks a second. Each look asks all shards, so more would make every look dearer, also where nothing is to
 * be done.
 */
const AGENDA_SHARDS = shardNames(16);

/** One letter or digit each. */
function shardNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => index.toString(32));
}

function shardOf(id: TaskId, shards: readonly string[]): string {
  // Two digits: 256 values, of which each shard has as many as any other.
  return shards[Number.parseInt(id.slice(-2), 16) % shards.length] ?? '';
}

type PartitionKind = 'tasks' | 'active' | 'idempotency' | 'log' | 'values' | 'agenda' | 'answers';

/** JSON arrays are injective for any text, and the owner is itself encoded so. */
function partition(kind: PartitionKind, ...parts: readonly string[]): string {
  return JSON.stringify([kind, ...parts]);
}

function headsPartition(encodedOwner: string, shard: string): string {
  return partition('tasks', encodedOwner, shard);
}

/** All in which an owner's task heads are. */
export function headsPartitions(owner: Owner): readonly string[] {
  const encoded = encodeOwner(owner);
  return HEAD_SHARDS.map((shard) => headsPartition(encoded, shard));
}

export function headKey(ref: TaskRef): RecordKey {
  return { partition: headsPartition(encodeOwner(ref.owner), shardOf(ref.id, HEAD_SHARDS)), id: ref.id };
}

/** Counts the owner's active tasks. */
export function activeCountKey(owner: Owner): RecordKey {
  return { partition: partition('active', encodeOwner(owner)), id: 'active' };
}

/** `digest`: of the caller's idempotency key. */
export function idempotencyKey(owner: Owner, digest: string): RecordKey {
  return { partition: partition('idempotency', encodeOwner(owner), digest), id: `idempotency ${digest}` };
}

/** `name`: of the request that is answered. */
export function relayedAnswerKey(owner: Owner, name: string): RecordKey {
  return { partition: partition('answers', encodeOwner(owner), name), id: 'answer' };
}

export function logPartition(ref: TaskRef): string {
  return partition('log', encodeOwner(ref.owner), ref.id);
}

export function valuesPartition(ref: TaskRef): string {
  return partition('values', encodeOwner(ref.owner), ref.id);
}

/** In which the task's records are. */
export function agendaPartition(id: TaskId): string {
  return partition('agenda', shardOf(id, AGENDA_SHARDS));
}

/** All of the agenda. */
export function agendaPartitions(): readonly string[] {
  return AGENDA_SHARDS.map((shard) => partition('agenda', shard));
}
