/** A prompt's arguments: they come as text, of which its schema says what is to be made. */
import { TaskError } from '../domain/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../domain/json.ts';
import { MisuseError } from '../engine/misuse.ts';
import { recordable } from '../engine/recordable.ts';
import { objectSchema } from '../protocol/object-schema.ts';
import { describeIssues } from '../protocol/tool.ts';
import { checkInput } from '../protocol/tool-input.ts';
import type { Workflow } from './workflow.ts';

/** Throws `invalid_arguments`, naming the argument, for what does not fit. */
export async function parsePromptArguments(
  workflow: Workflow,
  raw: Readonly<Record<string, string>>,
): Promise<JsonObject> {
  const checked = await checkInput(workflow.arguments, coerced(workflow, raw));
  const fault = (problem: string) =>
    new TaskError('invalid_arguments', `Invalid arguments for prompt ${workflow.name}: ${problem}`);
  if (checked.issues !== undefined) throw fault(describeIssues(checked.issues));
  try {
    return recordable(checked.value, 'They make') as JsonObject;
  } catch (error) {
    throw error instanceof MisuseError ? fault(error.message) : error;
  }
}

/** Of a prompt that goes on: what is given now, beside what was before. Throws `invalid_arguments`. */
export async function parseMoreArguments(
  workflow: Workflow,
  before: Readonly<Record<string, string>>,
  raw: Readonly<Record<string, string>>,
): Promise<JsonObject> {
  if (Object.keys(raw).length === 0) return {};
  const parsed = await parsePromptArguments(workflow, { ...before, ...raw });
  return Object.fromEntries(Object.entries(parsed).filter(([name]) => Object.hasOwn(raw, name)));
}

function coerced({ arguments: schema }: Workflow, raw: Readonly<Record<string, string>>): JsonObject {
  const { properties } = objectSchema(schema);
  return Object.fromEntries(
    Object.entries(raw).map(([name, text]) => [name, valueOfText(text, typesOf(properties[name]))]),
  );
}

/** As the schema says; text that is none of what it may be stays text, which the schema then refuses by name. */
function valueOfText(text: string, types: ReadonlySet<string>): JsonValue {
  if (types.has('string') || typeof text !== 'string') return text;
  const trimmed = text.trim();
  const isNumber =
    (types.has('number') || types.has('integer')) && /^-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/iu.test(trimmed);
  if (isNumber) return Number(trimmed);
  if (types.has('boolean') && /^(?:true|false)$/iu.test(trimmed)) return trimmed.toLowerCase() === 'true';
  if (!(types.has('array') || types.has('object') || types.has('null'))) return text;
  try {
    return JSON.parse(trimmed) as JsonValue;
  } catch {
    return text;
  }
}

function typesOf(schema: unknown): ReadonlySet<string> {
  if (!isJsonObject(schema)) return new Set(['string']);
  const { type, anyOf, oneOf, enum: values, const: value } = schema;
  if (typeof type === 'string') return new Set([type]);
  if (Array.isArray(type)) return new Set(type.map(String));
  const parts = [anyOf, oneOf].flatMap((list) => (Array.isArray(list) ? list : []));
  if (parts.length > 0) return new Set(parts.flatMap((part) => [...typesOf(part)]));
  const kinds = Array.isArray(values)
    ? values.map((member) => typeof member)
    : value === undefined
      ? ['string']
      : [typeof value];
  return new Set(kinds);
}
