/**
 * How a JavaScript pattern is put together: characters, edges, sequences, choices and repetitions. What only an engine
 * that goes back over the text can do (look-around, back-references) is refused with a sentence. Which characters
 * a class or an escape stands for is not looked into: that is left to `RegExp`, for one character at a time.
 */

/** A pattern that cannot be matched in linear time; the message is what the pattern does, as in "looks ahead". */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

export type Edge = '^' | '$' | '\\b' | '\\B';

export type PatternNode =
  /** `source` is a pattern for exactly one character. */
  | { readonly kind: 'character'; readonly source: string }
  | { readonly kind: 'edge'; readonly edge: Edge }
  | { readonly kind: 'sequence'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly branches: readonly PatternNode[] }
  | { readonly kind: 'repetition'; readonly of: PatternNode; readonly min: number; readonly max: number };

/** Of a pattern that `RegExp` accepts with these flags. Throws `PatternError`. */
export function parsePattern(source: string, flags: string): PatternNode {
  const strange = /[vy]/.exec(flags);
  if (strange !== null) throw new PatternError(`has the flag "${strange[0]}"`);
  return new Parser(source, flags.includes('u')).choice();
}

/** One character behind a backslash, however it is written. Without `u`, `\u` and `\x` may stand for these letters. */
const ESCAPE = /\\(?:c[A-Za-z]|x[\da-fA-F]{2}|u[\da-fA-F]{4}|[\s\S])/y;
const UNICODE_ESCAPE =
  /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u\{[\da-fA-F]+\}|[pP]\{[^}]*\}|c[A-Za-z]|x[\da-fA-F]{2}|u[\da-fA-F]{4}|[\s\S])/uy;
const CLASS = /\[(?:\\[\s\S]|[^\]\\])*\]/y;
const GROUP = /\((?:\?(?:[:=!]|<[=!]|<[^>]*>|[^)]))?/y;
const QUANTIFIER = /(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})\??/y;

class Parser {
  readonly #source: string;
  readonly #unicode: boolean;
  #at = 0;

  constructor(source: string, unicode: boolean) {
    this.#source = source;
    this.#unicode = unicode;
  }

  choice(): PatternNode {
    const branches = [this.#sequence()];
    while (this.#takes('|')) branches.push(this.#sequence());
    const [only] = branches;
    return branches.length === 1 && only !== undefined ? only : { kind: 'choice', branches };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    for (let next = this.#next(); next !== undefined && next !== '|' && next !== ')'; next = this.#next()) {
      parts.push(this.#quantified(this.#term(next)));
    }
    return { kind: 'sequence', parts };
  }

  #quantified(of: PatternNode): PatternNode {
    const quantifier = this.#match(QUANTIFIER);
    if (quantifier === undefined) return of;
    const [text, from, comma, to] = quantifier;
    if (from === undefined) {
      return { kind: 'repetition', of, min: text.startsWith('+') ? 1 : 0, max: text.startsWith('?') ? 1 : Infinity };
    }
    const min = Number(from);
    if (comma === undefined) return { kind: 'repetition', of, min, max: min };
    return { kind: 'repetition', of, min, max: to === undefined || to === '' ? Infinity : Number(to) };
  }

  #term(next: string): PatternNode {
    switch (next) {
      case '(':
        return this.#group();
      case '^':
      case '$':
        this.#at += 1;
        return { kind: 'edge', edge: next };
      case '[':
        return { kind: 'character', source: this.#match(CLASS)?.[0] ?? '' };
      case '.':
        this.#at += 1;
        return { kind: 'character', source: '.' };
      case '\\':
        return this.#escape();
      default:
        return this.#literal();
    }
  }

  #group(): PatternNode {
    const opening = this.#match(GROUP)?.[0] ?? '';
    if (/^\(\?<?[=!]$/.test(opening)) throw new PatternError('looks ahead or behind');
    if (/^\(\?[^:<]/.test(opening)) throw new PatternError('changes its flags on the way');
    const inner = this.choice();
    this.#takes(')');
    return inner;
  }

  #escape(): PatternNode {
    const source = this.#match(this.#unicode ? UNICODE_ESCAPE : ESCAPE)?.[0] ?? '';
    if (source === '\\b' || source === '\\B') return { kind: 'edge', edge: source };
    if (/^\\[1-9k]/.test(source)) throw new PatternError('refers back to a group');
    // Left-overs of an older language: a number in base eight, and a backslash that stands for itself.
    if (source === '\\c' || (source === '\\0' && /\d/.test(this.#next() ?? ''))) {
      throw new PatternError(`has the escape "${source}${this.#next() ?? ''}"`);
    }
    return { kind: 'character', source };
  }

  #literal(): PatternNode {
    const code = this.#unicode ? this.#source.codePointAt(this.#at) : this.#source.charCodeAt(this.#at);
    const digits = (code ?? 0).toString(16);
    this.#at += code !== undefined && code > 0xffff ? 2 : 1;
    return { kind: 'character', source: this.#unicode ? `\\u{${digits}}` : `\\u${digits.padStart(4, '0')}` };
  }

  #next(): string | undefined {
    return this.#source[this.#at];
  }

  #takes(char: string): boolean {
    if (this.#next() !== char) return false;
    this.#at += 1;
    return true;
  }

  #match(sticky: RegExp): RegExpExecArray | undefined {
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.#source);
    if (found === null) return undefined;
    this.#at += found[0].length;
    return found;
  }
}
