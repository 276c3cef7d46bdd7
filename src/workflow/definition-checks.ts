/** What is wrong with a workflow: by itself, and beside the tools and resources of a server. */
import { TaskError } from '../domain/errors.ts';
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { durationMs } from '../engine/duration.ts';
import { describeThrown } from '../engine/thrown.ts';
import { assertAskable } from '../protocol/answers.ts';
import { objectSchema } from '../protocol/object-schema.ts';
import { type AnyTool, newestOf } from '../protocol/tool.ts';
import { pathFault } from './paths.ts';
import type { ResourceRegistry } from './resources.ts';
import { placeholdersIn } from './templates.ts';
import { type Source, type ToolStep, usesIn, usesItem, type Workflow, type WorkflowStep } from './workflow.ts';
import { STEP_NAME } from './workflow-name.ts';

const NAME = /^[A-Za-z0-9_.-]{1,128}$/;
const MAX_STEPS = 200;
const MAX_ATTEMPTS = 20;

/** Throws `invalid_definition` for what is wrong whatever server it is on. */
export function assertWorkflow(workflow: Workflow): void {
  const { name, description, steps } = workflow;
  const shown = typeof name === 'string' ? name : '(unnamed)';
  const wrong = (problem: string, step?: string): TaskError => fault(shown, problem, step);
  if (typeof name !== 'string' || !NAME.test(name)) throw wrong('a name has 1 to 128 letters, digits, "_", "-" or "."');
  if (typeof description !== 'string' || description === '') throw wrong('it needs a description');
  const properties = argumentsOf(workflow);
  if (properties === undefined)
    throw wrong('arguments must be a Standard Schema that also gives JSON Schema, of an object');
  if (steps.length === 0 || steps.length > MAX_STEPS)
    throw wrong(`it has ${steps.length} steps, not 1 to ${MAX_STEPS}`);
  for (const setting of ['version', 'runDeadlineMs', 'retentionMs'] as const) {
    const value = workflow[setting];
    if (value !== undefined && value !== null && !(Number.isSafeInteger(value) && value > 0))
      throw wrong(`${setting} must be a positive whole number`);
  }
  const before = new Set<string>();
  const later = new Set(steps.map((step) => step.name));
  for (const step of steps) {
    const problem = stepFault(step, { properties, before, later });
    if (problem !== undefined) throw wrong(problem, step.name);
    before.add(step.name);
  }
  for (const [what, template] of [
    ['goal', workflow.goal],
    ['instructions', workflow.instructions],
  ] as const) {
    const problem = templateFault(template ?? '', { properties, before, later }, false);
    if (problem !== undefined) throw wrong(`in ${what}, ${problem}`);
  }
}

/** Throws `invalid_definition` for names that are taken, and for tools, arguments and resources that a server lacks. */
export function assertWorkflows(
  workflows: readonly Workflow[],
  tools: readonly AnyTool[],
  resources: ResourceRegistry,
): void {
  const byName = newestOf(tools);
  const newest = newestOf(workflows);
  const names = new Set<string>();
  for (const workflow of workflows) {
    assertWorkflow(workflow);
    const key = `${workflow.name}@${workflow.version ?? ''}`;
    if (names.has(key))
      throw fault(workflow.name, 'the name is taken by another workflow; give versions of one a `version` each');
    names.add(key);
    // What older versions use may be older, too.
    if (newest.get(workflow.name) !== workflow) continue;
    for (const step of workflow.steps) {
      const problem = toolFault(step, byName) ?? resourceFault(step, resources);
      if (problem !== undefined) throw fault(workflow.name, problem, step.name);
    }
  }
}

interface Around {
  readonly properties: JsonObject;
  readonly before: ReadonlySet<string>;
  /** All steps of the workflow. */
  readonly later: ReadonlySet<string>;
}

function stepFault(step: WorkflowStep, around: Around): string | undefined {
  const { name, guidance, forEach } = step;
  if (!STEP_NAME.test(name)) return 'the name of a step has 1 to 64 letters, digits, "_" or "-"';
  if (around.before.has(name)) return 'the name is taken by an earlier step';
  if (step.kind === 'manual' && (guidance ?? '') === '')
    return 'a step without a tool needs guidance that says what is to be done';
  return (
    sourcesFault(step, around) ??
    (step.kind === 'tool' ? formFault(step, around) : undefined) ??
    retryFault(step) ??
    templateFault(guidance ?? '', around, forEach !== undefined)
  );
}

