/**
 * One history: a random program in a random world, in virtual time. Runs are killed before and after writes, writes are
 * acknowledged too late, answers and timers come in any order, the clock jumps, the task is cancelled. Then the oracle:
 * every prefix of the journal replays to itself, and the whole of it leads to the same result without any disturbance.
 */
import { isDeepStrictEqual } from 'node:util';
import { HandlerRun, type RunEnd } from '../../src/engine/handler-run.ts';
import { type Ask, isHanded, type JournalEntry, type Outcome } from '../../src/engine/journal.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { handlerOf, type Program, type Witness } from './program.ts';
import { Seeded } from './seeded.ts';

export interface HistoryOptions {
  readonly program: Program;
  readonly seed: number;
  /** The engine under test; a faulty one, to see whether the oracle finds its fault. */
  readonly engine?: typeof HandlerRun;
}

const MOST_RUNS = 400;

/** What is wrong with it; nothing, one hopes. */
export async function faultsOf(options: HistoryOptions): Promise<string[]> {
  const world = new World(options);
  const end = await world.live();
  return world.faults.length > 0 ? world.faults : world.judge(end);
}

class Killed extends Error {}

class World {
  readonly faults: string[] = [];
  readonly #program: Program;
  readonly #engine: typeof HandlerRun;
  readonly #chance: Seeded;
  readonly #clock = new ManualClock();
  readonly #startedAt = this.#clock.now();
  readonly #entries: JournalEntry[] = [];
  readonly #answered = new Map<string, number>();
  readonly #answers: { key: string; at: number; value: number }[] = [];
  /** Actions that ran, by operation and try, since that try was last open. */
  #nonces = 0;
  #cancelled = false;
  #cleaned = 0;

  constructor({ program, seed, engine = HandlerRun }: HistoryOptions) {
    this.#program = program;
    this.#engine = engine;
    this.#chance = new Seeded(seed);
  }

  /** Runs until the handler has ended, through whatever happens. */
  async live(): Promise<RunEnd> {
    for (let runs = 0; runs < MOST_RUNS; runs += 1) {
      const end = await this.#run();
      switch (end.kind) {
        case 'returned':
        case 'threw':
          return end;
        case 'mismatch':
          this.faults.push(`mismatch in a live run: ${end.message}`);
          return end;
        case 'interrupted':
          if (!(end.error instanceof Killed)) {
            this.faults.push(`interrupted by ${String(end.error)}`);
            return end;
          }
          break;
        case 'suspended':
          await this.#passTime(end.dueAt);
      }
    }
    this.faults.push(`no end after ${MOST_RUNS} runs`);
    return { kind: 'interrupted', error: undefined };
  }

