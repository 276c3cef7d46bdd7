/**
 * JSON as data: the types, and the measures (depth, size) by which hostile or oversized
 * input is turned away before anything is stored. No parsing or serialising: see the store's
 * codec.
 */

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Keys that would reach an object's prototype in careless code; refused wherever a client names keys. */
const FORBIDDEN_KEYS = ['__proto__', 'prototype', 'constructor'] as const;

export function isForbiddenKey(key: string): boolean {
  return (FORBIDDEN_KEYS as readonly string[]).includes(key);
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What is wrong with a value, at a path such as `a.b[2]`. */
export interface JsonFault {
  readonly path: string;
  readonly problem: string;
}

export interface JsonBounds {
  /** Nesting of arrays and objects; a scalar has depth 0. */
  readonly maxDepth: number;
  /** Longest string, in UTF-16 code units. */
  readonly maxStringLength?: number;
}

/**
 * The first thing wrong with a value as JSON within bounds, or `undefined`. Refuses what JSON
 * cannot say (undefined, functions, non-finite numbers, class instances) and forbidden keys.
 * Goes no deeper than it allows, and builds a path only where something is wrong.
 */
export function findJsonFault(value: unknown, bounds: JsonBounds): JsonFault | undefined {
  const fault = faultIn(value, bounds, 0);
  if (fault === undefined) return undefined;
  const path = fault.path.reverse().map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`));
  return { path: path.join('').replace(/^\./, '') || '(root)', problem: fault.problem };
}

/** The path is collected on the way out, innermost part first. */
interface FaultBelow {
  readonly path: (string | number)[];
  readonly problem: string;
}

function faultIn(value: unknown, bounds: JsonBounds, depth: number): FaultBelow | undefined {
  switch (typeof value) {
    case 'string':
      return value.length > (bounds.maxStringLength ?? Number.POSITIVE_INFINITY)
        ? here(`string longer than ${bounds.maxStringLength} characters`)
        : undefined;
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : here('number is not finite');
    case 'object':
      if (value === null) return undefined;
      if (depth >= bounds.maxDepth) return here(`nested deeper than ${bounds.maxDepth}`);
      return Array.isArray(value) ? faultInArray(value, bounds, depth + 1) : faultInObject(value, bounds, depth + 1);
    default:
      return here(`${typeof value} is not JSON`);
  }
}

function faultInArray(array: readonly unknown[], bounds: JsonBounds, depth: number): FaultBelow | undefined {
  for (let index = 0; index < array.length; index += 1) {
    const fault = faultIn(array[index], bounds, depth);
    if (fault !== undefined) return below(index, fault);
  }
  return undefined;
}

function faultInObject(object: object, bounds: JsonBounds, depth: number): FaultBelow | undefined {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) return here('not a plain object');
  for (const key of Object.keys(object)) {
    if (isForbiddenKey(key)) return here(`key "${key}" is not allowed`);
    const fault = faultIn((object as Record<string, unknown>)[key], bounds, depth);
    if (fault !== undefined) return below(key, fault);
  }
  return undefined;
}

function here(problem: string): FaultBelow {
  return { path: [], problem };
}

function below(part: string | number, fault: FaultBelow): FaultBelow {
  fault.path.push(part);
  return fault;
}

const encoder = new TextEncoder();

/** Bytes of the value's JSON text in UTF-8. */
export function jsonBytes(value: JsonValue): number {
  return encoder.encode(JSON.stringify(value)).length;
}
