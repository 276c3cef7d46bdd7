/**
 * Logs and metrics of the functions, through Powertools. Records carry task id, tool, status, an owner's digest
 * and trace; never arguments, results, answers, variables or tokens.
 */
import { Logger as PowertoolsLogger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { encodeOwner } from '../../src/domain/owner.ts';
import { isTerminal } from '../../src/domain/status.ts';
import { FAILURE_REASONS, type Failure } from '../../src/domain/task.ts';
import type { LogFields, Logger } from '../../src/runtime/logger.ts';
import { sha256 } from '../../src/store/codec.ts';
import type { TaskStore } from '../../src/store/task-store.ts';
import { oneOf, readEnvironment } from './environment.ts';
import { LOG_LEVELS, type LogLevel, METRICS, METRICS_NAMESPACE, type MetricName, SERVICE } from './words.ts';

const environment = readEnvironment(process.env);

export const powertoolsLogger = new PowertoolsLogger({ serviceName: SERVICE });
const metrics = new Metrics({
  namespace: METRICS_NAMESPACE,
  serviceName: SERVICE,
  defaultDimensions: { deployment: environment.deployment ?? 'unnamed' },
});

/** Decided here and not by Lambda's own filter, which could take the metrics, written as log lines, with it. */
const lowest = LOG_LEVELS.indexOf(oneOf(environment, 'logLevel', LOG_LEVELS, 'info'));

function at(level: LogLevel): Logger[LogLevel] {
  if (LOG_LEVELS.indexOf(level) < lowest) return () => {};
  return (message, { message: detail, ...fields }: LogFields = {}) =>
    // An error's message must not take the place of the record's own.
    powertoolsLogger[level](message, detail === undefined ? fields : { ...fields, detail });
}

export const logger: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };

/** Counts what this instance does to tasks: endings by status, reason and tool; durations; takeovers; tasks that are parked. */
export function reportTo(store: TaskStore): void {
  const takenOver = new Map<string, number>();
  store.onChange(({ task }, before) => {
    if (before === undefined) count(METRICS.created, task.tool);
    const { lease, crashes, epoch } = task.run;
    if (lease === undefined) takenOver.delete(task.id);
    else if (crashes > 0 && takenOver.get(task.id) !== epoch) {
      // A run changes its task more than once.
      takenOver.set(task.id, epoch);
      metrics.singleMetric().addMetric(METRICS.takeovers, MetricUnit.Count, 1);
    }
    // Without the tool: alarms watch one metric, and the log says which task it was.
    if (task.run.parked !== undefined && task.run.parked.looks !== before?.run.parked?.looks)
      metrics.singleMetric().addMetric(METRICS.parked, MetricUnit.Count, 1);
    // A task that has ended is written again while its handler cleans up.
    if (!isTerminal(task.status) || (before !== undefined && isTerminal(before.status))) return;
    count(METRICS[task.status], task.tool);
    const duration = metrics.singleMetric();
    duration.addDimension('tool', task.tool);
    duration.addMetric(METRICS.duration, MetricUnit.Milliseconds, task.updatedAt - task.createdAt);
    const reason = reasonOf(task.error);
    if (reason !== undefined) {
      const failures = metrics.singleMetric();
      failures.addDimension('reason', reason);
      failures.addMetric(METRICS.failures, MetricUnit.Count, 1);
    }
    const digest = sha256(encodeOwner(task.owner)).slice(0, 12);
    logger.info('Outcome recorded', { task: task.id, tool: task.tool, status: task.status, owner: digest });
  });
}

function count(name: MetricName, tool: string): void {
  const metric = metrics.singleMetric();
  metric.addDimension('tool', tool);
  metric.addMetric(name, MetricUnit.Count, 1);
}

function reasonOf(error: { readonly json?: unknown } | { readonly ref: unknown } | undefined): string | undefined {
  if (error === undefined || !('json' in error)) return undefined;
  const { data } = error.json as Failure;
  const reason = typeof data === 'object' && data !== null && 'reason' in data ? data.reason : undefined;
  // A tool's own reasons could be any number, and each would be a metric of its own.
  return FAILURE_REASONS.find((known) => known === reason) ?? 'tool';
}
