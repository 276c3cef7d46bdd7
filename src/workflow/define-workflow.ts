/** Defining a workflow: a builder whose types know the steps so far, so that a wrong name or path does not compile. */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { StandardSchemaV1, StandardSchemaWithJSON } from '../protocol/sdk.ts';
import { assertWorkflow } from './definition-checks.ts';
import type {
  ComputedSource,
  ManualStep,
  ResourceStep,
  ResourceUse,
  Source,
  ToolStep,
  Workflow,
  WorkflowStep,
} from './workflow.ts';

type Output<Schema extends StandardSchemaV1> = StandardSchemaV1.InferOutput<Schema>;

/** How deep paths are typed; deeper ones are any text. */
type Depth = [never, 0, 1, 2, 3];

/** Paths into a value of a known type; any text where nothing is known of it. */
export type PathOf<Value, Level extends number = 3> = unknown extends Value
  ? string
  : Level extends 0
    ? string
    : Value extends readonly (infer Item)[]
      ? `[${number}]` | `[${number}].${PathOf<Item, Depth[Level]>}`
      : Value extends object
        ? {
            [Key in keyof Value & string]:
              | Key
              | `${Key}.${PathOf<Value[Key], Depth[Level]>}`
              | (Value[Key] extends readonly unknown[] ? `${Key}${PathOf<Value[Key], Depth[Level]>}` : never);
          }[keyof Value & string]
        : never;

/**
 * Where a step's arguments may come from: the prompt's arguments, and the outputs of the steps before it. Functions, not
 * methods: a definition takes them apart, `({ argument, output }) => ...`.
 */
export interface Sources<Args, Outputs> {
  readonly argument: <Name extends keyof Args & string>(name: Name, path?: PathOf<NonNullable<Args[Name]>>) => Source;
  readonly output: <Step extends keyof Outputs & string>(step: Step, path?: PathOf<Outputs[Step]>) => Source;
  /** A variable of the task, as tool calls and handlers set it. */
  readonly variable: (name: string, path?: string) => Source;
  readonly constant: (value: JsonValue) => Source;
  /** In a step with `forEach`: what it is done for. */
  readonly item: (path?: string) => Source;
  /** A small pure function; `undefined` says that there is no value. */
  readonly computed: <Of extends Readonly<Record<string, Source>>>(
    of: Of,
    compute: (values: { readonly [Name in keyof Of]: JsonValue }) => JsonValue | undefined,
  ) => Source;
}

type Defined<Step extends WorkflowStep, Schema> = Omit<Step, 'name' | 'kind' | 'by' | 'output'> & {
  readonly output?: Schema;
};
/** What may be text in place of a `ResourceUse`. */
type Uses = readonly (string | ResourceUse)[];

export type ToolStepDefinition<Schema> = Omit<Defined<ToolStep, Schema>, 'attach' | 'arguments'> & {
  readonly arguments?: ToolStep['arguments'];
  readonly attach?: Uses;
};
export type ManualStepDefinition<Schema> = Omit<Defined<ManualStep, Schema>, 'attach'> & {
  readonly attach?: Uses;
  readonly tool?: undefined;
};
export type ClientStepDefinition<Schema> =
  | Omit<ToolStepDefinition<Schema>, 'retry' | 'askFor'>
  | ManualStepDefinition<Schema>;
export type ResourceStepDefinition<Schema> = Omit<Defined<ResourceStep, Schema>, 'attach' | 'resources'> & {
  readonly resources: Uses;
  readonly attach?: Uses;
};

type OutputOf<Schema> = Schema extends StandardSchemaV1 ? Output<Schema> : unknown;
type NewName<Name extends string, Outputs> = Name extends keyof Outputs ? never : Name;

/** The steps so far. Each method adds one, and knows the steps before it. */
export class WorkflowSteps<Args, Outputs extends object> {
  readonly steps: readonly WorkflowStep[];

  constructor(steps: readonly WorkflowStep[] = []) {
    this.steps = steps;
  }

