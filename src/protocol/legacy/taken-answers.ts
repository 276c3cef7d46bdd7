/**
 * Answers of clients of the 2025 era to requests of the server, which come by themselves: to whichever instance, named by
 * nothing but the request's id. Those to a task go to the task; those to a call that is being answered go to its instance.
 */

import { isTaskError } from '../../domain/errors.ts';
import { isJsonObject, type JsonObject } from '../../domain/json.ts';
import type { Owner } from '../../domain/owner.ts';
import type { AnswerOutcome, TaskRef } from '../../domain/task.ts';
import { shorten } from '../../domain/text.ts';
import { describeError } from '../../runtime/logger.ts';
import { type Deliveries, deliverAnswers } from '../../runtime/queues/deliveries.ts';
import { checkAnswers } from '../answers.ts';
import { answeredBy } from './question-ids.ts';

const MAX_PROBLEM_LENGTH = 500;

/** A JSON-RPC response to a request of the server's. */
export function isAnswer(message: unknown): boolean {
  return isJsonObject(message) && !('method' in message) && ('result' in message || 'error' in message);
}

/**
 * Takes an answer to a question of a task. Nobody can be told what is wrong with an answer: the question is the task's,
 * so its handler is told. What is late, or answers nothing of this owner, changes nothing.
 */
export async function takeTaskAnswer(answer: JsonObject, owner: Owner, deliveries: Deliveries): Promise<void> {
  const answered = answeredBy(answer.id);
  if (answered?.kind !== 'task') return;
  const ref: TaskRef = { owner, id: answered.taskId };
  const { key } = answered;
  try {
    const known = await deliveries.store.get(ref);
    // A callback is no question to a client, which must not fail it either.
    const input = Object.hasOwn(known.task.inputs, key) ? known.task.inputs[key] : undefined;
    if (input?.request === undefined) return;
    const answers = await outcomesOf(answer, key, () =>
      checkAnswers(deliveries.store, known.task, { accepted: { [key]: answer.result }, dropped: [] }),
    );
    await deliverAnswers(deliveries, known, answers);
  } catch (error) {
    if (!isTaskError(error, 'task_not_found')) throw error;
    deliveries.logger.debug('An answer to no task', describeError(error));
  }
}

async function outcomesOf(
  answer: JsonObject,
  key: string,
  check: () => Promise<Record<string, AnswerOutcome>>,
): Promise<Record<string, AnswerOutcome>> {
  if ('error' in answer) return { [key]: failed(`The client answered with an error: ${messageOf(answer.error)}`) };
  try {
    return await check();
  } catch (error) {
    if (!isTaskError(error, 'invalid_answer')) throw error;
    return { [key]: failed(error.message) };
  }
}

function failed(message: string): AnswerOutcome {
  return { outcome: 'failed', message: shorten(message, MAX_PROBLEM_LENGTH) };
}

function messageOf(error: unknown): string {
  const message = isJsonObject(error) ? error.message : undefined;
  return typeof message === 'string' ? message : 'it does not say which.';
}
