/** Programs with one thing less, largest steps first: for finding the smallest that still shows a fault. */
import type { Block, Options, Program, Statement } from './program.ts';

export function* smallerPrograms(program: Program): Iterable<Program> {
  for (const smaller of smallerBlocks(program)) if (smaller.length > 0) yield smaller;
}

function* smallerBlocks(block: Block): Iterable<Block> {
  for (const [index, statement] of block.entries()) {
    const replaced = (instead: readonly Statement[]) => [
      ...block.slice(0, index),
      ...instead,
      ...block.slice(index + 1),
    ];
    yield replaced([]);
    for (const inner of statement.blocks) if (inner.length > 0) yield replaced(inner);
    for (const smaller of smallerStatements(statement)) yield replaced([smaller]);
  }
}

function* smallerStatements(statement: Statement): Iterable<Statement> {
  const { blocks, options, kind } = statement;
  const isFixed = kind === 'guarded' || kind === 'choose' || kind === 'patched';
  for (const [index, block] of blocks.entries()) {
    if (!isFixed && blocks.length > 1) yield { ...statement, blocks: blocks.filter((other) => other !== block) };
    for (const smaller of smallerBlocks(block)) yield { ...statement, blocks: blocks.with(index, smaller) };
  }
  for (const key of Object.keys(options) as (keyof Options)[]) {
    if (options[key] !== 0) yield { ...statement, options: { ...options, [key]: 0 } };
  }
}
