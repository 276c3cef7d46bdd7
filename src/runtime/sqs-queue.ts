/**
 * The queue on AWS: one SQS message a delivery. SQS delays a message by 15 minutes at the most; a later
 * due time is reached by deliveries in between, each of which finds the task not due and schedules
 * the next (one message and one read every 15 minutes of waiting).
 */
import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { Clock } from '../clock.ts';
import { encodeOwner, isOwnerPart, type Owner } from '../domain/owner.ts';
import type { TaskRef } from '../domain/task.ts';
import { asTaskId } from '../domain/task-id.ts';
import { sha256 } from '../store/codec.ts';
import type { TaskQueue } from './queue.ts';

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
 * digest, because a group's name has at most 128 characters and is seen by whoever may receive.
 */
function groupOf(owner: Owner): string {
  return sha256(encodeOwner(owner));
}

export interface Delivery {
  readonly ref: TaskRef;
  /** The time that it was meant for, in milliseconds since the epoch. */
  readonly notBefore: number;
}

/** A message's body: names the task and the time, and nothing else. */
export function encodeDelivery({ ref, notBefore }: Delivery): string {
  return JSON.stringify({ owner: ref.owner, task: ref.id, notBefore });
}

/** What a message says, or `undefined` for a body that is none of ours. */
export function decodeDelivery(body: string): Delivery | undefined {
  try {
    const { owner, task, notBefore } = JSON.parse(body) as {
      owner?: Record<string, unknown>;
      task?: unknown;
      notBefore?: unknown;
    };
    const { issuer, subject, tenant } = owner ?? {};
    if (!isOwnerPart(issuer) || !isOwnerPart(subject) || typeof notBefore !== 'number') return undefined;
    // Without the tenant that is there, it would be another owner's task.
    if (tenant !== undefined && !isOwnerPart(tenant)) return undefined;
    const whose = tenant === undefined ? { issuer, subject } : { issuer, subject, tenant };
    return { ref: { owner: whose, id: asTaskId(task) }, notBefore };
  } catch {
    return undefined;
  }
}
