/**
 * Errors that escape from a tool: a rejection that nobody handles, a throw in a timer. By Node's rule each of them ends
 * the process, and with it every other task. Here they are traced to the task whose code let them go, by the asynchronous
 * context that it runs in, and end that task alone.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { describeFailure, type Logger } from '../logger.ts';

interface Attribution {
  readonly task: string;
  readonly onStray: (error: unknown) => void;
}

const current = new AsyncLocalStorage<Attribution>();

/** Runs `work` so that what escapes from it, and from what it starts, is known to be its own. */
export function runAttributed<T>(attribution: Attribution, work: () => Promise<T>): Promise<T> {
  return current.run(attribution, work);
}

export interface StrayErrorOptions {
  readonly logger: Logger;
  /**
   * What becomes of an error that is no task's: `log` keeps the process, `exit` ends it as Node would without
   * this guard, which is right in a process that does other things besides.
   */
  readonly others: 'log' | 'exit';
}

const ESCAPES = ['unhandledRejection', 'uncaughtException'] as const;
/** All of this process; they share one pair of listeners. */
const guards = new Set<StrayErrorOptions>();

/** Guards the process until the returned function is called. */
export function guardStrayErrors(options: StrayErrorOptions): () => void {
  // A copy, so that two guards with the same options are two.
  const guard = { ...options };
  if (guards.size === 0) for (const event of ESCAPES) process.on(event, onStray);
  guards.add(guard);
  return () => {
    if (guards.delete(guard) && guards.size === 0) for (const event of ESCAPES) process.off(event, onStray);
  };
}

function onStray(error: unknown): void {
  const attribution = current.getStore();
  if (attribution !== undefined) {
    attribution.onStray(error);
    return;
  }
  const [first] = guards;
  first?.logger.error('An error escaped that belongs to no task', describeFailure(error));
  const isKept = [...guards].some(({ others }) => others === 'log');
  // A listener of the host's own decides; without one this is as fatal as without the guard.
  if (isKept || ESCAPES.some((event) => process.listenerCount(event) > 1)) return;
  for (const event of ESCAPES) process.off(event, onStray);
  guards.clear();
  setImmediate(() => {
    throw error;
  });
}
