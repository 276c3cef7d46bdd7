/**
 * The whole bill of a task on AWS, by kind of API and number of polls: arithmetic over the units that
 * bench/costs/costs.ts measures, one list of prices and one of assumptions. Measures nothing itself.
 */
import { API_KINDS, type ApiKind } from '../../lib/front.ts';
import { agendaPartitions } from '../../src/store/keys.ts';
import { markdownTable } from '../text-table.ts';
import type { Operation } from './cost-operations.ts';
import { type CostRow, priceOf } from './costs.ts';

/** USD, the public on-demand rates of us-east-1, functions on ARM; requests by the million, the rest by the unit named. */
export const AWS_PRICES = {
  request: { rest: 3.5, http: 1, url: 0 } satisfies Record<ApiKind, number>,
  invocation: 0.2,
  gbSecond: 0.000_013_333_4,
  /** With a group id, which makes the queue fair: 0.40 and 0.10. */
  queueRequest: 0.5,
  /** Queue requests that find nothing have no group. */
  emptyReceive: 0.4,
  logGb: 0.5,
  transferOutGb: 0.09,
  alarmMetric: 0.1,
  dashboard: 3,
  customMetric: 0.3,
  tableRead: 0.125,
  scheduledCall: 1,
} as const;

/** What no local measurement tells: times in a region, and sizes of what others write. */
export const ASSUMED = {
  memoryGb: 0.5,
  createMs: 30,
  pollMs: 8,
  /** Of a step that takes no time of its own. What a tool's steps take comes on top. */
  workerMs: 100,
  /** One for each request; a function URL has none. */
  accessLogBytes: 350,
  /** Records and metrics of one task, in all functions. */
  functionLogBytes: 2_500,
  /** Headers, and a small status. */
  answerBytes: 700,
  /** Send, receive, delete. */
  queueRequests: 3,
  /** For each of two queues, a long poll of 20 seconds each. */
  pollers: 5,
  /** At the agenda, each minute, with half as much memory as the other functions: a query of each shard. */
  look: { perMonth: 30 * 24 * 60, ms: 100, memoryGb: 0.25, reads: agendaPartitions().length },
} as const;

const POLLS = [1, 10, 30, 100] as const;
/** The polls of the goals, and what a million tasks may cost then. */
export const GOAL = { polls: 10, usd: { rest: 50, http: 28, url: 15 } satisfies Record<ApiKind, number> } as const;

const GB = 1_000_000_000;
const MILLION = 1_000_000;

/** The parts of a million tasks, in USD: create, that many polls, one step that takes a while, complete with 1 KB. */
export interface Bill {
  readonly table: number;
  readonly api: number;
  readonly functions: number;
  readonly queue: number;
  readonly logs: number;
  readonly transfer: number;
}

/** USD for a million of an operation's table units. */
export type TablePrices = (operation: Operation) => number;

export function tablePrices(rows: readonly CostRow[]): TablePrices {
  return (operation) => {
    const row = rows.find((candidate) => candidate.operation === operation);
    if (row === undefined) throw new Error(`No costs of ${operation} were measured.`);
    return priceOf(row.cost);
  };
}

export function billOf(api: ApiKind, polls: number, table: TablePrices): Bill {
  const requests = polls + 1;
  const billedMs = ASSUMED.createMs + polls * ASSUMED.pollMs + ASSUMED.workerMs;
  const accessLogBytes = api === 'url' ? 0 : requests * ASSUMED.accessLogBytes;
  const lifecycle = ['create', 'firstRun', 'slowStep', 'complete', 'pollCompleted'] as const;
  return {
    table: lifecycle.reduce((sum, operation) => sum + table(operation), (polls - 1) * table('pollWorking')),
    api: requests * AWS_PRICES.request[api],
    functions:
      (requests + 1) * AWS_PRICES.invocation + MILLION * (billedMs / 1000) * ASSUMED.memoryGb * AWS_PRICES.gbSecond,
    queue: ASSUMED.queueRequests * AWS_PRICES.queueRequest,
    logs: ((accessLogBytes + ASSUMED.functionLogBytes) / GB) * MILLION * AWS_PRICES.logGb,
    transfer: ((requests * ASSUMED.answerBytes) / GB) * MILLION * AWS_PRICES.transferOutGb,
  };
}

export function totalOf(bill: Bill): number {
  return Object.values(bill).reduce((sum, part) => sum + part, 0);
}

