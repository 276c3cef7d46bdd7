/** The table that tasks live in. The names of its keys and of its TTL attribute are the backend's own. */
/* oxlint-disable no-new -- A construct is made for its place in the tree. */
import { CfnOutput, type Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { AttributeType, Billing, type ITableV2, TableEncryptionV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import type { Environment } from '../lambda/shared/environment.ts';
import { TABLE_KEYS, TTL_ATTRIBUTE } from '../src/backends/dynamodb-attributes.ts';
import { present } from '../src/present.ts';
import type { AlarmSpec } from './alarm-spec.ts';
import type { FunctionNetwork } from './bundled-function.ts';
import type { StorageGraph, TaskStorage } from './storage.ts';

export interface TaskTableProps {
  /**
   * A table that is there already, with the backend's keys: one that was restored, for instance. Of the other
   * properties only the key counts then. @default - one is made
   */
  readonly existingTableName?: string | undefined;
  /** @default - a key that DynamoDB owns */
  readonly encryptionKey?: IKey | undefined;
  /** @default true */
  readonly deletionProtection?: boolean | undefined;
  /** To any second of the last 35 days. @default true */
  readonly pointInTimeRecovery?: boolean | undefined;
  /** @default RemovalPolicy.RETAIN */
  readonly removalPolicy?: RemovalPolicy | undefined;
}

/** What the backend calls, and no more: single records and queries; no scan, no batch, no table changes. */
const ACTIONS = ['GetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'Query'].map((name) => `dynamodb:${name}`);

export class TaskTable extends Construct implements TaskStorage {
  readonly backend = 'dynamodb';
  readonly environment: Environment;
  readonly table: ITableV2 | TableV2;

  constructor(scope: Construct, id: string, props: TaskTableProps = {}) {
    super(scope, id);
    const { existingTableName: tableName, encryptionKey } = props;
    this.table =
      tableName === undefined
        ? this.#made(props)
        : TableV2.fromTableAttributes(this, 'Table', { tableName, ...present({ encryptionKey }) });
    const { backend, table } = this;
    this.environment = { backend, tableName: table.tableName };
    new CfnOutput(this, 'TableName', { value: table.tableName, description: 'Where tasks are stored' });
  }

  #made(props: TaskTableProps): TableV2 {
    const { encryptionKey, deletionProtection = true, pointInTimeRecovery = true } = props;
    return new TableV2(this, 'Table', {
      partitionKey: { name: TABLE_KEYS.partition, type: AttributeType.STRING },
      sortKey: { name: TABLE_KEYS.sort, type: AttributeType.STRING },
      timeToLiveAttribute: TTL_ATTRIBUTE,
      billing: Billing.onDemand(),
      deletionProtection,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: pointInTimeRecovery },
      removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN,
      encryption:
        encryptionKey === undefined
          ? TableEncryptionV2.dynamoOwnedKey()
          : TableEncryptionV2.customerManagedKey(encryptionKey),
    });
  }

  networkFor(wanted: FunctionNetwork = {}): FunctionNetwork {
    return wanted;
  }

  grantTasks(grantee: IGrantable): void {
    this.table.grant(grantee, ...ACTIONS);
    const { encryptionKey } = this.table;
    if (encryptionKey === undefined) return;
    encryptionKey.grantEncryptDecrypt(grantee);
    acknowledgeKeyActions(grantee);
  }

  /** The table's own events, for which it does not matter what the operation was. Each is published while there are some. */
  alarms(period: Duration): AlarmSpec[] {
    const events = (metricName: string) => this.table.metric(metricName, { period, statistic: 'Sum' });
    return [
      {
        id: 'TableReadsThrottled',
        metric: events('ReadThrottleEvents'),
        threshold: 5,
        description: 'The table throttles reads.',
      },
      {
        id: 'TableWritesThrottled',
        metric: events('WriteThrottleEvents'),
        threshold: 5,
        description: 'The table throttles writes.',
      },
    ];
  }

  graphs(period: Duration): StorageGraph[] {
    const sums = { period, statistic: 'Sum' };
    const units = [this.table.metricConsumedReadCapacityUnits(sums), this.table.metricConsumedWriteCapacityUnits(sums)];
    return [
      { title: 'Conflicts', metrics: [this.table.metricConditionalCheckFailedRequests(sums)] },
      { title: 'Cost: table units', metrics: units },
    ];
  }
}

function acknowledgeKeyActions({ grantPrincipal }: IGrantable): void {
  if (!Construct.isConstruct(grantPrincipal)) return;
  const reason = 'DynamoDB uses the key on behalf of the function by all variants of these two actions; one key only.';
  Validations.of(grantPrincipal).acknowledge(
    { id: 'AwsSolutions-IAM5[Action::kms:ReEncrypt*]', reason },
    { id: 'AwsSolutions-IAM5[Action::kms:GenerateDataKey*]', reason },
  );
}
