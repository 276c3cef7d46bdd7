/**
 * Handler programs as data: made at random, shown to people, shrunk, and run. A program returns a trace of everything
 * that its code saw, in the order in which it saw it, so that nothing can go to the wrong place unnoticed.
 */
import type { Branch } from '../../src/engine/branch.ts';
import { raceBranches, runBranches } from '../../src/engine/branches.ts';
import type { Seeded } from './seeded.ts';

export type Program =
  /** Fails `failures` times first; `tries`: how many there may be, 0 s apart where `atOnce`. */
  | {
      readonly op: 'step';
      readonly name: string;
      readonly failures: number;
      readonly tries: number;
      readonly atOnce: boolean;
    }
  | { readonly op: 'once'; readonly name: string }
  | { readonly op: 'wait'; readonly name: string; readonly seconds: number }
  | { readonly op: 'ask'; readonly name: string; readonly timeout: number; readonly withdrawAfter: number }
  | { readonly op: 'poll'; readonly name: string; readonly looks: number; readonly seconds: number }
  | { readonly op: 'value'; readonly kind: 'random' | 'uuid' | 'now' | 'patched' }
  | { readonly op: 'all' | 'race' | 'any' | 'settled'; readonly parts: readonly Program[] }
  | { readonly op: 'sequence' | 'generator'; readonly parts: readonly Program[] }
  | {
      readonly op: 'map' | 'parallel';
      readonly parts: readonly Program[];
      readonly atOnce: number;
      readonly enough: number;
    }
  | { readonly op: 'contest'; readonly parts: readonly Program[] }
  | { readonly op: 'guarded'; readonly part: Program; readonly cleanup: Program };

const NAMES = ['a', 'b'];

export function randomProgram(chance: Seeded, depth = 0): Program {
  const name = chance.pick(NAMES);
  const kinds = depth >= 3 ? 7 : 15;
  switch (depth === 0 ? 7 + chance.below(8) : chance.below(kinds)) {
    case 0:
    case 1: {
      const tries = 1 + chance.below(3);
      return {
        op: 'step',
        name,
        failures: chance.chance(0.3) ? chance.below(4) : 0,
        tries,
        atOnce: chance.chance(0.5),
      };
    }
    case 2:
      return chance.chance(0.3) ? { op: 'once', name } : { op: 'wait', name, seconds: chance.below(4) };
    case 3:
      return { op: 'wait', name, seconds: 1 + chance.below(20) };
    case 4: {
      const withdrawAfter = chance.chance(0.15) ? 1 + chance.below(5) : 0;
      return { op: 'ask', name, timeout: chance.chance(0.3) ? 1 + chance.below(15) : 0, withdrawAfter };
    }
    case 5:
      return { op: 'poll', name, looks: 1 + chance.below(3), seconds: chance.below(3) };
    case 6:
      return { op: 'value', kind: chance.pick(['random', 'uuid', 'now', 'patched'] as const) };
    case 7:
    case 8:
      return { op: 'sequence', parts: parts(chance, depth, 4) };
    case 9:
      return { op: 'all', parts: parts(chance, depth, 4) };
    case 10:
      return { op: chance.pick(['race', 'any', 'settled'] as const), parts: parts(chance, depth, 3) };
    case 11:
      return { op: 'generator', parts: parts(chance, depth, 3) };
    case 12: {
      const many = parts(chance, depth, 4);
      const enough = chance.chance(0.3) ? 1 + chance.below(many.length) : 0;
      return { op: chance.pick(['map', 'parallel'] as const), parts: many, atOnce: 1 + chance.below(3), enough };
    }
    case 13:
      return { op: 'contest', parts: parts(chance, depth, 3) };
    default:
      return {
        op: 'guarded',
        part: randomProgram(chance, depth + 1),
        cleanup: { op: 'step', name: 'cleanup', failures: chance.below(2), tries: 3, atOnce: true },
      };
  }
}

function parts(chance: Seeded, depth: number, most: number): Program[] {
  return Array.from({ length: 1 + chance.below(most) }, () => randomProgram(chance, depth + 1));
}

/** What a run of a program tells its judge besides its trace. */
export interface Witness {
  /** An action begins: of which operation, which try. */
  acted(operation: string, attempt: number): void;
  /** Code in a `finally` was reached. */
  cleaned(): void;
  /** Values for actions, which differ from run to run. */
  nonce(): number;
}

type Seen = (what: string, value: unknown) => void;

/** The handler of a program. Its result is the trace. */
export function handlerOf(program: Program, witness: Witness): (task: Branch) => Promise<unknown> {
  return async (task) => {
    const trace: unknown[] = [];
    const seen: Seen = (what, value) => trace.push([what, value ?? null]);
    const value = await run(program, task, witness, seen).catch((error: unknown) => `threw ${nameOf(error)}`);
    return { value: value ?? null, trace };
  };
}

