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
export const FORBIDDEN_KEYS = ['__proto__', 'prototype', 'constructor'] as const;

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
 * Iterative, so that depth cannot exhaust the stack.
 */
export function findJsonFault(root: unknown, bounds: JsonBounds): JsonFault | undefined {
  const pending: { value: unknown; path: string; depth: number }[] = [{ value: root, path: '', depth: 0 }];
  for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
    const { value, path, depth } = item;
    const at = path === '' ? '(root)' : path;
    switch (typeof value) {
      case 'string':
        if (bounds.maxStringLength !== undefined && value.length > bounds.maxStringLength) {
          return { path: at, problem: `string longer than ${bounds.maxStringLength} characters` };
        }
        continue;
      case 'boolean':
        continue;
      case 'number':
        if (!Number.isFinite(value)) return { path: at, problem: 'number is not finite' };
        continue;
      case 'object':
        break;
      default:
        return { path: at, problem: `${typeof value} is not JSON` };
    }
    if (value === null) continue;
    if (depth >= bounds.maxDepth) return { path: at, problem: `nested deeper than ${bounds.maxDepth}` };
    if (Array.isArray(value)) {
      for (let index = value.length - 1; index >= 0; index -= 1) {
        pending.push({ value: value[index], path: `${path}[${index}]`, depth: depth + 1 });
      }
      continue;
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return { path: at, problem: 'not a plain object' };
    for (const [key, member] of Object.entries(value)) {
      if (isForbiddenKey(key)) return { path: at, problem: `key "${key}" is not allowed` };
      pending.push({ value: member, path: path === '' ? key : `${path}.${key}`, depth: depth + 1 });
    }
  }
  return undefined;
}

const encoder = new TextEncoder();

/** Bytes of the value's JSON text in UTF-8. */
export function jsonBytes(value: JsonValue): number {
  return encoder.encode(JSON.stringify(value)).length;
}
