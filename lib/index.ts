/** The constructs, for use in other CDK apps. */
export type { AlarmSpec } from './alarm-spec.ts';
export type { Watched } from './alarms.ts';
export type { Authorization } from './authorization.ts';
export { DurableTaskServer, type DurableTaskServerProps } from './durable-task-server.ts';
export { type ExistingNetwork, existingVpc, functionsIn } from './existing-network.ts';
export type { ApiKind, Front } from './front.ts';
export type { LogSettings } from './log-settings.ts';
export { McpEndpoint, type McpEndpointProps } from './mcp-endpoint.ts';
export { Monitoring, type MonitoringProps } from './monitoring.ts';
export type { CustomDomain } from './rest-front.ts';
export { GuardedRollout, type GuardedRolloutProps, type Rollout } from './rollout.ts';
export type { StorageGraph, TaskStorage } from './storage.ts';
export { TaskCache, type TaskCacheProps } from './task-cache.ts';
export { TaskNetwork, type TaskNetworkProps } from './task-network.ts';
export { TaskQueue, type TaskQueueProps } from './task-queue.ts';
export { TaskTable, type TaskTableProps } from './task-table.ts';
export { TaskWorker, type TaskWorkerProps } from './task-worker.ts';
