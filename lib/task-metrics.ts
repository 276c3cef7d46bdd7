/** The metrics that the functions write of tasks, for alarms and graphs. A test compares the names with the functions'. */
import type { Duration } from 'aws-cdk-lib';
import { MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';

export const METRICS_NAMESPACE = 'McpDurableTasks';
export const SERVICE = 'mcp-durable-tasks';

export function taskFailures(reason: string, period: Duration): Metric {
  return taskMetric('TaskFailures', { reason }, period);
}

export function leaseTakeovers(period: Duration): Metric {
  return taskMetric('LeaseTakeovers', {}, period);
}

function taskMetric(metricName: string, dimensions: Readonly<Record<string, string>>, period: Duration): Metric {
  const dimensionsMap = { service: SERVICE, ...dimensions };
  return new Metric({ namespace: METRICS_NAMESPACE, metricName, dimensionsMap, statistic: 'Sum', period });
}

/** One line for each value of a dimension. For graphs only: CloudWatch has no alarms on searches. */
export function eachValue(
  metricName: string,
  dimension: 'tool' | 'reason',
  statistic: string,
  period: Duration,
): MathExpression {
  const schema = `{${METRICS_NAMESPACE},service,${dimension}} service="${SERVICE}" MetricName="${metricName}"`;
  const expression = `SEARCH('${schema}', '${statistic}', ${period.toSeconds()})`;
  return new MathExpression({ expression, label: statistic === 'Sum' ? '' : statistic, period, usingMetrics: {} });
}

/** The sum over all values of a dimension. */
export function allValues(metricName: string, dimension: 'tool' | 'reason', period: Duration): MathExpression {
  const { expression } = eachValue(metricName, dimension, 'Sum', period);
  return new MathExpression({ expression: `SUM(${expression})`, label: metricName, period, usingMetrics: {} });
}
