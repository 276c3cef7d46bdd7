/** The whole server in one construct: queue, endpoint, worker and monitoring over a given storage. */
import type { IAlarmAction } from 'aws-cdk-lib/aws-cloudwatch';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import type { Environment } from '../lambda/shared/environment.ts';
import { McpEndpoint, type McpEndpointProps } from './mcp-endpoint.ts';
import { Monitoring } from './monitoring.ts';
import { TaskQueue } from './task-queue.ts';
import { TaskWorker } from './task-worker.ts';

export interface DurableTaskServerProps extends Omit<McpEndpointProps, 'queue' | 'environment' | 'memoryMiB'> {
  /** Tasks that run at the same time, from 2 to 1000. @default 50 */
  readonly workerConcurrency?: number;
  /** Of the MCP function and of the worker. @default 512 */
  readonly memoryMiB?: number;
  /** Unfinished tasks of one owner. @default 100 */
  readonly maxActiveTasksPerOwner?: number;
  /** Shown to clients. @default 'mcp-durable-tasks' */
  readonly serverName?: string;
  /** Shown to clients. @default '0.0.0' */
  readonly serverVersion?: string;
  /** How long a silent run keeps its task before another takes it over. @default 30000 */
  readonly leaseMs?: number;
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
    const { encryptionKey, workerConcurrency, alarmActions, ...endpointProps } = props;
    const { storage, toolsEntry, memoryMiB, tracing } = props;
    const environment = environmentOf(props);
    this.queue = new TaskQueue(this, 'Queue', encryptionKey === undefined ? {} : { encryptionKey });
    const { queue } = this;
    this.endpoint = new McpEndpoint(this, 'Endpoint', { ...endpointProps, queue, environment });
    this.worker = new TaskWorker(this, 'Worker', {
      storage,
      queue,
      toolsEntry,
      environment,
      ...(memoryMiB === undefined ? {} : { memoryMiB }),
      ...(tracing === undefined ? {} : { tracing }),
      ...(workerConcurrency === undefined ? {} : { maxConcurrency: workerConcurrency }),
    });
    const { endpoint, worker } = this;
    this.monitoring = new Monitoring(this, 'Monitoring', {
      storage,
      queue,
      endpoint,
      worker,
      ...(alarmActions === undefined ? {} : { alarmActions }),
    });
  }
}

function environmentOf(props: DurableTaskServerProps): Environment {
  const { serverName, serverVersion, maxActiveTasksPerOwner, leaseMs } = props;
  return {
    ...(serverName === undefined ? {} : { serverName }),
    ...(serverVersion === undefined ? {} : { serverVersion }),
    ...(maxActiveTasksPerOwner === undefined ? {} : { maxActiveTasksPerOwner: String(maxActiveTasksPerOwner) }),
    ...(leaseMs === undefined ? {} : { leaseMs: String(leaseMs) }),
  };
}
