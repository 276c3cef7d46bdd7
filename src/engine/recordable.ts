/**
 * What may be recorded: JSON that comes back as it went in. Anything that JSON would silently turn into
 * something else is refused at once, with its path and with what to write instead.
 */
import type { JsonValue } from '../domain/json.ts';
import { MisuseError } from './misuse.ts';

/** Deeper than any sensible value, and far from where recursion ends. */
const MAX_DEPTH = 500;

/**
 * A copy of `value` as a replay will see it; `undefined` stays `undefined`, and members that are `undefined`
 * are left out. `what` names the value in the message: `Step "fetch" returned`. Throws `MisuseError`.
 */
export function recordable(value: unknown, what: string): JsonValue | undefined {
  if (value === undefined) return undefined;
  try {
    return copy(value, 0, new Set());
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const path = error.path.reverse().join('');
    const at = path === '' ? '' : ` at ${path.replace(/^\./, '')}`;
    throw new MisuseError(`${what} ${error.problem}${at}. ${error.instead}`);
  }
}

/** The copy, or `undefined` for what is no JSON. */
export function copyOfJson(value: unknown): JsonValue | undefined {
  try {
    return recordable(value, '');
  } catch {
    return undefined;
  }
}

/** The path is collected on the way out, innermost part first. */
class Fault extends Error {
  readonly problem: string;
  readonly instead: string;
  readonly path: string[] = [];

  constructor(problem: string, instead: string) {
    super(problem);
    this.problem = problem;
    this.instead = instead;
  }
}

const PLAIN = 'Return plain JSON, or say with `serdes` how it is stored and read back.';

function copy(value: unknown, depth: number, above: Set<object>): JsonValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw new Fault(`the number ${value}, which JSON has not,`, PLAIN);
      return value === 0 ? 0 : value;
    case 'object':
      return value === null ? null : copyObject(value, depth, above);
    case 'undefined':
      throw new Fault('undefined inside an array, which would come back as null,', PLAIN);
    default:
      throw new Fault(`a ${typeof value}, which JSON has not,`, PLAIN);
  }
}

function copyObject(value: object, depth: number, above: Set<object>): JsonValue {
  if (depth >= MAX_DEPTH) throw new Fault(`more than ${MAX_DEPTH} levels of nesting`, 'Return a flatter value.');
  if (above.has(value)) throw new Fault('an object that contains itself', 'Return a value without circles.');
  above.add(value);
  const result = Array.isArray(value) ? copyArray(value, depth, above) : copyMembers(value, depth, above);
  above.delete(value);
  return result;
}

function copyArray(value: readonly unknown[], depth: number, above: Set<object>): JsonValue {
  const items: JsonValue[] = new Array(value.length);
  for (let index = 0; index < value.length; index += 1) {
    try {
      items[index] = copy(value[index], depth + 1, above);
    } catch (error) {
      throw on(error, `[${index}]`);
    }
  }
  return items;
}

function copyMembers(value: object, depth: number, above: Set<object>): JsonValue {
  const prototype: unknown = Object.getPrototypeOf(value);
  // An object literal's prototype has none above it, whichever realm it comes from (a `vm` context, a test runner).
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    const name = value.constructor?.name || 'a class';
    throw new Fault(`an instance of ${name}, which would come back as something else,`, insteadOf(value));
  }
  const members: Record<string, JsonValue> = {};
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key];
    if (member === undefined) continue;
    if (key === '__proto__') throw new Fault('a member named __proto__', 'Leave it out.');
    try {
      members[key] = copy(member, depth + 1, above);
    } catch (error) {
      throw on(error, /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`);
    }
  }
  return members;
}

function insteadOf(value: object): string {
  if (value instanceof Date) return 'Return date.toISOString(), and make a Date of it outside the step.';
  if (value instanceof Map) return 'Return Object.fromEntries(map) or [...map].';
  if (value instanceof Set) return 'Return [...set].';
  if (value instanceof Error) return 'Throw errors, or return their message.';
  return PLAIN;
}

function on(error: unknown, part: string): unknown {
  if (error instanceof Fault) error.path.push(part);
  return error;
}
