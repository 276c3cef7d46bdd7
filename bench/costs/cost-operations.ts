/** The operations whose cost is stated, by name, and the corners that each is measured in. */
import type { Cost } from './cost-meter.ts';

export const OPERATIONS = {
  create: 'create',
  firstRun: 'first run',
  step: 'step, done at once',
  slowStep: 'step that takes a while',
  progress: 'progress message',
  pollWorking: 'poll, working',
  setVariable: 'set a variable',
  getVariable: 'read a variable',
  extendDeadline: 'extend the deadline',
  minute: 'a minute of running',
  complete: 'complete, 1 KB result',
  pollCompleted: 'poll, completed, 1 KB result',
  ask: 'ask for input',
  update: 'update (an answer)',
  resume: 'resume after the answer',
  longWait: 'wait of 30 days',
  cancel: 'cancel',
  completeLarge: 'complete, 1 MB result',
  pollLarge: 'poll, completed, 1 MB result',
  list: 'list page of 10',
  createWithKey: 'create, idempotency key',
  createAgain: 'the same create again',
  refused: 'create, refused at the limit',
  lifecycle: 'whole lifecycle',
} as const;
export type Operation = keyof typeof OPERATIONS;
export type Costs = Readonly<Record<Operation, Cost>>;

export interface Corner {
  /** Of the owner, finished, before the measured ones. */
  readonly tasks: number;
  /** Of each measured task, as JSON text. */
  readonly variablesBytes: number;
}

export const CORNERS: readonly Corner[] = [
  { tasks: 10, variablesBytes: 0 },
  { tasks: 10_000, variablesBytes: 0 },
  { tasks: 10, variablesBytes: 300_000 },
  { tasks: 10_000, variablesBytes: 300_000 },
];
