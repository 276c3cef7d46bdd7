/**
 * How much work that others make strains this process: what it keeps of it, and the longest time in which the event
 * loop answered nobody. The bounds of tests are far above what a busy machine adds.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const RESOLUTION_MS = 10;

export interface Strain {
  /** What is kept after it, beyond what was kept before. */
  readonly keptBytes: number;
  readonly longestDelayMs: number;
}

/** Does one after the other, and lets everybody else have their turn in between, as a socket would. */
export async function strainOf(units: Iterable<() => Promise<unknown>>): Promise<Strain> {
  const before = keptBytes();
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  // The monitor compares its own turns, of which it needs one before and one after.
  await sleep(2 * RESOLUTION_MS);
  for (const unit of units) {
    await unit();
    await nextTurn();
  }
  await sleep(2 * RESOLUTION_MS);
  delay.disable();
  return { keptBytes: keptBytes() - before, longestDelayMs: delay.max / 1e6 };
}

function keptBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
