/** Alarms that each ask for an action, and a dashboard to look at when one has gone off. */
/* oxlint-disable no-new -- A construct is made for its place in the tree. */
import { CfnOutput, Duration } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IAlarmAction,
  type IMetric,
  type IWidget,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { METRICS } from '../lambda/shared/words.ts';
import type { AlarmSpec } from './alarm-spec.ts';
import { alarmsOf, type Watched } from './alarms.ts';
import { TaskMetrics } from './task-metrics.ts';

export interface MonitoringProps extends Watched {
  /** What is told of an alarm, and of its end. @default - nothing */
  readonly alarmActions?: readonly IAlarmAction[] | undefined;
}

const PERIOD = Duration.minutes(5);

const WHEN_REACHED = {
  comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
  treatMissingData: TreatMissingData.NOT_BREACHING,
};
const WHEN_MISSED = {
  comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
  treatMissingData: TreatMissingData.BREACHING,
};

export class Monitoring extends Construct {
  readonly alarms: readonly Alarm[];
  readonly dashboard: Dashboard;
  readonly #guards: ReadonlyMap<AlarmSpec['rollsBack'], Alarm[]>;

  constructor(scope: Construct, id: string, props: MonitoringProps) {
    super(scope, id);
    const actions = props.alarmActions ?? [];
    const alarms = alarmsOf(props).map((spec) => {
      const alarm = new Alarm(this, spec.id, {
        metric: spec.metric,
        threshold: spec.threshold,
        evaluationPeriods: spec.evaluationPeriods ?? 1,
        ...(spec.below === undefined ? WHEN_REACHED : WHEN_MISSED),
        alarmDescription: `${spec.description} See docs/operations.md, "${spec.id}".`,
      });
      alarm.addAlarmAction(...actions);
      alarm.addOkAction(...actions);
      return { alarm, rollsBack: spec.rollsBack };
    });
    this.alarms = alarms.map(({ alarm }) => alarm);
    const guards = Map.groupBy(alarms, ({ rollsBack }) => rollsBack);
    this.#guards = new Map([...guards].map(([what, members]) => [what, members.map(({ alarm }) => alarm)]));
    this.dashboard = new Dashboard(this, 'Dashboard', { defaultInterval: Duration.hours(6) });
    for (const row of [taskRow(props), runRow(props), endpointRow(props), storageRow(props)]) {
      this.dashboard.addWidgets(...row);
    }
    new CfnOutput(this, 'DashboardName', { value: this.dashboard.dashboardName, description: 'In CloudWatch' });
  }

  /** The alarms that tell of faulty new code. */
  guardsOf(what: 'endpoint' | 'worker'): readonly Alarm[] {
    return this.#guards.get(what) ?? [];
  }
}

const graph = (title: string, ...left: IMetric[]): IWidget => new GraphWidget({ title, left, width: 8, height: 6 });

const STATUSES = [METRICS.created, METRICS.completed, METRICS.failed, METRICS.cancelled] as const;

function taskRow({ deployment }: Watched): IWidget[] {
  const metrics = new TaskMetrics(deployment, PERIOD);
  return [
    graph('Tasks by status', ...STATUSES.map((name) => metrics.allValues(name, 'tool'))),
    graph('Tasks by tool: created', metrics.eachValue(METRICS.created, 'tool', 'Sum')),
    graph('Tasks by tool: failed', metrics.eachValue(METRICS.failed, 'tool', 'Sum')),
    graph('Failures by reason', metrics.eachValue(METRICS.failures, 'reason', 'Sum')),
    graph('Task duration, p50 (ms)', metrics.eachValue(METRICS.duration, 'tool', 'p50')),
    graph('Task duration, p95 (ms)', metrics.eachValue(METRICS.duration, 'tool', 'p95')),
  ];
}

function runRow({ deployment, queue, worker: { worker, looker } }: Watched): IWidget[] {
  const metrics = new TaskMetrics(deployment, PERIOD);
  return [
    graph('Queue lag (s)', queue.queue.metricApproximateAgeOfOldestMessage({ statistic: 'Maximum' })),
    graph(
      'Messages: due, running, dead',
      queue.queue.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum' }),
      queue.queue.metricApproximateNumberOfMessagesNotVisible({ statistic: 'Maximum' }),
      queue.deadLetters.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum' }),
    ),
    graph('Worker', worker.metricInvocations(), worker.metricErrors(), worker.metricThrottles()),
    graph('Worker concurrency', worker.metric('ConcurrentExecutions', { statistic: 'Maximum' })),
    graph(
      'Worker duration (ms)',
      worker.metricDuration({ statistic: 'p50' }),
      worker.metricDuration({ statistic: 'p95' }),
    ),
    graph('Looker', looker.metricInvocations(), looker.metricErrors(), looker.metricThrottles()),
    graph('Lease takeovers, parked tasks', metrics.takeovers(), metrics.parked()),
  ];
}

function endpointRow({ endpoint: { front, function: handler } }: Watched): IWidget[] {
  return [
    graph('Endpoint: requests and 5xx', front.metricRequests(PERIOD), front.metricServerErrors(PERIOD)),
    graph('Endpoint: function', handler.metricInvocations(), handler.metricErrors(), handler.metricThrottles()),
    graph(
      'Endpoint duration (ms)',
      handler.metricDuration({ statistic: 'p50' }),
      handler.metricDuration({ statistic: 'p95' }),
    ),
  ];
}

/** What the store does and costs. Requests, invocations and messages, which cost too, are in the rows above. */
function storageRow({ storage, queue }: Watched): IWidget[] {
  return [
    ...storage.graphs(PERIOD).map(({ title, metrics }) => graph(title, ...metrics)),
    graph('Cost: messages sent', queue.queue.metricNumberOfMessagesSent()),
  ];
}
