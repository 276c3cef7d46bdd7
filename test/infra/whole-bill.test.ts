/** The whole bill in docs/costs.md: the sums by hand, the assumptions that can be held against something, and the document. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { Operation } from '../../bench/costs/cost-operations.ts';
import {
  ALARM_METRICS,
  billOf,
  billSection,
  GOAL,
  idleMonth,
  type TablePrices,
  totalOf,
} from '../../bench/costs/whole-bill.ts';
import { ofType, type Properties, synthesize } from './synthesized.ts';

/** A lifecycle with ten polls comes to 8.50. */
const TABLE: Partial<Record<Operation, number>> = {
  create: 2,
  firstRun: 1.375,
  slowStep: 1.25,
  complete: 2.625,
  pollWorking: 0.125,
  pollCompleted: 0.125,
};
const table: TablePrices = (operation) => TABLE[operation] ?? Number.NaN;

describe('a million tasks with ten polls', () => {
  test.each([
    // 11 requests; 12 invocations of 210 ms in all with half a GB; 3 queue requests; logs; 7.7 GB out.
    ['rest', 38.5, 2.5 + 3.85],
    ['http', 11, 2.5 + 3.85],
    ['url', 0, 2.5],
  ] as const)('behind %s cost what their parts come to [AWS-12]', (api, requests, logGb) => {
    const bill = billOf(api, 10, table);

    expect(bill.table).toBeCloseTo(8.5, 6);
    expect(bill.api).toBeCloseTo(requests, 6);
    expect(bill.functions).toBeCloseTo(2.4 + 1.400_007, 5);
    expect(bill.queue).toBeCloseTo(1.5, 6);
    expect(bill.logs).toBeCloseTo(logGb * 0.5, 6);
    expect(bill.transfer).toBeCloseTo(7.7 * 0.09, 6);
    expect(totalOf(bill)).toBeCloseTo(8.5 + requests + 3.800_007 + 1.5 + logGb * 0.5 + 7.7 * 0.09, 5);
  });

  test('are near the goals: above them by less than an eighth, for reasons that the document gives [AWS-12]', () => {
    for (const [api, goal] of Object.entries(GOAL.usd)) {
      expect(totalOf(billOf(api as keyof typeof GOAL.usd, GOAL.polls, table))).toBeLessThan(goal * 1.125);
    }
  });
});

test('each more poll costs its request, its invocation and its read, and nothing else [AWS-12]', () => {
  const more = (api: 'rest' | 'url') => totalOf(billOf(api, 31, table)) - totalOf(billOf(api, 30, table));

  // 3.50 of API Gateway, 0.20 + 0.0533 of Lambda, 0.125 of DynamoDB, 0.175 of logs, 0.063 of transfer.
  expect(more('rest')).toBeCloseTo(4.116_33, 4);
  expect(more('url')).toBeCloseTo(0.441_33, 4);
});

test('the month’s alarms are those of a deployment on DynamoDB [AWS-12]', () => {
  const metrics = ofType(synthesize().server, 'AWS::CloudWatch::Alarm').map(
    ({ properties }) =>
      (properties['Metrics'] as readonly Properties[] | undefined)?.filter((query) => 'MetricStat' in query).length ??
      1,
  );

  expect(metrics.reduce((sum, count) => sum + count, 0)).toBe(ALARM_METRICS);
  // 2.00 of alarms, a dashboard of 3, 20 metrics at 0.30, 1.296 million empty receives, and 43,200 looks:
  // 1.00 a million of the scheduler, 0.20 + 0.333 of Lambda, 16 reads of DynamoDB at 0.125.
  expect(idleMonth({ alarmMetrics: 20, tools: 3 })).toBeCloseTo(2 + 3 + 6 + 0.5184 + 0.0432 * 3.533_335, 6);
});

describe('docs/costs.md', () => {
  const document = readFileSync(new URL('../../docs/costs.md', import.meta.url), 'utf8');

  /** Of the row that begins with the operation's name; units of 0.125 and of 0.625. */
  const priceIn = (name: string): number => {
    const row = new RegExp(`^\\| ${name}(?: \\|[^|]*){2} \\| (\\d+) \\| (\\d+) \\|`, 'm').exec(document) ?? [];
    return Number(row[1]) * 0.125 + Number(row[2]) * 0.625;
  };
  const NAMES: Partial<Record<Operation, string>> = {
    create: 'create',
    firstRun: 'first run',
    slowStep: 'step that takes a while',
    complete: 'complete, 1 KB result',
    pollWorking: 'poll, working',
    pollCompleted: 'poll, completed, 1 KB result',
  };

  test('has the bill that its own table comes to [AWS-12]', () => {
    const [, section = ''] = /(## The whole bill\n.*)$/s.exec(document) ?? [];

    expect(section).toBe(billSection((operation) => priceIn(NAMES[operation] ?? '')));
  });
});
