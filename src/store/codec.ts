/**
 * Between values and the text that a backend keeps: canonical JSON (sorted keys), and the format
 * of task heads. Text is checked on the way in; a format that this build does not know is a
 * clear error, never a guess.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { RecordWrite } from '../backends/backend.ts';
import { TaskError } from '../domain/errors.ts';
import { isTerminal, TASK_STATUSES, type TaskStatus } from '../domain/status.ts';
import { END_CAUSES, type RunState, type Task, type TaskRef } from '../domain/task.ts';

/** Raised when a head written by this build could be misread by an older one. */
const FORMAT = 1;

/** Where a record holds a user's own JSON, whose key order is the user's (a form's fields, say). */
const VERBATIM = 'json';

/** JSON with sorted keys, so that equal values have equal text. Leaves out `undefined` members. */
export function canonicalJson(value: unknown, verbatim?: string): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, verbatim)).join(',')}]`;
  if (value instanceof Date) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => {
      const text = key === verbatim ? JSON.stringify(member) : canonicalJson(member, verbatim);
      return `${JSON.stringify(key)}:${text}`;
    });
  return `{${members.join(',')}}`;
}

/** Throws `invalid_arguments` for half a surrogate pair: as UTF-8, which is what is hashed, any such text is the same. */
export function sha256(text: string): string {
  if (!text.isWellFormed()) {
    throw new TaskError('invalid_arguments', 'Half a surrogate pair cannot be hashed: use text that is valid Unicode.');
  }
  return createHash('sha256').update(text).digest('hex');
}

const payload = z.union([
  // Whatever JSON.parse gave is JSON; a closer look would cost time and drop an own `__proto__`.
  z.strictObject({ json: z.unknown() }),
  z.strictObject({ ref: z.strictObject({ id: z.string(), bytes: z.int(), chunks: z.int(), sha256: z.string() }) }),
]);

const answer = z.discriminatedUnion('outcome', [
  z.strictObject({ outcome: z.literal('answered'), value: payload, at: z.int() }),
  z.strictObject({ outcome: z.literal('failed'), message: z.string(), at: z.int() }),
  z.strictObject({ outcome: z.literal('timed_out'), at: z.int() }),
]);

/** A head without what its key already says (owner and id). */
const head = z.strictObject({
  format: z.literal(FORMAT),
  tool: z.string(),
  toolVersion: z.int().exactOptional(),
  status: z.enum(TASK_STATUSES),
  statusMessage: z.string().exactOptional(),
  createdAt: z.int(),
  updatedAt: z.int(),
  deadlineAt: z.int(),
  retentionMs: z.int().nullable(),
  promisedUntil: z.int().nullable(),
  pollIntervalMs: z.int(),
  maxAttempts: z.int(),
  arguments: payload,
  admission: payload.exactOptional(),
  variables: payload.exactOptional(),
  result: payload.exactOptional(),
  error: payload.exactOptional(),
  inputs: z.record(
    z.string(),
    z.strictObject({ request: payload.exactOptional(), timeoutAt: z.int().exactOptional() }),
  ),
  answers: z.record(z.string(), answer),
  run: z.strictObject({
    epoch: z.int(),
    lease: z.strictObject({ holder: z.string(), until: z.int() }).exactOptional(),
    dueAt: z.int().nullable(),
    wakeAt: z.int(),
    crashes: z.int(),
    turns: z.int().exactOptional(),
    parked: z.strictObject({ reason: z.string(), looks: z.int() }).exactOptional(),
    cleanup: z.strictObject({ cause: z.enum(END_CAUSES), until: z.int().exactOptional() }).exactOptional(),
  }),
  trace: z
    .strictObject({
      traceparent: z.string(),
      tracestate: z.string().exactOptional(),
      baggage: z.string().exactOptional(),
    })
    .exactOptional(),
  related: z.string().exactOptional(),
  keyDigest: z.string().exactOptional(),
});

/**
 * Whether a head's text is of a task that has ended and has nothing to clean up, without checking the rest of it;
 * `false` for what cannot be read.
 */
export function hasEnded(text: string): boolean {
  try {
    const { status, run } = JSON.parse(text) as { status: TaskStatus; run: RunState };
    return isTerminal(status) && run.cleanup === undefined;
  } catch {
    return false;
  }
}

export function encodeTask(task: Task): string {
  const { owner: _owner, id: _id, ...rest } = task;
  return canonicalJson({ format: FORMAT, ...rest }, VERBATIM);
}

/** `expiresAt`: milliseconds since the epoch; `null`: never. */
export function recordWrite(value: string, expiresAt: number | null): RecordWrite {
  return expiresAt === null ? { value } : { value, expiresAt };
}

/** A task's head as it is written. */
export function headWrite(task: Task): RecordWrite {
  return recordWrite(encodeTask(task), task.promisedUntil);
}

/** Throws `unreadable_record` for text that is no task head of a format that this build knows. */
export function decodeTask(ref: TaskRef, text: string): Task {
  const parsed = parseRecord(text, `task ${ref.id}`);
  const checked = head.safeParse(parsed);
  if (!checked.success) throw unreadable(`task ${ref.id}`, z.prettifyError(checked.error));
  const { format: _format, ...rest } = checked.data;
  return { owner: ref.owner, id: ref.id, ...(rest as Omit<Task, 'owner' | 'id'>) };
}

/** Parses a record's JSON and refuses formats other than this build's. */
export function parseRecord(text: string, what: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new TaskError('unreadable_record', `The record of ${what} is no JSON.`, { cause });
  }
  const format = typeof parsed === 'object' && parsed !== null && 'format' in parsed ? parsed.format : undefined;
  if (typeof format === 'number' && format > FORMAT) {
    throw unreadable(what, `it has format ${format}, this build knows up to ${FORMAT}; upgrade this server`);
  }
  if (format !== FORMAT) throw unreadable(what, 'it names no known format');
  return parsed as Record<string, unknown>;
}

/** The text of a record other than a head. */
export function encodeRecord(members: object): string {
  return canonicalJson({ format: FORMAT, ...members }, VERBATIM);
}

function unreadable(what: string, problem: string): TaskError {
  return new TaskError('unreadable_record', `The record of ${what} cannot be read: ${problem}.`);
}
