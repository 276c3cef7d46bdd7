/** What a task that has ended gives whoever asks for its result. */
import { type CallToolResult, ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';
import type { Failure, Task } from '../domain/task.ts';
import type { TaskStore } from '../store/task-store.ts';

/** Of a completed task: what its tool returned. */
export async function resultOf(store: TaskStore, task: Task): Promise<CallToolResult> {
  const result = task.result === undefined ? { content: [] } : await store.load(task, task.result);
  return result as unknown as CallToolResult;
}

/** Of a failed task: the error that the call itself would have been answered with. */
export async function failureOf(store: TaskStore, task: Task): Promise<ProtocolError> {
  const failure = (task.error === undefined ? undefined : await store.load(task, task.error)) as Failure | undefined;
  const { code = ProtocolErrorCode.InternalError, message = 'The task failed.', data } = failure ?? {};
  return new ProtocolError(code, message, data);
}
