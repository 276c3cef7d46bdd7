/** What a schema of arguments says of them as JSON Schema: made once for each schema, for it costs a conversion. */
import type { StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import { isJsonObject, type JsonObject } from '../domain/json.ts';

export interface ObjectSchema {
  readonly type: unknown;
  readonly properties: JsonObject;
  readonly required: readonly string[];
  readonly additionalProperties: unknown;
}

const schemas = new WeakMap<StandardSchemaWithJSON, ObjectSchema>();

/** As a caller gives them. Throws what the schema throws that cannot be said as JSON Schema. */
export function objectSchema(schema: StandardSchemaWithJSON): ObjectSchema {
  const known = schemas.get(schema);
  if (known !== undefined) return known;
  const { type, properties, required, additionalProperties } = schema['~standard'].jsonSchema.input({
    target: 'draft-2020-12',
  });
  const made = {
    type,
    properties: isJsonObject(properties) ? properties : {},
    required: Array.isArray(required) ? (required as string[]) : [],
    additionalProperties,
  };
  schemas.set(schema, made);
  return made;
}
