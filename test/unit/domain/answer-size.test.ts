/** What an answer can carry: counted as a string within JSON, with the limit and what to do in the refusal. */
import { describe, expect, test } from '@jest/globals';
import { assertAnswerBound, assertCarried, escapedBytes, roomForValues } from '../../../src/domain/answer-size.ts';

const LIMIT = 100_000;
const ROOM = LIMIT - 16 * 1024;

describe('an escaped value', () => {
  test.each([
    ['plain text, whose own quotes are escaped', 'abc', 7],
    ['text with a quote, which is escaped twice', 'a"c', 10],
    ['a line break', '\n', 7],
    ['characters of more than one byte', 'é€😀', 13],
    ['an object', { a: [1, 'b'] }, 17],
    ['a number', 12, 2],
  ])('of %s takes as many bytes as it does within a string of JSON [LIFE-10]', (_what, value, bytes) => {
    expect(escapedBytes(value)).toBe(bytes);
    expect(Buffer.byteLength(JSON.stringify({ body: JSON.stringify(value) }))).toBe(bytes + '{"body":""}'.length);
  });
});

describe('an answer', () => {
  test('carries what leaves room for the task around it, and no byte more [LIFE-10]', () => {
    const fits = 'x'.repeat(ROOM - 4);

    expect(() => assertCarried(fits, LIMIT, 'The result')).not.toThrow();
    expect(() => assertCarried(`${fits}x`, LIMIT, 'The result')).toThrow(
      expect.objectContaining({ code: 'value_too_large', detail: { bytes: ROOM + 1, limitBytes: ROOM } }),
    );
  });

  test('that cannot carry a value says so with the limit and what to do [LIFE-10]', () => {
    expect(() => assertCarried('"'.repeat(50_000), LIMIT, 'The result')).toThrow(
      "The result takes 200004 bytes of an answer, each quote and backslash counted twice; this server's answers carry " +
        '83616. Keep the data elsewhere and give a link to it, or deploy with an API that streams (api=rest or api=url).',
    );
  });

  test('carries anything where nobody says what it can [LIFE-10]', () => {
    expect(() => assertCarried('"'.repeat(5_000_000), undefined, 'The result')).not.toThrow();
    expect(roomForValues(undefined)).toBe(Number.POSITIVE_INFINITY);
  });
});

test.each([0, 65_535, 70_000.5, Number.NaN])('a bound of %j is refused [LIFE-10]', (bound) => {
  expect(() => assertAnswerBound(bound)).toThrow(expect.objectContaining({ code: 'invalid_definition' }));
});

test.each([undefined, 65_536, 6_291_456])('a bound of %j is one [LIFE-10]', (bound) => {
  expect(() => assertAnswerBound(bound)).not.toThrow();
});
