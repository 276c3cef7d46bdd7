/** Paths into JSON values: `columns[0].name`, or `columns.0.name`. */
import { isForbiddenKey, type JsonValue } from '../domain/json.ts';

const PATH = /^(?:[^.[\]]+|\[\d+\])(?:\.[^.[\]]+|\[\d+\])*$/u;

/** What is wrong with a path, as the end of a sentence. */
export function pathFault(path: string): string | undefined {
  if (!PATH.test(path)) return `"${path}" is no path such as columns[0].name`;
  const forbidden = partsOf(path).find(isForbiddenKey);
  return forbidden === undefined ? undefined : `"${path}" goes through "${forbidden}"`;
}

/** `undefined`: there is nothing at that place. */
export function valueAt(value: JsonValue, path: string | undefined): JsonValue | undefined {
  if (path === undefined) return value;
  let current: JsonValue | undefined = value;
  for (const part of partsOf(path)) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, part)) return undefined;
    current = (current as Readonly<Record<string, JsonValue>>)[part];
  }
  return current;
}

function partsOf(path: string): readonly string[] {
  return path.match(/[^.[\]]+/gu) ?? [];
}
