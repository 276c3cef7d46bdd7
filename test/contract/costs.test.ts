/**
 * What operations cost, pinned: calls to the backend and DynamoDB's capacity units, for an owner
 * with 10 and with 10,000 tasks, and tasks with none and with 300 KB of variables. A figure that
 * changes is a decision: change it here, and write docs/costs.md anew.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { costDocument } from '../../bench/costs/cost-document.ts';
import { meterDynamoDb, meterMemory } from '../../bench/costs/cost-meter.ts';
import type { Operation } from '../../bench/costs/cost-operations.ts';
import { type CornerCosts, costRows, measureCosts } from '../../bench/costs/costs.ts';

/** `operation (where)`: reads, writes, read units, write units. */
const PINNED = {
  create: [1, 3, 1, 4],
  firstRun: [1, 1, 1, 2],
  step: [0, 1, 0, 1],
  slowStep: [0, 1, 0, 1],
  progress: [0, 1, 0, 2],
  pollWorking: [1, 0, 1, 0],
  'setVariable (no variables)': [1, 2, 1, 3],
  'setVariable (300 KB of variables)': [2, 4, 75, 591],
  'getVariable (no variables)': [1, 1, 1, 1],
  'getVariable (300 KB of variables)': [2, 1, 75, 1],
  extendDeadline: [0, 2, 0, 3],
  minute: [8, 4, 8, 8],
  complete: [1, 2, 1, 4],
  pollCompleted: [1, 0, 1, 0],
  ask: [0, 2, 0, 3],
  update: [1, 1, 1, 2],
  resume: [2, 1, 2, 2],
  longWait: [4, 8, 6, 10],
  cancel: [2, 2, 2, 3],
  completeLarge: [1, 7, 1, 1032],
  pollLarge: [5, 0, 261, 0],
  'list (10 tasks)': [32, 0, 10, 0],
  'list (10,000 tasks)': [32, 0, 64, 0],
  createWithKey: [1, 4, 1, 4],
  createAgain: [2, 1, 2, 0],
  'refused (10 tasks, no variables)': [35, 1, 64, 0],
  'refused (10000 tasks, no variables)': [35, 1, 124, 0],
  'refused (10 tasks, 300 KB of variables)': [36, 1, 66, 0],
  'refused (10000 tasks, 300 KB of variables)': [36, 1, 128, 0],
  lifecycle: [13, 8, 13, 12],
};

const TOUCHING_VARIABLES: readonly Operation[] = ['setVariable', 'getVariable'];
/** What asks all shards: how many records of each are read depends on chance. */
const ASKING_SHARDS: readonly Operation[] = ['list', 'refused'];

let dynamoDb: CornerCosts[] = [];
let memory: CornerCosts[] = [];

beforeAll(async () => {
  dynamoDb = await measureCosts(meterDynamoDb);
  memory = await measureCosts(meterMemory);
});

describe('on DynamoDB', () => {
  test('each operation costs what is pinned, in every corner [STORE-9 I10]', () => {
    const measured = costRows(dynamoDb).map(({ operation, where, cost }) => [
      where === '' ? operation : `${operation} (${where})`,
      [cost.reads, cost.writes, cost.readUnits, cost.writeUnits],
    ]);

    expect(Object.fromEntries(measured)).toEqual(PINNED);
  });

  test('a poll of a working task is one read of one unit, whatever tasks and variables there are [I10]', () => {
    const polls = dynamoDb.map(({ costs }) => costs.pollWorking);

    expect(polls).toEqual(Array.from({ length: 4 }, () => ({ reads: 1, writes: 0, readUnits: 1, writeUnits: 0 })));
  });

  test('nothing depends on the number of tasks, and on the size of variables only what reads or writes them [STORE-9]', () => {
    const differing = costRows(dynamoDb).filter(
      ({ where, operation }) => where !== '' && !ASKING_SHARDS.includes(operation),
    );

    expect(new Set(differing.map(({ operation }) => operation))).toEqual(new Set(TOUCHING_VARIABLES));
    expect(differing.filter(({ where }) => where.includes('tasks'))).toEqual([]);
  });

  test('a list page asks each shard once, and a refusal few times, whatever there is [STORE-6 STORE-13]', () => {
    for (const { costs } of dynamoDb) {
      expect(costs.list).toMatchObject({ reads: 32, writes: 0 });
      expect(costs.list.readUnits).toBeLessThanOrEqual(64);
      expect(costs.refused.reads).toBeLessThanOrEqual(40);
    }
  });

  test('a create is at most 3 writes; a lifecycle with 10 polls at most 8 writes and 13 reads [STORE-9 STORE-14]', () => {
    for (const { costs } of dynamoDb) {
      expect(costs.create.writes).toBeLessThanOrEqual(3);
      expect(costs.lifecycle.writes).toBeLessThanOrEqual(8);
      expect(costs.lifecycle.reads).toBeLessThanOrEqual(13);
    }
  });

  test('a wait of a month costs a handful of writes, and no message and no invocation on the way [STORE-14 EXEC-20]', () => {
    for (const { costs } of dynamoDb) expect(costs.longWait.writes).toBeLessThanOrEqual(8);
  });

  test('docs/costs.md is what `node bench/run.ts --costs --write` writes [STORE-9]', () => {
    const written = readFileSync(new URL('../../docs/costs.md', import.meta.url), 'utf8');

    expect(written === costDocument(costRows(dynamoDb)) || 'stale: node bench/run.ts --costs --write').toBe(true);
  });
});

test('in memory the same operations make the same calls [I10 I9]', () => {
  // DynamoDB says of a page that is just full that more may follow: what asks all shards may read one of them once more.
  const isCertain = (name: string) => !ASKING_SHARDS.some((operation) => operation === name);
  const callsOf = (measured: readonly CornerCosts[]) =>
    measured.map(({ costs }) =>
      Object.entries(costs).map(([name, { reads, writes }]) => [name, isCertain(name) ? reads : 'some', writes]),
    );

  expect(callsOf(memory)).toEqual(callsOf(dynamoDb));
});
