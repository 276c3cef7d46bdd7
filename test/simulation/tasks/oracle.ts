/**
 * What must be true of a world when nothing happens in it any more: I11 above all. Every prefix of the journal, replayed,
 * asks for what the journal goes on with, and has seen the beginning of what all of it has seen; so had every run that was
 * lived; one run that nothing interrupts sees the same; and the task has ended, or waits for what nobody gives it.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Ask } from '../../../src/engine/journal.ts';
import { firstDifference } from './differences.ts';
import { endFaults } from './end-of-world.ts';
import { beforeTheChange, usesChance } from './program.ts';
import { type Replayed, type ReplayOptions, replay, uninterrupted } from './replays.ts';
import type { World, WorldOptions } from './world.ts';

export async function judge(world: World, { program }: WorldOptions): Promise<string[]> {
  const problems: string[] = [];
  const { entries } = world.journal;
  const startedAt = world.head.createdAt;
  const optionsOf = (length: number): ReplayOptions => {
    const isOld = world.program !== world.newestCode || (world.deployedAt !== undefined && length < world.deployedAt);
    return { program: isOld ? beforeTheChange(program) : program, entries, startedAt };
  };
  const replays = await Promise.all(
    Array.from({ length: entries.length + 1 }, (_, length) => replay(optionsOf(length), length)),
  );
  const whole = replays.at(-1);
  if (whole === undefined) return problems;
  for (const [length, replayed] of replays.entries()) {
    const problem = faultOf(replayed, whole, entries[length]);
    if (problem !== undefined) problems.push(`prefix ${length} of ${entries.length} entries ${problem} [I11]`);
  }
  problems.push(
    ...livesApart(world, replays, whole),
    ...(await endFaults(world, whole)),
    ...(await world.clients.strayTasks()),
    ...((await world.clients.workflow?.lost(whole.trace)) ?? []),
  );
  if (problems.length > 0 || world.deployedAt !== undefined) return problems;
  const without = await uninterrupted(optionsOf(entries.length));
  const recorded = entries.flatMap(({ asks = [] }) => asks).map(turnless);
  if (!isDeepStrictEqual(without.trace, whole.trace)) {
    problems.push(`an uninterrupted run sees ${firstDifference(without.trace, whole.trace)} [I11]`);
  } else if (!isBeginning(without.asks?.map(turnless) ?? [], recorded)) {
    problems.push(
      `an uninterrupted run asks for ${JSON.stringify(without.asks)}, recorded is ${JSON.stringify(recorded)}`,
    );
  }
  return [...problems, ...without.problems];
}

function faultOf(replayed: Replayed, whole: Replayed, next: { asks?: readonly Ask[] } | undefined): string | undefined {
  const { asks, end, trace, problems } = replayed;
  if (problems.length > 0) return problems.join();
  if (end?.kind === 'mismatch') return `does not match: ${end.message}`;
  if (end?.kind === 'interrupted' && asks === undefined) return `fails: ${String(end.error)}`;
  if (next !== undefined) {
    const recorded = (next.asks ?? []).map(comparable);
    const hasEnded = end?.kind === 'returned' || end?.kind === 'threw';
    if (hasEnded && asks === undefined) return 'has ended, and the journal goes on';
    if (!isDeepStrictEqual((asks ?? []).map(comparable), recorded)) {
      return `asks for ${JSON.stringify(asks?.map(comparable))}, recorded is ${JSON.stringify(recorded)}`;
    }
  }
  const seen = whole.trace.slice(0, trace.length);
  return isDeepStrictEqual(trace, seen) ? undefined : `sees ${firstDifference(trace, seen)}`;
}

/**
 * What was lived is what is replayed, but for what a run that died had not written yet; and no run has seen what only a
 * newer one has recorded.
 */
function* livesApart(world: World, replays: readonly Replayed[], whole: Replayed): Iterable<string> {
  const { entries } = world.journal;
  for (const [index, { trace, epoch, durable, isOldCode }] of world.lives.entries()) {
    const mayDiffer = usesChance(world.newestCode) || (isOldCode && world.deployedAt !== undefined);
    const lived = mayDiffer ? trace.slice(0, durable) : trace;
    const replayed = whole.trace.slice(0, lived.length);
    if (!isDeepStrictEqual(lived, replayed)) yield `run ${index} saw ${firstDifference(lived, replayed)} [I11]`;
    const own = replays[entries.filter((entry) => entry.epoch <= epoch).length];
    if (own !== undefined && lived.length > own.trace.length)
      yield `run ${index} of epoch ${epoch} saw "${lived[own.trace.length]}", which a newer run has recorded [I7]`;
  }
}

/** What is asked for in the last turn need not be written. */
function isBeginning(one: readonly unknown[], other: readonly unknown[]): boolean {
  const length = Math.min(one.length, other.length);
  return isDeepStrictEqual(one.slice(0, length), other.slice(0, length));
}

/** Times and random values that were not recorded yet come out anew. */
function comparable({ dueAt: _dueAt, afterMs: _afterMs, timeoutAt: _timeoutAt, value: _value, ...ask }: Ask): unknown {
  return ask;
}

/** An outcome of what was given up just before makes a turn in which nothing happens, which not every run has. */
function turnless({ turn: _turn, ...ask }: Ask): unknown {
  return comparable(ask);
}
