/** What the end of a run means for its task. Writing it is the runner's. */
import type { JsonValue } from '../../domain/json.ts';
import { FAILURE_REASONS, type Failure, type FailureReason, runtimeFailure } from '../../domain/task.ts';
import { describeThrown } from '../../engine/thrown.ts';
import type { TaskRunEnd } from './task-run.ts';
import type { RunnableTool, RunOutcome } from './tool.ts';

/** What becomes of the task; `undefined`: it goes on later. */
export function outcomeOf(
  tool: RunnableTool,
  end: Exclude<TaskRunEnd, { kind: 'interrupted' | 'mismatch' }>,
): RunOutcome | undefined {
  switch (end.kind) {
    case 'returned':
      return { kind: 'result', result: end.value as JsonValue };
    case 'threw':
      return tool.outcomeOf(end.error);
    case 'stray': {
      const message = `The tool let go an error that nobody handled: ${describeThrown(end.error)}`;
      return { kind: 'failure', failure: runtimeFailure('stray_error', message) };
    }
    case 'suspended':
      return undefined;
  }
}

/** Why the runtime itself failed a task, if it did. */
export function reasonOf({ data }: Failure): FailureReason | undefined {
  const reason = typeof data === 'object' && data !== null && 'reason' in data ? data.reason : undefined;
  return FAILURE_REASONS.find((known) => known === reason);
}