async function run(program: Program, task: Branch, witness: Witness, seen: Seen): Promise<unknown> {
  const each = (part: Program, branch = task) => run(part, branch, witness, seen);
  switch (program.op) {
    case 'step': {
      const { name, failures, tries, atOnce } = program;
      const value = await task.step(
        name,
        async ({ attempt }) => {
          witness.acted(`${task.path}/${name}`, attempt);
          if (attempt <= failures) throw new Error(`failure ${attempt}`);
          return witness.nonce();
        },
        {
          retryStrategy: (_error, attempt) =>
            attempt < tries ? { shouldRetry: true, delay: { seconds: atOnce ? 0 : 3 } } : { shouldRetry: false },
        },
      );
      seen(`step ${name}`, value);
      return value;
    }
    case 'once': {
      const value = await task.step(program.name, async () => witness.nonce(), { atMostOnce: true });
      seen('once', value);
      return value;
    }
    case 'wait':
      await task.wait(program.name, { seconds: program.seconds });
      seen(`waited ${program.seconds}`, task.now());
      return program.seconds;
    case 'ask': {
      const { name, timeout, withdrawAfter } = program;
      const controller = new AbortController();
      const asked = task.input('question', name, {
        request: name,
        ...(timeout === 0 ? {} : { timeout: { seconds: timeout } }),
        ...(withdrawAfter === 0 ? {} : { signal: controller.signal }),
      }).promise;
      if (withdrawAfter > 0) {
        const withdrawn = task
          .wait('patience', { seconds: withdrawAfter })
          .then(() => controller.abort(new Error('withdrawn')));
        withdrawn.catch(() => undefined);
      }
      const answer = await asked;
      seen(`answer to ${name}`, answer);
      return answer;
    }
    case 'poll': {
      const { name, looks, seconds } = program;
      const state = await task.waitForCondition(name, async (count: number) => count + 1, {
        initialState: 0,
        waitStrategy: (count) =>
          count < looks ? { shouldContinue: true, delay: { seconds } } : { shouldContinue: false },
      });
      seen('polled', state);
      return state;
    }
    case 'value': {
      const value = {
        random: () => task.randomNumber(),
        uuid: () => task.uuid(),
        now: () => task.now(),
        patched: () => task.patched('p'),
      }[program.kind]();
      seen(program.kind, value);
      // Not before it is recorded: a value that nothing follows may come out anew.
      await task.step('fix', async () => 0);
      return value;
    }
    case 'all':
      return Promise.all(program.parts.map((part) => each(part)));
    case 'race': {
      const value = await Promise.race(program.parts.map((part) => each(part)));
      seen('won', value);
      return value;
    }
    case 'any': {
      const value = await Promise.any(program.parts.map((part) => each(part)));
      seen('any', value);
      return value;
    }
    case 'settled': {
      const outcomes = await Promise.allSettled(program.parts.map((part) => each(part)));
      return outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : nameOf(outcome.reason)));
    }
    case 'sequence': {
      const values: unknown[] = [];
      for (const part of program.parts) values.push(await each(part));
      return values;
    }
    case 'generator': {
      async function* asTheyCome(open: Map<number, Promise<readonly [number, unknown]>>) {
        while (open.size > 0) {
          const [index, value] = await Promise.race(open.values());
          open.delete(index);
          yield value;
        }
      }
      const open = new Map(
        program.parts.map((part, index) => [
          index,
          each(part).then(
            (value) => [index, value] as const,
            (error: unknown) => [index, nameOf(error)] as const,
          ),
        ]),
      );
      const values: unknown[] = [];
      for await (const value of asTheyCome(open)) {
        seen('came', value);
        values.push(value);
      }
      return values;
    }
    case 'map':
    case 'parallel': {
      const { op, parts: many, atOnce, enough } = program;
      const completionConfig = enough === 0 ? { toleratedFailureCount: many.length } : { minSuccessful: enough };
      const actions = many.map((part) => (branch: Branch) => each(part, branch));
      const batch = await runBranches(task, op, 'branches', actions, { maxConcurrency: atOnce, completionConfig });
      return [batch.completionReason, batch.getResults(), batch.getErrors().map(nameOf)];
    }
    case 'contest': {
      const value = await raceBranches(
        task,
        'contest',
        program.parts.map((part) => (branch: Branch) => each(part, branch)),
      );
      seen('contest', value);
      return value;
    }
    case 'guarded':
      try {
        return await each(program.part);
      } catch (error) {
        seen('caught', nameOf(error));
        throw error;
      } finally {
        witness.cleaned();
        await each(program.cleanup);
      }
  }
}

function nameOf(error: unknown): string {
  if (error instanceof AggregateError) return `aggregate of ${error.errors.map(nameOf).join(', ')}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** Smaller programs of the same kind, for finding the smallest that still shows a fault. */
export function smaller(program: Program): Program[] {
  if ('parts' in program) {
    const { parts: many } = program;
    const without =
      many.length > 1
        ? many.map((_, index) => ({ ...program, parts: many.filter((_part, other) => other !== index) }))
        : [];
    const within = many.flatMap((part, index) =>
      smaller(part).map((less) => ({ ...program, parts: many.with(index, less) })),
    );
    return [...many, ...without, ...within];
  }
  if (program.op === 'guarded') return [program.part, ...smaller(program.part).map((part) => ({ ...program, part }))];
  return [];
}
