/** Time that does not step back when the wall clock does. */
import { describe, expect, jest, test } from '@jest/globals';
import { steadyNow, systemClock } from '../../src/clock.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

function setUp() {
  let wall = 1_000_000_000;
  let elapsed = 77.5;
  const now = steadyNow(
    () => wall,
    () => elapsed,
  );
  return {
    now,
    wall: () => wall,
    pass: (ms: number) => {
      wall += ms;
      elapsed += ms;
    },
    put: (ms: number) => {
      wall += ms;
    },
  };
}

describe('the system’s clock', () => {
  test('shows what the wall clock shows, and whole milliseconds [EXEC-8]', () => {
    const { now, wall, pass } = setUp();
    for (const ms of [0, 1, 250, MINUTE_MS, DAY_MS]) {
      pass(ms);
      expect(now()).toBe(wall());
    }
  });

  test('follows a wall clock that is put forward, as after a machine has slept [EXEC-8]', () => {
    const { now, wall, put } = setUp();

    put(8 * 60 * MINUTE_MS);

    expect(now()).toBe(wall());
  });

  test('goes on when the wall clock is put back ten minutes, a tenth slower, until both agree [EXEC-8]', () => {
    const { now, wall, pass, put } = setUp();
    const before = now();

    put(-10 * MINUTE_MS);
    expect(now()).toBe(before);
    pass(30_000);
    expect(now()).toBe(before + 27_000);
    pass(69 * MINUTE_MS);
    expect(now()).toBeGreaterThan(wall());
    pass(31 * MINUTE_MS);
    expect(now()).toBe(wall());
    pass(1000);
    expect(now()).toBe(wall());
  });

  test('never shows less than before, however often it is asked and however the wall clock jumps [EXEC-8]', () => {
    const { now, pass, put } = setUp();
    let last = now();
    for (const step of [-1, 5000, -7000, 3, -600_000, 0, 1_000_000, -30]) {
      put(step);
      pass(0.4);
      const shown = now();
      expect(shown).toBeGreaterThanOrEqual(last);
      expect(Number.isInteger(shown)).toBe(true);
      last = shown;
    }
  });

  test('believes a wall clock that is put back by more than a day: it had been wrong [EXEC-8]', () => {
    const { now, wall, put } = setUp();
    const before = now();
    put(-DAY_MS);
    expect(now()).toBe(before);

    put(-1);

    expect(now()).toBe(wall());
  });
});

describe('a timer of the system’s clock', () => {
  test.each([
    [5, 5],
    [-1, 0],
    [2_147_483_648, 2_147_483_647],
    [Number.POSITIVE_INFINITY, 2_147_483_647],
  ])('of %d ms is set to %d, which Node can represent: it would fire a longer one at once [EXEC-8]', (asked, set) => {
    const setTimeout = jest.spyOn(globalThis, 'setTimeout');

    systemClock.after(asked, () => {})();

    expect(setTimeout.mock.calls.map(([, delayMs]) => delayMs)).toEqual([set]);
    setTimeout.mockRestore();
  });
});
