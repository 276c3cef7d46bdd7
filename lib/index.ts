/** The constructs, for use in other CDK apps. */
export type { Authorization } from './authorization.ts';
export { DurableTaskServer, type DurableTaskServerProps } from './durable-task-server.ts';
export { type ApiKind, type CustomDomain, McpEndpoint, type McpEndpointProps } from './mcp-endpoint.ts';
export { Monitoring, type MonitoringProps } from './monitoring.ts';
export type { TaskStorage } from './storage.ts';
export { TaskCache, type TaskCacheProps } from './task-cache.ts';
export { TaskQueue, type TaskQueueProps } from './task-queue.ts';
export { TaskTable, type TaskTableProps } from './task-table.ts';
export { TaskWorker, type TaskWorkerProps } from './task-worker.ts';
