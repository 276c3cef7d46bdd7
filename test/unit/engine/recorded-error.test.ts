/** What the journal keeps of an error: all that anybody reads, and no more, however much was thrown. */
import { describe, expect, test } from '@jest/globals';
import { type RecordedError, recordError } from '../../../src/engine/recorded-error.ts';

/** An error with so many causes, one of the other. */
function errorWithCauses(count: number): Error {
  const cause = count === 0 ? {} : { cause: errorWithCauses(count - 1) };
  return new Error(`error ${count}`, cause);
}

function countCauses({ cause }: RecordedError): number {
  return cause === undefined ? 0 : 1 + countCauses(cause);
}

const named = (name: string) => Object.assign(new Error('no'), { name });

describe('of an error', () => {
  test('the message is kept up to 32,768 characters, and cut beyond [EXEC-18]', () => {
    expect(recordError(new Error('x'.repeat(32_768))).message).toBe('x'.repeat(32_768));
    expect(recordError(new Error('x'.repeat(32_769))).message).toBe(`${'x'.repeat(32_767)}…`);
  });

  test('the name is kept up to 200 characters, and cut beyond [EXEC-18]', () => {
    expect(recordError(named('N'.repeat(200))).name).toBe('N'.repeat(200));
    expect(recordError(named('N'.repeat(201))).name).toBe(`${'N'.repeat(199)}…`);
  });

  test('eight causes are kept, one of the other, and none beyond [EXEC-18]', () => {
    expect(countCauses(recordError(errorWithCauses(8)))).toBe(8);
    expect(countCauses(recordError(errorWithCauses(9)))).toBe(8);
  });

  test('that is its own cause some are kept [EXEC-18]', () => {
    const circular = new Error('again');
    circular.cause = circular;

    expect(countCauses(recordError(circular))).toBe(8);
  });
});

describe('of what is no error', () => {
  test.each([
    ['a text', (length: number) => 'x'.repeat(length), 32_768],
    ['an object with a message', (length: number) => ({ message: 'x'.repeat(length) }), 32_768],
    ['any other', (length: number) => ['x'.repeat(length - 4)], 1_000],
  ])('%s makes a message that is cut beyond its bound [EXEC-18]', (_what, make, bound) => {
    expect(recordError(make(bound)).message).toHaveLength(bound);
    expect(recordError(make(bound)).message).not.toMatch(/…$/);
    expect(recordError(make(bound + 1)).message).toHaveLength(bound);
    expect(recordError(make(bound + 1)).message).toMatch(/x…$/);
  });
});
