/** What may happen in a world, and how often. Many worlds are calm: then nothing hides what is wrong. */
import type { Seeded } from '../seeded.ts';

export interface WorldSettings {
  readonly workers: number;
  /** Whether clients are served by a process of their own, which is not told what workers change. */
  readonly areClientsApart: boolean;
  /** The longest time ahead that the queue takes, as SQS; 0: any, and one delivery a task and time, as in a single process. */
  readonly queueHopMs: number;
  /** Of each write of a worker: that it dies with it. */
  readonly kills: number;
  /** Of each write: that it is refused, and others after it; that it lands and an error is returned. */
  readonly refusals: number;
  readonly lostAnswers: number;
  /** Of each call of the backend: that it takes its time; that it takes longer than a lease. */
  readonly slowCalls: number;
  readonly stalls: number;
  /** That something happens while something else is still under way. */
  readonly haste: number;
  /** Beside each other event. */
  readonly cancels: number;
  readonly repeats: number;
  readonly clockJumps: number;
  readonly polls: number;
  /** Whether new code comes while the task runs. */
  readonly isDeployed: boolean;
  /** Questions and callbacks that nobody ever answers. */
  readonly silence: number;
  readonly deadlineMs: number;
  readonly maxAttempts: number;
  /** How many tasks the owner may have; others are created meanwhile. 0: nobody tries. */
  readonly limit: number;
}

export const CALM: WorldSettings = {
  workers: 1,
  areClientsApart: false,
  queueHopMs: 0,
  kills: 0,
  refusals: 0,
  lostAnswers: 0,
  slowCalls: 0,
  stalls: 0,
  haste: 0,
  cancels: 0,
  repeats: 0,
  clockJumps: 0,
  polls: 0,
  isDeployed: false,
  silence: 0,
  deadlineMs: 400 * 24 * 3_600_000,
  maxAttempts: 1_000,
  limit: 0,
};

export function randomSettings(chance: Seeded): WorldSettings {
  const sometimes = (often: number, rates: readonly number[]) => (chance.chance(often) ? chance.pick(rates) : 0);
  return {
    workers: chance.chance(0.5) ? 2 : 1,
    areClientsApart: chance.chance(0.5),
    queueHopMs: chance.chance(0.5) ? 900_000 : 0,
    kills: sometimes(0.45, [0.02, 0.05, 0.12]),
    refusals: sometimes(0.2, [0.02, 0.1]),
    lostAnswers: sometimes(0.25, [0.02, 0.1]),
    slowCalls: sometimes(0.4, [0.05, 0.2, 0.5]),
    stalls: sometimes(0.15, [0.01, 0.04]),
    haste: sometimes(0.4, [0.05, 0.3]),
    cancels: sometimes(0.3, [0.02, 0.1]),
    repeats: sometimes(0.3, [0.05, 0.2]),
    clockJumps: sometimes(0.15, [0.03, 0.1]),
    polls: sometimes(0.3, [0.1]),
    isDeployed: chance.chance(0.3),
    silence: sometimes(0.25, [0.3, 1]),
    deadlineMs: chance.chance(0.15) ? chance.pick([2_000, 20_000, 300_000]) : CALM.deadlineMs,
    maxAttempts: chance.chance(0.1) ? 3 : CALM.maxAttempts,
    limit: chance.chance(0.15) ? 1 + chance.below(3) : 0,
  };
}

/** Each with one thing less that can happen. */
export function* calmerSettings(settings: WorldSettings): Iterable<WorldSettings> {
  for (const key of Object.keys(CALM) as (keyof WorldSettings)[]) {
    if (settings[key] !== CALM[key]) yield { ...settings, [key]: CALM[key] };
  }
}

/** What is not calm about it. */
export function describeSettings(settings: WorldSettings): string {
  const unusual = Object.entries(settings).filter(([key, value]) => value !== CALM[key as keyof WorldSettings]);
  return unusual.length === 0 ? 'a calm world' : unusual.map(([key, value]) => `${key} ${value}`).join(', ');
}
