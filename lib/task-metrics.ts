/** The metrics that the functions write of tasks, for alarms and graphs. */
import type { Duration } from 'aws-cdk-lib';
import { MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { METRICS, METRICS_NAMESPACE, type MetricName, SERVICE } from '../lambda/shared/words.ts';

/** Of one deployment: others in the account and region have the same namespace and service. */
export class TaskMetrics {
  readonly #deployment: string;
  readonly #period: Duration;

  constructor(deployment: string, period: Duration) {
    this.#deployment = deployment;
    this.#period = period;
  }

  failures(reason: string): Metric {
    return this.#metric(METRICS.failures, { reason });
  }

  takeovers(): Metric {
    return this.#metric(METRICS.takeovers, {});
  }

  /** Looks at tasks whose code was not there. */
  parked(): Metric {
    return this.#metric(METRICS.parked, {});
  }

  /** One line for each value of a dimension. For graphs only: CloudWatch has no alarms on searches. */
  eachValue(metricName: MetricName, dimension: 'tool' | 'reason', statistic: string): MathExpression {
    const expression = this.#search(metricName, dimension, statistic);
    const label = statistic === 'Sum' ? '' : statistic;
    return new MathExpression({ expression, label, period: this.#period, usingMetrics: {} });
  }

  /** The sum over all values of a dimension. */
  allValues(metricName: MetricName, dimension: 'tool' | 'reason'): MathExpression {
    const expression = `SUM(${this.#search(metricName, dimension, 'Sum')})`;
    return new MathExpression({ expression, label: metricName, period: this.#period, usingMetrics: {} });
  }

  #metric(metricName: MetricName, dimensions: Readonly<Record<string, string>>): Metric {
    return new Metric({
      namespace: METRICS_NAMESPACE,
      metricName,
      dimensionsMap: { service: SERVICE, deployment: this.#deployment, ...dimensions },
      statistic: 'Sum',
      period: this.#period,
    });
  }

  #search(metricName: MetricName, dimension: string, statistic: string): string {
    const schema = `{${METRICS_NAMESPACE},service,deployment,${dimension}}`;
    const terms = `service="${SERVICE}" deployment="${this.#deployment}" MetricName="${metricName}"`;
    return `SEARCH('${schema} ${terms}', '${statistic}', ${this.#period.toSeconds()})`;
  }
}
