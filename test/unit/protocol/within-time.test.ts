/** Checks of a client's text end in time, whatever they do, and a busy machine is nobody's fault. */
import { describe, expect, jest, test } from '@jest/globals';
import { OutOfTimeError, withinTime } from '../../../src/protocol/within-time.ts';

/** Waits without using the processor, as a process does that others keep from it. */
function starve(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('work within a time', () => {
  test('gives what it returns, and throws what it throws [SEC-3]', async () => {
    const problem = new TypeError('No.');

    expect(withinTime(100, () => 'done')).toBe('done');
    expect(await withinTime(100, async () => 'later')).toBe('later');
    expect(() =>
      withinTime(100, () => {
        throw problem;
      }),
    ).toThrow(problem);
  });

  test.each<[string, () => unknown]>([
    ['a regular expression that goes back over its text', () => /^(a+)+$/.test(`${'a'.repeat(60)}!`)],
    [
      'a loop without end',
      () => {
        for (;;);
      },
    ],
  ])('cuts off %s, and goes on with the next [SEC-3]', (_what, work) => {
    expect(() => withinTime(20, work)).toThrow(OutOfTimeError);
    expect(withinTime(20, () => 'next')).toBe('next');
  });

  test('within other such work leaves that its own time [SEC-3]', () => {
    expect(withinTime(1_000, () => [withinTime(500, () => 'inner'), 'outer'])).toEqual(['inner', 'outer']);
  });

  test('is tried again when it was cut off without having had the processor [SEC-3]', () => {
    let tries = 0;

    const value = withinTime(20, () => {
      tries += 1;
      if (tries < 3) starve(1_000);
      return 'done';
    });

    expect([value, tries]).toEqual(['done', 3]);
  });

  test('is not tried again when it has had the processor for half of its time [SEC-3]', () => {
    let tries = 0;
    const usage = jest.spyOn(process, 'threadCpuUsage').mockReturnValue({ user: 7_000, system: 3_000 });

    expect(() =>
      withinTime(20, () => {
        tries += 1;
        starve(10_000);
      }),
    ).toThrow(OutOfTimeError);
    usage.mockRestore();
    expect(tries).toBe(1);
  });

  test('is tried ten times at most [SEC-3]', () => {
    let tries = 0;

    expect(() =>
      withinTime(100, () => {
        tries += 1;
        starve(1_000);
      }),
    ).toThrow(OutOfTimeError);
    expect(tries).toBe(10);
  });
});
