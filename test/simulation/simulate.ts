/** Histories in a row, until there are enough or time is up; a faulty one is shrunk. */
import { Seeded } from './seeded.ts';

/** What a history is made of, and what is wrong with one. */
export interface HistoryKind<History> {
  readonly name: string;
  random(chance: Seeded): History;
  /** The same for the same seed. */
  faultsOf(history: History, seed: number): Promise<readonly string[]>;
  /** Largest steps first. */
  smaller(history: History): Iterable<History>;
  /** Seeds by which a smaller history may show the fault. */
  seedsFor(seed: number): readonly number[];
  text(history: History): string;
}

export interface SimulationOptions<History> {
  readonly kind: HistoryKind<History>;
  /** History `n` has seed `firstSeed + n * step`. */
  readonly firstSeed: number;
  readonly step?: number;
  readonly histories: number;
  /** In milliseconds since the epoch. */
  readonly until?: number;
}

export interface Violation {
  /** Of the history as it was found. */
  readonly seed: number;
  readonly faults: readonly string[];
  /** The smallest that shows a fault, and by which seed. */
  readonly smallest: string;
  readonly smallestSeed: number;
}

export interface SimulationReport {
  readonly histories: number;
  readonly violation?: Violation;
}

export async function simulate<History>(options: SimulationOptions<History>): Promise<SimulationReport> {
  const { kind, firstSeed, step = 1, histories, until = Number.POSITIVE_INFINITY } = options;
  let done = 0;
  for (; done < histories && Date.now() < until; done += 1) {
    const seed = firstSeed + done * step;
    const history = kind.random(new Seeded(seed));
    const faults = await faultsWithoutTraces(kind, history, seed);
    if (faults.length > 0) {
      const smallest = await shrunk(kind, { history, seed, faults });
      const { faults: shown, seed: smallestSeed } = smallest;
      return {
        histories: done + 1,
        violation: { seed, faults: shown, smallest: kind.text(smallest.history), smallestSeed },
      };
    }
  }
  return { histories: done };
}

interface Faulty<History> {
  readonly history: History;
  readonly seed: number;
  readonly faults: readonly string[];
}

/** Traces of where errors were made cost a tenth of the time; with one that nobody expected the history is gone through again. */
async function faultsWithoutTraces<History>(
  kind: HistoryKind<History>,
  history: History,
  seed: number,
): Promise<readonly string[]> {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const faults = await faultsIn(kind, history, seed);
  Error.stackTraceLimit = stackTraceLimit;
  if (faults.length === 0) return faults;
  const again = await faultsIn(kind, history, seed);
  return again.length === 0 ? faults : again;
}

/** How long a smaller history is looked for: what is found by then is told, however large it is. */
const SHRINK_MS = 20_000;

async function shrunk<History>(
  kind: HistoryKind<History>,
  faulty: Faulty<History>,
  until = Date.now() + SHRINK_MS,
): Promise<Faulty<History>> {
  for (const history of kind.smaller(faulty.history)) {
    for (const seed of kind.seedsFor(faulty.seed)) {
      if (Date.now() > until) return faulty;
      const faults = await faultsIn(kind, history, seed);
      if (faults.length > 0) return shrunk(kind, { history, seed, faults }, until);
    }
  }
  return faulty;
}

async function faultsIn<History>(
  kind: HistoryKind<History>,
  history: History,
  seed: number,
): Promise<readonly string[]> {
  try {
    return await kind.faultsOf(history, seed);
  } catch (error) {
    return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  }
}
