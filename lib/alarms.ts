/** The alarms, as data. Each asks for an action, which docs/operations.md describes under the same id. */
import { Duration } from 'aws-cdk-lib';
import type { IMetric } from 'aws-cdk-lib/aws-cloudwatch';
import { Operation } from 'aws-cdk-lib/aws-dynamodb';
import type { McpEndpoint } from './mcp-endpoint.ts';
import type { TaskStorage } from './storage.ts';
import { leaseTakeovers, taskFailures } from './task-metrics.ts';
import type { TaskQueue } from './task-queue.ts';
import { TaskTable } from './task-table.ts';
import type { TaskWorker } from './task-worker.ts';

export interface Watched {
  readonly storage: TaskStorage;
  readonly queue: TaskQueue;
  readonly endpoint: McpEndpoint;
  readonly worker: TaskWorker;
}

export interface AlarmSpec {
  readonly id: string;
  readonly metric: IMetric;
  /** Reached or passed. */
  readonly threshold: number;
  readonly description: string;
  /** Periods of five minutes in a row. @default 1 */
  readonly evaluationPeriods?: number;
}

const period = Duration.minutes(5);
const GIGABYTE = 1_000_000_000;

export function alarmsOf(watched: Watched): AlarmSpec[] {
  const { storage } = watched;
  return [
    ...deliveryAlarms(watched),
    ...taskAlarms(),
    ...functionAlarms(watched),
    ...(storage instanceof TaskTable ? tableAlarms(storage) : cacheAlarms(storage)),
  ];
}

function deliveryAlarms({ queue }: Watched): AlarmSpec[] {
  return [
    {
      id: 'DeadLetters',
      metric: queue.deadLetters.metricApproximateNumberOfMessagesVisible({ period, statistic: 'Maximum' }),
      threshold: 1,
      description: 'Dead letters are not consumed: tasks that could not be delivered have not been failed.',
      evaluationPeriods: 3,
    },
    {
      id: 'QueueLag',
      metric: queue.queue.metricApproximateAgeOfOldestMessage({ period, statistic: 'Maximum' }),
      // Above the longest delay (15 minutes) and the longest run (15), during both of which a message grows older.
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

function taskAlarms(): AlarmSpec[] {
  return [
    {
      id: 'TasksGivenUp',
      metric: taskFailures('attempts_exhausted', period),
      threshold: 1,
      description: 'A task failed because its runs crashed again and again, or it could not be delivered.',
    },
    {
      id: 'DeadlinesExceeded',
      metric: taskFailures('deadline_exceeded', period),
      threshold: 5,
      description: 'Several tasks did not finish within their run deadline.',
    },
    {
      id: 'ReplayMismatches',
      metric: taskFailures('replay_mismatch', period),
      threshold: 1,
      description: 'A deployed tool no longer does what its running tasks had recorded.',
    },
    {
      id: 'TasksUnrecoverable',
      metric: taskFailures('unrecoverable', period),
      threshold: 1,
      description: 'A task cannot go on: its record or a value cannot be used.',
    },
    {
      id: 'LeaseTakeovers',
      metric: leaseTakeovers(period),
      threshold: 5,
      description: 'Workers die or stall while they run tasks.',
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
    },
    {
      id: 'WorkerThrottled',
      metric: worker.worker.metricThrottles({ period }),
      threshold: 5,
      description: 'Lambda throttles the worker: the account or its reservation is at its limit.',
    },
    {
      id: 'EndpointErrors',
      metric: endpoint.front.metricServerErrors(period),
      threshold: 5,
      description: 'The endpoint answers 5xx.',
    },
    {
      id: 'EndpointThrottled',
      metric: endpoint.function.metricThrottles({ period }),
      threshold: 5,
      description: 'Lambda throttles the MCP function.',
    },
  ];
}

function tableAlarms({ table }: TaskTable): AlarmSpec[] {
  const operations = [
    Operation.GET_ITEM,
    Operation.PUT_ITEM,
    Operation.UPDATE_ITEM,
    Operation.DELETE_ITEM,
    Operation.QUERY,
  ];
  return [
    {
      id: 'TableThrottled',
      metric: table.metricThrottledRequestsForOperations({ operations, period }),
      threshold: 5,
      description: 'The table throttles requests.',
    },
  ];
}

function cacheAlarms(cache: Exclude<TaskStorage, TaskTable>): AlarmSpec[] {
  return [
    {
      id: 'CacheEvictions',
      metric: cache.metric('Evictions', 'Sum', period),
      threshold: 1,
      description: 'The cache is full and drops tasks.',
    },
    {
      id: 'CacheNearlyFull',
      metric: cache.metric('BytesUsedForCache', 'Maximum', period),
      threshold: cache.maxStorageGb * GIGABYTE * 0.8,
      description: 'The cache holds 80 % of what it may; a full cache drops tasks.',
    },
    {
      id: 'CacheThrottled',
      metric: cache.metric('ThrottledCmds', 'Sum', period),
      threshold: 5,
      description: 'The cache throttles commands.',
    },
  ];
}
