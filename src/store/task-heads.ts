/**
 * The heads of tasks: one read, one compare-and-swap, and a listing that merges an owner's shards in order. What is past
 * its promised lifetime is not there.
 */
import type { StoredRecord } from '../backends/backend.ts';
import type { Owner } from '../domain/owner.ts';
import { isExpired, type Task, type TaskRef } from '../domain/task.ts';
import { headKey, headsPartitions } from './keys.ts';
import type { Records } from './records.ts';
import { decodeTask, headWrite } from './task-head.ts';
import type { StoredTask } from './task-store.ts';

export type ListOrder = 'asc' | 'desc';

export interface HeadPageOptions {
  readonly limit: number;
  readonly order: ListOrder;
  /** The id that the page starts after. Absent: at the beginning. */
  readonly after?: string | undefined;
}

export interface HeadPage {
  readonly heads: readonly StoredRecord[];
  /** The id that more may come after. Absent: there is no more. */
  readonly next?: string;
}

/** Rounds of reading that one page takes at most: where much has expired, a page is shorter than asked for. */
const ROUNDS = 4;
/** How many more records of each shard are read than its share, so that one round mostly is enough. */
const SPARE = 2;

export class TaskHeads {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  async read(ref: TaskRef): Promise<StoredTask | undefined> {
    const record = await this.#records.read(headKey(ref));
    if (record === undefined) return undefined;
    const task = decodeTask(ref, record.value);
    return isExpired(task, this.#records.now()) ? undefined : { task, version: record.version };
  }

  /** `undefined`, with nothing written: the head is not at `expected` (0: there is one). */
  async swap(task: Task, expected: number): Promise<StoredTask | undefined> {
    const version = await this.#records.write(headKey(task), headWrite(task), expected);
    return version === undefined ? undefined : { task, version };
  }

  remove(ref: TaskRef): Promise<void> {
    return this.#records.remove(headKey(ref));
  }

  /** Heads as they are stored, in the order of their ids, which is that of creation. */
  async page(owner: Owner, { limit, order, after }: HeadPageOptions): Promise<HeadPage> {
    const shards = headsPartitions(owner).map((partition) => new ShardReader(this.#records, partition, order, after));
    const share = Math.min(limit, Math.ceil(limit / shards.length) + SPARE);
    const heads: StoredRecord[] = [];
    for (let round = 0; round < ROUNDS && heads.length < limit; round += 1) {
      await Promise.all(shards.filter(({ isDry }) => isDry).map((shard) => shard.read(share)));
      for (
        let next = nearest(shards, order);
        next !== undefined && heads.length < limit;
        next = nearest(shards, order)
      ) {
        const head = next.take();
        // The nearest place is one that nothing is known of yet.
        if (head === undefined) break;
        heads.push(head);
      }
    }
    const rest = nearest(shards, order);
    if (rest === undefined) return { heads };
    const last = heads.length < limit ? rest.place : heads.at(-1)?.id;
    return last === undefined ? { heads } : { heads, next: last };
  }
}

/** The shard that comes next: at the record that it would give, or where it must be read on. */
function nearest(shards: readonly ShardReader[], order: ListOrder): ShardReader | undefined {
  let found: ShardReader | undefined;
  for (const shard of shards) {
    const { place } = shard;
    if (place === undefined) continue;
    if (found?.place === undefined || (order === 'asc' ? place < found.place : place > found.place)) found = shard;
  }
  return found;
}

class ShardReader {
  readonly #records: Records;
  readonly #partition: string;
  readonly #order: ListOrder;
  #waiting: readonly StoredRecord[] = [];
  #after: string | undefined;
  #hasMore = true;

  constructor(records: Records, partition: string, order: ListOrder, after: string | undefined) {
    this.#records = records;
    this.#partition = partition;
    this.#order = order;
    this.#after = after;
  }

  /** Whether nothing can be told of what comes next without reading. */
  get isDry(): boolean {
    return this.#waiting.length === 0 && this.#hasMore;
  }

  /** The id of what comes next, or, where that must be read first, the id that it comes after. `undefined`: nothing. */
  get place(): string | undefined {
    return this.#waiting[0]?.id ?? (this.#hasMore ? this.#after : undefined);
  }

  take(): StoredRecord | undefined {
    const [first, ...rest] = this.#waiting;
    this.#waiting = rest;
    return first;
  }

  async read(limit: number): Promise<void> {
    const options = { limit, order: this.#order, after: this.#after };
    const { records, next } = await this.#records.page(this.#partition, options);
    this.#waiting = records;
    this.#after = next;
    this.#hasMore = next !== undefined;
  }
}
