/** Text that is shortened for people. */
import { describe, expect, jest, test } from '@jest/globals';
import * as fc from 'fast-check';
import { shorten } from '../../../src/domain/text.ts';

describe('shortened text', () => {
  test.each([
    ['short', 10, 'short'],
    ['exactly ten', 11, 'exactly ten'],
    ['a longer text', 8, 'a longe…'],
    ['ab👍🏽cd', 5, 'ab…'],
    ['👨‍👩‍👧‍👦 family', 6, '…'],
    ['e\u0301e\u0301e\u0301', 4, 'e\u0301…'],
    ['🇨🇭🇨🇭', 6, '🇨🇭…'],
  ])('%j to %i is %j: never cut inside a character [EXEC-18]', (text, length, expected) => {
    expect(shorten(text, length)).toBe(expected);
  });

  test('is not cut inside a flag either, however many there are side by side [EXEC-18]', () => {
    const flags = '🇨🇭'.repeat(60);
    const whole = /^(🇨🇭)*…$/u;

    for (let length = 90; length < 110; length += 1) expect(shorten(flags, length)).toMatch(whole);
    for (let length = 90; length < 110; length += 1) expect(shorten(`a${flags}`, length).slice(1)).toMatch(whole);
  });

  test('is looked at only around the cut, however long it is [EXEC-18]', () => {
    const segment = jest.spyOn(Intl.Segmenter.prototype, 'segment');

    expect(shorten('x'.repeat(1_000_000), 500_000)).toHaveLength(500_000);

    expect(segment.mock.calls.map(([text]) => text.length)).toEqual([128]);
    segment.mockRestore();
  });

  test('is never longer than asked, and stays well formed [EXEC-18]', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), fc.integer({ min: 1, max: 200 }), (text, length) => {
        const short = shorten(text, length);
        expect(short.length).toBeLessThanOrEqual(Math.max(length, 1));
        expect(short.isWellFormed()).toBe(text.isWellFormed());
      }),
    );
  });
});
