/** Reads single values of the CDK context and collects what is wrong with them. Knows no setting by name. */
import { NO_LIMIT } from '../lambda/shared/words.ts';

export class ContextReader {
  readonly problems: string[] = [];
  readonly #context: Readonly<Record<string, unknown>>;

  constructor(context: Readonly<Record<string, unknown>>) {
    this.#context = context;
  }

  /** Absent and empty are the same. */
  text(name: string): string | undefined {
    const value = this.#context[name];
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value);
    return this.#refuse(`Context "${name}" must be one value, not a list or an object.`);
  }

  /** For settings where nothing is another thing than not to set it. */
  refuseEmpty(name: string): void {
    const value = this.#context[name];
    if (typeof value !== 'string' || value.trim() !== '') return;
    this.#refuse(`Context "${name}" is set to nothing: give it a value, or leave it out.`);
  }

  oneOf<T extends string>(name: string, allowed: readonly T[], otherwise: T): T {
    const value = this.text(name);
    if (value === undefined) return otherwise;
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) this.#refuse(`Context "${name}" must be one of ${allowed.join(', ')}; it is "${value}".`);
    return found ?? otherwise;
  }

  flag(name: string, otherwise: boolean): boolean {
    return this.oneOf(name, ['true', 'false'], otherwise ? 'true' : 'false') === 'true';
  }

  /** `what` completes "must be …". */
  matching(name: string, pattern: RegExp, what: string): string | undefined {
    const value = this.text(name);
    if (value === undefined || pattern.test(value)) return value;
    return this.#refuse(`Context "${name}" must be ${what}; it is ${JSON.stringify(value)}.`);
  }

  /** Separated by blanks or commas. */
  list(name: string): readonly string[] | undefined {
    const values = this.text(name)
      ?.split(/[ ,]+/)
      .filter((value) => value !== '');
    return values === undefined || values.length === 0 ? undefined : values;
  }

  /** `what` completes "must be …". */
  listOf(name: string, pattern: RegExp, what: string): readonly string[] | undefined {
    const values = this.list(name);
    const wrong = values?.find((value) => !pattern.test(value));
    if (wrong === undefined) return values;
    return this.#refuse(`Context "${name}" must be ${what}, separated by commas; one is ${JSON.stringify(wrong)}.`);
  }

  wholeNumber(name: string, { min, max }: { readonly min: number; readonly max: number }): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (Number.isInteger(number) && number >= min && number <= max) return number;
    return this.#refuse(`Context "${name}" must be a whole number from ${min} to ${max}; it is "${value}".`);
  }

  /** `null` where the context says that there is no limit. */
  limit(name: string, bounds: { readonly min: number; readonly max: number }): number | null | undefined {
    return this.text(name) === NO_LIMIT ? null : this.wholeNumber(name, bounds);
  }

  httpsUrl(name: string): string | undefined {
    const value = this.text(name);
    if (value === undefined || (URL.canParse(value) && new URL(value).protocol === 'https:')) return value;
    return this.#refuse(`Context "${name}" must be an https URL; it is "${value}".`);
  }

  #refuse(problem: string): undefined {
    this.problems.push(problem);
    return undefined;
  }
}

/**
 * Sentences on names that nobody reads but that look like one of `known`. Other names are other people's: the CDK's own
 * have `:`, `/` or `@`, and a team may have some for itself.
 */
export function misspelled(names: readonly string[], known: readonly string[]): string[] {
  return names
    .filter((name) => !known.includes(name) && !/[:/@]/.test(name))
    .flatMap((name) => {
      const meant = known.find((candidate) => distance(name.toLowerCase(), candidate.toLowerCase()) <= 2);
      return meant === undefined ? [] : [`Context "${name}" is no setting; "${meant}" is one.`];
    });
}

/** How many letters have to be added, left out or changed. */
function distance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [row, letter] of from.split('').entries()) {
    const current = [row + 1];
    for (const [column, other] of to.split('').entries()) {
      const [left = 0, above = 0, diagonal = 0] = [current[column], previous[column + 1], previous[column]];
      current.push(Math.min(left + 1, above + 1, diagonal + (letter === other ? 0 : 1)));
    }
    previous = current;
  }
  return previous[to.length] ?? 0;
}
