/** A queue that the servers of a test share, with times so short that a take-over is soon. Named in JSON, for other processes. */
import { connectRedis } from '../../src/backends/redis-client.ts';
import { systemClock } from '../../src/clock.ts';
import { type Logger, silentLogger } from '../../src/runtime/logger.ts';
import { BullMqConsumer, BullMqQueue } from '../../src/runtime/queues/bullmq-queue.ts';
import type { QueueConsumer, TaskQueue } from '../../src/runtime/queues/queue.ts';
import { connectSqs } from '../../src/runtime/queues/sqs-client.ts';
import { SqsConsumer } from '../../src/runtime/queues/sqs-consumer.ts';
import { SqsQueue } from '../../src/runtime/queues/sqs-queue.ts';

export type SharedQueue =
  | { readonly engine: 'bullmq'; readonly url: string; readonly prefix: string }
  | { readonly engine: 'sqs'; readonly queueUrl: string };

/** Until another process has the delivery of one that died, at the least. */
const HELD_SECONDS = 2;

const CONCURRENCY = 8;

export interface OpenSharedQueue {
  readonly queue: TaskQueue;
  readonly consumer: QueueConsumer;
  readonly close: () => Promise<void>;
}

export async function openSharedQueue(named: SharedQueue, logger: Logger = silentLogger): Promise<OpenSharedQueue> {
  if (named.engine === 'sqs') {
    const { queueUrl } = named;
    const client = connectSqs(queueUrl, process.env);
    return {
      queue: new SqsQueue({ client, queueUrl, clock: systemClock }),
      consumer: new SqsConsumer({
        client,
        queueUrl,
        logger,
        visibilitySeconds: HELD_SECONDS,
        concurrency: CONCURRENCY,
      }),
      close: async () => client.destroy(),
    };
  }
  const { url, prefix } = named;
  const producing = await connectRedis(url);
  const consuming = await connectRedis(url, { patient: true });
  const queue = new BullMqQueue({ connection: producing, prefix, logger });
  return {
    queue,
    consumer: new BullMqConsumer({
      connection: consuming,
      prefix,
      logger,
      lockMs: HELD_SECONDS * 1_000,
      concurrency: CONCURRENCY,
    }),
    close: async () => {
      await queue.close();
      producing.disconnect();
      consuming.disconnect();
    },
  };
}
