/**
 * The engine on a journal in memory and a clock that a test holds still: runs that suspend and resume, die, and
 * are replayed from any prefix of what they wrote.
 */
import assert from 'node:assert/strict';
import type { JsonValue } from '../../../src/domain/json.ts';
import type { Branch } from '../../../src/engine/branch.ts';
import { HandlerRun, type HandlerRunOptions, type RunEnd } from '../../../src/engine/handler-run.ts';
import type { Ask, JournalEntry } from '../../../src/engine/journal.ts';
import type { Delivery } from '../../../src/engine/tries.ts';
import { ManualClock, manualRandom } from '../../../src/testing/manual-clock.ts';

export type EngineHandler = (task: Branch) => Promise<unknown>;

export class EngineUnderTest {
  readonly clock = new ManualClock();
  readonly startedAt = this.clock.now();
  /** As they would come back from storage. */
  readonly entries: JournalEntry[] = [];
  readonly observed: string[] = [];
  #seed = 1;

  /** One run on what is recorded so far. */
  start(handler: EngineHandler, options: Partial<HandlerRunOptions> = {}): { run: HandlerRun; end: Promise<RunEnd> } {
    this.#seed += 1;
    const run = new HandlerRun({
      handler,
      recorded: this.entries.map(throughJson),
      append: async (entry) => {
        this.entries.push(throughJson(entry));
      },
      startedAt: this.startedAt,
      clock: this.clock,
      random: manualRandom(this.#seed),
      graceMs: 0,
      observer: {
        attemptFailed: ({ operation, attempt, nextAt }) =>
          this.observed.push(`${operation} failed ${attempt}${nextAt === undefined ? ' for good' : ''}`),
        neverAwaited: (operation) => this.observed.push(`${operation} never awaited`),
      },
      ...options,
    });
    return { run, end: run.execute() };
  }

  /** Runs until the handler ends, moving time to each due time; `answer` is asked for what is outstanding when nothing else can go on. */
  async finish(handler: EngineHandler, answer?: (keys: readonly string[]) => string | undefined): Promise<RunEnd> {
    for (let runs = 0; runs < 100; runs += 1) {
      const { run, end } = this.start(handler);
      const ended = await end;
      if (ended.kind !== 'suspended') return ended;
      const key = answer?.(run.outstanding.map((outstanding) => outstanding.key));
      if (key !== undefined) await this.answer(handler, key, { to: key });
      else if (ended.dueAt === null) throw new Error('Nothing will ever happen.');
      else await this.clock.advance(ended.dueAt - this.clock.now());
    }
    throw new Error('The handler does not end.');
  }

  /** A run that begins with an answer; resolves to how it ended. */
  answer(handler: EngineHandler, key: string, value: JsonValue): Promise<RunEnd> {
    const { run, end } = this.start(handler);
    run.deliver([answerTo(key, value, this.clock.now())]);
    return end;
  }

  get asks(): Ask[] {
    return this.entries.flatMap((entry) => entry.asks ?? []);
  }

  /**
   * The oracle: from every prefix of the journal the handler asks for exactly what the journal goes on with, and the
   * whole journal leads to `expected` again.
   */
  async expectToReplay(handler: EngineHandler, expected: unknown): Promise<void> {
    for (let length = 0; length <= this.entries.length; length += 1) {
      const asked: Ask[] = [];
      const run = new HandlerRun({
        handler,
        recorded: this.entries.slice(0, length).map(throughJson),
        append: async (entry) => {
          asked.push(...(entry.asks ?? []));
          throw new Error('as far as it was to go');
        },
        startedAt: this.startedAt,
        clock: this.clock,
        random: manualRandom(99),
        graceMs: 0,
      });
      const end = await run.execute();
      assert.notEqual(end.kind, 'mismatch', JSON.stringify(end));
      if (length === this.entries.length) assert.deepEqual(end, { kind: 'returned', value: expected });
      else assert.deepEqual(asked.map(timeless), (this.entries[length]?.asks ?? []).map(timeless), `prefix ${length}`);
    }
  }
}

export function answerTo(key: string, value: JsonValue, at: number): Delivery {
  return { key, at, outcome: { kind: 'ok', value } };
}

/** Times and random values that were not recorded yet come out anew. */
function timeless({ dueAt: _dueAt, timeoutAt: _timeoutAt, value: _value, ...ask }: Ask): Omit<Ask, 'dueAt'> {
  return ask;
}

function throughJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
