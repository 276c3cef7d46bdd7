/**
 * How often clients are told to ask about a task whose tool does not say. A young task may end at any moment; one that has
 * run for hours will hardly end within the next second. Worked out for each answer: nothing of it is stored.
 */
import type { Task } from './task.ts';

/** What a task has for its interval when its tool leaves it to the task's age. */
export const BY_AGE = 0;

const PART_OF_AGE = 4;
const SHORTEST_MS = 200;
const LONGEST_MS = 30_000;

/** In whole milliseconds. A clock that is behind the one that the task was created by makes it a young task. */
export function pollIntervalAt({ pollIntervalMs, createdAt }: Task, now: number): number {
  if (pollIntervalMs !== BY_AGE) return pollIntervalMs;
  return Math.min(Math.max(Math.floor((now - createdAt) / PART_OF_AGE), SHORTEST_MS), LONGEST_MS);
}
