/** How often clients are told to ask: as the tool says, or else by the age of the task. */
import { expect, test } from '@jest/globals';
import { BY_AGE, pollIntervalAt } from '../../../src/domain/poll-interval.ts';
import { NOW, sampleTask } from './sample-task.ts';

test.each([
  ['just created', 0, 200],
  ['younger than its clock, by a clock that is behind', -5_000, 200],
  ['as old as the shortest interval lasts', 803, 200],
  ['a little older', 804, 201],
  ['a minute old', 60_000, 15_000],
  ['of an age that is no multiple of four', 10_003, 2_500],
  ['of half a millisecond more', 10_000.5, 2_500],
  ['as old as makes the longest', 120_000, 30_000],
  ['a day old', 86_400_000, 30_000],
])('a task %s is asked about after a quarter of its age, within bounds [PERF-3]', (_which, ageMs, intervalMs) => {
  expect(pollIntervalAt(sampleTask({ pollIntervalMs: BY_AGE }), NOW + ageMs)).toBe(intervalMs);
});

test.each([1, 250, 3_600_000])('an interval of its tool’s own stays as it is: %j ms [PERF-3]', (pollIntervalMs) => {
  expect(pollIntervalAt(sampleTask({ pollIntervalMs }), NOW + 86_400_000)).toBe(pollIntervalMs);
});

test('whoever asks as they are told asks seldom, and is never later than by a quarter of the age [PERF-3]', () => {
  const task = sampleTask({ pollIntervalMs: BY_AGE });
  const pollsWithin = (ms: number): number => {
    let polls = 0;
    for (let age = 0; age < ms; polls += 1) {
      const next = pollIntervalAt(task, NOW + age);
      expect(next).toBeLessThanOrEqual(Math.max(200, age / 4));
      age += next;
    }
    return polls;
  };

  expect([1_000, 60_000, 3_600_000, 86_400_000].map(pollsWithin)).toEqual([5, 24, 143, 2_903]);
});
