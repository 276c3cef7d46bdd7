/**
 * Takes deliveries from SQS in a process of one's own, a container say; on Lambda the service itself brings them. Each
 * receiver of `sqs-consumer` has one message at a time, so that a long task holds up nobody else's. A message whose
 * process dies comes back when its visibility timeout has run out. The queue itself is fair between owners
 * (`MessageGroupId`).
 */
import type { Message, SQSClient } from '@aws-sdk/client-sqs';
import { Consumer } from 'sqs-consumer';
import { type Clock, sleep, systemClock } from '../../clock.ts';
import { type Logger, silentLogger } from '../logger.ts';
import { decodeReceived, runDelivered } from './delivery.ts';
import { type QueueConsumer, type RunDelivery, retryDelayMs } from './queue.ts';
import { QueueTrouble } from './queue-trouble.ts';

const DEFAULT_VISIBILITY_SECONDS = 30;
/** Of the visibility timeout: how often it is renewed. */
const RENEW_EVERY_SHARE = 1 / 3;
/** SQS's longest. */
const LONG_POLL_SECONDS = 20;
const LONGEST_PAUSE_MS = 10_000;

export interface SqsConsumerOptions {
  /** The caller made it and closes it. */
  readonly client: SQSClient;
  /**
   * A standard queue. One with dead letters must allow many receives: they count outages too, and a task that crashes its
   * process is ended by the attempts in its head.
   */
  readonly queueUrl: string;
  /** Tasks that this process runs at the same time; each waits for work with a request of its own. @default 16 */
  readonly concurrency?: number | undefined;
  /**
   * How long a message stays with a process that gives no sign of life; then another process has it, which also waits for
   * the task's lease. @default 30
   */
  readonly visibilitySeconds?: number;
  readonly clock?: Clock;
  /** @default silent */
  readonly logger?: Logger;
}

interface Receiver {
  readonly consumer: Consumer;
  /** Whether it has a message, up to when it has been deleted or made visible again. */
  busy: boolean;
}

export class SqsConsumer implements QueueConsumer {
  readonly #options: SqsConsumerOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #trouble: QueueTrouble;
  readonly #receivers: Receiver[] = [];
  readonly #draining = new AbortController();
  /** Requests in a row that were not answered. */
  #failures = 0;

  constructor(options: SqsConsumerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#trouble = new QueueTrouble(this.#logger, this.#clock);
  }

  start(run: RunDelivery): void {
    const { concurrency = 16 } = this.#options;
    for (let count = 0; count < concurrency; count += 1) {
      const receiver = this.#receiver(run);
      this.#receivers.push(receiver);
      receiver.consumer.start();
    }
  }

  async drain(): Promise<void> {
    this.#draining.abort();
    const settled = this.#receivers.map(
      ({ consumer, busy }) =>
        new Promise<void>((resolve) => {
          // Aborting would lose the deletion of a message that is just being dealt with.
          if (busy) consumer.once('response_processed', () => resolve());
          else resolve();
          consumer.stop({ abort: !busy });
        }),
    );
    await Promise.all(settled);
  }

  #receiver(run: RunDelivery): Receiver {
    const { client, queueUrl, visibilitySeconds = DEFAULT_VISIBILITY_SECONDS } = this.#options;
    const consumer = Consumer.create({
      sqs: client,
      queueUrl,
      batchSize: 1,
      waitTimeSeconds: LONG_POLL_SECONDS,
      visibilityTimeout: visibilitySeconds,
      heartbeatInterval: visibilitySeconds * RENEW_EVERY_SHARE,
      messageSystemAttributeNames: ['ApproximateReceiveCount'],
      preReceiveMessageCallback: () => this.#pause(),
      postReceiveMessageCallback: async () => {
        this.#failures = 0;
      },
      handleMessage: (message) => this.#deliver(message, run),
      terminateVisibilityTimeout: ([message]) => this.#comesAgainIn(message),
    });
    const receiver: Receiver = { consumer, busy: false };
    consumer.on('message_received', () => {
      receiver.busy = true;
    });
    consumer.on('response_processed', () => {
      receiver.busy = false;
    });
    consumer.on('error', (error) => {
      if (this.#draining.signal.aborted) return;
      this.#failures += 1;
      this.#trouble.report(error);
    });
    return receiver;
  }

  /** SQS, or the way to it, is given time after an error: the client itself would ask again at once. */
  async #pause(): Promise<void> {
    if (this.#failures === 0) return;
    await sleep(this.#clock, Math.min(retryDelayMs(this.#failures - 1), LONGEST_PAUSE_MS), this.#draining.signal);
  }

  async #deliver(message: Message, run: RunDelivery): Promise<Message> {
    // Received as the process was told to stop: another one has it at once.
    this.#draining.signal.throwIfAborted();
    const delivery = decodeReceived(message.Body, message.MessageId, this.#logger);
    if (delivery === undefined) {
      this.#logger.error('A message names no task', { message: message.MessageId });
      throw new Error('This message names no task.');
    }
    await runDelivered(delivery, receivesOf(message) > 1, run, this.#logger);
    return message;
  }

  #comesAgainIn(message: Message | undefined): number {
    if (message === undefined || this.#draining.signal.aborted) return 0;
    return Math.ceil(retryDelayMs(receivesOf(message) - 1) / 1000);
  }
}

function receivesOf(message: Message): number {
  return Number(message.Attributes?.ApproximateReceiveCount ?? 1);
}