/** USD a month of a deployment on DynamoDB that nobody calls, with so many tools in use. */
export function idleMonth({ alarmMetrics, tools }: { readonly alarmMetrics: number; readonly tools: number }): number {
  const receives = (2 * ASSUMED.pollers * 30 * 24 * 3600) / 20;
  // Created, completed, failed, cancelled and duration of each tool; some failures by reason, takeovers, parkings.
  const metrics = 5 * tools + 5;
  return (
    alarmMetrics * AWS_PRICES.alarmMetric +
    AWS_PRICES.dashboard +
    metrics * AWS_PRICES.customMetric +
    (receives / MILLION) * AWS_PRICES.emptyReceive +
    lookPrice() * (ASSUMED.look.perMonth / MILLION)
  );
}

/** USD for a million looks at an agenda on which nothing has fallen due. */
function lookPrice(): number {
  const { ms, memoryGb, reads } = ASSUMED.look;
  const compute = AWS_PRICES.invocation + MILLION * (ms / 1000) * memoryGb * AWS_PRICES.gbSecond;
  return AWS_PRICES.scheduledCall + compute + reads * AWS_PRICES.tableRead;
}

/** Of the table's deployment; a test counts them. */
export const ALARM_METRICS = 20;

function percentOf(api: ApiKind, table: TablePrices): number {
  return Math.round((100 * totalOf(billOf(api, GOAL.polls, table))) / GOAL.usd[api]);
}

export function billSection(table: TablePrices): string {
  const usd = (value: number): string => value.toFixed(2);
  const totals = POLLS.map((polls) => [polls, ...API_KINDS.map((api) => usd(totalOf(billOf(api, polls, table))))]);
  const parts = Object.keys(billOf('rest', GOAL.polls, table)) as (keyof Bill)[];
  const breakdown = [
    ...parts.map((part) => [part, ...API_KINDS.map((api) => usd(billOf(api, GOAL.polls, table)[part]))]),
    ['**all**', ...API_KINDS.map((api) => usd(totalOf(billOf(api, GOAL.polls, table))))],
    ['goal', ...API_KINDS.map((api) => usd(GOAL.usd[api]))],
  ];
  const { createMs, pollMs, workerMs, accessLogBytes, functionLogBytes, answerBytes, memoryGb } = ASSUMED;
  const { request, queueRequest, logGb, transferOutGb } = AWS_PRICES;
  return `## The whole bill

USD for a million tasks with DynamoDB: the table's units as measured above, and the rest by arithmetic in
\`bench/costs/whole-bill.ts\`, at the rates of us-east-1: ${request.rest.toFixed(2)} (\`rest\`) and ${request.http.toFixed(2)} (\`http\`) for a million requests, 0.20 for a
million invocations, ${queueRequest.toFixed(2)} for a million requests to a fair queue, ${logGb.toFixed(2)} for a GB of logs, ${transferOutGb} for a GB out. **Assumed,
not measured:** functions with ${memoryGb} GB that take ${createMs} ms for a create, ${pollMs} ms for a poll and ${workerMs} ms for a run besides what the
tool itself takes; ${accessLogBytes} bytes of access log and ${answerBytes} bytes of answer for a request; ${functionLogBytes.toLocaleString('en-US')} bytes of records and metrics for a
task. A client that finds the result at its last poll makes so many requests and one more, the create.

${markdownTable({ head: ['polls', ...API_KINDS.map((api) => `\`${api}\``)], rows: totals })}

Of these, with ${GOAL.polls} polls:

${markdownTable({ head: ['USD/million', ...API_KINDS.map((api) => `\`${api}\``)], rows: breakdown })}

- Against the goals that is ${API_KINDS.map((api) => `${percentOf(api, table)} % (\`${api}\`)`).join(', ')}. With \`rest\`, API Gateway's requests alone are ${usd(billOf('rest', GOAL.polls, table).api)},
  which no code of ours makes fewer: what helps is another kind of API, or clients that poll less (\`pollIntervalMs\`) or
  listen. What is left to save elsewhere is logs (\`logLevel=warn\`), memory (\`memoryMiB\`), and the table's units.
- A stream (\`subscriptions/listen\`) costs its function's memory for as long as it is open: ${usd(3_600 * memoryGb * AWS_PRICES.gbSecond * 1_000)} USD for a thousand hours of listening.
- Lambda's own lines about each invocation would add about 1.5 KB to each, ${usd((12 * 1_500 * MILLION * logGb) / GB)} USD to a million tasks with ${GOAL.polls} polls. They are
  written of failed invocations only.
- By the month, used or not: about ${usd(idleMonth({ alarmMetrics: ALARM_METRICS, tools: 3 }))} USD with three tools in use, for alarms, metrics, a dashboard, empty polls of
  the queues, and a look at the agenda each minute. Redis adds the cache and an endpoint in two zones, and with internet access a NAT gateway.
`;
}
