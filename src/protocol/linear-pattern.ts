/**
 * Patterns that come from tools meet text that comes from clients. JavaScript's own engine goes back over the text, so
 * that 45 bytes can keep a process busy for years. This one follows all ways through a pattern at once: each character
 * is looked at once, and what it does to the set of ways under way is remembered (a deterministic automaton, made as it
 * is needed). A package that does so exists (`re2js`), and alone would be a fifth of the MCP function's bundle.
 */
import { compilePattern, type PatternProgram } from './pattern-program.ts';
import { type Edge, type PatternError, parsePattern } from './pattern-syntax.ts';

/** What an edge looks at, of the characters on its two sides. */
const OUTSIDE = 1;
const WORD = 2;
const LINE_END = 4;

/** Characters that behave alike in a pattern. */
interface CharacterClass {
  readonly index: number;
  /** By the number of a set: whether the characters are of it. */
  readonly within: readonly boolean[];
  readonly context: number;
}

/** The instructions that are at work before the next character, and what the last one was. */
interface State {
  readonly at: readonly number[];
  readonly before: number;
  /** By the index of the next character's class. */
  readonly next: (State | 'matched' | undefined)[];
}

/** What is remembered of one pattern before all of it is forgotten: instructions in states, and characters. */
const MAX_REMEMBERED = 50_000;
const MAX_CHARACTERS = 5_000;

/** A `RegExp` whose `test` is linear, and tells what that of `RegExp` does with `lastIndex` 0. Throws `PatternError`. */
export class LinearPattern extends RegExp {
  readonly #program: PatternProgram;
  readonly #sets: readonly RegExp[];
  readonly #word: RegExp;
  readonly #marks: Float64Array;
  #mark = 0;
  #characters = new Map<number, CharacterClass>();
  #classes = new Map<string, CharacterClass>();
  #states = new Map<number, State>();
  #remembered = 0;

  constructor(source: string, flags: string) {
    super(source, flags);
    // Of the source as it is written in a pattern: an empty one is `(?:)`.
    this.#program = compilePattern(parsePattern(this.source, flags));
    const single = (set: string) => new RegExp(`^(?:${set})$`, flags.replaceAll(/[^isu]/g, ''));
    this.#sets = this.#program.sets.map(single);
    this.#word = single('\\w');
    this.#marks = new Float64Array(this.#program.instructions.length);
  }

  /** May be cut off by `withinTime`: nothing is remembered before it is whole. */
  override test(text: string): boolean {
    let state = this.#stateOf([], OUTSIDE);
    for (let index = 0; index < text.length; index += 1) {
      const code = (this.unicode ? text.codePointAt(index) : text.charCodeAt(index)) ?? 0;
      if (code > 0xffff) index += 1;
      const next = this.#classOf(code);
      const then = state.next[next.index] ?? this.#step(state, next);
      if (then === 'matched') return true;
      state = then;
    }
    return this.#step(state, END) === 'matched';
  }

  #step(state: State, next: CharacterClass): State | 'matched' {
    const { instructions } = this.#program;
    this.#mark += 1;
    const after: number[] = [];
    // A match may begin before each character.
    const open = [...state.at, 0];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (this.#isMarked(at)) continue;
      this.#marks[at] = this.#mark;
      const instruction = instructions[at];
      if (instruction === undefined) continue;
      switch (instruction.kind) {
        case 'match':
          state.next[next.index] = 'matched';
          return 'matched';
        case 'take':
          if (next.within[instruction.set] === true) after.push(at + 1);
          break;
        case 'edge':
          if (this.#isEdge(instruction.edge, state.before, next.context)) open.push(at + 1);
          break;
        case 'fork':
          open.push(...instruction.to);
          break;
      }
    }
    const then = this.#stateOf(after, next.context);
    state.next[next.index] = then;
    return then;
  }

  #isEdge(edge: Edge, before: number, after: number): boolean {
    const here = this.multiline ? OUTSIDE | LINE_END : OUTSIDE;
    switch (edge) {
      case '^':
        return (before & here) !== 0;
      case '$':
        return (after & here) !== 0;
      case '\\b':
        return (before & WORD) !== (after & WORD);
      case '\\B':
        return (before & WORD) === (after & WORD);
    }
  }

  /** The one that is remembered, whatever the order of its instructions. */
  #stateOf(at: readonly number[], before: number): State {
    this.#mark += 1;
    let hash = before;
    for (const index of at) {
      this.#marks[index] = this.#mark;
      hash = (hash + Math.imul(index + 1, 0x9e3779b1)) | 0;
    }
    const known = this.#states.get(hash);
    if (known?.before === before && known.at.length === at.length && known.at.every((index) => this.#isMarked(index))) {
      return known;
    }
    this.#remembered += at.length + 1;
    if (this.#remembered > MAX_REMEMBERED) {
      this.#states = new Map();
      this.#remembered = 0;
    }
    const state: State = { at, before, next: [] };
    this.#states.set(hash, state);
    return state;
  }

  #isMarked(index: number): boolean {
    return this.#marks[index] === this.#mark;
  }

  #classOf(code: number): CharacterClass {
    const known = this.#characters.get(code);
    if (known !== undefined) return known;
    // Classes keep their numbers, by which the states know them.
    if (this.#characters.size >= MAX_CHARACTERS) this.#characters = new Map();
    const char = String.fromCodePoint(code);
    const within = this.#sets.map((set) => set.test(char));
    const context = (this.#word.test(char) ? WORD : 0) | (/[\n\r\u2028\u2029]/.test(char) ? LINE_END : 0);
    const key = `${context} ${within.map(Number).join('')}`;
    const found = this.#classes.get(key) ?? { index: this.#classes.size + 1, within, context };
    this.#classes.set(key, found);
    this.#characters.set(code, found);
    return found;
  }
}

const END: CharacterClass = { index: 0, within: [], context: OUTSIDE };

/** What to say to the author of a pattern that cannot be matched in linear time. */
export function describePatternFault(source: string, { message }: PatternError): string {
  const shown = source.length > 200 ? `${source.slice(0, 200)}…` : source;
  return (
    `the pattern ${shown} ${message}, and cannot be matched in time that grows with the text only; ` +
    'text of clients must not stop the server: write it without, or check it in the tool’s own code'
  );
}
