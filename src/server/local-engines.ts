/**
 * Opens each engine for a program on this machine, storage and queues: the one place in src/server that chooses a
 * driver. Drivers are imported when they are asked for, so that the client libraries of the
 * others need not be installed.
 */
import { resolve } from 'node:path';
import type { StorageBackend } from '../backends/backend.ts';
import { systemClock } from '../clock.ts';
import { present } from '../present.ts';
import type { Logger } from '../runtime/logger.ts';
import type { QueueConsumer, TaskQueue } from '../runtime/queues/queue.ts';

export interface OpenedBackend {
  readonly backend: StorageBackend;
  /** Where tasks are kept, for a person; without credentials. */
  readonly description: string;
  /** What may lose tasks in the engine as it is set up. */
  readonly warnings: readonly string[];
  /** Closes the backend and the client that was opened for it. Idempotent. */
  close(): Promise<void>;
}

export const engines = {
  async memory(): Promise<OpenedBackend> {
    const { MemoryBackend } = await import('../backends/memory.ts');
    const backend = new MemoryBackend();
    return {
      backend,
      description: 'in memory: gone when this process ends',
      warnings: [],
      close: () => backend.close(),
    };
  },

  async sqlite(file: string): Promise<OpenedBackend> {
    const { SqliteBackend } = await import('../backends/sqlite.ts');
    const path = resolve(file);
    const backend = new SqliteBackend({ path });
    return { backend, description: `SQLite file ${path}`, warnings: [], close: () => backend.close() };
  },

  async dynamodb(
    { table, endpoint }: { readonly table: string; readonly endpoint?: string },
    createMissingTable: boolean,
  ): Promise<OpenedBackend> {
    const { connectDynamoDb } = await import('../backends/dynamodb-client.ts');
    const { createTable } = await import('../backends/dynamodb-table.ts');
    const { DynamoDbBackend } = await import('../backends/dynamodb.ts');
    const client = connectDynamoDb(endpoint, process.env);
    try {
      if (createMissingTable) await createTable({ client, tableName: table });
      const backend = new DynamoDbBackend({ client, tableName: table });
      // Reading asks for no more rights than serving does.
      await backend.get({ partition: 'probe', id: 'probe' });
      return {
        backend,
        description: `DynamoDB table ${table}${endpoint === undefined ? '' : ` at ${endpoint}`}`,
        warnings: [],
        close: async () => {
          await backend.close();
          client.destroy();
        },
      };
    } catch (error) {
      client.destroy();
      throw error;
    }
  },

  async redis({ url, keyPrefix }: { readonly url: string; readonly keyPrefix?: string }): Promise<OpenedBackend> {
    const { connectRedis } = await import('../backends/redis-client.ts');
    const { checkRedisDurability, RedisBackend } = await import('../backends/redis.ts');
    const client = await connectRedis(url);
    try {
      const backend = new RedisBackend({ client, ...present({ keyPrefix }) });
      const { host } = new URL(url);
      return {
        backend,
        description: `Redis at ${host}${'nodes' in client ? ' (cluster)' : ''}`,
        warnings: await checkRedisDurability(client),
        close: async () => {
          await backend.close();
          client.disconnect();
        },
      };
    } catch (error) {
      client.disconnect();
      throw error;
    }
  },
};

export interface OpenedQueue {
  readonly queue: TaskQueue;
  readonly consumer: QueueConsumer;
  /** Where deliveries go, for a person; without credentials. */
  readonly description: string;
  /** What may lose deliveries in the queue as it is set up. */
  readonly warnings: readonly string[];
  /** Closes what was opened for it. To be called once the consumer has drained. */
  close(): Promise<void>;
}

export interface ConsumerSettings {
  /** Deliveries that this process takes at the same time. @default 16 */
  readonly concurrency?: number | undefined;
}

export const queues = {
  async bullmq(url: string, logger: Logger, settings: ConsumerSettings): Promise<OpenedQueue> {
    const { connectRedis } = await import('../backends/redis-client.ts');
    const { BullMqConsumer, BullMqQueue } = await import('../runtime/queues/bullmq-queue.ts');
    const { checkRedisDurability } = await import('../backends/redis.ts');
    const producing = await connectRedis(url);
    try {
      const consuming = await connectRedis(url, { patient: true });
      const queue = new BullMqQueue({ connection: producing, logger });
      return {
        queue,
        consumer: new BullMqConsumer({ connection: consuming, logger, ...settings }),
        description: `BullMQ at ${new URL(url).host}`,
        warnings: (await checkRedisDurability(producing)).map((finding) => `the queue: ${finding}`),
        close: async () => {
          await queue.close();
          producing.disconnect();
          consuming.disconnect();
        },
      };
    } catch (error) {
      producing.disconnect();
      throw error;
    }
  },

  async sqs(queueUrl: string, logger: Logger, settings: ConsumerSettings): Promise<OpenedQueue> {
    const { checkSqsQueue, connectSqs } = await import('../runtime/queues/sqs-client.ts');
    const { SqsConsumer } = await import('../runtime/queues/sqs-consumer.ts');
    const { SqsQueue } = await import('../runtime/queues/sqs-queue.ts');
    const client = connectSqs(queueUrl, process.env);
    try {
      return {
        queue: new SqsQueue({ client, queueUrl, clock: systemClock }),
        consumer: new SqsConsumer({ client, queueUrl, logger, ...settings }),
        description: `SQS queue ${queueUrl}`,
        warnings: await checkSqsQueue(client, queueUrl),
        close: async () => client.destroy(),
      };
    } catch (error) {
      client.destroy();
      throw error;
    }
  },
};
