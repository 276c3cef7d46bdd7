/**
 * The queue on AWS: one SQS message a delivery. SQS delays a message by 15 minutes at the most; longer waits are the
 * agenda's, and reach the queue when they are nearly over.
 */
import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { Clock } from '../../clock.ts';
import { encodeOwner, type Owner } from '../../domain/owner.ts';
import type { TaskRef } from '../../domain/task.ts';
import { sha256 } from '../../store/codec.ts';
import { encodeDelivery } from './delivery.ts';
import type { TaskQueue } from './queue.ts';

export { type Delivery, decodeDelivery, decodeReceived, encodeDelivery } from './delivery.ts';

/** SQS's own limit for `DelaySeconds`. */
export const MAX_DELAY_SECONDS = 900;

export interface SqsQueueOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly clock: Clock;
}

export class SqsQueue implements TaskQueue {
  readonly maxDelayMs = MAX_DELAY_SECONDS * 1000;
  readonly #options: SqsQueueOptions;

  constructor(options: SqsQueueOptions) {
    this.#options = options;
  }

  /** Rejects with the SQS client's error; the task's head still says that it is due. */
  async enqueue(ref: TaskRef, { notBefore }: { readonly notBefore: number }): Promise<void> {
    const { client, queueUrl, clock } = this.#options;
    const waitSeconds = Math.ceil(Math.max(0, notBefore - clock.now()) / 1000);
    await client.send(
      new SendMessageCommand({
        QueueUrl: queueUrl,
        MessageBody: encodeDelivery({ ref, notBefore }),
        MessageGroupId: groupOf(ref.owner),
        DelaySeconds: Math.min(waitSeconds, MAX_DELAY_SECONDS),
      }),
    );
  }
}

/**
 * A standard queue is fair between groups: while one owner's messages hold many workers, other owners' come first. A
 * digest, because a group's name has at most 128 characters and is seen by everybody who may receive.
 */
function groupOf(owner: Owner): string {
  return sha256(encodeOwner(owner));
}
