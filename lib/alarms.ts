/**
 * The alarms, as data; those of the storage are its own. Each asks for an action, which docs/operations.md describes
 * under the same id. A service publishes many metrics only while they are not zero, and a sum over a missing operand
 * has no value: test/infra/alarms.test.ts evaluates each alarm on what its service would publish.
 */
import { Duration } from 'aws-cdk-lib';
import { MathExpression } from 'aws-cdk-lib/aws-cloudwatch';
import type { AlarmSpec } from './alarm-spec.ts';
import type { McpEndpoint } from './mcp-endpoint.ts';
import type { TaskStorage } from './storage.ts';
import { TaskMetrics } from './task-metrics.ts';
import type { TaskQueue } from './task-queue.ts';
import type { TaskWorker } from './task-worker.ts';

export interface Watched {
  /** Tells this deployment's metrics from those of others. */
  readonly deployment: string;
  readonly storage: TaskStorage;
  readonly queue: TaskQueue;
  readonly endpoint: McpEndpoint;
  readonly worker: TaskWorker;
}

const period = Duration.minutes(5);

export function alarmsOf(watched: Watched): AlarmSpec[] {
  const { storage } = watched;
  return [
    ...deliveryAlarms(watched),
    ...deadLetterAlarms(watched),
    ...taskAlarms(watched),
    ...functionAlarms(watched),
    ...storage.alarms(period),
  ];
}

function deliveryAlarms({ queue }: Watched): AlarmSpec[] {
  return [
    {
      id: 'QueueLag',
      metric: queue.queue.metricApproximateAgeOfOldestMessage({ period, statistic: 'Maximum' }),
      // Above the longest delay (5 minutes) and the longest run (15), during both of which a message grows older.
      threshold: 1_800,
      description: 'A message is older than the longest delay and the longest run together.',
    },
    {
      id: 'QueueBacklog',
      metric: queue.queue.metricApproximateNumberOfMessagesVisible({ period, statistic: 'Minimum' }),
      threshold: 10,
      description: 'Due tasks have waited for a worker all the time: there are too few workers.',
      evaluationPeriods: 3,
    },
  ];
}

/** Three, because each alone is blind to something. */
function deadLetterAlarms({ queue: { deadLetters }, worker }: Watched): AlarmSpec[] {
  // With a consumer attached, a letter is hidden nearly always: only both numbers together say that it is there.
  const kept = new MathExpression({
    expression: 'FILL(visible, 0) + FILL(hidden, 0)',
    label: 'Dead letters',
    period,
    usingMetrics: {
      visible: deadLetters.metricApproximateNumberOfMessagesVisible({ period, statistic: 'Average' }),
      hidden: deadLetters.metricApproximateNumberOfMessagesNotVisible({ period, statistic: 'Average' }),
    },
  });
  return [
    {
      id: 'DeadLetters',
      metric: kept,
      threshold: 1,
      description: 'Dead letters stay: tasks that could not be delivered have not been seen to.',
      evaluationPeriods: 3,
    },
    {
      id: 'DeadLetterAge',
      // SQS leaves letters that were received more than three times out of this: it sees those that nobody fetches.
      metric: deadLetters.metricApproximateAgeOfOldestMessage({ period, statistic: 'Maximum' }),
      threshold: 300,
      description: 'Nobody fetches the dead letters.',
    },
    {
      id: 'DeadLetterErrors',
      metric: worker.deadLetterConsumer.metricErrors({ period }),
      threshold: 1,
      description: 'The consumer of the dead letters fails.',
      rollsBack: 'worker',
    },
  ];
}

function taskAlarms({ deployment }: Watched): AlarmSpec[] {
  const metrics = new TaskMetrics(deployment, period);
  return [
    {
      id: 'TasksGivenUp',
      metric: metrics.failures('attempts_exhausted'),
      threshold: 1,
      description: 'A task failed because its runs crashed again and again, or it could not be delivered.',
      rollsBack: 'worker',
    },
    {
      id: 'DeadlinesExceeded',
      metric: metrics.failures('deadline_exceeded'),
      threshold: 5,
      description: 'Several tasks did not finish within their run deadline.',
    },
    {
      id: 'TasksParked',
      metric: metrics.parked(),
      threshold: 1,
      description: 'Tasks wait for code that is not deployed: a tool was changed or taken away while they ran.',
      rollsBack: 'worker',
    },
    {
      id: 'StrayErrors',
      metric: metrics.failures('stray_error'),
      threshold: 1,
      description: 'A tool let an error go by that nothing of its own waits for.',
      rollsBack: 'worker',
    },
    {
      id: 'TasksUnrecoverable',
      metric: metrics.failures('unrecoverable'),
      threshold: 1,
      description: 'A task cannot go on: its record or a value cannot be used.',
      rollsBack: 'worker',
    },
    {
      id: 'LeaseTakeovers',
      metric: metrics.takeovers(),
      threshold: 5,
      description: 'Workers die or stall while they run tasks.',
      rollsBack: 'worker',
    },
  ];
}

function functionAlarms({ endpoint, worker }: Watched): AlarmSpec[] {
  return [
    {
      id: 'WorkerErrors',
      metric: worker.worker.metricErrors({ period }),
      threshold: 3,
      description: 'The worker function fails as a whole: timeouts, memory, or it does not start.',
      rollsBack: 'worker',
    },
    {
      id: 'WorkerThrottled',
      metric: worker.worker.metricThrottles({ period }),
      threshold: 5,
      description: 'Lambda throttles the worker: the account or its reservation is at its limit.',
    },
    {
      id: 'LookerErrors',
      metric: worker.looker.metricErrors({ period }),
      threshold: 3,
      description: 'The function that looks at the agenda fails again and again.',
      rollsBack: 'worker',
    },
    {
      id: 'LookerSilent',
      // Also where it is throttled, or its schedule was switched off: Lambda publishes nothing then.
      metric: worker.looker.metricInvocations({ period }),
      threshold: 1,
      below: true,
      description: 'Nobody looks at the agenda: long waits, deadlines and lost messages are not seen to.',
      evaluationPeriods: 2,
    },
    {
      id: 'EndpointErrors',
      metric: endpoint.front.metricServerErrors(period),
      threshold: 5,
      description: 'The endpoint answers 5xx.',
      rollsBack: 'endpoint',
    },
    {
      id: 'EndpointThrottled',
      metric: endpoint.function.metricThrottles({ period }),
      threshold: 5,
      description: 'Lambda throttles the MCP function.',
    },
  ];
}
