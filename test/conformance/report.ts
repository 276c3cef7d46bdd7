/** How results are shown: a table, and below it what did not pass. */
import type { Check, ScenarioResult } from './suite.ts';

const COLUMNS = [
  ['passed', 'SUCCESS'],
  ['failed', 'FAILURE'],
  ['skipped', 'SKIPPED'],
  ['warnings', 'WARNING'],
] as const satisfies readonly (readonly [string, Check['status']])[];

export interface Totals {
  readonly passed: number;
  readonly failed: number;
}

export function totalsOf(results: readonly ScenarioResult[]): Totals {
  return { passed: count(results, 'SUCCESS'), failed: count(results, 'FAILURE') };
}

export function tableOf(results: readonly ScenarioResult[]): string {
  const names = results.map(({ scenario, notRequired }) =>
    notRequired === undefined ? scenario : `${scenario} (${notRequired})`,
  );
  const width = Math.max('scenario'.length, ...names.map(({ length }) => length));
  const line = (name: string, cells: readonly (string | number)[]) =>
    [name.padEnd(width), ...cells.map((cell, column) => String(cell).padStart(COLUMNS[column]?.[0].length ?? 0))].join(
      '  ',
    );
  const cellsOf = (shown: readonly ScenarioResult[]) => COLUMNS.map(([, status]) => count(shown, status));
  return [
    line(
      'scenario',
      COLUMNS.map(([title]) => title),
    ),
    ...results.map((result, row) => line(names[row] ?? '', cellsOf([result]))),
    line('all', cellsOf(results)),
  ].join('\n');
}

/** A line for each check that failed, was skipped or warns. */
export function remarksOf(results: readonly ScenarioResult[]): string {
  return results
    .flatMap(({ scenario, checks }) =>
      checks
        .filter(({ status }) => status !== 'SUCCESS' && status !== 'INFO')
        .map((check) => `${check.status} ${scenario}, ${check.id}: ${reasonOf(check)}\n`),
    )
    .join('');
}

function reasonOf({ errorMessage, details }: Check): string {
  if (errorMessage !== undefined) return errorMessage.replaceAll(/\s+/g, ' ');
  return typeof details?.note === 'string' ? details.note : 'no reason given';
}

function count(results: readonly ScenarioResult[], status: Check['status']): number {
  return results.flatMap(({ checks }) => checks).filter((check) => check.status === status).length;
}