  /** A tool that the server runs by itself. */
  tool<const Name extends string, Schema extends StandardSchemaV1 | undefined = undefined>(
    name: NewName<Name, Outputs>,
    define: (from: Sources<Args, Outputs>) => ToolStepDefinition<Schema>,
  ): WorkflowSteps<Args, Outputs & Record<Name, OutputOf<Schema>>> {
    const { attach, arguments: args = {}, output, ...rest } = define(sources<Args, Outputs>());
    return this.#with({ ...rest, ...shared(output, attach), name, kind: 'tool', by: 'server', arguments: args });
  }

  /** Resources that the server reads. */
  resources<const Name extends string, Schema extends StandardSchemaV1 | undefined = undefined>(
    name: NewName<Name, Outputs>,
    define: (from: Sources<Args, Outputs>) => ResourceStepDefinition<Schema>,
  ): WorkflowSteps<Args, Outputs & Record<Name, OutputOf<Schema>>> {
    const { attach, resources, output, ...rest } = define(sources<Args, Outputs>());
    return this.#with({
      ...rest,
      ...shared(output, attach),
      name,
      kind: 'resources',
      by: 'server',
      resources: usesOf(resources),
    });
  }

  /** What is left to the client: the call of a tool, or, without a tool, something else that it reports by `task_report`. */
  client<const Name extends string, Schema extends StandardSchemaV1 | undefined = undefined>(
    name: NewName<Name, Outputs>,
    define: (from: Sources<Args, Outputs>) => ClientStepDefinition<Schema>,
  ): WorkflowSteps<Args, Outputs & Record<Name, OutputOf<Schema>>> {
    const { attach, output, ...rest } = define(sources<Args, Outputs>());
    const common = { ...shared(output, attach), name, by: 'client' as const };
    return this.#with(
      rest.tool === undefined
        ? { ...rest, ...common, kind: 'manual' }
        : { ...rest, ...common, kind: 'tool', arguments: rest.arguments ?? {} },
    );
  }

  #with<More extends object>(step: WorkflowStep): WorkflowSteps<Args, Outputs & More> {
    return new WorkflowSteps<Args, Outputs & More>([...this.steps, step]);
  }
}

/** The types are all that differs. */
function sources<Args, Outputs>(): Sources<Args, Outputs> {
  return SOURCES as unknown as Sources<Args, Outputs>;
}

const SOURCES: Sources<JsonObject, JsonObject> = {
  argument: (name, path) => ({ from: 'argument', name, ...pathOf(path) }),
  output: (step, path) => ({ from: 'output', step, ...pathOf(path) }),
  variable: (name, path) => ({ from: 'variable', name, ...pathOf(path) }),
  constant: (value) => ({ from: 'constant', value }),
  item: (path) => ({ from: 'item', ...pathOf(path) }),
  computed: (of, compute) => ({ from: 'computed', of, compute: compute as ComputedSource['compute'] }),
};

function pathOf(path: string | undefined) {
  return path === undefined ? {} : { path };
}

function shared(output: StandardSchemaV1 | undefined, attach: Uses | undefined) {
  return {
    ...(output === undefined ? {} : { output }),
    ...(attach === undefined ? {} : { attach: usesOf(attach) }),
  };
}

function usesOf(uses: Uses): readonly ResourceUse[] {
  return uses.map((use) => (typeof use === 'string' ? { uri: use } : use));
}

export interface WorkflowDefinition<Schema extends StandardSchemaWithJSON, Outputs extends object>
  extends Omit<Workflow, 'arguments' | 'steps'> {
  /** The prompt's arguments: an object. They come as text, of which numbers, booleans and JSON are made as the schema says. */
  readonly arguments: Schema;
  readonly steps: (steps: WorkflowSteps<Output<Schema>, object>) => WorkflowSteps<Output<Schema>, Outputs>;
}

/**
 * Makes a workflow of a definition. Throws `invalid_definition`, naming workflow and step, where it cannot work; what
 * depends on the server's tools and resources is checked when the server starts.
 */
export function defineWorkflow<Schema extends StandardSchemaWithJSON, Outputs extends object>(
  definition: WorkflowDefinition<Schema, Outputs>,
): Workflow {
  const { steps } = definition.steps(new WorkflowSteps<Output<Schema>, object>());
  const workflow: Workflow = { ...definition, steps };
  assertWorkflow(workflow);
  return workflow;
}