  async #run(): Promise<RunEnd> {
    const chance = this.#chance;
    let written = 0;
    const killAt = chance.chance(0.35) ? chance.below(6) : Number.POSITIVE_INFINITY;
    const landsFirst = chance.chance(0.5);
    const run: HandlerRun = new this.#engine({
      handler: handlerOf(this.#program, this.#witness),
      recorded: [...this.#entries],
      append: async (entry) => {
        for (let tick = chance.below(3); tick > 0; tick -= 1) await Promise.resolve();
        if (written === killAt) {
          // Killed before the write, or after it and before it was acknowledged.
          if (landsFirst) this.#entries.push(frozen(throughJson(entry)));
          const killed = new Killed();
          run.stop(killed);
          throw killed;
        }
        written += 1;
        this.#entries.push(frozen(throughJson(entry)));
        if (chance.chance(0.2)) this.#answerSome(run);
        if (chance.chance(0.01)) this.#cancelled = true;
        if (this.#cancelled) run.abort('cancelled');
      },
      startedAt: this.#startedAt,
      clock: this.#clock,
      random: (count) => chance.bytes(count),
      graceMs: 0,
      replayPatienceMs: 0,
    });
    // Answers that earlier runs did not get round to recording are still there, and come again.
    run.deliver(this.#answers.map(({ key, at, value }) => ({ key, at, outcome: { kind: 'ok', value } })));
    run.deliver(this.#expired.map(({ key, at }) => ({ key, at, outcome: { kind: 'timed_out' } })));
    if (this.#cancelled) run.abort('cancelled');
    const running = run.execute();
    const end = await this.#untilEnd(running);
    if (end.kind === 'suspended') this.#answerSome(run);
    return end;
  }

  /** Lets time pass for what a run does not suspend for: retries while it cleans up. */
  async #untilEnd(running: Promise<RunEnd>): Promise<RunEnd> {
    let end: RunEnd | undefined;
    void running.then((ended) => {
      end = ended;
    });
    for (let turns = 0; end === undefined; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (end === undefined && turns % 3 === 2) await this.#clock.advance(500);
      if (turns > 20_000) throw new Error('a run that neither ends nor suspends');
    }
    return end;
  }

  #answerSome(run: HandlerRun): void {
    const { outstanding } = run;
    for (const { key, timeoutAt } of outstanding) {
      const isLate = timeoutAt !== undefined && timeoutAt <= this.#clock.now();
      if (isLate) {
        if (!this.#answered.has(key)) this.#expire(key, timeoutAt);
        run.deliver(this.#expired.map((late) => ({ key: late.key, at: late.at, outcome: { kind: 'timed_out' } })));
      } else if (!this.#answered.has(key) && this.#chance.chance(0.5)) {
        const answer = { key, at: this.#clock.now(), value: this.#answers.length + 1 };
        this.#answered.set(key, answer.value);
        this.#answers.push(answer);
        run.deliver([{ key, at: answer.at, outcome: { kind: 'ok', value: answer.value } }]);
      }
    }
    this.#timeouts = outstanding.flatMap(({ key, timeoutAt }) => (timeoutAt === undefined ? [] : [{ key, timeoutAt }]));
  }
  #timeouts: { key: string; timeoutAt: number }[] = [];

  async #passTime(dueAt: number | null): Promise<void> {
    const chance = this.#chance;
    if (chance.chance(0.02)) this.#cancelled = true;
    const now = this.#clock.now();
    const next = Math.min(dueAt ?? now + 1_000, ...this.#timeouts.map(({ timeoutAt }) => timeoutAt));
    const jump = chance.chance(0.1) ? chance.below(30_000) : 0;
    if (chance.chance(0.03)) this.#clock.set(now - chance.below(600_000));
    else await this.#clock.advance(Math.max(next - now, 0) + jump);
    for (const { key, timeoutAt } of this.#timeouts) {
      if (timeoutAt > this.#clock.now() || this.#answered.has(key)) continue;
      this.#expire(key, timeoutAt);
    }
    this.#timeouts = [];
  }

  /** As the head of a task closes a question: from now on no answer counts. */
  #expire(key: string, at: number): void {
    this.#answered.set(key, 0);
    this.#expired.push({ key, at });
  }
  readonly #expired: { key: string; at: number }[] = [];

  get #witness(): Witness {
    return {
      acted: () => {},
      cleaned: () => {
        this.#cleaned += 1;
      },
      nonce: () => {
        this.#nonces += 1;
        return this.#nonces;
      },
    };
  }

  /** The oracle. */
  async judge(live: RunEnd): Promise<string[]> {
    const faults = [...this.#recordedTwice()];
    for (let length = 0; length <= this.#entries.length; length += 1) {
      const { asked, end } = await this.#replay(length);
      if (end.kind === 'mismatch') faults.push(`prefix ${length} of ${this.#entries.length}: ${end.message}`);
      else if (length < this.#entries.length) {
        const recorded = (this.#entries[length]?.asks ?? []).map(timeless);
        if (!isDeepStrictEqual(asked, recorded)) {
          faults.push(`prefix ${length} asks for ${JSON.stringify(asked)}, recorded is ${JSON.stringify(recorded)}`);
        }
      } else if (!isDeepStrictEqual(throughJson(end), throughJson(live))) {
        faults.push(`the whole journal leads to ${JSON.stringify(end)} instead of ${JSON.stringify(live)}`);
      }
      if (faults.length > 0) break;
    }
    if (
      live.kind === 'returned' &&
      this.#cleaned === 0 &&
      contains(this.#program, 'guarded') &&
      this.#program.op === 'guarded'
    ) {
      faults.push('the handler’s finally was not reached');
    }
    return faults;
  }

  async #replay(length: number): Promise<{ asked: unknown[]; end: RunEnd }> {
    const asked: Ask[] = [];
    const run: HandlerRun = new this.#engine({
      handler: handlerOf(this.#program, { acted: () => {}, cleaned: () => {}, nonce: () => -1 }),
      recorded: this.#entries.slice(0, length),
      append: async (entry) => {
        asked.push(...(entry.asks ?? []));
        throw new Killed();
      },
      startedAt: this.#startedAt,
      clock: this.#clock,
      random: (count) => new Uint8Array(count),
      graceMs: 0,
      replayPatienceMs: 0,
    });
    // What comes next in the journal: without it nothing might be appended.
    if (this.#entries[length]?.outcomes?.some(({ kind }) => kind === 'aborted')) run.abort('cancelled');
    const answers = (this.#entries[length]?.outcomes ?? []).flatMap((outcome) => answerOf(outcome));
    run.deliver(answers);
    return { end: await this.#untilEnd(run.execute()), asked: asked.map(timeless) };
  }

  /** I3, I4: each operation has at most one outcome that was handed over. */
  *#recordedTwice(): Iterable<string> {
    const seen = new Set<number>();
    for (const { outcomes = [] } of this.#entries) {
      for (const outcome of outcomes) {
        if (outcome.kind === 'aborted' || !isHanded(outcome)) continue;
        if (seen.has(outcome.of)) yield `operation ${outcome.of} has two outcomes`;
        seen.add(outcome.of);
      }
    }
  }
}

function contains(program: Program, op: Program['op']): boolean {
  if (program.op === op) return true;
  return 'parts' in program ? program.parts.some((part) => contains(part, op)) : false;
}

function answerOf(outcome: Outcome) {
  if (outcome.kind !== 'ok') return [];
  const key = `input-${String(outcome.of).padStart(6, '0')}`;
  return [{ key, at: 0, outcome: { kind: 'ok', value: outcome.value ?? null } as const }];
}

/** Times and random values that were not recorded yet come out anew. */
function timeless({ dueAt: _dueAt, timeoutAt: _timeoutAt, value: _value, ...ask }: Ask): unknown {
  return ask;
}

function throughJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** All runs read the same entries, and none may change them. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const member of Object.values(value)) frozen(member);
  return Object.freeze(value);
}
