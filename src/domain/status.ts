/** The five statuses and which may follow which. Terminal is final. */
import { TaskError } from './errors.ts';

export const TASK_STATUSES = ['working', 'input_required', 'completed', 'failed', 'cancelled'] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];
export type TerminalStatus = 'completed' | 'failed' | 'cancelled';

const TRANSITIONS: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = {
  working: ['input_required', 'completed', 'failed', 'cancelled'],
  input_required: ['working', 'completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
};

export function isTerminal(status: TaskStatus): status is TerminalStatus {
  return TRANSITIONS[status].length === 0;
}

/** Throws `invalid_transition` unless the table allows `from → to`. */
export function assertTransition(from: TaskStatus, to: TaskStatus): void {
  if (TRANSITIONS[from].includes(to)) return;
  const why = isTerminal(from) ? `the task is already ${from}, which is final` : `${from} cannot become ${to}`;
  throw new TaskError('invalid_transition', `Cannot make the task ${to}: ${why}.`, { detail: { from, to } });
}
