/**
 * Alarms that each ask for an action (docs/operations.md says which), and a dashboard to look at when one has
 * gone off.
 */
import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IAlarmAction,
  type IMetric,
  MathExpression,
  Metric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import type { McpEndpoint } from './mcp-endpoint.ts';
import type { TaskQueue } from './task-queue.ts';
import type { TaskStorage } from './storage.ts';
import { TaskTable } from './task-table.ts';
import type { TaskWorker } from './task-worker.ts';

/** As `lambda/shared/observability.ts` writes them; a test compares. */
export const METRICS_NAMESPACE = 'McpDurableTasks';
const SERVICE = 'mcp-durable-tasks';

export interface MonitoringProps {
  readonly storage: TaskStorage;
  readonly queue: TaskQueue;
  readonly endpoint: McpEndpoint;
  readonly worker: TaskWorker;
  /** What is told of an alarm. @default - nothing */
  readonly alarmActions?: readonly IAlarmAction[];
}

interface AlarmSpec {
  readonly id: string;
  readonly metric: IMetric;
  readonly threshold: number;
  readonly description: string;
  readonly evaluationPeriods?: number;
}

const PERIOD = Duration.minutes(5);

export class Monitoring extends Construct {
  readonly alarms: readonly Alarm[];
  readonly dashboard: Dashboard;

  constructor(scope: Construct, id: string, props: MonitoringProps) {
    super(scope, id);
    this.alarms = alarmsOf(props).map((spec) => {
      const alarm = new Alarm(this, spec.id, {
        metric: spec.metric,
        threshold: spec.threshold,
        evaluationPeriods: spec.evaluationPeriods ?? 1,
        comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treatMissingData: TreatMissingData.NOT_BREACHING,
        alarmDescription: `${spec.description} See docs/operations.md, "${spec.id}".`,
      });
      for (const action of props.alarmActions ?? []) alarm.addAlarmAction(action);
      return alarm;
    });
    this.dashboard = new Dashboard(this, 'Dashboard', { defaultInterval: Duration.hours(6) });
    this.dashboard.addWidgets(...widgetsOf(props));
  }
}

function alarmsOf({ storage, queue, endpoint, worker }: MonitoringProps): AlarmSpec[] {
  const period = PERIOD;
  const table: AlarmSpec[] =
    storage instanceof TaskTable
      ? [
          {
            id: 'TableThrottled',
            metric: storage.table.metricThrottledRequestsForOperations({
              operations: ['GetItem', 'PutItem', 'UpdateItem', 'Query'] as never,
              period,
            }),
            threshold: 5,
            description: 'The table throttles requests.',
          },
        ]
      : [];
  return [
    {
      id: 'DeadLetters',
      metric: queue.deadLetters.metricApproximateNumberOfMessagesVisible({ period }),
      threshold: 1,
      description: 'Dead letters are not consumed: tasks that could not be delivered have not been failed.',
      evaluationPeriods: 3,
    },
    {
      id: 'QueueLag',
      metric: queue.queue.metricApproximateAgeOfOldestMessage({ period }),
      threshold: 300,
      description: 'Due tasks wait longer than five minutes for a worker.',
    },
    {
      id: 'TasksGivenUp',
      metric: failures('attempts_exhausted'),
      threshold: 1,
      description: 'A task failed because its runs crashed again and again.',
    },
    {
      id: 'DeadlinesExceeded',
      metric: failures('deadline_exceeded'),
      threshold: 5,
      description: 'Several tasks did not finish within their run deadline.',
    },
    {
      id: 'ReplayMismatches',
      metric: failures('replay_mismatch'),
      threshold: 1,
      description: 'A deployed tool no longer does what its running tasks had recorded.',
    },
    {
      id: 'LeaseTakeovers',
      metric: takeovers(),
      threshold: 5,
      description: 'Workers die or stall while they run tasks.',
    },
    {
      id: 'WorkerErrors',
      metric: worker.worker.metricErrors({ period }),
      threshold: 3,
      description: 'The worker function fails as a whole.',
    },
    {
      id: 'WorkerThrottled',
      metric: worker.worker.metricThrottles({ period }),
      threshold: 5,
      description: 'Lambda throttles the worker: the account or its reservation is at its limit.',
    },
    { id: 'EndpointErrors', metric: serverErrors(endpoint), threshold: 5, description: 'The endpoint answers 5xx.' },
    {
      id: 'EndpointThrottled',
      metric: endpoint.function.metricThrottles({ period }),
      threshold: 5,
      description: 'Lambda throttles the MCP function.',
    },
    ...table,
  ];
}

