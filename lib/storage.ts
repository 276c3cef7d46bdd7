/** Where tasks live, as functions and monitoring see it: one shape for the table and the cache. */
import type { Duration } from 'aws-cdk-lib';
import type { IMetric } from 'aws-cdk-lib/aws-cloudwatch';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import type { Environment } from '../lambda/shared/environment.ts';
import type { BackendKind } from '../lambda/shared/words.ts';
import type { AlarmSpec } from './alarm-spec.ts';
import type { FunctionNetwork } from './bundled-function.ts';

export interface TaskStorage {
  /** Whose client is in the functions' bundles. */
  readonly backend: BackendKind;
  /** Tells a function where its tasks are. */
  readonly environment: Environment;
  /** Where functions that use it run. A cache's run in its network, whatever is `wanted`; by default in no network of ours. */
  networkFor(wanted?: FunctionNetwork): FunctionNetwork;
  /** Lets a function read and write tasks. */
  grantTasks(grantee: IGrantable): void;
  /** What asks for an action. */
  alarms(period: Duration): readonly AlarmSpec[];
  /** What it does and costs, for the dashboard. */
  graphs(period: Duration): readonly StorageGraph[];
}

export interface StorageGraph {
  readonly title: string;
  readonly metrics: readonly IMetric[];
}
