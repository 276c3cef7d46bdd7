/** A pattern as a list of instructions, of which any number can be at work at the same time (Thompson's construction). */
import { type Edge, PatternError, type PatternNode } from './pattern-syntax.ts';

export type Instruction =
  /** Takes one character, if it is one of the set with this number, and goes on with the next instruction. */
  | { readonly kind: 'take'; readonly set: number }
  /** Goes on with the next instruction at such an edge only. */
  | { readonly kind: 'edge'; readonly edge: Edge }
  /** Goes on with each of these. */
  | { readonly kind: 'fork'; readonly to: readonly number[] }
  | { readonly kind: 'match' };

export interface PatternProgram {
  readonly instructions: readonly Instruction[];
  /** Patterns for one character each, by their number. */
  readonly sets: readonly string[];
}

/** Each character of a text can cost as many steps as there are instructions. */
const MAX_INSTRUCTIONS = 5_000;

/** Throws `PatternError` where repetitions, which are written out, come to too much. */
export function compilePattern(pattern: PatternNode): PatternProgram {
  const compilation = new Compilation();
  compilation.write(pattern);
  compilation.add({ kind: 'match' });
  return compilation;
}

class Compilation implements PatternProgram {
  readonly instructions: Instruction[] = [];
  readonly sets: string[] = [];

  add(instruction: Instruction): void {
    if (this.instructions.length >= MAX_INSTRUCTIONS) throw new PatternError('repeats too much');
    this.instructions.push(instruction);
  }

  write(node: PatternNode): void {
    switch (node.kind) {
      case 'character':
        this.add({ kind: 'take', set: this.#setOf(node.source) });
        return;
      case 'edge':
        this.add({ kind: 'edge', edge: node.edge });
        return;
      case 'sequence':
        for (const part of node.parts) this.write(part);
        return;
      case 'choice':
        this.#writeChoice(node.branches);
        return;
      case 'repetition':
        this.#writeRepetition(node.of, node.min, node.max);
        return;
    }
  }

  #writeChoice(branches: readonly PatternNode[]): void {
    const starts: number[] = [];
    const ends: number[][] = [];
    this.add({ kind: 'fork', to: starts });
    for (const branch of branches) {
      starts.push(this.instructions.length);
      this.write(branch);
      const end: number[] = [];
      ends.push(end);
      this.add({ kind: 'fork', to: end });
    }
    for (const end of ends) end.push(this.instructions.length);
  }

  #writeRepetition(of: PatternNode, min: number, max: number): void {
    for (let count = 0; count < min; count += 1) this.#writeOnce(of);
    const ways: number[][] = [];
    const optional = max === Infinity ? 1 : max - min;
    for (let count = 0; count < optional; count += 1) {
      const at = this.instructions.length;
      const way = [at + 1];
      ways.push(way);
      this.add({ kind: 'fork', to: way });
      this.#writeOnce(of);
      if (max === Infinity) this.add({ kind: 'fork', to: [at] });
    }
    for (const way of ways) way.push(this.instructions.length);
  }

  /** Something that takes no instruction would otherwise be repeated for ever. */
  #writeOnce(node: PatternNode): void {
    const before = this.instructions.length;
    this.write(node);
    if (this.instructions.length === before) this.add({ kind: 'fork', to: [before + 1] });
  }

  #setOf(source: string): number {
    const known = this.sets.indexOf(source);
    return known >= 0 ? known : this.sets.push(source) - 1;
  }
}
