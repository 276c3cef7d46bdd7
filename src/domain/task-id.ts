/**
 * Task ids: 48 bits of creation time, then 128 random bits, as 44 lower-case hexadecimal
 * digits. They sort by creation as bytes, cannot be guessed, and are safe in an HTTP header
 * (`Mcp-Name`).
 */
import { taskNotFound } from './errors.ts';

export type TaskId = string & { readonly __taskId: unique symbol };

const RANDOM_BYTES = 16;
const TIME_DIGITS = 12;
const TASK_ID = /^[0-9a-f]{44}$/;

/** `now` in milliseconds since the epoch; `random` must be unguessable. */
export function newTaskId(now: number, random: (count: number) => Uint8Array): TaskId {
  const time = Math.floor(now).toString(16).padStart(TIME_DIGITS, '0');
  let tail = '';
  for (const byte of random(RANDOM_BYTES)) tail += byte.toString(16).padStart(2, '0');
  return `${time}${tail}` as TaskId;
}

export function isTaskId(value: unknown): value is TaskId {
  return typeof value === 'string' && TASK_ID.test(value);
}

/** Throws `task_not_found` for anything else: a malformed id is simply one that nobody was given. */
export function asTaskId(value: unknown): TaskId {
  if (!isTaskId(value)) throw taskNotFound();
  return value;
}

/** When a task with this id was created, in milliseconds since the epoch. */
export function createdAtOf(id: TaskId): number {
  return Number.parseInt(id.slice(0, TIME_DIGITS), 16);
}
