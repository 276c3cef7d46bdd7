/** Histories of the engine alone, many in little time: a random program on a journal in memory. */
import type { HandlerRun } from '../../src/engine/handler-run.ts';
import { present } from '../../src/present.ts';
import { faultsOf } from './history.ts';
import { type Program, randomProgram, smaller } from './program.ts';
import type { HistoryKind } from './simulate.ts';

/** `engine`: a faulty one, to see whether the oracle finds its fault. */
export function engineHistories(engine?: typeof HandlerRun): HistoryKind<Program> {
  return {
    name: 'engine',
    random: (chance) => randomProgram(chance),
    faultsOf: (program, seed) => faultsOf({ program, seed, ...present({ engine }) }),
    smaller,
    seedsFor: (seed) => [seed],
    text: (program) => JSON.stringify(program),
  };
}
