/**
 * Mistakes in the use of durable operations: found where they are made, and answered with what to write
 * instead. A step that fails with one is not tried again, since it would fail in the same way.
 */
import { shorten } from '../domain/text.ts';

export class MisuseError extends TypeError {
  override readonly name = 'MisuseError';
}

const LONGEST_NAME = 256;

/** Throws unless `name` can name an operation. */
export function assertName(operation: string, name: unknown): asserts name is string {
  if (typeof name !== 'string' || name.length === 0) {
    throw new MisuseError(`${operation} needs a name as its first argument: task.${operation}('fetch the page', …).`);
  }
  if (name.length > LONGEST_NAME) {
    throw new MisuseError(`A name has at most ${LONGEST_NAME} characters; "${shorten(name, 40)}" has ${name.length}.`);
  }
  if (!name.isWellFormed() || hasControlCharacter(name)) {
    throw new MisuseError(
      `The name ${JSON.stringify(name)} has a control character or half a character in it: names are plain text.`,
    );
  }
}

/** Throws when `options` has a member that the operation does not know. */
export function assertOptions(operation: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new MisuseError(`${operation} takes its options as an object with ${known.join(', ')}.`);
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new MisuseError(`${operation} has no option "${key}"; it has ${known.join(', ')}.`);
    }
  }
}

export function assertFunction(operation: string, what: string, value: unknown): void {
  if (typeof value !== 'function') {
    throw new MisuseError(`${operation} needs ${what}, a function, and was given ${describe(value)}.`);
  }
}

/** A value in the words of a message. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number' || typeof value === 'boolean' || value === undefined) return String(value);
  if (typeof value === 'string') return JSON.stringify(shorten(value, 40));
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
