/**
 * Handler programs as data, over everything that a tool's handler is offered: made at random (`random-program.ts`), run
 * (`handler.ts`), shown to people (`program-text.ts`) and made smaller (`smaller-programs.ts`).
 */

export const KINDS = [
  'step',
  'wait',
  'until',
  'condition',
  'question',
  'callback',
  'uuid',
  'random',
  'now',
  'variable',
  'patched',
  'choose',
  'all',
  'first',
  'any',
  'settled',
  'stream',
  'repeat',
  'map',
  'parallel',
  'race',
  'child',
  'guarded',
  'throw',
  'abort',
  'start',
  'join',
  'hop',
  'workflow',
] as const;
export type Kind = (typeof KINDS)[number];

/** All are numbers, and 0 is the plain case, so that one rule makes any of them simpler. Times are in milliseconds. */
export interface Options {
  /** Of a step: tries that are allowed, after the first. */
  readonly retries?: number;
  /** Of a step's action or a callback's `submit`: tries that fail. */
  readonly fails?: number;
  /** Between tries, or looks. */
  readonly delayMs?: number;
  readonly atMostOnce?: number;
  /** What a step's action takes. */
  readonly takesMs?: number;
  /** The action throws a text, not an error. */
  readonly throwsText?: number;
  /** What the operation rejects with is swallowed, but for an abort. */
  readonly tolerant?: number;
  /** Which `AbortController` withdraws it, from 1. */
  readonly signal?: number;
  readonly timeoutMs?: number;
  readonly ms?: number;
  /** Of a condition: looks that are not content. */
  readonly looks?: number;
  /** Of a variable: 0 get, 1 set, 2 all, 3 merge, 4 delete. */
  readonly action?: number;
  /** Of a workflow: of which its steps are drawn. */
  readonly key?: number;
  /** Of `choose`: by a random number, or else by everything that was seen so far. */
  readonly byChance?: number;
  /** Of `repeat`, `map` and `hop`: how often, after the first; of a workflow: its steps, after the first. */
  readonly times?: number;
  /** Of `map` and `parallel`: branches at the same time; 0: all. */
  readonly atOnce?: number;
  /** Their completion: successes that are enough; failures that are borne, more one; that share of failures; a rule of its own. */
  readonly enough?: number;
  readonly bears?: number;
  readonly bearsPercent?: number;
  readonly rule?: number;
  /** Whether the errors of a batch are thrown. */
  readonly throws?: number;
  /** Of `guarded`: whether it has a `catch`. */
  readonly catches?: number;
  /** Of `patched`: whether the code is from before the change, and knows nothing of it. */
  readonly isOld?: number;
}

/**
 * `blocks`, by kind: `patched`: after and before the change; `choose`: both ways; `guarded`: `try`, `catch`, `finally`;
 * `join` names the `start` that it awaits; else what runs side by side, or the one body.
 */
export interface Statement {
  readonly kind: Kind;
  /** Unique in the program. */
  readonly id: string;
  /** What the operation is called; a few names only, so that many have the same. */
  readonly name: string;
  readonly options: Options;
  readonly blocks: readonly Block[];
}

export type Block = readonly Statement[];

export type Program = Block;

/** The same before the change that its `patched` marks; in every other way, down to each promise, it is the same code. */
export function beforeTheChange(block: Block): Block {
  return block.map((statement) => ({
    ...statement,
    options: statement.kind === 'patched' ? { ...statement.options, isOld: 1 } : statement.options,
    blocks: statement.blocks.map(beforeTheChange),
  }));
}

export function contains(block: Block, kinds: readonly Kind[]): boolean {
  return block.some(({ kind, blocks }) => kinds.includes(kind) || blocks.some((inner) => contains(inner, kinds)));
}

/** Whether another run may make other random values, as long as they are not recorded. */
export function usesChance(block: Block): boolean {
  return block.some(
    ({ kind, options, blocks }) =>
      kind === 'uuid' || kind === 'random' || options.byChance === 1 || blocks.some((inner) => usesChance(inner)),
  );
}
