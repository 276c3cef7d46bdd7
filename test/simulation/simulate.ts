/** Histories in a row, until there are enough or time is up; a faulty one is shrunk. */
import type { HandlerRun } from '../../src/engine/handler-run.ts';
import { faultsOf } from './history.ts';
import { type Program, randomProgram, smaller } from './program.ts';
import { Seeded } from './seeded.ts';

export interface SimulationOptions {
  /** History `n` has seed `firstSeed + n * step`. */
  readonly firstSeed: number;
  readonly step?: number;
  readonly histories: number;
  /** In milliseconds since the epoch. */
  readonly until?: number;
  readonly engine?: typeof HandlerRun;
}

export interface Violation {
  readonly seed: number;
  readonly program: Program;
  readonly faults: readonly string[];
}

export interface SimulationReport {
  readonly histories: number;
  readonly violation?: Violation;
}

export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  const { firstSeed, step = 1, histories, until = Number.POSITIVE_INFINITY, engine } = options;
  let done = 0;
  for (; done < histories && Date.now() < until; done += 1) {
    const seed = firstSeed + done * step;
    const program = randomProgram(new Seeded(seed));
    const faults = await faultsIn(program, seed, engine);
    if (faults.length > 0) return { histories: done + 1, violation: await shrunk({ seed, program, faults }, engine) };
  }
  return { histories: done };
}

/** The smallest program with the same seed that still shows a fault. */
async function shrunk(violation: Violation, engine?: typeof HandlerRun): Promise<Violation> {
  for (const program of smaller(violation.program)) {
    const faults = await faultsIn(program, violation.seed, engine);
    if (faults.length > 0) return shrunk({ ...violation, program, faults }, engine);
  }
  return violation;
}

async function faultsIn(program: Program, seed: number, engine?: typeof HandlerRun): Promise<string[]> {
  try {
    return await faultsOf({ program, seed, ...(engine === undefined ? {} : { engine }) });
  } catch (error) {
    return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  }
}
