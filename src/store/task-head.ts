/** The text of a task's head: everything about the task that its key does not say. */
import * as z from 'zod';
import type { RecordWrite } from '../backends/backend.ts';
import type { JsonValue } from '../domain/json.ts';
import type { InlinePayload, Payload, PayloadRef } from '../domain/payload.ts';
import { isTerminal, TASK_STATUSES, type TaskStatus } from '../domain/status.ts';
import {
  type Answer,
  type Cleanup,
  END_CAUSES,
  type Lease,
  type Parking,
  type PendingInput,
  type ProgressTarget,
  type RunState,
  type Task,
  type TaskRef,
  type TraceContext,
} from '../domain/task.ts';
import { isTaskId, type TaskId } from '../domain/task-id.ts';
import { type ShapeOf, StoredKind } from './codec.ts';
import { recordWrite } from './records.ts';

/** Whatever JSON.parse gave is JSON; a closer look would cost time and drop an own `__proto__`. */
const json = z.custom<JsonValue>((value) => value !== undefined);

/** What every reference says, also one of a format that this build does not know: only who loads the value must know it. */
const payloadRef = {
  id: z.string(),
  bytes: z.int(),
  format: z.int(),
} satisfies ShapeOf<PayloadRef>;
const inlinePayload = { json } satisfies ShapeOf<InlinePayload>;

/** Strict: a value is here or elsewhere, and a third place would be another format. */
export const payload: z.ZodType<Payload> = z.union([
  z.strictObject(inlinePayload),
  z.strictObject({ ref: z.looseObject(payloadRef) }),
]);

const answer: z.ZodType<Answer> = z.discriminatedUnion('outcome', [
  z.looseObject({ outcome: z.literal('answered'), value: payload, at: z.int() }),
  z.looseObject({ outcome: z.literal('failed'), message: z.string(), at: z.int() }),
  z.looseObject({ outcome: z.literal('timed_out'), at: z.int() }),
]);

const pendingInput = {
  request: payload.exactOptional(),
  timeoutAt: z.int().exactOptional(),
  askedOf: z.record(z.string(), z.int()).exactOptional(),
} satisfies ShapeOf<PendingInput>;

const progressTo = {
  token: z.union([z.string(), z.int()]),
  session: z.string(),
} satisfies ShapeOf<ProgressTarget>;

const lease = { holder: z.string(), until: z.int() } satisfies ShapeOf<Lease>;
const parking = { reason: z.string(), looks: z.int() } satisfies ShapeOf<Parking>;
const cleanup = { cause: z.enum(END_CAUSES), until: z.int().exactOptional() } satisfies ShapeOf<Cleanup>;

const run = {
  epoch: z.int(),
  lease: z.looseObject(lease).exactOptional(),
  dueAt: z.int().nullable(),
  healedAt: z.int().exactOptional(),
  crashes: z.int(),
  turns: z.int().exactOptional(),
  parked: z.looseObject(parking).exactOptional(),
  cleanup: z.looseObject(cleanup).exactOptional(),
} satisfies ShapeOf<RunState>;

const trace = {
  traceparent: z.string(),
  tracestate: z.string().exactOptional(),
  baggage: z.string().exactOptional(),
} satisfies ShapeOf<TraceContext>;

type Body = Omit<Task, keyof TaskRef>;

const body = {
  tool: z.string(),
  toolVersion: z.int().exactOptional(),
  status: z.enum(TASK_STATUSES),
  statusMessage: z.string().exactOptional(),
  createdAt: z.int(),
  updatedAt: z.int(),
  deadlineAt: z.int(),
  retentionMs: z.int().nullable(),
  retentionFromEnd: z.literal(true).exactOptional(),
  promisedUntil: z.int().nullable(),
  pollIntervalMs: z.int(),
  maxAttempts: z.int(),
  arguments: payload,
  admission: payload.exactOptional(),
  variables: payload.exactOptional(),
  result: payload.exactOptional(),
  error: payload.exactOptional(),
  inputs: z.record(z.string(), z.looseObject(pendingInput)),
  answers: z.record(z.string(), answer),
  run: z.looseObject(run),
  trace: z.looseObject(trace).exactOptional(),
  related: z.custom<TaskId>(isTaskId).exactOptional(),
  mayAsk: z.array(z.string()).exactOptional(),
  progressTo: z.looseObject(progressTo).exactOptional(),
  toolError: z.string().exactOptional(),
  attendedUntil: z.int().exactOptional(),
  keyDigest: z.string().exactOptional(),
  isUncounted: z.literal(true).exactOptional(),
} satisfies ShapeOf<Body>;

export const taskHead: StoredKind<Body> = StoredKind.first<Body>('record', z.looseObject(body));

/**
 * Whether a head's text is of a task that has ended and has nothing to clean up, without checking the rest of it;
 * `false` for what cannot be read.
 */
export function hasEnded(text: string): boolean {
  try {
    const { status, run: state } = JSON.parse(text) as { status: TaskStatus; run: RunState };
    return isTerminal(status) && state.cleanup === undefined;
  } catch {
    return false;
  }
}

/** Throws `unreadable_record` for text that is no task head of a format that this build knows. */
export function decodeTask(ref: TaskRef, text: string): Task {
  return { ...taskHead.decode(text, `task ${ref.id}`), owner: ref.owner, id: ref.id };
}

export function encodeTask(task: Task): string {
  const { owner: _owner, id: _id, ...members } = task;
  return taskHead.encode(members);
}

/** A task's head as it is written. */
export function headWrite(task: Task): RecordWrite {
  return recordWrite(encodeTask(task), task.promisedUntil);
}
