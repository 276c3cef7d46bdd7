/** The manual clock and the manual random source: nothing moves by itself, everything repeats. */
import { describe, expect, test } from '@jest/globals';
import { sleep } from '../../../src/clock.ts';
import { ManualClock, manualRandom } from '../../../src/testing/manual-clock.ts';

describe('the manual clock', () => {
  test('stands still until it is advanced', async () => {
    const clock = new ManualClock(1000);

    await new Promise((resolve) => setTimeout(resolve, 5));

    expect(clock.now()).toBe(1000);
  });

  test('starts at the same far instant every time, ahead of any engine that expires records by real time', () => {
    expect(new ManualClock().now()).toBe(Date.UTC(2100, 0, 1));
  });

  test('fires due timers in the order of their time, each at its own instant', async () => {
    const clock = new ManualClock(0);
    const fired: [string, number][] = [];
    const note = (name: string) => () => fired.push([name, clock.now()]);
    clock.after(30, note('late'));
    clock.after(10, note('early'));
    clock.after(20, note('middle'));
    clock.after(41, note('not due'));

    await clock.advance(40);

    expect(fired).toEqual([
      ['early', 10],
      ['middle', 20],
      ['late', 30],
    ]);
    expect(clock.now()).toBe(40);
    expect(clock.pendingTimers).toBe(1);
  });

  test('fires timers of the same instant in the order of their making', async () => {
    const clock = new ManualClock(0);
    const fired: string[] = [];
    for (const name of ['a', 'b', 'c']) clock.after(10, () => fired.push(name));

    await clock.advance(10);

    expect(fired).toEqual(['a', 'b', 'c']);
  });

  test('fires a timer exactly at its time, not before, and once', async () => {
    const clock = new ManualClock(0);
    let fired = 0;
    clock.after(10, () => {
      fired += 1;
    });

    await clock.advance(9);
    expect(fired).toBe(0);
    await clock.advance(1);
    expect(fired).toBe(1);
    await clock.advance(100);
    expect(fired).toBe(1);
  });

  test('never fires a cancelled timer, even one that another timer of the same instant cancels', async () => {
    const clock = new ManualClock(0);
    const fired: string[] = [];
    const cancelled = clock.after(10, () => fired.push('cancelled'));
    clock.after(10, () => {
      fired.push('canceller');
      cancelSecond();
    });
    const cancelSecond = clock.after(10, () => fired.push('cancelled too'));
    cancelled();

    await clock.advance(10);

    expect(fired).toEqual(['canceller']);
    expect(clock.pendingTimers).toBe(0);
  });

  test('fires a timer for now or for the past on the next advance, never at once', async () => {
    const clock = new ManualClock(0);
    const fired: number[] = [];
    clock.after(0, () => fired.push(0));
    clock.after(-5, () => fired.push(-5));
    expect(fired).toEqual([]);

    await clock.advance(0);

    expect(fired).toEqual([0, -5]);
    expect(clock.now()).toBe(0);
  });

  test('carries code that sleeps again and again through one advance', async () => {
    const clock = new ManualClock(0);
    const woken: number[] = [];
    const sleeper = (async () => {
      for (let round = 0; round < 3; round += 1) {
        await sleep(clock, 10);
        // A chain of promises between two sleeps, as real code has.
        for (let hop = 0; hop < 50; hop += 1) await Promise.resolve();
        woken.push(clock.now());
      }
    })();

    await clock.advance(30);

    expect(woken).toEqual([10, 20, 30]);
    await sleeper;
  });

  test('lets what already can go on do so before it moves', async () => {
    const clock = new ManualClock(0);
    let wokenAt = -1;
    const sleeper = (async () => {
      for (let hop = 0; hop < 50; hop += 1) await Promise.resolve();
      await sleep(clock, 10);
      wokenAt = clock.now();
    })();

    await clock.advance(10);

    expect(wokenAt).toBe(10);
    await sleeper;
  });

  test('rejects with what an action throws, stands where that was, and can go on', async () => {
    const clock = new ManualClock(0);
    const fired: string[] = [];
    clock.after(10, () => {
      throw new Error('broken action');
    });
    clock.after(20, () => fired.push('next'));

    await expect(clock.advance(30)).rejects.toThrow('broken action');
    expect(clock.now()).toBe(10);
    await clock.advance(10);

    expect(fired).toEqual(['next']);
  });

  test('refuses to advance twice at a time', async () => {
    const clock = new ManualClock(0);
    const first = clock.advance(10);

    await expect(clock.advance(10)).rejects.toThrow('already advancing');
    await first;

    expect(clock.now()).toBe(10);
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuses to advance by %p', async (ms) => {
    await expect(new ManualClock(0).advance(ms)).rejects.toThrow(RangeError);
  });

  test('is set like a system clock, either way, without firing; what became overdue fires on the next advance', async () => {
    const clock = new ManualClock(1000);
    const fired: number[] = [];
    clock.after(10, () => fired.push(clock.now()));

    clock.set(500);
    expect(clock.now()).toBe(500);
    clock.set(2000);
    expect(fired).toEqual([]);
    await clock.advance(0);

    expect(fired).toEqual([2000]);
    expect(clock.now()).toBe(2000);
  });
});

describe('the manual random source', () => {
  test('gives the same bytes for the same seed, and goes on from where it was', () => {
    const [one, other] = [manualRandom(7), manualRandom(7)];

    const bytes = [...one(16), ...one(16)];

    expect([...other(32)]).toEqual(bytes);
    expect(bytes.slice(0, 16)).not.toEqual(bytes.slice(16));
  });

  test('gives these bytes for seed 1, today and tomorrow', () => {
    expect([...manualRandom(1)(4)]).toEqual([160, 0, 135, 251]);
  });

  test('gives other bytes for another seed', () => {
    expect([...manualRandom(1)(16)]).not.toEqual([...manualRandom(2)(16)]);
  });

  test('gives as many bytes as asked for, of every value', () => {
    const random = manualRandom(1);

    expect(random(0)).toHaveLength(0);
    expect(new Set(random(10_000)).size).toBe(256);
  });
});
