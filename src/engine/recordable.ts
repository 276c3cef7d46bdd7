/**
 * What may be recorded: JSON that comes back as it went in. Anything that JSON would silently turn into
 * something else is refused at once, with its path and with what to write instead.
 */
import type { JsonValue } from '../domain/json.ts';
import { MAX_PAYLOAD_BYTES } from '../domain/payload.ts';
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
    throw new MisuseError(`${what} ${error.problem}${at}, ${error.why}. ${error.instead}`);
  }
}

/** Throws `MisuseError` for more than can be kept. Only what may be too large is measured. */
export function assertRecordableSize(value: JsonValue | undefined, what: string): void {
  if (value === undefined || unitsLeft(value, MAX_PAYLOAD_BYTES / MOST_BYTES_PER_UNIT) >= 0) return;
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes <= MAX_PAYLOAD_BYTES) return;
  throw new MisuseError(
    `${what} ${bytes} bytes of JSON; at most ${MAX_PAYLOAD_BYTES} are recorded. Keep the data elsewhere and return where it is.`,
  );
}

/** A UTF-16 unit takes at most six bytes of JSON: an escaped control character. */
const MOST_BYTES_PER_UNIT = 6;
/** Of an item or a member besides its text: quotes, colon, comma, a number. */
const UNITS_PER_NODE = 6;

/** What is left of so many units after a value; negative where it may be too large. */
function unitsLeft(value: JsonValue, units: number): number {
  let left = units - UNITS_PER_NODE;
  if (typeof value === 'string') return left - value.length;
  if (typeof value !== 'object' || value === null) return left;
  for (const [key, member] of Object.entries(value)) {
    if (left < 0) return left;
    left = unitsLeft(member, left - key.length);
  }
  return left;
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
  readonly why: string;
  readonly instead: string;
  readonly path: string[] = [];

  constructor(problem: string, why: string, instead: string) {
    super(problem);
    this.problem = problem;
    this.why = why;
    this.instead = instead;
  }
}

const NOT_JSON = 'which JSON has not';
const CHANGED = 'which would come back as something else';
const PLAIN = 'Return plain JSON, or say with `serdes` how it is stored and read back.';

function copy(value: unknown, depth: number, above: Set<object>): JsonValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw new Fault(`the number ${value}`, NOT_JSON, PLAIN);
      return value === 0 ? 0 : value;
    case 'object':
      return value === null ? null : copyObject(value, depth, above);
    case 'undefined':
      throw new Fault('undefined inside an array', 'which would come back as null', PLAIN);
    default:
      throw new Fault(`a ${typeof value}`, NOT_JSON, PLAIN);
  }
}

function copyObject(value: object, depth: number, above: Set<object>): JsonValue {
  if (depth >= MAX_DEPTH)
    throw new Fault(
      `more than ${MAX_DEPTH} levels of nesting`,
      'which is more than is recorded',
      'Return a flatter value.',
    );
  if (above.has(value)) throw new Fault('an object that contains itself', NOT_JSON, 'Return a value without circles.');
  above.add(value);
  const result = Array.isArray(value) ? copyArray(value, depth, above) : copyMembers(value, depth, above);
  above.delete(value);
  return result;
}

function copyArray(value: readonly unknown[], depth: number, above: Set<object>): JsonValue {
  const items: JsonValue[] = [];
  for (let index = 0; index < value.length; index += 1) {
    try {
      items.push(copy(value[index], depth + 1, above));
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
    throw new Fault(`an instance of ${name}`, CHANGED, insteadOf(value));
  }
  const members: Record<string, JsonValue> = {};
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key];
    if (member === undefined) continue;
    if (key === '__proto__')
      throw new Fault('a member named __proto__', 'which careless code takes for a prototype', 'Leave it out.');
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
