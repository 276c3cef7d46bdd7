/** An alarm as data: which metric at which threshold asks for an action. */
import type { IMetric } from 'aws-cdk-lib/aws-cloudwatch';

export interface AlarmSpec {
  readonly id: string;
  readonly metric: IMetric;
  /** Reached or passed, unless `below` is set. */
  readonly threshold: number;
  readonly description: string;
  /** It goes off where the metric stays below the threshold, or stays away, instead. */
  readonly below?: true;
  /** Periods of five minutes in a row. @default 1 */
  readonly evaluationPeriods?: number;
  /** What new code is taken back when it goes off while that code is deployed. */
  readonly rollsBack?: 'endpoint' | 'worker';
}
