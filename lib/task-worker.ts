/** The functions that run due tasks, look at the agenda, and give back what cannot be delivered. */
/* oxlint-disable no-new -- A construct is made for its place in the tree. */
import { Aws, CfnOutput, Duration } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type Alias, RecursiveLoop } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { NodejsFunction } from 'aws-cdk-lib/aws-lambda-nodejs';
import { Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import { Construct } from 'constructs';
import type { Environment } from '../lambda/shared/environment.ts';
import { bundledFunction, type FunctionNetwork } from './bundled-function.ts';
import {
  DEAD_LETTER_MAX_CONCURRENCY,
  DEAD_LETTER_TIMEOUT,
  LOOK_TIMEOUT,
  WORKER_BATCH_SIZE,
  WORKER_MAX_CONCURRENCY,
  WORKER_TIMEOUT,
} from './limits.ts';
import type { LogSettings } from './log-settings.ts';
import { liveAlias, type Rollout } from './rollout.ts';
import type { TaskStorage } from './storage.ts';
import type { TaskQueue } from './task-queue.ts';

export interface TaskWorkerProps {
  readonly storage: TaskStorage;
  readonly queue: TaskQueue;
  /** A module whose default export is the list of tools. */
  readonly toolsEntry: string;
  /** @default 512 */
  readonly memoryMiB?: number | undefined;
  /** Tasks that run at the same time, from 2 to 1000. @default 5 */
  readonly maxConcurrency?: number | undefined;
  /** Taken from the account for the worker alone; at least `maxConcurrency`. @default - not reserved */
  readonly reservedConcurrency?: number | undefined;
  /** @default 'all-at-once' */
  readonly rollout?: Rollout | undefined;
  /** With the table only: a cache's functions run in its network. @default - in no network of ours */
  readonly network?: FunctionNetwork | undefined;
  /** @default - from `info` on, for three months */
  readonly logs?: LogSettings | undefined;
  /** X-Ray traces. @default false */
  readonly tracing?: boolean | undefined;
  /** More variables for the functions: lease times, limits. @default - none */
  readonly environment?: Environment | undefined;
}

export class TaskWorker extends Construct {
  readonly worker: NodejsFunction;
  /** Looks at the agenda once a minute. */
  readonly looker: NodejsFunction;
  readonly deadLetterConsumer: NodejsFunction;
  /** What the queue is connected to where traffic is shifted bit by bit. */
  readonly alias: Alias | undefined;

  constructor(scope: Construct, id: string, props: TaskWorkerProps) {
    super(scope, id);
    const { storage, queue, memoryMiB = 512, maxConcurrency = WORKER_MAX_CONCURRENCY, reservedConcurrency } = props;
    if (reservedConcurrency !== undefined && reservedConcurrency < maxConcurrency) {
      throw new Error(`reservedConcurrency (${reservedConcurrency}) is below maxConcurrency (${maxConcurrency}).`);
    }
    const common = {
      toolsEntry: props.toolsEntry,
      tracing: props.tracing ?? false,
      backend: storage.backend,
      network: storage.networkFor(props.network),
      logs: props.logs,
      environment: { ...storage.environment, queueUrl: queue.queue.queueUrl, ...props.environment },
    };
    this.worker = bundledFunction(this, 'Worker', {
      ...common,
      entry: 'worker.ts',
      description: 'Runs due MCP tasks',
      timeout: WORKER_TIMEOUT,
      memoryMiB,
      // Short waits are delayed messages from this function to itself, which Lambda would cut after 16.
      recursiveLoop: RecursiveLoop.ALLOW,
      reservedConcurrentExecutions: reservedConcurrency,
    });
    this.alias = liveAlias(this, this.worker, props.rollout ?? 'all-at-once');
    (this.alias ?? this.worker).addEventSource(
      new SqsEventSource(queue.queue, { batchSize: WORKER_BATCH_SIZE, reportBatchItemFailures: true, maxConcurrency }),
    );
    this.looker = bundledFunction(this, 'Looker', {
      ...common,
      entry: 'agenda.ts',
      description: 'Enqueues MCP tasks whose time has come',
      timeout: LOOK_TIMEOUT,
      memoryMiB: 256,
    });
    this.#lookEachMinute(this.looker.functionArn);
    this.deadLetterConsumer = bundledFunction(this, 'DeadLetterConsumer', {
      ...common,
      entry: 'dead-letter.ts',
      description: 'Gives MCP tasks back that could not be delivered',
      timeout: DEAD_LETTER_TIMEOUT,
      memoryMiB: 256,
    });
    const deadLetters = new SqsEventSource(queue.deadLetters, {
      batchSize: 10,
      reportBatchItemFailures: true,
      maxConcurrency: DEAD_LETTER_MAX_CONCURRENCY,
    });
    this.deadLetterConsumer.addEventSource(deadLetters);
    const { eventSourceMappingId } = deadLetters;
    new CfnOutput(this, 'DeadLettersMapping', {
      value: eventSourceMappingId,
      description: 'Of the consumer of the dead letters',
    });
    storage.grantTasks(this.worker);
    storage.grantTasks(this.deadLetterConsumer);
    storage.grantTasks(this.looker);
    queue.grantSend(this.worker);
    queue.grantSend(this.looker);
  }
  /** A target of our own: the library's role may invoke each version of the function, and this one needs no version. */
  #lookEachMinute(arn: string): void {
    const conditions = { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } };
    const role = new Role(this, 'SchedulerRole', {
      description: 'Lets the schedule invoke the looker',
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', { conditions }),
    });
    role.addToPolicy(new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [arn] }));
    new Schedule(this, 'EachMinute', {
      description: 'Has somebody look at unfinished MCP tasks',
      schedule: ScheduleExpression.rate(Duration.minutes(1)),
      // The next look comes in a minute: one that failed is not repeated.
      target: { bind: () => ({ arn, role, retryPolicy: { maximumRetryAttempts: 0 } }) },
    });
  }
}
