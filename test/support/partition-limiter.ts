/**
 * What DynamoDB would count for each partition key: units of what is read and written, by the second of a clock that a
 * test holds. A key bears so many units a second; what is above that is counted as throttled, and done all the same.
 * For arithmetic on how far one owner goes; how a client fares that is throttled is not what it shows.
 */
import type { RecordKey, RecordWrite, StorageBackend, StoredRecord } from '../../src/backends/backend.ts';
import type { Clock } from '../../src/clock.ts';

/** Of one partition key in one second: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html */
export const WRITE_UNITS_A_SECOND = 1000;
export const READ_UNITS_A_SECOND = 3000;

const WRITE_UNIT_BYTES = 1024;
/** Strongly consistent. */
const READ_UNIT_BYTES = 4096;
/** Names of attributes, version, expiry and the writer's token. */
const ITEM_OVERHEAD_BYTES = 100;

export interface Units {
  readonly read: number;
  readonly write: number;
}

export interface PartitionLimiter {
  readonly backend: StorageBackend;
  /** Calls that a partition key would have had to refuse. */
  readonly throttled: () => number;
  /** All units since the beginning. */
  readonly total: () => Units;
  /** The most of one partition key in one second, by the kind of the partition, and how many keys of that kind there are. */
  readonly busiest: () => ReadonlyMap<string, Units & { readonly keys: number }>;
}

export function limitPartitions(inner: StorageBackend, clock: Clock): PartitionLimiter {
  /** By second, then by partition. */
  const seconds = new Map<number, Map<string, { read: number; write: number }>>();
  let throttled = 0;

  const count = (partition: string, kind: 'read' | 'write', units: number) => {
    const second = Math.floor(clock.now() / 1000);
    const partitions = seconds.get(second) ?? new Map<string, { read: number; write: number }>();
    seconds.set(second, partitions);
    const used = partitions.get(partition) ?? { read: 0, write: 0 };
    partitions.set(partition, used);
    used[kind] += units;
    if (used[kind] > (kind === 'read' ? READ_UNITS_A_SECOND : WRITE_UNITS_A_SECOND)) throttled += 1;
  };
  const countRead = ({ partition }: { partition: string }, bytes: number) =>
    count(partition, 'read', Math.max(1, Math.ceil(bytes / READ_UNIT_BYTES)));
  /** The larger of what is there and what comes counts, also where the write is refused. */
  const countWrite = ({ partition }: RecordKey, ...bytes: readonly number[]) =>
    count(partition, 'write', Math.max(1, Math.ceil(Math.max(...bytes) / WRITE_UNIT_BYTES)));
  const storedBytes = async (key: RecordKey) => bytesOf(key.partition, await inner.get(key));

  const backend: StorageBackend = {
    name: inner.name,
    async get(key) {
      const record = await inner.get(key);
      countRead(key, bytesOf(key.partition, record));
      return record;
    },
    async putIfVersion(key, write, expected) {
      countWrite(key, await storedBytes(key), bytesOf(key.partition, { ...write, id: key.id }));
      return inner.putIfVersion(key, write, expected);
    },
    async delete(key) {
      countWrite(key, await storedBytes(key));
      return inner.delete(key);
    },
    async list(partition, options) {
      const page = await inner.list(partition, options);
      countRead(
        { partition },
        page.records.reduce((sum, record) => sum + bytesOf(partition, record), 0),
      );
      return page;
    },
    async addIfBelow(key, delta, options) {
      countWrite(key, await storedBytes(key));
      return inner.addIfBelow(key, delta, options);
    },
    cleanupExpired: (now) => inner.cleanupExpired(now),
    close: () => inner.close(),
  };

  return {
    backend,
    throttled: () => throttled,
    total: () => {
      const all = [...seconds.values()].flatMap((partitions) => [...partitions.values()]);
      return all.reduce<Units>((sum, { read, write }) => ({ read: sum.read + read, write: sum.write + write }), {
        read: 0,
        write: 0,
      });
    },
    busiest: () => {
      const kinds = new Map<string, { read: number; write: number; names: Set<string> }>();
      for (const partitions of seconds.values()) {
        for (const [partition, { read, write }] of partitions) {
          const [kind = ''] = JSON.parse(partition) as string[];
          const most = kinds.get(kind) ?? { read: 0, write: 0, names: new Set<string>() };
          kinds.set(kind, most);
          most.read = Math.max(most.read, read);
          most.write = Math.max(most.write, write);
          most.names.add(partition);
        }
      }
      return new Map([...kinds].map(([kind, { names, ...most }]) => [kind, { ...most, keys: names.size }]));
    },
  };
}

function bytesOf(partition: string, record: Pick<StoredRecord, 'id' | keyof RecordWrite> | undefined): number {
  if (record === undefined) return 0;
  return (
    ITEM_OVERHEAD_BYTES + Buffer.byteLength(partition) + Buffer.byteLength(record.id) + Buffer.byteLength(record.value)
  );
}
