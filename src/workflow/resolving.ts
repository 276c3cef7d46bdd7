/** Sources to values: pure, the same for the run of a workflow and for the reply that says where it stands. */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import { describeThrown } from '../engine/thrown.ts';
import { valueAt } from './paths.ts';
import type { ResourceUse, Source, ToolStep, Unresolved } from './workflow.ts';

/** What sources are resolved from. */
export interface Known {
  readonly arguments: JsonObject;
  /** Of the steps that are completed. */
  readonly outputs: ReadonlyMap<string, JsonValue>;
  readonly variables: JsonObject;
  readonly item?: JsonValue;
}

export type Resolved = { readonly value: JsonValue } | { readonly missing: Missing };

/** What a value lacks. */
export interface Missing {
  readonly why: string;
  /** The step whose output it was to come from, and which part of it. */
  readonly step?: string;
  readonly output?: string;
}

export function resolve(source: Source, known: Known): Resolved {
  switch (source.from) {
    case 'constant':
      return { value: source.value };
    case 'argument':
      return partOf(known.arguments, source.name, source.path, `the prompt argument ${source.name}`);
    case 'variable':
      return partOf(known.variables, source.name, source.path, `the variable ${source.name} of the task`);
    case 'item':
      if (known.item === undefined) return { missing: { why: 'there is no item' } };
      return found(valueAt(known.item, source.path), `the item has nothing at ${source.path ?? 'its root'}`);
    case 'output':
      return resolveOutput(source, known);
    case 'computed':
      return resolveComputed(source.of, source.compute, known);
  }
}

/** The value; `undefined`: it is missing. */
export function valueFrom(source: Source, known: Known): JsonValue | undefined {
  const resolved = resolve(source, known);
  return 'value' in resolved ? resolved.value : undefined;
}

export function isTruthy(value: JsonValue | undefined): boolean {
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== '';
}

export interface ResolvedArguments {
  readonly values: JsonObject;
  readonly missing: readonly (Unresolved & Missing)[];
}

/** A tool step's arguments, and those that have no value. */
export function resolveArguments(step: ToolStep, known: Known): ResolvedArguments {
  const values: Record<string, JsonValue> = {};
  const missing: (Unresolved & Missing)[] = [];
  for (const [argument, source] of Object.entries(step.arguments)) {
    const resolved = resolve(source, known);
    if ('value' in resolved) values[argument] = resolved.value;
    else missing.push({ argument, ...resolved.missing });
  }
  return { values, missing };
}

/** Expands a URI template; `undefined` where a variable has no value. */
export function resolveUri(
  { uri, bindings }: ResourceUse,
  known: Known,
  expand: (template: string, variables: Readonly<Record<string, string>>) => string,
): { readonly uri: string } | { readonly missing: Missing } {
  if (bindings === undefined) return { uri };
  const variables: Record<string, string> = {};
  for (const [name, source] of Object.entries(bindings)) {
    const resolved = resolve(source, known);
    if ('missing' in resolved) return resolved;
    const { value } = resolved;
    variables[name] = typeof value === 'string' ? value : JSON.stringify(value);
  }
  return { uri: expand(uri, variables) };
}

function resolveOutput({ step, path }: Extract<Source, { from: 'output' }>, { outputs }: Known): Resolved {
  const output = outputs.get(step);
  const place = path === undefined ? step : `${step}.${path}`;
  if (output === undefined) return { missing: { why: `step ${step} has no output yet`, step, output: place } };
  const value = valueAt(output, path);
  if (value !== undefined) return { value };
  return { missing: { why: `the output of step ${step} has nothing at ${path}`, step, output: place } };
}

function resolveComputed(
  of: Readonly<Record<string, Source>>,
  compute: (values: JsonObject) => JsonValue | undefined,
  known: Known,
): Resolved {
  const values: Record<string, JsonValue> = {};
  for (const [name, source] of Object.entries(of)) {
    const resolved = resolve(source, known);
    if ('missing' in resolved) return resolved;
    values[name] = resolved.value;
  }
  try {
    return found(compute(values), 'it comes out as nothing');
  } catch (error) {
    return { missing: { why: `it cannot be computed: ${describeThrown(error)}` } };
  }
}

function partOf(values: JsonObject, name: string, path: string | undefined, what: string): Resolved {
  const value = Object.hasOwn(values, name) ? values[name] : undefined;
  if (value === undefined || value === null) return { missing: { why: `${what} is not given` } };
  return found(valueAt(value, path), `${what} has nothing at ${path}`);
}

function found(value: JsonValue | undefined, why: string): Resolved {
  return value === undefined ? { missing: { why } } : { value };
}
