/** The variables of a task by a schema, for handlers of tasks and for tool calls that are bound to them. */
import { TaskError } from '../domain/errors.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { StandardSchemaV1 } from '../protocol/sdk.ts';
import { describeIssues } from '../protocol/tool.ts';
import type { TaskVariables } from '../runtime/running/task-context.ts';

/** The same variables with the types of a schema of an object; what does not fit it is refused with `invalid_variables`. */
export interface TypedVariables<Shape extends object> {
  /** All that the schema knows; rejects where they do not fit it. */
  all(): Promise<Shape>;
  get<Name extends keyof Shape & string>(name: Name): Promise<Shape[Name] | undefined>;
  set<Name extends keyof Shape & string>(name: Name, value: Shape[Name]): Promise<void>;
  merge(changes: Partial<Shape>): Promise<void>;
}

/**
 * Types variables: `const progress = defineVariables(z.object({ rows: z.number().optional() }))`, then
 * `progress.of(task.variables)` in a handler and `progress.of(call.related.variables)` in a call.
 */
export function defineVariables<Schema extends StandardSchemaV1<unknown, object>>(schema: Schema) {
  type Shape = StandardSchemaV1.InferOutput<Schema> & object;
  const checked = async (variables: JsonObject): Promise<Shape> => {
    const { issues, ...result } = await schema['~standard'].validate(variables);
    if (issues === undefined) return (result as { value: Shape }).value;
    throw new TaskError('invalid_variables', `The variables do not fit their schema: ${describeIssues(issues)}`);
  };
  return {
    of: (variables: TaskVariables): TypedVariables<Shape> => {
      const merge = async (changes: Partial<Shape>) => {
        await checked({ ...(await variables.all()), ...(changes as JsonObject) });
        await variables.merge(changes as JsonObject);
      };
      return {
        all: async () => checked(await variables.all()),
        get: async (name) => (await checked(await variables.all()))[name],
        set: (name, value) => merge({ [name]: value as JsonValue } as unknown as Partial<Shape>),
        merge,
      };
    },
  };
}
