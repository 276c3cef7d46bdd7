/** docs/costs.md, as `node bench/run.ts --costs --write` writes it: the measured table and what each row is made of. */

import { POLLS } from '../lifecycles.ts';
import { markdownTable } from '../text-table.ts';
import type { Operation } from './cost-operations.ts';
import { DEFAULT_LIMIT } from './cost-scenario.ts';
import { type CostRow, costTable, PRICES } from './costs.ts';
import { HEAD_SHARDS, ownerSection } from './one-owner.ts';
import { billSection, tablePrices } from './whole-bill.ts';

const WHAT_IT_IS: Readonly<Record<Operation, string>> = {
  create:
    'count it for the owner, put it on the agenda, write its record (2 units at 1 KB of arguments); read the count once more',
  firstRun: 'read the record, take the lease in it',
  step: 'one log entry: start and outcome together',
  slowStep: 'two log entries: the start is recorded while the step still runs',
  progress: 'one write of the record, at most one a second',
  pollWorking: 'one strongly consistent read of the record',
  setVariable: 'read record and variables, write them anew, delete the old; recorded as a step',
  getVariable: 'read record and variables; the one value is recorded as a step',
  extendDeadline: 'a step that writes the record',
  minute: '12 heartbeats: most look at the record, each third renews the lease',
  complete: 'write the record with the result in it (3 units), give the slot back, take it off the agenda',
  pollCompleted: 'the result is in the record',
  ask: 'one log entry, and the record with the request; the run ends',
  update: 'read the record, write the answer into it; after the first half minute also a record on the agenda',
  resume: 'read the record, take the lease, read the log, record the answer',
  longWait:
    'begin it and suspend; two looks, which read the record and move the one on the agenda; take the lease, read the log, record the end',
  cancel: 'read the record, write it, give the slot back; it stays on the agenda until its handler has cleaned up',
  completeLarge: 'the result in four chunks, then as above',
  pollLarge: 'the record and four chunks: the result itself',
  list: `a query of each of ${HEAD_SHARDS} shards; finished records of 2.7 KB`,
  createWithKey: 'as create (here with few arguments), and a record for the key',
  createAgain: 'the refused write of the key, the key’s record, the task’s record',
  refused: `the refused count; then ${DEFAULT_LIMIT} records, newest first, to be sure, from ${HEAD_SHARDS} shards; for 3 s no more`,
  lifecycle: `create, ${POLLS} polls, one step that takes a while, complete with 1 KB`,
};

export function costDocument(rows: readonly CostRow[]): string {
  return `# What a task costs on DynamoDB

Measured, not estimated: calls to the backend, and the capacity units that DynamoDB Local reports
for them. \`node bench/run.ts --costs --write\` writes this file; \`test/contract/costs.test.ts\` pins its
figures, so a change that makes an operation dearer fails a test.

Each operation is measured in four corners: an owner with 10 and with 10,000 tasks, and a task with
none and with 300 KB of variables. A row without a remark in parentheses is the same in all four. What asks
all shards varies a little, as ids fall by chance.
Unless a row says otherwise, arguments and result have 1 KB each.

**Prices are an assumption:** ${PRICES.writeUnit} USD for a million write units and ${PRICES.readUnit} USD for a million read
units, the public on-demand rates of us-east-1. Queue, compute, logs and requests to the endpoint are in
[the whole bill](#the-whole-bill); storage is in neither.

${markdownTable(
  costTable(rows, (operation) => WHAT_IT_IS[operation]),
  [0, -1],
)}

## How to read it

- A poll of a working task is one read of one small record, whatever else the task or its owner has.
  Polling is the cheapest thing a client can do: five polls cost as much as one write unit.
- Small values (arguments and results up to 1,200 bytes of JSON, variables up to 800) live in the task's record.
  Larger ones have records of their own, which cost what their size costs when they are read, written or (see
  below) prolonged, and nothing otherwise.
- A step costs one write when its action is done at once and two when it takes a while, plus the size of its
  outcome in KB. Steps that were recorded before are not rewritten.
- While a handler runs, heartbeats are its only cost. A task that waits (for input, or for time) costs nothing.
- A run that begins more than two minutes late is put on the agenda once more: two write units and a read.
- Replacing large variables deletes the old ones, which DynamoDB bills like writing them.
- Each record carries its own expiry, with room to grow: what the task has kept so far is written anew only each
  time an extended deadline doubles the task's lifetime.
- Writes that DynamoDB refuses (a lost race, a full counter) also consume units, which it does not report:
  the units of "the same create again" and "create, refused at the limit" are lower bounds.
- A refusal reads the newest ${DEFAULT_LIMIT} records if those are the unfinished ones. It reads further back if finished
  tasks are newer, 400 at most, and the next one goes on from there; and all of them when it finds room and repairs the
  counter (see decisions/0002-active-limit.md).

${ownerSection(rows)}
${billSection(tablePrices(rows))}`;
}
