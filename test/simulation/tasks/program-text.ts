/** A program as people read it: nearly the code that it stands for. */
import type { Block, Options, Program, Statement } from './program.ts';

export function programText(program: Program): string {
  return lines(program, '').join('\n');
}

function lines(block: Block, indent: string): string[] {
  return block.flatMap((statement) => {
    const { kind, id, name, blocks } = statement;
    const head = `${indent}${id}: ${kind}${name === '' ? '' : ` "${name}"`}${optionsText(statement.options)}`;
    if (blocks.length === 0) return [head];
    const inner = blocks.flatMap((body, index) => [
      `${indent}  ${blockName(statement, index)}{`,
      ...lines(body, `${indent}    `),
      `${indent}  }`,
    ]);
    return [head, ...inner];
  });
}

function blockName({ kind }: Statement, index: number): string {
  if (kind === 'guarded') return ['try ', 'catch ', 'finally '][index] ?? '';
  if (kind === 'patched') return index === 0 ? 'after the change ' : 'before the change ';
  return '';
}

function optionsText(options: Options): string {
  const unusual = Object.entries(options).filter(([, value]) => value !== 0);
  return unusual.length === 0 ? '' : ` (${unusual.map(([key, value]) => `${key} ${value}`).join(', ')})`;
}
