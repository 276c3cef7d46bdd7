/** Lengths of time as handlers write them: `{ minutes: 1, seconds: 30 }`. */
import { describe, MisuseError } from './misuse.ts';

/** At least one member; they add up. Fractions are fine; what is waited for is a whole number of milliseconds. */
export interface Duration {
  readonly days?: number;
  readonly hours?: number;
  readonly minutes?: number;
  readonly seconds?: number;
  readonly milliseconds?: number;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  days: 86_400_000,
  hours: 3_600_000,
  minutes: 60_000,
  seconds: 1_000,
  milliseconds: 1,
} satisfies Record<keyof Duration, number>;

/** The latest that a `Date` can be, in milliseconds since the epoch. */
const END_OF_TIME = 8.64e15;

/** In milliseconds, rounded up. Throws `MisuseError` for what is no duration; `where` names what was given one. */
export function durationMs(duration: unknown, where: string): number {
  if (typeof duration !== 'object' || duration === null || Array.isArray(duration)) {
    throw new MisuseError(
      `${where} takes a duration such as { seconds: ${typeof duration === 'number' ? duration : 5} }, not ${describe(duration)}.`,
    );
  }
  const parts = Object.entries(duration).filter(([, amount]) => amount !== undefined);
  if (parts.length === 0) {
    throw new MisuseError(`${where} takes a duration with ${Object.keys(UNIT_MS).join(', ')}, not an empty one.`);
  }
  let total = 0;
  for (const [unit, amount] of parts) {
    const unitMs = Object.hasOwn(UNIT_MS, unit) ? UNIT_MS[unit] : undefined;
    if (unitMs === undefined) {
      throw new MisuseError(`${where} knows no unit "${unit}"; it knows ${Object.keys(UNIT_MS).join(', ')}.`);
    }
    if (typeof amount !== 'number' || Number.isNaN(amount) || amount < 0) {
      throw new MisuseError(`${where} takes 0 or more ${unit}, not ${describe(amount)}.`);
    }
    total += amount * unitMs;
  }
  return Math.min(Math.ceil(total), END_OF_TIME);
}

/** A time that is given, in whole milliseconds, and within what a `Date` can be. */
export function timeAt(epochMs: number): number {
  return Math.max(Math.min(Math.ceil(epochMs), END_OF_TIME), -END_OF_TIME);
}

/** `afterMs` past `now`, in whole milliseconds, and no later than a `Date` can be. */
export function timeAfter(now: number, afterMs: number): number {
  return Math.min(Math.ceil(now + afterMs), END_OF_TIME);
}
