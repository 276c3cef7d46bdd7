/** Faults that are put into a copy of the engine or runtime, one at a time, to see that the oracle finds each. */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from '../../scripts/syntax.ts';

export interface Mutant {
  readonly name: string;
  /** In `src`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a replay does not let the code come to rest between two outcomes',
    file: 'engine/handler-run.ts',
    from: '      this.#operations.handOver(outcome, at);\n      await eventLoopTurn();\n    }\n    await this.#askedAgain();',
    to: '      this.#operations.handOver(outcome, at);\n    }\n    await this.#askedAgain();',
  },
  {
    name: 'outcomes are recorded in another order than they are handed over',
    file: 'engine/handler-run.ts',
    from: 'for (const outcome of outcomes) {\n      if (!isHanded',
    to: 'for (const outcome of outcomes.toReversed()) {\n      if (!isHanded',
  },
  {
    name: 'outcomes are handed over before they are written',
    file: 'engine/handler-run.ts',
    from: '    const at = await this.#write(outcomes);\n',
    to: '    const writing = this.#write(outcomes);\n    const at = this.#options.clock.now();\n    await Promise.resolve();\n    void writing.catch(() => {});\n',
  },
  {
    name: 'operations of one name are not told apart',
    file: 'engine/operations.ts',
    from: '    ...(nth === 1 ? {} : { nth }),\n  };\n  return { identity, nth };',
    to: '  };\n  return { identity, nth };',
  },
  {
    name: 'what is asked does not say in which turn',
    file: 'engine/operations.ts',
    from: 'this.#turn === 0 ? ask : { ...ask, turn: this.#turn }',
    to: 'ask',
  },
  {
    name: 'a withdrawn operation still gets its outcome recorded',
    file: 'engine/operations.ts',
    from: '    this.#pending.delete(operation);\n    operation.abortWith(reason);\n    operation.reject(reason);',
    to: '    operation.abortWith(reason);\n    operation.reject(reason);\n    operation.isSettled = false;',
  },
  {
    name: 'a retry forgets how many tries there were',
    file: 'engine/recording.ts',
    from: '            attempts,\n',
    to: '            attempts: 0,\n',
  },
  {
    name: 'random values are made anew in each replay',
    file: 'engine/operations.ts',
    from: 'const value = recorded?.value ?? make();',
    to: 'const value = make();',
  },
  {
    name: 'the time of a turn is the time of the replay',
    file: 'engine/operations.ts',
    from: 'this.#turnAt = Math.max(this.#turnAt, at);',
    to: 'this.#turnAt = this.#options.clock.now();',
  },
  {
    name: 'turns that end with the last entry are taken for complete',
    file: 'engine/recording.ts',
    from: '      completeTurns = turns.length + 1;\n',
    to: '      completeTurns = turns.length + 1 + outcomes.filter(isHanded).length;\n',
  },
  {
    name: 'outcomes that came together are not brought into the order of their times',
    file: 'engine/tries.ts',
    from: 'ready.sort((a, b) => a.at - b.at)',
    to: 'ready',
  },
  {
    name: 'a try of an at-most-once step begins before that is recorded',
    file: 'engine/tries.ts',
    from: 'if (operation.mayRunOnce && operation.begun < attempt) {',
    to: 'if (operation.mayRunOnce && operation.begun < attempt && attempt > 1) {',
  },
  {
    name: 'a try that had begun counts as one that is due',
    file: 'engine/tries.ts',
    from: 'if (operation.begun > operation.attempts) this.#interrupted(operation);\n    else if (operation.dueAt !== undefined) this.#timed.add(operation);',
    to: 'if (operation.dueAt !== undefined) this.#timed.add(operation);\n    else if (operation.begun > operation.attempts) this.#interrupted(operation);',
  },
  {
    name: 'questions may be shown before they are in the journal',
    file: 'engine/handler-run.ts',
    from: 'if (this.#operations.isWritten(operation)) outstanding',
    to: 'outstanding',
  },
  {
    name: 'what is asked of others need not be in the journal before anything else happens',
    file: 'engine/operations.ts',
    from: "{ first: kind !== 'step' && kind !== 'condition' }",
    to: '{ first: false }',
  },
  {
    name: 'a suspension drops answers that the journal does not have',
    file: 'domain/run.ts',
    from: 'const answers = without(task.answers, suspension.imported);',
    to: 'const answers = without(task.answers, new Set(Object.keys(task.answers)));',
  },
  {
    name: 'a callback is shown alone by whoever opens it',
    file: 'runtime/running/shown-inputs.ts',
    from: '    this.#opened.add(key);\n',
    to: '    this.#opened.clear();\n    this.#opened.add(key);\n',
  },
  {
    name: 'a run goes on with a journal that another has written to',
    file: 'runtime/log/task-journal.ts',
    from: 'if (newest > claim.epoch)',
    to: 'if (newest > claim.epoch + 1_000)',
  },
  {
    name: 'a lost acknowledgement of a suspension loses its delivery',
    file: 'runtime/running/runner.ts',
    from: 'if (givenBack !== undefined) await this.#enqueue(givenBack);',
    to: '',
  },
  {
    name: 'a run without the lease may write the head',
    file: 'domain/run.ts',
    from: 'if (task.run.epoch !== claim.epoch || task.run.lease?.holder !== claim.holder) {',
    to: 'if (task.run.epoch < claim.epoch) {',
  },
  {
    name: 'a cancelled handler is not woken to clean up',
    file: 'domain/task.ts',
    from: '  if (epoch === 0) return after;',
    to: '  if (epoch <= 1) return after;',
  },
  {
    name: 'reports that came before a workflow waits for them do not wake it',
    file: 'workflow/reports.ts',
    from: 'some(({ id }) => !known.has(id))',
    to: 'some(({ id }) => known.has(id))',
  },
  {
    name: 'a report is written, and its workflow woken in another write, if at all',
    file: 'workflow/reports.ts',
    from: '{ also: (current, variables, at) => acceptAnswers(current, wakeUp(variables), at) }',
    to: '{}',
  },
  {
    name: 'a report is removed when it is read, and not once that is recorded',
    file: 'workflow/reports.ts',
    from: '  if (first === undefined) return undefined;\n',
    to: '  if (first === undefined) return undefined;\n  await store.mergeVariables(ref, { [`${WORKFLOW_KEYS.report}${first.id}`]: null });\n',
  },
];

/** A copy of everything that simulates, with the fault in it: the path of its command. */
export async function mutatedSimulation(mutant: Mutant, name: string): Promise<string> {
  const folder = join(REPOSITORY_ROOT, '.cache', 'mutants', name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const part of ['src', 'scripts', 'test/simulation']) {
    await cp(join(REPOSITORY_ROOT, part), join(folder, part), { recursive: true });
  }
  const path = join(folder, 'src', mutant.file);
  const text = await readFile(path, 'utf8');
  if (!text.includes(mutant.from)) throw new Error(`The code has changed: "${mutant.name}" has no place any more.`);
  await writeFile(path, text.replace(mutant.from, mutant.to));
  return join(folder, 'test', 'simulation', 'run.ts');
}
