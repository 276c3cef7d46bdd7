/** The cost table: every operation in every corner, as rows that say where a corner makes a difference. */

import type { Table } from '../text-table.ts';
import type { Cost, Meter, MeterOptions } from './cost-meter.ts';
import { CORNERS, type Corner, type Costs, OPERATIONS, type Operation } from './cost-operations.ts';
import { measureCorner } from './cost-scenario.ts';

/** USD for a million units: the public on-demand rates of us-east-1, an assumption of the table. */
export const PRICES = { readUnit: 0.125, writeUnit: 0.625 } as const;

export interface CornerCosts {
  readonly corner: Corner;
  readonly costs: Costs;
}

export interface CostRow {
  readonly operation: Operation;
  /** The corners that it is for; empty where all cost the same. */
  readonly where: string;
  readonly cost: Cost;
}

export async function measureCosts(openMeter: (options: MeterOptions) => Promise<Meter>): Promise<CornerCosts[]> {
  const measured: CornerCosts[] = [];
  for (const corner of CORNERS) measured.push({ corner, costs: await measureCorner(corner, openMeter) });
  return measured;
}

/** One row for an operation that costs the same everywhere; otherwise one for each different cost. */
export function costRows(measured: readonly CornerCosts[]): CostRow[] {
  return (Object.keys(OPERATIONS) as Operation[]).flatMap((operation) => {
    const groups = Map.groupBy(measured, ({ costs }) => JSON.stringify(costs[operation]));
    return [...groups.values()].flatMap((group) => {
      const [first] = group;
      if (first === undefined) return [];
      const where = groups.size === 1 ? '' : describeCorners(group.map(({ corner }) => corner));
      return [{ operation, where, cost: first.costs[operation] }];
    });
  });
}

/** Names only what the corners have in common. */
function describeCorners(corners: readonly Corner[]): string {
  const tasks = new Set(corners.map((corner) => `${corner.tasks.toLocaleString('en-US')} tasks`));
  const variables = new Set(corners.map(({ variablesBytes }) => nameOfSize(variablesBytes)));
  if (variables.size === 1 && tasks.size > 1) return [...variables].join();
  if (tasks.size === 1 && variables.size > 1) return [...tasks].join();
  return corners.map(({ tasks, variablesBytes }) => `${tasks} tasks, ${nameOfSize(variablesBytes)}`).join('; ');
}

function nameOfSize(bytes: number): string {
  return bytes === 0 ? 'no variables' : `${bytes / 1000} KB of variables`;
}

/** Of a million. */
export function priceOf({ readUnits, writeUnits }: Cost): number {
  return readUnits * PRICES.readUnit + writeUnits * PRICES.writeUnit;
}

export function costTable(rows: readonly CostRow[], explain?: (operation: Operation) => string): Table {
  return {
    head: [
      'operation',
      'reads',
      'writes',
      'read units',
      'write units',
      'USD/million',
      ...(explain ? ['what it is'] : []),
    ],
    rows: rows.map(({ operation, where, cost }) => [
      OPERATIONS[operation] + (where === '' ? '' : ` (${where})`),
      cost.reads,
      cost.writes,
      cost.readUnits,
      cost.writeUnits,
      priceOf(cost).toFixed(2),
      ...(explain ? [explain(operation)] : []),
    ]),
  };
}
