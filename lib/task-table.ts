/** The table that tasks live in. Its keys and TTL are the backend's own definition; a test compares them. */
import { RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, Billing, TableEncryptionV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';

export interface TaskTableProps {
  /** @default - a key that DynamoDB owns */
  readonly encryptionKey?: IKey;
  /** @default true */
  readonly deletionProtection?: boolean;
  /** @default true */
  readonly pointInTimeRecovery?: boolean;
  /** @default RemovalPolicy.RETAIN */
  readonly removalPolicy?: RemovalPolicy;
}

export class TaskTable extends Construct {
  readonly table: TableV2;

  constructor(scope: Construct, id: string, props: TaskTableProps = {}) {
    super(scope, id);
    const { encryptionKey, deletionProtection = true, pointInTimeRecovery = true } = props;
    this.table = new TableV2(this, 'Table', {
      partitionKey: { name: 'PK', type: AttributeType.STRING },
      sortKey: { name: 'SK', type: AttributeType.STRING },
      timeToLiveAttribute: 'expiresAt',
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

  /** What the backend calls, and no more: single records and queries; no scan, no batch, no table changes. */
  grantTasks(grantee: IGrantable): void {
    this.table.grant(
      grantee,
      'dynamodb:GetItem',
      'dynamodb:PutItem',
      'dynamodb:UpdateItem',
      'dynamodb:DeleteItem',
      'dynamodb:Query',
    );
    this.table.encryptionKey?.grantEncryptDecrypt(grantee);
  }
}
