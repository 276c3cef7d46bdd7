/** The queue of due tasks, and where what cannot be delivered ends. */
/* oxlint-disable no-new -- A construct is made for its place in the tree. */
import { CfnOutput, Duration } from 'aws-cdk-lib';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import {
  DEAD_LETTER_RETENTION,
  DEAD_LETTER_VISIBILITY_TIMEOUT,
  MAX_RECEIVE_COUNT,
  QUEUE_RETENTION,
  VISIBILITY_TIMEOUT,
} from './limits.ts';

export interface TaskQueueProps {
  /** @default - a key that SQS manages */
  readonly encryptionKey?: IKey | undefined;
  /** At least the worker's timeout. @default 16 minutes */
  readonly visibilityTimeout?: Duration | undefined;
  /** Deliveries of one message before it is a dead letter. @default 5 */
  readonly maxReceiveCount?: number | undefined;
}

export class TaskQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, props: TaskQueueProps = {}) {
    super(scope, id);
    const { encryptionKey } = props;
    const common = {
      enforceSSL: true,
      ...(encryptionKey === undefined
        ? { encryption: QueueEncryption.SQS_MANAGED }
        : { encryption: QueueEncryption.KMS, encryptionMasterKey: encryptionKey }),
    };
    this.deadLetters = new Queue(this, 'DeadLetters', {
      ...common,
      retentionPeriod: DEAD_LETTER_RETENTION,
      visibilityTimeout: DEAD_LETTER_VISIBILITY_TIMEOUT,
    });
    this.queue = new Queue(this, 'Queue', {
      ...common,
      visibilityTimeout: props.visibilityTimeout ?? VISIBILITY_TIMEOUT,
      receiveMessageWaitTime: Duration.seconds(20),
      retentionPeriod: QUEUE_RETENTION,
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: props.maxReceiveCount ?? MAX_RECEIVE_COUNT },
    });
    new CfnOutput(this, 'QueueUrl', { value: this.queue.queueUrl, description: 'Due tasks' });
    new CfnOutput(this, 'DeadLettersUrl', { value: this.deadLetters.queueUrl, description: 'Undeliverable tasks' });
    new CfnOutput(this, 'DeadLettersArn', {
      value: this.deadLetters.queueArn,
      description: 'What could not be delivered',
    });
  }

  /** Lets a function enqueue tasks, and not even ask what the queue is like. */
  grantSend(grantee: IGrantable): void {
    this.queue.grant(grantee, 'sqs:SendMessage');
    this.queue.encryptionMasterKey?.grant(grantee, 'kms:GenerateDataKey', 'kms:Decrypt');
  }
}
