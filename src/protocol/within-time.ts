/**
 * Runs synchronous work on a client's text for a bounded time and no longer: what still runs then is cut off, be it
 * in the middle of a regular expression. For checks only: whatever is cut off may not leave anything half done.
 */
import { createContext, Script } from 'node:vm';

export class OutOfTimeError extends Error {
  override readonly name = 'OutOfTimeError';
}

/** Work that was cut off because others had the processor is tried again; so often at most. */
const MAX_TRIES = 10;

const context = createContext({ work: undefined as unknown });
const script = new Script('work()');

/**
 * What `work` returns or throws; throws `OutOfTimeError` when it takes more than `ms` of the processor's time. Costs
 * about a quarter of a millisecond, because V8 starts a thread that watches. Of an asynchronous function only
 * what runs before its first `await` counts.
 */
export function withinTime<T>(ms: number, work: () => T): T {
  for (let tries = 1; ; tries += 1) {
    const before = process.threadCpuUsage();
    try {
      context.work = work;
      return script.runInContext(context, { timeout: ms }) as T;
    } catch (error) {
      if (!isCutOff(error)) throw error;
      // The limit is one of time that passes, and on a busy machine little of it may have been this thread's.
      const { user, system } = process.threadCpuUsage(before);
      if ((user + system) / 1000 >= ms / 2 || tries === MAX_TRIES) {
        throw new OutOfTimeError(`It took more than ${ms} ms.`, { cause: error });
      }
    } finally {
      context.work = undefined;
    }
  }
}

function isCutOff(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
}
