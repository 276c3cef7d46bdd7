/**
 * What a deployment can carry to a client. A buffered function (an HTTP API before AWS Lambda) hands its answer over as
 * text within JSON, so that each quote and backslash counts twice: 3.5 MiB of JSON may be 6.5 MiB there. What no client
 * could ever read is refused when it is to be stored, and not each time that somebody asks for it.
 */
import { TaskError } from './errors.ts';
import type { JsonValue } from './json.ts';

/** Of an answer, for what surrounds the value: the task, its variables, headers. */
const ROOM_BYTES = 16 * 1024;

/** The least that a deployment may say it can carry. */
const MIN_ANSWER_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/** Bytes of UTF-8 that the value's JSON text takes within a JSON string. */
export function escapedBytes(value: JsonValue): number {
  return encoder.encode(JSON.stringify(JSON.stringify(value))).length - 2;
}

/** How much of an answer is there for values, in escaped form; without a bound where the deployment has none. */
export function roomForValues(maxAnswerBytes: number | undefined): number {
  return maxAnswerBytes === undefined ? Number.POSITIVE_INFINITY : maxAnswerBytes - ROOM_BYTES;
}

/** Throws `value_too_large`, with the limit and what to do, for what no answer could carry. `what`: `The result`. */
export function assertCarried(value: JsonValue, maxAnswerBytes: number | undefined, what: string): void {
  if (maxAnswerBytes === undefined) return;
  const limitBytes = roomForValues(maxAnswerBytes);
  const bytes = escapedBytes(value);
  if (bytes <= limitBytes) return;
  throw new TaskError(
    'value_too_large',
    `${what} takes ${bytes} bytes of an answer, each quote and backslash counted twice; this server's answers carry ` +
      `${limitBytes}. Keep the data elsewhere and give a link to it, or deploy with an API that streams (api=rest or api=url).`,
    { detail: { bytes, limitBytes } },
  );
}

/** Throws `invalid_definition` for a bound that no answer would fit. */
export function assertAnswerBound(maxAnswerBytes: number | undefined): void {
  if (maxAnswerBytes === undefined || (Number.isSafeInteger(maxAnswerBytes) && maxAnswerBytes >= MIN_ANSWER_BYTES))
    return;
  const problem = `maxAnswerBytes must be a whole number from ${MIN_ANSWER_BYTES}, not ${maxAnswerBytes}.`;
  throw new TaskError('invalid_definition', problem);
}
