/** The public surface. Backends are sub-paths of their own, so that each one's client library stays optional. */
export { type Clock, type RandomBytes, systemClock, systemRandom } from './clock.ts';
export { type Askable, CannotAskError } from './domain/askable.ts';
export { isTaskError, TaskError, type TaskErrorCode } from './domain/errors.ts';
export type { InputMethod, InputRequest } from './domain/inputs.ts';
export type { JsonObject, JsonValue } from './domain/json.ts';
export { DEFAULT_LIFETIME, type Lifetime, type LifetimePolicy } from './domain/lifetime.ts';
export { ANONYMOUS, encodeOwner, type Owner } from './domain/owner.ts';
export type { TaskStatus } from './domain/status.ts';
export type { Task, TaskRef, TraceContext } from './domain/task.ts';
export { asTaskId, type TaskId } from './domain/task-id.ts';
export { CallbackTimeoutError, OperationWithdrawn, StepInterruptedError, TaskAborted } from './engine/aborts.ts';
export type { ConditionConfig, Serdes, StepConfig, WaitConfig } from './engine/branch.ts';
export type { BatchConfig, BatchItem, BatchResult, CompletionConfig } from './engine/branches.ts';
export type { Duration } from './engine/duration.ts';
export { MisuseError } from './engine/misuse.ts';
export { StepError } from './engine/recorded-error.ts';
export {
  createRetryStrategy,
  createWaitStrategy,
  DEFAULT_STEP_RETRY,
  type Jitter,
  type RetryConfig,
  type RetryDecision,
  type RetryStrategy,
  type WaitStrategy,
} from './engine/retry.ts';
export type { FetchHandler, FetchOptions } from './protocol/endpoint.ts';
export {
  type AuthInfo,
  acceptedContent,
  type CallToolResult,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  ProtocolError,
  ProtocolErrorCode,
} from './protocol/sdk.ts';
export { TasksExtension, type TasksExtensionOptions } from './protocol/tasks-extension.ts';
export type { AnyTool, CallContext, PlainTool, TaskSupport, TaskTool } from './protocol/tool.ts';
export { IDEMPOTENCY_META_KEY, VARIABLES_META_KEY } from './protocol/wire.ts';
export { type LogFields, type Logger, silentLogger } from './runtime/logger.ts';
export { InProcessQueue, type InProcessQueueOptions } from './runtime/queues/in-process-queue.ts';
export type { QueueConsumer, RunDelivery, TaskQueue } from './runtime/queues/queue.ts';
export { DEFAULT_LEASE_TIMES, type LeaseTimes } from './runtime/running/held-task.ts';
export type { RunReport } from './runtime/running/runner.ts';
export type {
  ElicitOptions,
  ElicitParams,
  ElicitResult,
  InputOptions,
  RelatedTask,
  Root,
  StepScope,
  TaskContext,
  TaskScope,
  TaskVariables,
} from './runtime/running/task-context.ts';
export {
  type CallbackCompletion,
  createTaskEndpoint,
  type TaskEndpoint,
  type TaskEndpointOptions,
} from './server/create-task-endpoint.ts';
export { createTaskServer, type TaskServer, type TaskServerOptions } from './server/create-task-server.ts';
export { createTaskWorker, type TaskWorker, type TaskWorkerOptions } from './server/create-task-worker.ts';
export { defineTaskTool, type PlainToolDefinition, type TaskToolDefinition } from './server/define-task-tool.ts';
export { createLineLogger, type LogLevel } from './server/line-logger.ts';
export { type LocalServer, type LocalServerOptions, startLocalServer } from './server/local-server.ts';
export { createNodeHandler, type NodeHandler, type NodeRequest } from './server/node-handler.ts';
export { type StdioServer, type StdioServerOptions, startStdioServer } from './server/stdio-server.ts';
export { GenericTaskStore, type GenericTaskStoreOptions } from './store/generic-task-store.ts';
export type { CreateTask, StoredTask, TaskPage, TaskStore } from './store/task-store.ts';
export {
  type ClientStepDefinition,
  defineWorkflow,
  type ManualStepDefinition,
  type PathOf,
  type ResourceStepDefinition,
  type Sources,
  type ToolStepDefinition,
  type WorkflowDefinition,
  WorkflowSteps,
} from './workflow/define-workflow.ts';
export { defineResource, type ResourceCall, type TaskResource } from './workflow/resources.ts';
export { defineVariables, type TypedVariables } from './workflow/typed-variables.ts';
export type {
  MissingForm,
  PauseReason,
  ResourceUse,
  Source,
  StepRetry,
  StepStatus,
  Workflow,
  WorkflowStep,
} from './workflow/workflow.ts';
