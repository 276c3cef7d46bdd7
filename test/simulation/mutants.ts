/** Faults that are put into a copy of the engine, one at a time, to see that the oracle finds each. */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { REPOSITORY_ROOT } from '../../scripts/syntax.ts';
import type { HandlerRun } from '../../src/engine/handler-run.ts';

export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a replay does not let the code come to rest between two outcomes',
    file: 'handler-run.ts',
    from: '      this.#operations.handOver(outcome, at);\n      await eventLoopTurn();\n    }\n    await this.#askedAgain();',
    to: '      this.#operations.handOver(outcome, at);\n    }\n    await this.#askedAgain();',
  },
  {
    name: 'outcomes are recorded in another order than they are handed over',
    file: 'handler-run.ts',
    from: 'for (const outcome of outcomes) {\n      if (!isHanded',
    to: 'for (const outcome of outcomes.toReversed()) {\n      if (!isHanded',
  },
  {
    name: 'outcomes are handed over before they are written',
    file: 'handler-run.ts',
    from: '    const at = await this.#write(outcomes);\n',
    to: '    const writing = this.#write(outcomes);\n    const at = this.#options.clock.now();\n    await Promise.resolve();\n    void writing.catch(() => {});\n',
  },
  {
    name: 'operations of one name are not told apart',
    file: 'operations.ts',
    from: '    ...(nth === 1 ? {} : { nth }),\n  };\n  return { identity, nth };',
    to: '  };\n  return { identity, nth };',
  },
  {
    name: 'what is asked does not say in which turn',
    file: 'operations.ts',
    from: 'this.#turn === 0 ? ask : { ...ask, turn: this.#turn }',
    to: 'ask',
  },
  {
    name: 'a withdrawn operation still gets its outcome recorded',
    file: 'operations.ts',
    from: '    this.#pending.delete(operation);\n    operation.abortWith(reason);\n    operation.reject(reason);',
    to: '    operation.abortWith(reason);\n    operation.reject(reason);\n    operation.isSettled = false;',
  },
  {
    name: 'a retry forgets how many tries there were',
    file: 'recording.ts',
    from: '            attempts,\n',
    to: '            attempts: 0,\n',
  },
  {
    name: 'random values are made anew in each replay',
    file: 'operations.ts',
    from: 'const value = recorded?.value ?? make();',
    to: 'const value = make();',
  },
  {
    name: 'the time of a turn is the time of the replay',
    file: 'operations.ts',
    from: 'this.#turnAt = Math.max(this.#turnAt, at);',
    to: 'this.#turnAt = this.#options.clock.now();',
  },
  {
    name: 'turns that end with the last entry are taken for complete',
    file: 'recording.ts',
    from: '      completeTurns = turns.length + 1;\n',
    to: '      completeTurns = turns.length + 1 + outcomes.filter(isHanded).length;\n',
  },
];

/** The engine with the fault in it. */
export async function faultyEngine(mutant: Mutant, index: number): Promise<typeof HandlerRun> {
  const folder = join(REPOSITORY_ROOT, '.cache', 'mutants', String(index));
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const part of ['engine', 'domain', 'clock.ts']) {
    await cp(join(REPOSITORY_ROOT, 'src', part), join(folder, part), { recursive: true });
  }
  const path = join(folder, 'engine', mutant.file);
  const text = await readFile(path, 'utf8');
  if (!text.includes(mutant.from)) throw new Error(`The engine has changed: "${mutant.name}" has no place any more.`);
  await writeFile(path, text.replace(mutant.from, mutant.to));
  const { HandlerRun: faulty } = (await import(pathToFileURL(join(folder, 'engine', 'handler-run.ts')).href)) as {
    HandlerRun: typeof HandlerRun;
  };
  return faulty;
}
