/**
 * The regular expressions of a zod schema, told to match in linear time. Zod asks the `RegExp` that stands in a check's
 * definition, and that definition is there for libraries to read (`_zod.def`): so each is replaced in its place by one
 * that says the same. A schema of another zod than this knows keeps what it has, and is checked in bounded time.
 */
import { LinearPattern } from './linear-pattern.ts';
import { PatternError } from './pattern-syntax.ts';

/** A pattern of the tool's author that cannot be matched in linear time. */
export interface PatternFault {
  readonly source: string;
  readonly error: PatternError;
}

export interface ZodPatterns {
  readonly faults: readonly PatternFault[];
  /** Whether text meets patterns, or code of the author's, when the schema checks it. */
  readonly checksText: boolean;
}

/** Makes every pattern that the schema is made of linear, where that is possible. */
export function makePatternsLinear(schema: object): ZodPatterns {
  const walk = new Walk();
  walk.visit(schema);
  return walk;
}

type Definition = Record<string, unknown>;

/** Values that text is not checked with, or that reading would make. */
const PASSED_OVER = new Set(['error', 'when', 'abort', 'values', 'entries', 'defaultValue', 'catchValue']);
/** Zod makes the pattern of a template, and a custom check may be nothing but code. */
const OPAQUE = new Set(['template_literal', 'custom', 'overwrite']);

class Walk implements ZodPatterns {
  readonly faults: PatternFault[] = [];
  checksText = false;
  readonly #seen = new Set<object>();

  visit(value: unknown): void {
    if (typeof value !== 'object' || value === null || this.#seen.has(value)) return;
    this.#seen.add(value);
    const def = definitionOf(value);
    if (def !== undefined) this.#visitDefinition(def);
    else for (const part of Object.values(value)) this.visit(part);
  }

  #visitDefinition(def: Definition): void {
    if (OPAQUE.has(String(def['type'])) || OPAQUE.has(String(def['check']))) this.checksText = true;
    for (const key of Object.keys(def)) {
      if (PASSED_OVER.has(key)) continue;
      const value = def[key];
      if (value instanceof RegExp) this.#replace(def, key, value);
      else if (typeof value !== 'function') this.visit(value);
      else if (key === 'getter') this.visit(value());
      else this.checksText = true;
    }
  }

  #replace(def: Definition, key: string, pattern: RegExp): void {
    this.checksText = true;
    if (pattern instanceof LinearPattern) return;
    try {
      def[key] = new LinearPattern(pattern.source, pattern.flags);
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      // Formats are zod's own, and those few of them that look ahead do not go back over the text for long.
      if (def['format'] === 'regex') this.faults.push({ source: pattern.source, error });
    }
  }
}

function definitionOf(value: object): Definition | undefined {
  const inside = (value as { _zod?: { def?: Definition } })._zod;
  return typeof inside === 'object' ? inside.def : undefined;
}
