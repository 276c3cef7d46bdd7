/** The whole server in one construct: queue, endpoint, worker and monitoring over a given storage. */
/* oxlint-disable no-new -- A construct is made for its place in the tree. */
import { CfnOutput, Names } from 'aws-cdk-lib';
import type { IAlarmAction } from 'aws-cdk-lib/aws-cloudwatch';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import type { Environment } from '../lambda/shared/environment.ts';
import { NO_LIMIT } from '../lambda/shared/words.ts';
import { answerLimitOf, McpEndpoint, type McpEndpointProps } from './mcp-endpoint.ts';
import { Monitoring } from './monitoring.ts';
import { GuardedRollout } from './rollout.ts';
import { TaskQueue } from './task-queue.ts';
import { TaskWorker } from './task-worker.ts';

export interface DurableTaskServerProps extends Omit<McpEndpointProps, 'queue' | 'environment' | 'memoryMiB'> {
  /**
   * The dimension by which metrics of tasks are told from those of other deployments in the account and region: letters,
   * digits, `-`, `_` and `.`. @default - from the construct's path
   */
  readonly deployment?: string | undefined;
  /** Tasks that run at the same time, from 2 to 1000. @default 5 */
  readonly workerConcurrency?: number | undefined;
  /** Taken from the account for the worker alone, so that open streams leave it room. @default - not reserved */
  readonly workerReservedConcurrency?: number | undefined;
  /** Of the MCP function and of the worker. @default 512 */
  readonly memoryMiB?: number | undefined;
  /** Unfinished tasks of one owner; `null`: any number, and nothing is counted. @default 100 */
  readonly maxActiveTasksPerOwner?: number | null | undefined;
  /** Shown to clients. @default 'mcp-durable-tasks' */
  readonly serverName?: string | undefined;
  /** Shown to clients. @default '0.0.0' */
  readonly serverVersion?: string | undefined;
  /** How long a silent run keeps its task before another takes it over. @default 30000 */
  readonly leaseMs?: number | undefined;
  /** For the queues. @default - a key that SQS manages */
  readonly encryptionKey?: IKey | undefined;
  /** @default - nothing is told of alarms */
  readonly alarmActions?: readonly IAlarmAction[] | undefined;
}

export class DurableTaskServer extends Construct {
  readonly queue: TaskQueue;
  readonly endpoint: McpEndpoint;
  readonly worker: TaskWorker;
  readonly monitoring: Monitoring;

  constructor(scope: Construct, id: string, props: DurableTaskServerProps) {
    super(scope, id);
    const { encryptionKey, alarmActions, rollout = 'all-at-once', ...endpointProps } = props;
    const { storage } = props;
    const deployment = nameOf(this, props);
    const environment = { deployment, ...environmentOf(props) };
    this.queue = new TaskQueue(this, 'Queue', { encryptionKey });
    const { queue } = this;
    this.endpoint = new McpEndpoint(this, 'Endpoint', { ...endpointProps, rollout, queue, environment });
    this.worker = this.#createWorker({
      ...props,
      environment: { ...environment, ...answerLimitOf(props.api ?? 'rest') },
    });
    const { endpoint, worker } = this;
    this.monitoring = new Monitoring(this, 'Monitoring', {
      deployment,
      storage,
      queue,
      endpoint,
      worker,
      alarmActions,
    });
    if (rollout !== 'all-at-once') this.#guard(rollout);
    const functions = {
      Endpoint: endpoint.function,
      Worker: worker.worker,
      Looker: worker.looker,
      DeadLetters: worker.deadLetterConsumer,
    };
    for (const [name, { logGroup }] of Object.entries(functions)) {
      new CfnOutput(this, `${name}Log`, { value: logGroup.logGroupName, description: 'Log group' });
    }
  }

  #createWorker(props: DurableTaskServerProps & { readonly environment: Environment }): TaskWorker {
    const { storage, toolsEntry, environment, memoryMiB, tracing, rollout, network, logs } = props;
    const { workerConcurrency, workerReservedConcurrency } = props;
    return new TaskWorker(this, 'Worker', {
      storage,
      queue: this.queue,
      toolsEntry,
      environment,
      memoryMiB,
      tracing,
      rollout,
      network,
      logs,
      maxConcurrency: workerConcurrency,
      reservedConcurrency: workerReservedConcurrency,
    });
  }

  #guard(rollout: 'canary' | 'linear'): void {
    new GuardedRollout(this, 'Rollout', {
      rollout,
      traffic: {
        Endpoint: { alias: this.endpoint.alias, alarms: this.monitoring.guardsOf('endpoint') },
        Worker: { alias: this.worker.alias, alarms: this.monitoring.guardsOf('worker') },
      },
    });
  }
}

/** It stands in quotation marks in the dashboard's searches. */
function nameOf(scope: Construct, { deployment }: DurableTaskServerProps): string {
  const name = deployment ?? Names.uniqueResourceName(scope, { maxLength: 100, separator: '-' });
  if (/^[\w.-]{1,100}$/.test(name)) return name;
  throw new Error(`deployment must be up to 100 letters, digits, "-", "_" or "."; it is "${name}".`);
}

function environmentOf(props: DurableTaskServerProps): Environment {
  const { serverName, serverVersion, maxActiveTasksPerOwner, leaseMs } = props;
  return {
    serverName,
    serverVersion,
    maxActiveTasksPerOwner: maxActiveTasksPerOwner === null ? NO_LIMIT : maxActiveTasksPerOwner?.toString(),
    leaseMs: leaseMs?.toString(),
  };
}
