/**
 * Whether an answer fits the request that it answers: its kind by the specification's wire schemas, and a
 * filled form by the schema that the form was asked with.
 */
import { isSpecType, type JsonSchemaType } from '@modelcontextprotocol/server';
import { answerError, assertAnswersWithinBounds, type InputMethod, type InputRequest } from '../domain/inputs.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { AnswerOutcome, Task } from '../domain/task.ts';
import type { TaskStore } from '../store/task-store.ts';
import { type CompiledSchema, compileJsonSchema } from './json-schema.ts';
import { OutOfTimeError, withinTime } from './within-time.ts';

const FITS: Readonly<Record<InputMethod, (value: unknown) => boolean>> = {
  'elicitation/create': (value) => isSpecType.ElicitResult(value),
  'sampling/createMessage': (value) =>
    isSpecType.CreateMessageResult(value) || isSpecType.CreateMessageResultWithTools(value),
  'roots/list': (value) => isSpecType.ListRootsResult(value),
};

/** Of the processor, for one form; a usual check takes less than a hundredth of it. */
const CHECK_MS = 250;

/** As the SDK hands them to a handler: entries that look like no response at all are only named. */
export interface ReceivedAnswers {
  readonly accepted: Readonly<Record<string, unknown>>;
  readonly dropped: readonly string[];
}

/**
 * The answers to what the task has outstanding, ready to be accepted; others are left out, as the
 * extension asks. Throws `invalid_answer`, naming the key, when one is out of bounds or does not fit:
 * then none is accepted.
 */
export async function checkAnswers(
  store: TaskStore,
  task: Task,
  received: ReceivedAnswers,
): Promise<Record<string, AnswerOutcome>> {
  assertAnswersWithinBounds(received.accepted);
  for (const key of received.dropped) {
    if (requestOf(task, key) !== undefined) throw answerError(key, 'not a response object');
  }
  const fitting: [key: string, value: JsonValue][] = [];
  for (const [key, value] of Object.entries(received.accepted)) {
    const payload = requestOf(task, key);
    if (payload === undefined) continue;
    await assertFits(key, (await store.load(task, payload)) as unknown as InputRequest, value);
    fitting.push([key, value as JsonValue]);
  }
  // Only now: an update that is refused stores nothing.
  const answers: Record<string, AnswerOutcome> = {};
  for (const [key, value] of fitting)
    answers[key] = { outcome: 'answered', value: await store.keep(task, 'answer', value) };
  return answers;
}

function requestOf(task: Task, key: string) {
  return Object.hasOwn(task.inputs, key) ? task.inputs[key]?.request : undefined;
}

async function assertFits(key: string, request: InputRequest, value: unknown): Promise<void> {
  if (!FITS[request.method](value)) {
    throw answerError(key, `not a valid response to ${request.method}`);
  }
  if (request.method !== 'elicitation/create') return;
  const { action, content } = value as { action: string; content?: JsonObject };
  const schema = request.params?.requestedSchema;
  if (action !== 'accept' || schema === undefined) return;
  const form = compiledForm(key, schema as JsonSchemaType);
  const checked = await inTime(key, () => form['~standard'].validate(content ?? {}));
  if (checked.issues !== undefined) {
    const problems = checked.issues.map(({ message }) => message).join('; ');
    throw answerError(key, `the form's content does not fit its schema: ${problems.slice(0, 500)}`);
  }
}

/** Patterns are linear, and yet a long one times a long text is much; formats and unique items are not even linear. */
function inTime<T>(key: string, check: () => T): T {
  try {
    return withinTime(CHECK_MS, check);
  } catch (error) {
    if (!(error instanceof OutOfTimeError)) throw error;
    throw answerError(key, `checking the form's content took more than ${CHECK_MS} ms; send shorter text`);
  }
}

/** A tool asks with a form that no answer could be checked against. */
class FaultyFormError extends Error {
  override readonly name = 'FaultyFormError';
}

/**
 * Throws `FaultyFormError` for a form whose schema is none, or has a pattern that cannot be matched in linear time, such
 * as one that looks ahead. For the moment at which a tool asks: afterwards nobody but the client can end the question.
 */
export function assertAskable({ method, params }: InputRequest): void {
  if (method !== 'elicitation/create' || params?.requestedSchema === undefined) return;
  const fault = formFault(params.requestedSchema as JsonSchemaType);
  if (fault !== undefined) throw new FaultyFormError(`The form cannot be asked for: ${fault}.`);
}

function formFault(schema: JsonSchemaType): string | undefined {
  try {
    formSchema(schema);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.slice(0, 500) : 'its schema does not compile';
  }
}

/** A faulty schema is the tool's mistake, but only the client can end a question that has been asked. */
function compiledForm(key: string, schema: JsonSchemaType): CompiledSchema {
  const fault = formFault(schema);
  if (fault === undefined) return formSchema(schema);
  throw answerError(key, `the form's own schema is faulty (${fault}): decline it, or cancel the task`);
}

/** Compiled forms, a bounded number of them. */
const forms = new Map<string, CompiledSchema>();
const MAX_FORMS = 200;

function formSchema(schema: JsonSchemaType): CompiledSchema {
  const text = JSON.stringify(schema);
  const known = forms.get(text);
  if (known !== undefined) return known;
  if (forms.size >= MAX_FORMS) forms.clear();
  const compiled = compileJsonSchema(schema);
  forms.set(text, compiled);
  return compiled;
}