function sourcesFault(step: WorkflowStep, around: Around): string | undefined {
  const isLoop = step.forEach !== undefined;
  for (const source of [step.when, step.forEach]) {
    if (source === undefined) continue;
    const problem = sourceFault(source, around) ?? itemFault(source, false);
    if (problem !== undefined) return problem;
  }
  const named = [
    ...(step.kind === 'tool'
      ? Object.entries(step.arguments).map(([name, source]) => [`argument "${name}"`, source] as const)
      : []),
    ...usesIn(step).flatMap(({ uri, bindings = {} }) =>
      Object.entries(bindings).map(([name, source]) => [`"${name}" of ${uri}`, source] as const),
    ),
  ];
  for (const [what, source] of named) {
    const problem = sourceFault(source, around) ?? itemFault(source, isLoop);
    if (problem !== undefined) return `${what}: ${problem}`;
  }
  return undefined;
}

function formFault({ askFor, arguments: args, forEach }: ToolStep, around: Around): string | undefined {
  const stranger = Object.keys(askFor?.fields ?? {}).find((field) => !Object.hasOwn(args, field));
  if (stranger !== undefined) return `askFor: the step has no argument "${stranger}"`;
  if (askFor !== undefined) {
    try {
      const requestedSchema = { type: 'object', properties: askFor.fields };
      assertAskable({ method: 'elicitation/create', params: { message: askFor.message, requestedSchema } });
    } catch (error) {
      return `askFor: ${describeThrown(error).replace(/\.$/u, '')}`;
    }
  }
  return templateFault(askFor?.message ?? '', around, forEach !== undefined);
}

function retryFault(step: WorkflowStep): string | undefined {
  if (step.kind === 'manual' || step.retry === undefined) return undefined;
  const { maxAttempts, delay } = step.retry;
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1 || maxAttempts > MAX_ATTEMPTS)
    return `retry.maxAttempts must be from 1 to ${MAX_ATTEMPTS}`;
  if (delay === undefined) return undefined;
  try {
    durationMs(delay, 'retry.delay');
    return undefined;
  } catch (error) {
    return describeThrown(error).replace(/\.$/u, '');
  }
}

function sourceFault(source: Source, around: Around): string | undefined {
  if (source.from === 'computed') {
    const faults = Object.values(source.of).map((part) => sourceFault(part, around));
    return faults.find((problem) => problem !== undefined);
  }
  if (source.from === 'constant') return undefined;
  const problem = source.path === undefined ? undefined : pathFault(source.path);
  if (problem !== undefined) return problem;
  if (source.from === 'argument' && !Object.hasOwn(around.properties, source.name))
    return `the prompt has no argument "${source.name}"`;
  if (source.from === 'output' && !around.before.has(source.step)) {
    return around.later.has(source.step)
      ? `step "${source.step}" comes later, or is the step itself; an output comes from an earlier step`
      : `there is no step "${source.step}"`;
  }
  return undefined;
}

function itemFault(source: Source, isLoop: boolean): string | undefined {
  return usesItem(source) && !isLoop ? 'there is no item in a step without forEach' : undefined;
}

function templateFault(template: string, around: Around, isLoop: boolean): string | undefined {
  for (const { text, source } of placeholdersIn(template)) {
    const problem =
      source === undefined ? 'it names nothing' : (sourceFault(source, around) ?? itemFault(source, isLoop));
    if (problem !== undefined) return `the placeholder ${text} cannot be filled: ${problem}`;
  }
  return undefined;
}

function toolFault(step: WorkflowStep, tools: ReadonlyMap<string, AnyTool>): string | undefined {
  if (step.kind !== 'tool') return undefined;
  const tool = tools.get(step.tool);
  // Another server of the same client may have it.
  if (tool === undefined) return step.by === 'client' ? undefined : `the server has no tool "${step.tool}"`;
  const { properties, required, additionalProperties } = objectSchema(tool.inputSchema);
  for (const argument of Object.keys(step.arguments)) {
    if (!Object.hasOwn(properties, argument) && !isJsonObject(additionalProperties) && additionalProperties !== true)
      return `tool "${step.tool}" has no argument "${argument}"; it has ${Object.keys(properties).join(', ') || 'none'}`;
  }
  const without =
    step.by === 'server' ? required.find((argument) => !Object.hasOwn(step.arguments, argument)) : undefined;
  return without === undefined
    ? undefined
    : `tool "${step.tool}" needs the argument "${without}": say where it comes from`;
}

function resourceFault(step: WorkflowStep, resources: ResourceRegistry): string | undefined {
  for (const use of usesIn(step)) {
    const problem = resources.faultOf(use);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** The JSON Schemas of a prompt's arguments, by name; `undefined`: it is no object's. */
function argumentsOf({ arguments: schema }: Workflow): JsonObject | undefined {
  try {
    const { type, properties } = objectSchema(schema);
    return type === 'object' ? properties : undefined;
  } catch {
    return undefined;
  }
}

function fault(workflow: string, problem: string, step?: string): TaskError {
  const where = step === undefined ? `Workflow "${workflow}"` : `Workflow "${workflow}", step "${step}"`;
  return new TaskError('invalid_definition', `${where}: ${problem}.`);
}
