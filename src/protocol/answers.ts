/**
 * Whether an answer fits the request that it answers: its kind by the specification's wire schemas, and a
 * filled form by the schema that the form was asked with.
 */
import { fromJsonSchema, isSpecType, type JsonSchemaType } from '@modelcontextprotocol/server';
import { answerError, assertAnswersWithinBounds, type InputMethod, type InputRequest } from '../domain/inputs.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Answer, Task } from '../domain/task.ts';
import type { TaskStore } from '../store/task-store.ts';

const FITS: Readonly<Record<InputMethod, (value: unknown) => boolean>> = {
  'elicitation/create': (value) => isSpecType.ElicitResult(value),
  'sampling/createMessage': (value) =>
    isSpecType.CreateMessageResult(value) || isSpecType.CreateMessageResultWithTools(value),
  'roots/list': (value) => isSpecType.ListRootsResult(value),
};

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
export async function checkAnswers(store: TaskStore, task: Task, received: ReceivedAnswers): Promise<Record<string, Answer>> {
  assertAnswersWithinBounds(received.accepted);
  for (const key of received.dropped) {
    if (requestOf(task, key) !== undefined) throw answerError(key, 'not a response object');
  }
  const answers: Record<string, Answer> = {};
  for (const [key, value] of Object.entries(received.accepted)) {
    const payload = requestOf(task, key);
    if (payload === undefined) continue;
    const request = (await store.load(task, payload)) as unknown as InputRequest;
    await assertFits(key, request, value);
    answers[key] = { outcome: 'answered', value: await store.keep(task, 'answer', value as JsonValue) };
  }
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
  const checked = await fromJsonSchema(schema as JsonSchemaType)['~standard'].validate(content ?? {});
  if (checked.issues !== undefined) {
    const problems = checked.issues.map(({ message }) => message).join('; ');
    throw answerError(key, `the form's content does not fit its schema: ${problems.slice(0, 500)}`);
  }
}
