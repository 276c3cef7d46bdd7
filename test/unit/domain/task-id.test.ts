/** What ids promise: order, secrecy, and that they fit into a header. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { asTaskId, createdAtOf, isTaskId, newTaskId } from '../../../src/domain/task-id.ts';
import { manualRandom } from '../../../src/testing/manual-clock.ts';

/** Up to the year 10889, where 48 bits end. */
const instant = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const randomBytes = fc.uint8Array({ minLength: 16, maxLength: 16 });

describe('a task id', () => {
  test('is 44 lower-case hexadecimal digits: 48 bits of time, then 128 that cannot be guessed [LIFE-2]', () => {
    const id = newTaskId(Date.UTC(2026, 6, 28), (count) => new Uint8Array(count).fill(0xab));

    expect(id).toBe('019fa6056800abababababababababababababababab');
    expect(createdAtOf(id)).toBe(Date.UTC(2026, 6, 28));
  });

  test('asks for 16 random bytes and uses every one [LIFE-2]', () => {
    const asked: number[] = [];
    const bytes = Uint8Array.from({ length: 16 }, (_, index) => index);
    const id = newTaskId(0, (count) => {
      asked.push(count);
      return bytes;
    });

    expect(asked).toEqual([16]);
    expect(id.slice(12)).toBe('000102030405060708090a0b0c0d0e0f');
  });

  test('sorts as bytes by creation, whatever the random part [LIFE-2 STORE-6]', () => {
    fc.assert(
      fc.property(instant, instant, randomBytes, randomBytes, (one, two, a, b) => {
        const [first, second] = [newTaskId(one, () => a), newTaskId(two, () => b)];
        const byBytes = Buffer.compare(Buffer.from(first), Buffer.from(second));
        if (one !== two) expect(Math.sign(byBytes)).toBe(Math.sign(one - two));
      }),
    );
  });

  test('tells when it was made, to the millisecond, and is safe in a header [LIFE-2]', () => {
    fc.assert(
      fc.property(instant, randomBytes, (now, bytes) => {
        const id = newTaskId(now, () => bytes);
        expect(createdAtOf(id)).toBe(now);
        expect(isTaskId(id)).toBe(true);
        expect(new Headers({ 'Mcp-Name': id }).get('mcp-name')).toBe(id);
      }),
    );
  });

  test('is not repeated by the same clock [LIFE-2]', () => {
    const random = manualRandom(1);
    const ids = Array.from({ length: 10_000 }, () => newTaskId(5, random));

    expect(new Set(ids).size).toBe(10_000);
  });

  const good = '019fa6056800abababababababababababababababab';

  test.each<[unknown, string]>([
    ['', 'an empty one'],
    [good.slice(1), 'a short one'],
    [`${good}0`, 'a long one'],
    [good.toUpperCase(), 'upper case'],
    [` ${good.slice(1)}`, 'a blank'],
    [`${good}\n`, 'a line end'],
    [`${good.slice(0, 43)}g`, 'a letter that is no digit'],
    [42, 'a number'],
    [null, 'null'],
    [[good], 'a list of one'],
    [{ toString: () => good }, 'an object that prints as one'],
  ])('that is malformed is one that nobody was given: %j, %s [LIFE-2 I6]', (value) => {
    expect(isTaskId(value)).toBe(false);
    expect(() => asTaskId(value)).toThrow(expect.objectContaining({ code: 'task_not_found' }));
  });
});
