/**
 * A task's variables: a JSON object that its handler and later tool calls share. Merging adds
 * and overwrites; `null` deletes. Checked before the merge, so that a bad entry changes nothing.
 */
import { TaskError } from './errors.ts';
import { findJsonFault, isForbiddenKey, type JsonObject, type JsonValue, jsonBytes } from './json.ts';
import { shorten } from './text.ts';

const VARIABLE_LIMITS = {
  maxDepth: 10,
  maxStringLength: 65_536,
  maxTotalBytes: 1024 * 1024,
  /** Of internal ones, which users cannot use up, and which do not count to theirs. */
  maxInternalBytes: 512 * 1024,
  maxKeyLength: 128,
} as const;

/** Variables whose name starts so belong to the runtime and are never shown to a client. */
const INTERNAL_PREFIX = '_';

function invalid(path: string, problem: string): TaskError {
  return new TaskError('invalid_variables', `Variable ${path}: ${problem}.`, { detail: { path } });
}

/**
 * `current` with `changes` merged in: each key overwrites, `null` deletes. Throws
 * `invalid_variables` when a key is not 1 to 128 characters of valid Unicode or is a prototype's, a value is nested
 * deeper than 10, has a string over 65,536 characters or is no JSON, or the whole would pass 1 MiB.
 */
export function mergeVariables(current: JsonObject, changes: Readonly<Record<string, unknown>>): JsonObject {
  const merged: Record<string, JsonValue> = { ...current };
  for (const [key, value] of Object.entries(changes)) {
    assertVariableKey(key);
    if (value === null) {
      delete merged[key];
      continue;
    }
    // The value hangs below the map, so its own depth limit is one less.
    const fault = findJsonFault(value, { ...VARIABLE_LIMITS, maxDepth: VARIABLE_LIMITS.maxDepth - 1 });
    if (fault !== undefined) throw invalid(fault.path === '(root)' ? key : `${key}.${fault.path}`, fault.problem);
    merged[key] = value as JsonValue;
  }
  const internal = Object.keys(merged).some(isInternalVariable);
  const bytes = jsonBytes(internal ? visibleVariables(merged) : merged);
  if (bytes > VARIABLE_LIMITS.maxTotalBytes) {
    throw invalid('(all)', `together ${bytes} bytes, more than ${VARIABLE_LIMITS.maxTotalBytes}`);
  }
  if (internal && jsonBytes(merged) - bytes > VARIABLE_LIMITS.maxInternalBytes) {
    throw invalid('(internal)', `internal ones have more than ${VARIABLE_LIMITS.maxInternalBytes} bytes`);
  }
  return merged;
}

function assertVariableKey(key: string): void {
  if (key.length === 0 || key.length > VARIABLE_LIMITS.maxKeyLength) {
    throw invalid(`"${shorten(key, 32)}"`, `a key has 1 to ${VARIABLE_LIMITS.maxKeyLength} characters`);
  }
  if (!key.isWellFormed()) throw invalid('(name)', 'a key is valid Unicode, without half a surrogate pair');
  if (isForbiddenKey(key)) throw invalid(`"${key}"`, 'this key is not allowed');
}

export function isInternalVariable(key: string): boolean {
  return key.startsWith(INTERNAL_PREFIX);
}

/** Without internal ones: what a client may see. */
export function visibleVariables(variables: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(variables).filter(([key]) => !isInternalVariable(key)));
}
