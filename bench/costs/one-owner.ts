/** The section of docs/costs.md on how far one owner goes: arithmetic over the measured units. test/contract/one-owner.test.ts simulates it. */
import { agendaPartitions, headsPartitions } from '../../src/store/keys.ts';
import { markdownTable } from '../text-table.ts';
import type { Operation } from './cost-operations.ts';
import { type CostRow, priceOf } from './costs.ts';

/** Units that DynamoDB bears on one partition key in one second. */
const WRITE_UNITS_A_SECOND = 1000;
const READ_UNITS_A_SECOND = 3000;
/** What is promised of one owner. */
const TARGET = 2000;

/** Over which an owner's heads are spread. */
export const HEAD_SHARDS = headsPartitions({ issuer: 'any', subject: 'any' }).length;
const AGENDA_SHARDS = agendaPartitions().length;

/** Units of one lifecycle in one place. */
interface Use {
  readonly write: number;
  readonly read: number;
}

const COUNTER: Use = { write: 2, read: 2 };
const AGENDA: Use = { write: 2, read: 0 };
const LOG: Use = { write: 1, read: 0 };

export function ownerSection(rows: readonly CostRow[]): string {
  const whole = costOf(rows, 'lifecycle');
  const heads: Use = {
    write: whole.writeUnits - COUNTER.write - AGENDA.write - LOG.write,
    read: whole.readUnits - COUNTER.read - AGENDA.read - LOG.read,
  };
  const places: readonly (readonly [string, Use, number])[] = [
    ['the owner’s heads', heads, HEAD_SHARDS],
    ['the agenda, of all owners together', AGENDA, AGENDA_SHARDS],
    ['the owner’s counter, with a limit only', COUNTER, 1],
  ];
  const lists = rows.filter(({ operation }) => operation === 'list').map(({ cost }) => cost);
  const table = {
    head: [
      'where',
      'write units',
      'read units',
      'keys',
      `write units of a key at ${figure(TARGET)}/s`,
      'lifecycles/s, at most',
    ],
    rows: places.map(([where, use, keys]) => [
      where,
      String(use.write),
      String(use.read),
      String(keys),
      figure((TARGET * use.write) / keys),
      figure(mostOf(use, keys)),
    ]),
  };
  return `## How far one owner goes

One DynamoDB partition key bears ${figure(WRITE_UNITS_A_SECOND)} write units and ${figure(READ_UNITS_A_SECOND)} read units a second, however large the table is. So nothing
that one owner does may go through one key. The whole lifecycle above, by where its units fall:

${markdownTable(table, [0])}

Log, large values and idempotency keys have partition keys of their own for each task, and no ceiling. "At most" is where
the average reaches what a key bears; chance makes some keys busier. Simulated (\`test/contract/one-owner.test.ts\`: every
record counted as DynamoDB counts it, lifecycles spread evenly over two seconds):

- **Without a limit** (\`maxActiveTasksPerOwner: null\`): ${figure(TARGET)} lifecycles a second of one owner, none throttled. The busiest
  of the ${HEAD_SHARDS} keys of heads had 509 write units (438 on average) and 831 read units in a second, the busiest of the agenda 283.
- **With a limit**: 500 a second. Each task is counted in and out, and read twice, in one record; from 510 on its key is
  throttled. A limit that is needed at more than that would have to be counted by somebody else, at the edge.
- Heads of 4 KB, the largest that are meant to be, cost 12 write units a lifecycle: 750 of a key at ${figure(TARGET)} a second. Beyond the
  lifecycle, a progress message or an answer is one more write of the head.
- All owners together share the agenda, ${AGENDA_SHARDS} keys. A task that takes longer than a minute has its record moved as well:
  2 units more, and half as many tasks. For more of either, \`AGENDA_SHARDS\` in \`src/store/keys.ts\` is the number to raise.
- The price of ${HEAD_SHARDS} shards is paid by listings, which ask them all and merge: ${rangeOf(lists.map(({ readUnits }) => String(readUnits)))} read units for a page of 10,
  ${rangeOf(lists.map((cost) => priceOf(cost).toFixed(2)))} USD for a million pages.
- A refusal at the limit asks each shard once, twice where finished tasks are newer, whatever the limit is (at 5,000 as at
  100). Then it is remembered for 3 s: one refused count each, until the counter itself has room.
`;
}

function mostOf({ write, read }: Use, keys: number): number {
  return Math.floor(
    Math.min((keys * WRITE_UNITS_A_SECOND) / write, read === 0 ? Infinity : (keys * READ_UNITS_A_SECOND) / read),
  );
}

function costOf(rows: readonly CostRow[], operation: Operation): CostRow['cost'] {
  const found = rows.find((row) => row.operation === operation);
  if (found === undefined) throw new Error(`Nothing was measured of ${operation}.`);
  return found.cost;
}

function figure(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function rangeOf(values: readonly string[]): string {
  const sorted = [...new Set(values)].toSorted((a, b) => Number(a) - Number(b));
  return sorted.length > 1 ? `${sorted[0]} to ${sorted.at(-1)}` : (sorted[0] ?? '');
}
