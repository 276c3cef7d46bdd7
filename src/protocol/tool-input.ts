/**
 * Arguments against a tool's input schema, so that no text of a client's can stop the server. Patterns of zod and of JSON
 * Schema are matched without backtracking; whatever else checks text (other libraries, refinements, zod's own formats) is
 * cut off after a while. A schema that checks no text costs nothing more than its own check.
 */
import type { JsonSchemaType, StandardSchemaV1, StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import { type JsonValue, jsonBytes } from '../domain/json.ts';
import { compileJsonSchema } from './json-schema.ts';
import { describePatternFault } from './linear-pattern.ts';
import { OutOfTimeError, withinTime } from './within-time.ts';
import { makePatternsLinear } from './zod-patterns.ts';

/** Of the processor, for arguments of no size; a usual check takes less than a hundredth of it. */
const CHECK_MS = 250;
const CHECK_MS_PER_MIB = 100;

/** How the arguments of one schema are checked. */
interface InputCheck {
  readonly schema: StandardSchemaV1;
  readonly checksText: boolean;
  /** Of a pattern that cannot be matched in linear time; a tool that has one is refused when it is defined. */
  readonly fault: string | undefined;
}

type Checked = StandardSchemaV1.Result<unknown>;

const checks = new WeakMap<object, InputCheck>();

/** What is wrong with the patterns of a tool's input schema, as the end of a sentence. */
export function inputPatternFault(schema: StandardSchemaWithJSON): string | undefined {
  return checkOf(schema).fault;
}

/** What the schema says of a client's arguments; an issue, where it does not say it in time. */
export async function checkInput(schema: StandardSchemaWithJSON, raw: unknown): Promise<Checked> {
  const { schema: checking, checksText } = checkOf(schema);
  if (!checksText) return checking['~standard'].validate(raw);
  const ms = CHECK_MS + Math.ceil((jsonBytes(raw as JsonValue) / 2 ** 20) * CHECK_MS_PER_MIB);
  try {
    return await withinTime(ms, () => checking['~standard'].validate(raw));
  } catch (error) {
    if (!(error instanceof OutOfTimeError)) throw error;
    return { issues: [{ message: `checking them took more than ${ms} ms and was given up; send shorter text` }] };
  }
}

function checkOf(schema: StandardSchemaWithJSON): InputCheck {
  const known = checks.get(schema);
  if (known !== undefined) return known;
  const made = makeCheck(schema);
  checks.set(schema, made);
  return made;
}

function makeCheck(schema: StandardSchemaWithJSON): InputCheck {
  const { vendor, jsonSchema } = schema['~standard'];
  if (vendor === 'zod' && '_zod' in schema) {
    const { faults, checksText } = makePatternsLinear(schema);
    const [first] = faults;
    return { schema, checksText, fault: first && describePatternFault(first.source, first.error) };
  }
  // Of the SDK's `fromJsonSchema`.
  if (vendor === 'mcp') {
    try {
      const json = jsonSchema.input({ target: 'draft-2020-12' }) as JsonSchemaType;
      return { schema: compileJsonSchema(json), checksText: true, fault: undefined };
    } catch (error) {
      return { schema, checksText: true, fault: error instanceof Error ? error.message : 'it does not compile' };
    }
  }
  return { schema, checksText: true, fault: undefined };
}
