/** The functions that run due tasks, and the one that ends those that cannot be delivered. */
import { RecursiveLoop } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { NodejsFunction } from 'aws-cdk-lib/aws-lambda-nodejs';
import { Construct } from 'constructs';
import type { Environment } from '../lambda/shared/environment.ts';
import { bundledFunction } from './bundled-function.ts';
import { DEAD_LETTER_TIMEOUT, WORKER_BATCH_SIZE, WORKER_MAX_CONCURRENCY, WORKER_TIMEOUT } from './limits.ts';
import { backendOf, networkOf, storageEnvironment, type TaskStorage } from './storage.ts';
import type { TaskQueue } from './task-queue.ts';

export interface TaskWorkerProps {
  readonly storage: TaskStorage;
  readonly queue: TaskQueue;
  /** A module whose default export is the list of tools. */
  readonly toolsEntry: string;
  /** @default 512 */
  readonly memoryMiB?: number;
  /** Tasks that run at the same time, from 2 to 1000. @default 50 */
  readonly maxConcurrency?: number;
  /** Taken from the account for the worker alone; at least `maxConcurrency`. @default - not reserved */
  readonly reservedConcurrency?: number;
  /** X-Ray traces. @default false */
  readonly tracing?: boolean;
  /** More variables for the functions: lease times, limits. @default - none */
  readonly environment?: Environment;
}

export class TaskWorker extends Construct {
  readonly worker: NodejsFunction;
  readonly deadLetterConsumer: NodejsFunction;

  constructor(scope: Construct, id: string, props: TaskWorkerProps) {
    super(scope, id);
    const { storage, queue, memoryMiB = 512, maxConcurrency = WORKER_MAX_CONCURRENCY, reservedConcurrency } = props;
    if (reservedConcurrency !== undefined && reservedConcurrency < maxConcurrency) {
      throw new Error(`reservedConcurrency (${reservedConcurrency}) is below maxConcurrency (${maxConcurrency}).`);
    }
    const common = {
      toolsEntry: props.toolsEntry,
      tracing: props.tracing ?? false,
      backend: backendOf(storage),
      network: networkOf(storage),
      environment: { ...storageEnvironment(storage), queueUrl: queue.queue.queueUrl, ...props.environment },
    };
    this.worker = bundledFunction(this, 'Worker', {
      ...common,
      entry: 'worker.ts',
      description: 'Runs due MCP tasks',
      timeout: WORKER_TIMEOUT,
      memoryMiB,
      // A long wait is a chain of delayed messages through this function, which Lambda would cut after 16.
      recursiveLoop: RecursiveLoop.ALLOW,
      ...(reservedConcurrency === undefined ? {} : { reservedConcurrentExecutions: reservedConcurrency }),
    });
    this.worker.addEventSource(
      new SqsEventSource(queue.queue, { batchSize: WORKER_BATCH_SIZE, reportBatchItemFailures: true, maxConcurrency }),
    );
    this.deadLetterConsumer = bundledFunction(this, 'DeadLetterConsumer', {
      ...common,
      entry: 'dead-letter.ts',
      description: 'Fails MCP tasks that could not be delivered',
      timeout: DEAD_LETTER_TIMEOUT,
      memoryMiB: 256,
    });
    this.deadLetterConsumer.addEventSource(
      new SqsEventSource(queue.deadLetters, { batchSize: 10, reportBatchItemFailures: true }),
    );
    storage.grantTasks(this.worker);
    storage.grantTasks(this.deadLetterConsumer);
    queue.grantSend(this.worker);
  }
}
