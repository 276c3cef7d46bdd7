/**
 * A JSON value that belongs to a task: in the task's head where it is small, else in records of
 * its own that the head refers to. The domain only passes them on; the store reads and writes them.
 */
import type { JsonValue } from './json.ts';

export type Payload = InlinePayload | { readonly ref: PayloadRef };

export interface InlinePayload {
  readonly json: JsonValue;
}

/** Written before the head that names it, under a name that is never used again. */
export interface PayloadRef {
  readonly id: string;
  /** Of the JSON text in UTF-8. */
  readonly bytes: number;
  /** How the value is kept. What else the reference says follows from it, and is the store's business. */
  readonly format: number;
}

/** The largest value that is kept, in bytes of JSON text. */
export const MAX_PAYLOAD_BYTES = 5 * 1024 * 1024;

export function inline(json: JsonValue): InlinePayload {
  return { json };
}

export function refOf(payload: Payload | undefined): PayloadRef | undefined {
  return payload !== undefined && 'ref' in payload ? payload.ref : undefined;
}
