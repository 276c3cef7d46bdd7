/**
 * Errors on their way through the journal. What a handler catches must be the same in every replay, so it
 * never gets the thrown object itself: it gets what was recorded of it, also the first time.
 */
import * as z from 'zod';
import type { JsonValue } from '../domain/json.ts';
import { shorten } from '../domain/text.ts';
import { present } from '../present.ts';
import { copyOfJson } from './recordable.ts';
import { describeThrown, MAX_MESSAGE_LENGTH } from './thrown.ts';

/** What the journal keeps of an error, or of whatever else was thrown. */
export interface RecordedError {
  readonly name: string;
  readonly message: string;
  readonly code?: string | number;
  /** The error's own `data`, where it is JSON: that of a JSON-RPC error. */
  readonly data?: JsonValue;
  /** What was thrown, where it was no error but JSON. */
  readonly thrown?: JsonValue;
  readonly cause?: RecordedError;
}

export const recordedError: z.ZodType<RecordedError> = z.object({
  name: z.string(),
  message: z.string(),
  code: z.union([z.string(), z.number()]).exactOptional(),
  data: (z.unknown() as unknown as z.ZodType<JsonValue>).exactOptional(),
  thrown: (z.unknown() as unknown as z.ZodType<JsonValue>).exactOptional(),
  get cause(): z.ZodExactOptional<z.ZodType<RecordedError>> {
    return z.lazy(() => recordedError).exactOptional();
  },
});

/** Causes of causes of causes: as many as anybody reads. */
const MAX_CAUSES = 8;

/**
 * What a failed step rejects with: the name, message, `code`, `data` and `cause` of what its action threw. It
 * is of this class in the first run as in each replay; `instanceof` the original class is never true.
 */
export class StepError extends Error {
  override readonly name: string;
  readonly code: string | number | undefined;
  readonly data: JsonValue | undefined;
  /** What was thrown, where it was no error. */
  readonly thrown: JsonValue | undefined;

  constructor(recorded: RecordedError) {
    super(recorded.message, recorded.cause === undefined ? undefined : { cause: new StepError(recorded.cause) });
    this.name = recorded.name;
    this.code = recorded.code;
    this.data = recorded.data;
    this.thrown = recorded.thrown;
  }
}

/** What is kept of something that was thrown. */
export function recordError(thrown: unknown, causes = 0): RecordedError {
  if (!(thrown instanceof Error)) {
    const value = copyOfJson(thrown);
    return {
      name: 'Error',
      message: describeThrown(thrown),
      ...present({ thrown: value }),
    };
  }
  const { code, data } = thrown as { code?: unknown; data?: unknown };
  const keptData = copyOfJson(data);
  return {
    name: shorten(textOf(thrown.name), 200),
    message: shorten(textOf(thrown.message), MAX_MESSAGE_LENGTH),
    ...(typeof code === 'string' || (typeof code === 'number' && Number.isFinite(code)) ? { code } : {}),
    ...present({ data: keptData }),
    ...(thrown.cause === undefined || causes >= MAX_CAUSES ? {} : { cause: recordError(thrown.cause, causes + 1) }),
  };
}

/** Errors are objects that anybody can write to. */
function textOf(member: unknown): string {
  return typeof member === 'string' ? member : String(member);
}

/** What was thrown, as an error: one that says what it says, and has it as its cause, where it was none. */
export function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(describeThrown(thrown), { cause: thrown });
}
