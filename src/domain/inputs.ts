/**
 * What a task may ask its client, and the bounds on what a client may answer. Whether an
 * answer fits its request is checked at the protocol's edge, with the wire schemas.
 */
import { TaskError } from './errors.ts';
import { findJsonFault, type JsonObject, type JsonValue, jsonBytes } from './json.ts';
import { shorten } from './text.ts';

export const INPUT_METHODS = ['elicitation/create', 'sampling/createMessage', 'roots/list'] as const;
export type InputMethod = (typeof INPUT_METHODS)[number];

export interface InputRequest {
  readonly method: InputMethod;
  readonly params?: JsonObject;
}

export const ANSWER_LIMITS = {
  maxAnswers: 64,
  maxAnswerBytes: 64 * 1024,
  maxTotalBytes: 256 * 1024,
  maxDepth: 32,
} as const;

/**
 * Throws `invalid_answer`, naming the key, unless there are at most 64 answers of at most 64 KiB
 * each and 256 KiB in all, nested at most 32 deep, without prototype keys.
 */
export function assertAnswersWithinBounds(answers: Readonly<Record<string, unknown>>): void {
  const entries = Object.entries(answers);
  if (entries.length > ANSWER_LIMITS.maxAnswers) {
    throw new TaskError('invalid_answer', `More than ${ANSWER_LIMITS.maxAnswers} answers in one update; send fewer.`);
  }
  let total = 0;
  for (const [key, answer] of entries) {
    const fault = findJsonFault(answer, ANSWER_LIMITS);
    if (fault !== undefined) throw answerError(key, `${fault.problem} at ${fault.path}`);
    const bytes = jsonBytes(answer as JsonValue);
    if (bytes > ANSWER_LIMITS.maxAnswerBytes) {
      throw answerError(key, `${bytes} bytes, more than ${ANSWER_LIMITS.maxAnswerBytes}`);
    }
    total += bytes;
  }
  if (total > ANSWER_LIMITS.maxTotalBytes) {
    throw new TaskError(
      'invalid_answer',
      `Answers of ${total} bytes in one update, more than ${ANSWER_LIMITS.maxTotalBytes}.`,
    );
  }
}

export function answerError(key: string, problem: string): TaskError {
  const shown = shorten(key, 128);
  return new TaskError('invalid_answer', `Answer "${shown}": ${problem}.`, { detail: { key: shown } });
}