function widgetsOf({ storage, queue, endpoint, worker }: MonitoringProps): GraphWidget[] {
  const graph = (title: string, ...left: IMetric[]) => new GraphWidget({ title, left, width: 8, height: 6 });
  const table =
    storage instanceof TaskTable
      ? [
          graph(
            'Cost: table units',
            storage.table.metricConsumedReadCapacityUnits(),
            storage.table.metricConsumedWriteCapacityUnits(),
          ),
          graph('Conflicts', storage.table.metricConditionalCheckFailedRequests()),
        ]
      : [];
  return [
    graph('Tasks by status and tool', ...['TasksCreated', 'TasksCompleted', 'TasksFailed', 'TasksCancelled'].map((name) => search(name, 'tool'))),
    graph('Failures by reason', search('TaskFailures', 'reason')),
    graph('Task duration (p50, p95)', search('TaskDuration', 'tool', 'p50'), search('TaskDuration', 'tool', 'p95')),
    graph('Queue lag (s)', queue.queue.metricApproximateAgeOfOldestMessage()),
    graph('Queue', queue.queue.metricApproximateNumberOfMessagesVisible(), queue.deadLetters.metricApproximateNumberOfMessagesVisible()),
    graph('Takeovers', takeovers()),
    graph('Endpoint', endpoint.function.metricInvocations(), endpoint.function.metricErrors(), endpoint.function.metricThrottles()),
    graph('Endpoint duration (p95)', endpoint.function.metricDuration({ statistic: 'p95' })),
    graph('Worker', worker.worker.metricInvocations(), worker.worker.metricErrors(), worker.worker.metricDuration({ statistic: 'p95' })),
    ...table,
  ];
}

/** 5xx of the API where there is one; else errors of the function. */
function serverErrors({ restApi, httpApi, function: handler }: McpEndpoint): Metric {
  if (restApi !== undefined) return restApi.metricServerError({ period: PERIOD, statistic: 'Sum' });
  return httpApi?.metricServerError({ period: PERIOD, statistic: 'Sum' }) ?? handler.metricErrors({ period: PERIOD });
}

function failures(reason: string): Metric {
  return new Metric({
    namespace: METRICS_NAMESPACE,
    metricName: 'TaskFailures',
    dimensionsMap: { service: SERVICE, reason },
    statistic: 'Sum',
    period: PERIOD,
  });
}

function takeovers(): Metric {
  return new Metric({
    namespace: METRICS_NAMESPACE,
    metricName: 'LeaseTakeovers',
    dimensionsMap: { service: SERVICE },
    statistic: 'Sum',
    period: PERIOD,
  });
}

/** A metric over all values of one dimension. For graphs only: CloudWatch has no alarms on searches. */
function search(name: string, dimension: string, statistic = 'Sum'): MathExpression {
  const schema = `{${METRICS_NAMESPACE},service,${dimension}} MetricName="${name}"`;
  const found = `SEARCH('${schema}', '${statistic}', ${PERIOD.toSeconds()})`;
  return new MathExpression({ expression: statistic === 'Sum' ? `SUM(${found})` : found, label: `${name} ${statistic}`, period: PERIOD, usingMetrics: {} });
}
