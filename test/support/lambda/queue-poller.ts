/**
 * What Lambda's event source does with an SQS queue: receives batches, invokes the function, deletes what it
 * processed, and leaves what failed to its visibility timeout, and so to redelivery and the redrive policy.
 */
import { DeleteMessageBatchCommand, type Message, ReceiveMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { SQSRecord } from 'aws-lambda';
import { present } from '../../../src/present.ts';
import type { EventSource } from './assembly.ts';
import type { FunctionHost } from './function-host.ts';

export interface QueuePollerOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly queueArn: string;
  readonly host: FunctionHost;
  readonly eventSource: EventSource;
}

const PAUSE_MS = 50;

export class QueuePoller {
  /** Overrides the queue's own, for tests that cannot wait for it. */
  visibilityTimeoutSeconds: number | undefined;
  /** While it is set, Lambda refuses to start the function: each message goes back, and was received once more. */
  isThrottled = false;
  /** How many receives have begun, one after the other: each goes by the settings at its beginning. */
  receives = 0;
  readonly #options: QueuePollerOptions;
  readonly #stopping = new AbortController();
  readonly #batches = new Set<Promise<void>>();
  readonly #loop: Promise<void>;
  #isPaused = false;
  #receiving: Promise<unknown> = Promise.resolve();

  constructor(options: QueuePollerOptions) {
    this.#options = options;
    this.#loop = this.#poll();
  }

  /** Batches at work are left alone: their function is closed by whoever started it. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  /** Resolves once the receive under way is over, too: from then on nothing is received. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    await this.#receiving;
  }

  resume(): void {
    this.#isPaused = false;
  }

  async #poll(): Promise<void> {
    const { eventSource } = this.#options;
    while (!this.#stopping.signal.aborted) {
      if (this.#batches.size >= eventSource.maxConcurrency) await Promise.race(this.#batches);
      const receiving = this.#receive();
      this.#receiving = receiving;
      const messages = await receiving;
      if (messages.length === 0) continue;
      const batch = this.#process(messages).catch(() => {});
      this.#batches.add(batch);
      void batch.then(() => this.#batches.delete(batch));
    }
  }

  async #receive(): Promise<Message[]> {
    if (this.#isPaused) return new Promise((resolve) => setTimeout(resolve, PAUSE_MS, []));
    this.receives += 1;
    const { client, queueUrl, eventSource } = this.#options;
    const { visibilityTimeoutSeconds } = this;
    const command = new ReceiveMessageCommand({
      QueueUrl: queueUrl,
      MaxNumberOfMessages: eventSource.batchSize,
      WaitTimeSeconds: 1,
      MessageSystemAttributeNames: ['All'],
      ...present({ VisibilityTimeout: visibilityTimeoutSeconds }),
    });
    try {
      return (await client.send(command)).Messages ?? [];
    } catch (error) {
      if (this.#stopping.signal.aborted) return [];
      throw error;
    }
  }

  async #process(messages: readonly Message[]): Promise<void> {
    const { client, queueUrl, host, eventSource } = this.#options;
    if (this.isThrottled) return;
    const reply = await host.invoke({ Records: messages.map((message) => this.#recordOf(message)) });
    if (reply.kind !== 'response') return;
    const failed = eventSource.reportsFailures ? failuresOf(reply.body) : new Set<unknown>();
    const done = messages.filter(({ MessageId }) => !failed.has(MessageId));
    if (done.length === 0) return;
    await client.send(
      new DeleteMessageBatchCommand({
        QueueUrl: queueUrl,
        Entries: done.map(({ MessageId, ReceiptHandle }) => ({ Id: MessageId, ReceiptHandle })),
      }),
    );
  }

  #recordOf(message: Message): SQSRecord {
    return {
      messageId: message.MessageId ?? '',
      receiptHandle: message.ReceiptHandle ?? '',
      body: message.Body ?? '',
      attributes: { ...message.Attributes } as SQSRecord['attributes'] & Record<string, string>,
      messageAttributes: {},
      md5OfBody: message.MD5OfBody ?? '',
      eventSource: 'aws:sqs',
      eventSourceARN: this.#options.queueArn,
      awsRegion: 'eu-central-1',
    };
  }
}

function failuresOf(body: string): ReadonlySet<unknown> {
  const answer = JSON.parse(body) as { batchItemFailures?: { itemIdentifier?: unknown }[] } | null;
  return new Set((answer?.batchItemFailures ?? []).map(({ itemIdentifier }) => itemIdentifier));
}
