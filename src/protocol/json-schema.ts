/**
 * JSON Schema compiled by the MCP SDK's validator, with patterns that are matched in linear time. Like
 * `sdk-handlers.ts` it reaches below the SDK's public surface, in one respect: the SDK makes its engine for each dialect
 * itself, and offers no way to say how that engine makes regular expressions of patterns. Fails when the first
 * schema is compiled, not silently, should the SDK's inside change.
 */
import { fromJsonSchema, type JsonSchemaType } from '@modelcontextprotocol/server';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/server/validators/ajv';
import { describePatternFault, LinearPattern } from './linear-pattern.ts';
import { PatternError } from './pattern-syntax.ts';

export type CompiledSchema = ReturnType<typeof fromJsonSchema>;

interface ValidatorInside {
  _engineFor(schema: JsonSchemaType): { readonly opts: { readonly code: { regExp?: unknown } } };
}

/** Throws, with a sentence, when the schema is none or a pattern of it cannot be matched in linear time. */
export function compileJsonSchema(schema: JsonSchemaType): CompiledSchema {
  // Each schema has a validator of its own, which otherwise keeps every schema that it has seen.
  const validator = new AjvJsonSchemaValidator();
  const { code } = (validator as unknown as ValidatorInside)._engineFor(schema).opts;
  if (code.regExp === undefined) {
    throw new Error('This version of @modelcontextprotocol/server makes patterns elsewhere; use the pinned one.');
  }
  code.regExp = linearRegExp;
  return fromJsonSchema(schema, validator);
}

/** The name is what Ajv would write into code that stands alone, which the SDK does not make. */
const linearRegExp = Object.assign(
  (source: string, flags: string) => {
    try {
      return new LinearPattern(source, flags);
    } catch (error) {
      throw error instanceof PatternError ? new Error(describePatternFault(source, error), { cause: error }) : error;
    }
  },
  { code: 'linearRegExp' },
);
