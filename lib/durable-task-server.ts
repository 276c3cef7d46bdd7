/** The whole server in one construct: queue, endpoint, worker and monitoring over a given storage. */
import type { IAlarmAction } from 'aws-cdk-lib/aws-cloudwatch';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import type { Environment } from '../lambda/shared/environment.ts';
import type { Authorization } from './authorization.ts';
import { type ApiKind, type CustomDomain, McpEndpoint } from './mcp-endpoint.ts';
import { Monitoring } from './monitoring.ts';
import type { TaskStorage } from './storage.ts';
import { TaskQueue } from './task-queue.ts';
import { TaskWorker } from './task-worker.ts';

export interface DurableTaskServerProps {
  /** A `TaskTable` or a `TaskCache`, of this stack or another. */
  readonly storage: TaskStorage;
  readonly authorization: Authorization;
  /** A module whose default export is the list of tools: the one file that a team replaces. */
  readonly toolsEntry: string;
  /** @default 'rest' */
  readonly api?: ApiKind;
  /** @default - API Gateway's own name */
  readonly customDomain?: CustomDomain;
  /** @default - none */
  readonly webAclArn?: string;
  /** @default 100 */
  readonly throttlingRateLimit?: number;
  /** @default 200 */
  readonly throttlingBurstLimit?: number;
  /** Of the MCP function. @default - not reserved */
  readonly reservedConcurrency?: number;
  /** Tasks that run at the same time. @default 50 */
  readonly workerConcurrency?: number;
  /** Unfinished tasks of one owner. @default 100 */
  readonly maxActiveTasksPerOwner?: number;
  /** Shown to clients. @default 'mcp-durable-tasks' */
  readonly serverName?: string;
  /** For the queues. @default - a key that SQS manages */
  readonly encryptionKey?: IKey;
  /** @default - nothing is told of alarms */
  readonly alarmActions?: readonly IAlarmAction[];
}

export class DurableTaskServer extends Construct {
  readonly queue: TaskQueue;
  readonly endpoint: McpEndpoint;
  readonly worker: TaskWorker;
  readonly monitoring: Monitoring;

  constructor(scope: Construct, id: string, props: DurableTaskServerProps) {
    super(scope, id);
    const { storage, toolsEntry, encryptionKey, workerConcurrency, serverName, maxActiveTasksPerOwner } = props;
    const environment: Environment = {
      ...(serverName === undefined ? {} : { serverName }),
      ...(maxActiveTasksPerOwner === undefined ? {} : { maxActiveTasksPerOwner: String(maxActiveTasksPerOwner) }),
    };
    this.queue = new TaskQueue(this, 'Queue', encryptionKey === undefined ? {} : { encryptionKey });
    const { queue } = this;
    this.endpoint = new McpEndpoint(this, 'Endpoint', { ...props, queue, environment });
    this.worker = new TaskWorker(this, 'Worker', {
      storage,
      queue,
      toolsEntry,
      environment,
      ...(workerConcurrency === undefined ? {} : { maxConcurrency: workerConcurrency }),
    });
    const { endpoint, worker } = this;
    this.monitoring = new Monitoring(this, 'Monitoring', {
      storage,
      queue,
      endpoint,
      worker,
      ...(props.alarmActions === undefined ? {} : { alarmActions: props.alarmActions }),
    });
  }
}
