/**
 * A queue that many machines share without AWS: BullMQ on Redis or Valkey, one node or a cluster. Who enqueues and who
 * consumes may be different processes. A delivery whose process dies comes to another one once its lock has run out;
 * one that fails comes again, as often as it takes, because only the attempts in the task's head end a task. What Redis
 * loses is lost here too: docs/redis.md.
 */
import { type ConnectionOptions, type Job, Queue, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import { type Clock, systemClock, within } from '../../clock.ts';
import type { TaskRef } from '../../domain/task.ts';
import { describeError, type Logger, silentLogger } from '../logger.ts';
import { decodeReceived, encodeDelivery, runDelivered } from './delivery.ts';
import { type QueueConsumer, type RunDelivery, retryDelayMs, type TaskQueue } from './queue.ts';
import { QueueTrouble } from './queue-trouble.ts';

const QUEUE_NAME = 'deliveries';
/** In braces, which make it the hash tag of a cluster: a script of BullMQ touches several keys. */
const DEFAULT_PREFIX = '{mcp-tasks-queue}';
/** Later work is reached in hops, so that a time far ahead is not lost with what Redis forgets. */
const MAX_DELAY_MS = 24 * 60 * 60 * 1000;
const ENQUEUE_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 5_000;
const DEFAULT_LOCK_MS = 15_000;
/** Of the lock: how often BullMQ looks for deliveries whose lock has run out. It sees one at the second look. */
const LOOK_EVERY_SHARE = 0.5;
/** After Redis has not answered. BullMQ's own pause is 15 s. */
const RETRY_FETCH_MS = 1_000;
/** Of BullMQ's events, which nobody here reads. */
const KEPT_EVENTS = 100;
const KEPT_UNREADABLE = 100;

export interface BullMqOptions {
  /**
   * An `ioredis` client, which the caller closes. That of a consumer has `maxRetriesPerRequest: null`, and both
   * `reconnectOnError` where a failover can leave them at a demoted primary (docs/redis.md).
   */
  readonly connection: ConnectionOptions;
  /** Begins every key; in braces for a cluster. @default '{mcp-tasks-queue}' */
  readonly prefix?: string;
  readonly clock?: Clock;
  /** @default silent */
  readonly logger?: Logger;
}

export class BullMqQueue implements TaskQueue {
  readonly maxDelayMs = MAX_DELAY_MS;
  readonly #queue: Queue;
  readonly #clock: Clock;

  constructor(options: BullMqOptions) {
    const { connection, prefix = DEFAULT_PREFIX, logger = silentLogger } = options;
    this.#clock = options.clock ?? systemClock;
    this.#queue = new Queue(QUEUE_NAME, {
      connection,
      prefix,
      streams: { events: { maxLen: KEPT_EVENTS } },
      defaultJobOptions: {
        attempts: Number.MAX_SAFE_INTEGER,
        backoff: { type: 'custom' },
        removeOnComplete: true,
        removeOnFail: KEPT_UNREADABLE,
        // Why a delivery failed is in the log of the process that it failed in.
        stackTraceLimit: 0,
      },
    });
    const trouble = new QueueTrouble(logger, this.#clock);
    this.#queue.on('error', (error) => trouble.report(error));
  }

  /** Rejects when Redis does not take it within five seconds; it may be taken all the same, which does no harm. */
  async enqueue(ref: TaskRef, { notBefore }: { readonly notBefore: number }): Promise<void> {
    const delay = Math.min(Math.max(0, Math.ceil(notBefore - this.#clock.now())), MAX_DELAY_MS);
    const added = this.#queue.add('run', encodeDelivery({ ref, notBefore }), { delay });
    await within(added, ENQUEUE_TIMEOUT_MS, `Redis took no delivery within ${ENQUEUE_TIMEOUT_MS} ms`);
  }

  async close(): Promise<void> {
    await within(this.#queue.close(), CLOSE_TIMEOUT_MS, 'The queue was left unclosed');
  }
}

export interface BullMqConsumerOptions extends BullMqOptions {
  /** Tasks that this process runs at the same time. @default 16 */
  readonly concurrency?: number | undefined;
  /**
   * How long a delivery stays with a process that gives no sign of life, in milliseconds; up to twice as long passes
   * before another process has it, which also waits for the task's lease. @default 15000
   */
  readonly lockMs?: number;
}

export class BullMqConsumer implements QueueConsumer {
  readonly #options: BullMqConsumerOptions;
  readonly #logger: Logger;
  readonly #trouble: QueueTrouble;
  readonly #running = new Set<Promise<void>>();
  #worker: Worker | undefined;
  #draining = false;

  constructor(options: BullMqConsumerOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#trouble = new QueueTrouble(this.#logger, options.clock ?? systemClock);
  }

  start(run: RunDelivery): void {
    const { connection, prefix = DEFAULT_PREFIX, concurrency = 16, lockMs = DEFAULT_LOCK_MS } = this.#options;
    this.#worker = new Worker(QUEUE_NAME, (job: Job, token?: string) => this.#process(job, token, run), {
      connection,
      prefix,
      concurrency,
      lockDuration: lockMs,
      stalledInterval: lockMs * LOOK_EVERY_SHARE,
      // A delivery that nobody survived is counted in the task's head, and ends it there.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      runRetryDelay: RETRY_FETCH_MS,
      settings: { backoffStrategy: (failures) => retryDelayMs(failures - 1) },
    });
    this.#worker.on('error', (error) => this.#trouble.report(error));
  }

  async drain(): Promise<void> {
    this.#draining = true;
    const closing = this.#worker?.close() ?? Promise.resolve();
    await Promise.allSettled(this.#running);
    try {
      await within(
        closing,
        CLOSE_TIMEOUT_MS,
        'Redis did not answer at the end; it gives the last deliveries out again',
      );
    } catch (error) {
      this.#logger.warn('The queue was left unclosed', describeError(error));
    }
  }

  #process(job: Job, token: string | undefined, run: RunDelivery): Promise<void> {
    const running = this.#deliver(job, token, run).finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }

  async #deliver(job: Job, token: string | undefined, run: RunDelivery): Promise<void> {
    if (this.#draining) {
      // Was on its way when the process was told to stop: another one has it at once.
      await job.moveToWait(token);
      throw new WaitingError();
    }
    const delivery = decodeReceived(job.data, job.id, this.#logger);
    if (delivery === undefined) {
      this.#logger.error('A delivery names no task', { delivery: job.id });
      throw new UnrecoverableError('This delivery names no task.');
    }
    try {
      await runDelivered(delivery, job.attemptsStarted > 1, run, this.#logger);
    } catch (cause) {
      // BullMQ keeps the message of what is thrown in Redis.
      throw new Error('The delivery failed.', { cause });
    }
  }
}
