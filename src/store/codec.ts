/**
 * Between values and the text that a backend keeps: canonical JSON (sorted keys), and kinds of stored text. A kind has a
 * format number of its own and a chain of formats, each with the step from the one before, so that what an earlier
 * release wrote stays readable. Text is checked on the way in; a format that this build does not know is a clear
 * error, never a guess. What is in the text: task-head.ts and the other files that define a kind.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { isTaskError, TaskError } from '../domain/errors.ts';

/** Where a record holds a user's own JSON, whose key order is the user's (a form's fields, say). */
const VERBATIM = 'json';

/** JSON with sorted keys, so that equal values have equal text. Leaves out `undefined` members. */
export function canonicalJson(value: unknown, verbatim?: string): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, verbatim)).join(',')}]`;
  if (value instanceof Date) return JSON.stringify(value);
  const members: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const member: unknown = Reflect.get(value, key);
    if (member === undefined) continue;
    const text = key === verbatim ? JSON.stringify(member) : canonicalJson(member, verbatim);
    members.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${members.join(',')}}`;
}

/** Throws `invalid_arguments` for half a surrogate pair: as UTF-8, which is what is hashed, any such text is the same. */
export function sha256(text: string): string {
  if (!text.isWellFormed()) {
    throw new TaskError('invalid_arguments', 'Half a surrogate pair cannot be hashed: use text that is valid Unicode.');
  }
  return createHash('sha256').update(text).digest('hex');
}

/** A schema for each member that a type has, optional ones included: one that is forgotten is a compile error. */
export type ShapeOf<T> = { readonly [Member in keyof T]-?: z.ZodType<T[Member]> };

interface Format {
  readonly schema: z.ZodType;
  /** Makes what the format before this one held into what this one holds. */
  readonly upgrade: (before: never) => unknown;
}

/**
 * One kind of stored text. A member that older builds can do without is added to the newest schema as an optional one,
 * which must let unknown members through (`z.looseObject`): a build that does not know the member then keeps it where it
 * writes the text again. A change of meaning is a {@link next} format, which older builds refuse.
 */
export class StoredKind<T extends object> {
  readonly #name: string;
  readonly #formats: readonly Format[];

  private constructor(name: string, formats: readonly Format[]) {
    this.#name = name;
    this.#formats = formats;
  }

  static first<T extends object>(name: string, schema: z.ZodType<T>): StoredKind<T> {
    return new StoredKind<T>(name, [{ schema, upgrade: (before) => before }]);
  }

  /** The kind with one more format. `upgrade` makes of what the format before held what this one holds. */
  next<U extends object>(schema: z.ZodType<U>, upgrade: (before: T) => U): StoredKind<U> {
    return new StoredKind<U>(this.#name, [...this.#formats, { schema, upgrade }]);
  }

  /** The number of the newest format, which is the one that is written. */
  get format(): number {
    return this.#formats.length;
  }

  encode(value: T): string {
    return canonicalJson(this.wrap(value), VERBATIM);
  }

  /** Throws `unreadable_record` for text that is none of this kind, of a format that this build knows. */
  decode(text: string, what: string): T {
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch (cause) {
      throw this.#unreadable(what, 'it is no JSON', { cause });
    }
    return this.unwrap(parsed, what);
  }

  /** For text that is part of another one. */
  wrap(value: T): { readonly format: number } & T {
    return { format: this.format, ...value };
  }

  unwrap(value: unknown, what: string): T {
    const { format, ...members }: { format?: unknown } = typeof value === 'object' && value !== null ? value : {};
    if (typeof format === 'number' && format > this.format) {
      throw this.#unreadable(
        what,
        `it has format ${format}, this build knows up to ${this.format}; upgrade this server`,
        { detail: { format, knownFormat: this.format } },
      );
    }
    const at = this.#formats.findIndex((_, index) => index + 1 === format);
    const written = this.#formats[at];
    if (written === undefined) throw this.#unreadable(what, 'it names no known format');
    const checked = written.schema.safeParse(members);
    if (!checked.success) throw this.#unreadable(what, z.prettifyError(checked.error));
    return this.#formats
      .slice(at + 1)
      .reduce<unknown>((before, { upgrade }) => upgrade(before as never), checked.data) as T;
  }

  #unreadable(what: string, problem: string, options?: ConstructorParameters<typeof TaskError>[2]): TaskError {
    return new TaskError('unreadable_record', `The ${this.#name} of ${what} cannot be read: ${problem}.`, options);
  }
}

/** Whether a newer build wrote the text that could not be read: another server may read it, and nothing is damaged. */
export function isOfNewerBuild(error: unknown): boolean {
  return isTaskError(error, 'unreadable_record') && 'knownFormat' in error.detail;
}
