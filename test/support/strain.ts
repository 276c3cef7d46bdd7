/**
 * How much work that others make strains this process: what it keeps of it, and for how long at most it kept the event
 * loop from everybody else. That is processor time of this thread, of which a busy machine makes no more.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_EVERY_MS = 10;

export interface Strain {
  /** What is kept after it, beyond what was kept before. */
  readonly keptBytes: number;
  /** Between two looks of a timer that is due each 10 ms. */
  readonly longestHoldMs: number;
}

/** Does one after the other, and lets everybody else have their turn in between, as a socket would. */
export async function strainOf(units: Iterable<() => Promise<unknown>>): Promise<Strain> {
  const before = keptBytes();
  let longestHoldMs = 0;
  let usedMs = processorMs();
  const looking = setInterval(() => {
    const now = processorMs();
    longestHoldMs = Math.max(longestHoldMs, now - usedMs);
    usedMs = now;
  }, LOOK_EVERY_MS);
  for (const unit of units) {
    await unit();
    await nextTurn();
  }
  await sleep(2 * LOOK_EVERY_MS);
  clearInterval(looking);
  return { keptBytes: keptBytes() - before, longestHoldMs };
}

/** That this thread has used. */
export function processorMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

function keptBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
