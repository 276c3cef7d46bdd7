/**
 * The backend without an engine: maps in one process. For tests, examples and a first try;
 * nothing survives the process. Atomic because no method yields between its read and its
 * write. Not a cache for another backend.
 */
import { type Clock, type EpochMs, eventLoopTurn, systemClock } from '../clock.ts';
import { present } from '../present.ts';
import type { RecordKey, RecordWrite, StoredRecord, Version } from './backend.ts';
import { CheckedBackend, type PageRead } from './checked-backend.ts';
import { BackendConflictError } from './errors.ts';
import { addBelow, compareIds, isLive, type PageQuery, parseCount } from './validation.ts';

export interface MemoryBackendOptions {
  /** Decides what has expired. Default: the system's. */
  readonly clock?: Clock;
}

/** Looked at by a sweep before everything else has its turn. */
const RECORDS_PER_TURN = 500;

/** Records by id, and the same ids in byte order, so that a page costs a page. Expired records stay until swept. */
interface Partition {
  readonly records: Map<string, StoredRecord>;
  readonly ids: string[];
}

export class MemoryBackend extends CheckedBackend {
  readonly name = 'memory';
  readonly #clock: Clock;
  readonly #partitions = new Map<string, Partition>();

  constructor(options: MemoryBackendOptions = {}) {
    super();
    this.#clock = options.clock ?? systemClock;
  }

  protected read(key: RecordKey): StoredRecord | undefined {
    return this.#live(key);
  }

  protected write(key: RecordKey, write: RecordWrite, expected: Version | 0): Version {
    const actual = this.#live(key)?.version ?? 0;
    if (actual !== expected) throw new BackendConflictError(expected, actual);
    return this.#store(key, write, actual + 1);
  }

  protected remove(key: RecordKey): boolean {
    const wasThere = this.#live(key) !== undefined;
    this.#remove(key);
    return wasThere;
  }

  protected page({ partition, limit, order, after }: PageQuery): PageRead {
    const { ids, records } = this.#partitions.get(partition) ?? { ids: [], records: new Map<string, StoredRecord>() };
    const window = order === 'asc' ? idsAbove(ids, after, limit) : idsBelow(ids, after, limit);
    const found = window.map((id) => records.get(id)).filter((record) => record !== undefined);
    const now = this.#clock.now();
    const last = window.at(-1);
    const more = last !== undefined && last !== (order === 'asc' ? ids.at(-1) : ids.at(0));
    return {
      records: found.filter((record) => isLive(record, now)),
      next: more ? last : undefined,
    };
  }

  protected add(key: RecordKey, delta: number, ceiling: number): number {
    const current = this.#live(key);
    const sum = addBelow(parseCount(current?.value ?? '0'), delta, ceiling);
    this.#store(key, { ...current, value: String(sum) }, (current?.version ?? 0) + 1);
    return sum;
  }

  async cleanupExpired(now: EpochMs): Promise<number> {
    // A caller whose clock runs ahead must not remove what still reads as live here.
    const until = Math.min(now, this.#clock.now());
    let removed = 0;
    let seen = 0;
    for (const [partition, { records }] of this.#partitions) {
      for (const record of records.values()) {
        seen += 1;
        if (seen % RECORDS_PER_TURN === 0) {
          await eventLoopTurn();
          // Written anew or removed meanwhile.
          if (this.#partitions.get(partition)?.records.get(record.id) !== record) continue;
        }
        if (record.expiresAt === undefined || !(record.expiresAt <= until)) continue;
        this.#remove({ partition, id: record.id });
        removed += 1;
      }
    }
    return removed;
  }

  /** Every partition that holds a record, expired ones included; for tests, which look at everything. No engine has this. */
  partitions(): readonly string[] {
    return [...this.#partitions.keys()];
  }

  /** Nothing was opened. The records stay, as they would in any engine. */
  async close(): Promise<void> {}

  #live(key: RecordKey): StoredRecord | undefined {
    const record = this.#partitions.get(key.partition)?.records.get(key.id);
    return record !== undefined && isLive(record, this.#clock.now()) ? record : undefined;
  }

  #store({ partition, id }: RecordKey, { value, expiresAt }: RecordWrite, version: Version): Version {
    const home = this.#partitions.get(partition) ?? { records: new Map<string, StoredRecord>(), ids: [] };
    this.#partitions.set(partition, home);
    if (!home.records.has(id)) home.ids.splice(countUpTo(home.ids, id), 0, id);
    // Frozen, since readers are handed this very object.
    home.records.set(id, Object.freeze({ id, version, value, ...present({ expiresAt }) }));
    return version;
  }

  #remove({ partition, id }: RecordKey): void {
    const home = this.#partitions.get(partition);
    if (!home?.records.delete(id)) return;
    home.ids.splice(countUpTo(home.ids, id) - 1, 1);
    if (home.ids.length === 0) this.#partitions.delete(partition);
  }
}

function idsAbove(ids: readonly string[], after: string | undefined, limit: number): string[] {
  const start = after === undefined ? 0 : countUpTo(ids, after);
  return ids.slice(start, start + limit);
}

function idsBelow(ids: readonly string[], after: string | undefined, limit: number): string[] {
  const upTo = after === undefined ? ids.length : countUpTo(ids, after);
  const end = after !== undefined && ids[upTo - 1] === after ? upTo - 1 : upTo;
  return ids.slice(Math.max(0, end - limit), end).reverse();
}

/** How many of the sorted ids are at or before `id`. */
function countUpTo(ids: readonly string[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const probe = ids[middle];
    if (probe !== undefined && compareIds(probe, id) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
