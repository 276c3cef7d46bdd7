/**
 * What an operation costs: calls to the backend, and the capacity units that DynamoDB says it
 * consumed. Counted from one lap to the next, so the measured work must be the only work. Knows
 * nothing of tasks: see cost-scenario.ts.
 */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchWriteCommand } from '@aws-sdk/lib-dynamodb';
import type { RecordKey, RecordWrite } from '../../src/backends/backend.ts';
import type { ConsumedCapacityEvent } from '../../src/backends/dynamodb.ts';
import { documentClient } from '../../src/backends/dynamodb-document.ts';
import { toItem } from '../../src/backends/dynamodb-item.ts';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { type Clock, type RandomBytes, systemRandom } from '../../src/clock.ts';
import { type CountingBackend, countingBackend } from '../../test/support/counting-backend.ts';
import { openDynamoDb } from '../engines.ts';
import { inParallel } from '../lanes.ts';

export interface Cost {
  /** `get` and `list`. */
  readonly reads: number;
  /** `putIfVersion`, `addIfBelow` and `delete`, refused ones included. */
  readonly writes: number;
  /** 0 on backends that have no such thing. DynamoDB does not report what a refused write consumed. */
  readonly readUnits: number;
  readonly writeUnits: number;
}

export const NO_COST: Cost = { reads: 0, writes: 0, readUnits: 0, writeUnits: 0 };

export function addCosts(a: Cost, b: Cost): Cost {
  return {
    reads: a.reads + b.reads,
    writes: a.writes + b.writes,
    readUnits: a.readUnits + b.readUnits,
    writeUnits: a.writeUnits + b.writeUnits,
  };
}

export interface Meter {
  readonly backend: CountingBackend;
  /** The cost since the last lap. */
  lap(): Cost;
  /** Writes new records the quickest way there is, past the backend's conditions. */
  fill(records: readonly NewRecord[]): Promise<void>;
  close(): Promise<void>;
}

export interface NewRecord {
  readonly key: RecordKey;
  readonly write: RecordWrite;
}

export interface MeterOptions {
  readonly clock: Clock;
  /** Of DynamoDB's write tokens. */
  readonly random?: RandomBytes;
}

/** Calls only. */
export async function meterMemory({ clock }: MeterOptions): Promise<Meter> {
  const backend = countingBackend(new MemoryBackend({ clock }));
  return {
    backend,
    lap: () => ({ ...lapOf(backend), readUnits: 0, writeUnits: 0 }),
    fill: async (records) => {
      await Promise.all(records.map(({ key, write }) => backend.putIfVersion(key, write, 0)));
    },
    close: async () => {},
  };
}

/** Calls and units, on a new table of DynamoDB Local. */
export async function meterDynamoDb({ clock, random = systemRandom }: MeterOptions): Promise<Meter> {
  let readUnits = 0;
  let writeUnits = 0;
  const onConsumedCapacity = ({ operation, units }: ConsumedCapacityEvent) => {
    if (operation === 'GetItem' || operation === 'Query') readUnits += units;
    else writeUnits += units;
  };
  const engine = await openDynamoDb({ clock, random, onConsumedCapacity });
  const backend = countingBackend(engine.backend);
  return {
    backend,
    lap: () => {
      const cost = { ...lapOf(backend), readUnits, writeUnits };
      readUnits = 0;
      writeUnits = 0;
      return cost;
    },
    fill: (records) => batchWrite(engine, records),
    close: () => engine.close(),
  };
}

/** The most that DynamoDB takes in one call. */
const BATCH = 25;
const BATCHES_AT_ONCE = 8;

function batchWrite(
  table: { client: DynamoDBClient; tableName: string },
  records: readonly NewRecord[],
): Promise<void> {
  const { tableName } = table;
  const client = documentClient(table.client);
  return inParallel(Math.ceil(records.length / BATCH), BATCHES_AT_ONCE, async (index) => {
    const batch = records.slice(index * BATCH, (index + 1) * BATCH);
    const puts = batch.map(({ key, write }) => ({ PutRequest: { Item: toItem(key, write, 1, '-') } }));
    const { UnprocessedItems } = await client.send(new BatchWriteCommand({ RequestItems: { [tableName]: puts } }));
    if (Object.keys(UnprocessedItems ?? {}).length > 0) throw new Error('DynamoDB Local left items unwritten.');
  });
}

function lapOf(backend: CountingBackend): Pick<Cost, 'reads' | 'writes'> {
  const { get = 0, list = 0, putIfVersion = 0, addIfBelow = 0, delete: removed = 0 } = backend.counts();
  backend.reset();
  return { reads: get + list, writes: putIfVersion + addIfBelow + removed };
}
