/** Answers in the place of a client, or of the program that a callback is for; checked as theirs are. */
import { neededFor } from '../domain/askable.ts';
import type { InputRequest } from '../domain/inputs.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import { isTerminal } from '../domain/status.ts';
import type { AnswerOutcome, Task, TaskRef } from '../domain/task.ts';
import { checkAnswers } from '../protocol/answers.ts';
import { type Deliveries, deliverAnswers } from '../runtime/queues/deliveries.ts';
import { OperationError } from './errors.ts';

export type OperatorAnswer =
  /** The content of the form; of a page to open, anything. */
  | { readonly kind: 'accept'; readonly content: JsonValue }
  | { readonly kind: 'decline' }
  | { readonly kind: 'cancel' }
  /** The whole answer: of sampling, roots or a callback. */
  | { readonly kind: 'response'; readonly value: JsonValue };

export interface AnsweredTask {
  readonly task: Task;
  readonly key: string;
}

/**
 * Without a key: the only question that is open. Rejects with an `OperationError` where there is none or several, or
 * somebody else has answered it, and with `invalid_answer` for what does not fit.
 */
export async function answerTask(
  deliveries: Deliveries,
  ref: TaskRef,
  answer: OperatorAnswer,
  wanted?: string,
): Promise<AnsweredTask> {
  const { store } = deliveries;
  const known = await store.get(ref);
  const { task } = known;
  const key = keyOf(task, wanted);
  const payload = task.inputs[key]?.request;
  const outcome =
    payload === undefined
      ? { [key]: await completion(deliveries, task, key, answer) }
      : await checkAnswers(store, task, {
          accepted: { [key]: responseOf(answer, (await store.load(task, payload)) as unknown as InputRequest) },
          dropped: [],
        });
  await deliverAnswers(deliveries, known, outcome);
  const now = (await store.get(ref)).task;
  if (isTerminal(now.status)) throw new OperationError(`The task ended meanwhile: it is ${now.status}.`);
  if (Object.hasOwn(now.inputs, key)) {
    throw new OperationError(`The time for "${key}" is over: the task goes on without an answer.`);
  }
  return { task: now, key };
}

function keyOf(task: Task, wanted: string | undefined): string {
  const open = Object.entries(task.inputs);
  const questions = open.filter(([, { request }]) => request !== undefined).map(([key]) => key);
  if (isTerminal(task.status)) throw new OperationError(`The task is ${task.status}: it asks nothing any more.`);
  if (open.length === 0) throw new OperationError('The task asks nothing at the moment: see it with tasks show.');
  if (wanted !== undefined) {
    if (Object.hasOwn(task.inputs, wanted)) return wanted;
    const keys = open.map(([key]) => key).join(', ');
    throw new OperationError(`The task does not ask for "${wanted}"; it asks for ${keys}.`);
  }
  const [only, ...others] = questions;
  if (only === undefined) {
    const keys = open.map(([key]) => key).join(', ');
    throw new OperationError(`No question is open, only a callback: name it with --key, one of ${keys}.`);
  }
  if (others.length > 0) {
    throw new OperationError(`The task asks several questions: name one with --key, one of ${questions.join(', ')}.`);
  }
  return only;
}

function responseOf(answer: OperatorAnswer, request: InputRequest): JsonValue {
  if (answer.kind === 'response') return answer.value;
  if (request.method !== 'elicitation/create') {
    throw new OperationError(`${request.method} is answered with a whole response: use --response JSON.`);
  }
  if (answer.kind !== 'accept') return { action: answer.kind };
  return neededFor(request) === 'elicitation.url'
    ? { action: 'accept' }
    : { action: 'accept', content: answer.content as JsonObject };
}

async function completion(
  { store }: Deliveries,
  task: Task,
  key: string,
  answer: OperatorAnswer,
): Promise<AnswerOutcome> {
  if (answer.kind !== 'response') {
    throw new OperationError(`"${key}" is a callback, which is completed with a value: use --response JSON.`);
  }
  return { outcome: 'answered', value: await store.keep(task, 'answer', answer.value) };
}
