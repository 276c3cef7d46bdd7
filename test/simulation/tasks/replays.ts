/**
 * Replays of a journal, or of its beginning, with nothing around the engine but the program: what the code then asks for,
 * what it has seen by then, and how it ended. And the whole of it without a replay: one run to which everything happens in
 * the order in which the journal has it.
 */
import type { Clock, EpochMs } from '../../../src/clock.ts';
import type { JsonValue } from '../../../src/domain/json.ts';
import { newTaskId } from '../../../src/domain/task-id.ts';
import { HandlerRun, type RunEnd } from '../../../src/engine/handler-run.ts';
import { type Ask, isHanded, type JournalEntry, type Outcome } from '../../../src/engine/journal.ts';
import { type Conclusion, keyOf } from '../../../src/engine/operation.ts';
import { type AskOptions, Operations } from '../../../src/engine/operations.ts';
import { StepError } from '../../../src/engine/recorded-error.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import type { TaskQueue } from '../../../src/runtime/queues/queue.ts';
import type { ScopePort, TaskContext, TaskScope } from '../../../src/runtime/running/task-context.ts';
import { createScope } from '../../../src/runtime/running/task-scope.ts';
import type { TaskStore } from '../../../src/store/task-store.ts';
import { untilQuiet } from './event-loop.ts';
import { runProgram, type Surroundings } from './handler.ts';
import type { Program } from './program.ts';

export interface ReplayOptions {
  readonly program: Program;
  readonly entries: readonly JournalEntry[];
  readonly startedAt: EpochMs;
}

export interface Replayed {
  /** What its first append asked for; `undefined`: there was none. */
  readonly asks: readonly Ask[] | undefined;
  readonly trace: readonly string[];
  /** `undefined`: it goes on waiting, for a step or a retry of its clean-up. */
  readonly end: RunEnd | undefined;
  readonly problems: readonly string[];
}

const FOR_EVER = Number.MAX_SAFE_INTEGER;

class EnoughSeen extends Error {}

/** Replays the first `length` entries, as a worker would that comes to the task then. */
export async function replay({ program, entries, startedAt }: ReplayOptions, length: number): Promise<Replayed> {
  const problems: string[] = [];
  const trace: string[] = [];
  let asks: readonly Ask[] | undefined;
  let seen: readonly string[] | undefined;
  const clock = new StillClock(entries[length - 1]?.at ?? startedAt);
  const run = new HandlerRun({
    handler: (root) => runWatched(program, createScope(root, PORT), trace, problems),
    recorded: entries.slice(0, length),
    append: async (entry) => {
      asks = entry.asks ?? [];
      seen = [...trace];
      throw new EnoughSeen();
    },
    startedAt,
    clock,
    random: recordedRandom(entries[length]?.asks ?? []),
    graceMs: 0,
    replayPatienceMs: 0,
  });
  let end: RunEnd | undefined;
  void run.execute().then((ended) => {
    end = ended;
  });
  await untilQuiet();
  const next = entries[length];
  if (end === undefined && asks === undefined && next !== undefined) {
    // What cleans up does not suspend for a retry, and asks for what comes after it once that is due.
    clock.set(next.at);
    clock.fire();
    await untilQuiet();
  }
  return { asks, trace: seen ?? trace, end, problems };
}

/** One run, from the beginning, to which everything happens in the order of the journal, and nothing is recorded before. */
export async function uninterrupted({ program, entries, startedAt }: ReplayOptions): Promise<Replayed> {
  const problems: string[] = [];
  const trace: string[] = [];
  const asks: Ask[] = [];
  const clock = new StillClock(startedAt);
  const tries = new Map<number, (conclusion: Conclusion) => void>();
  const run = new HandlerRun({
    handler: (root) => runWatched(program, createScope(root, PORT), trace, problems),
    recorded: [],
    append: async (entry) => {
      asks.push(...(entry.asks ?? []));
    },
    startedAt,
    clock,
    random: recordedRandom(entries.flatMap((entry) => entry.asks ?? [])),
    // It never suspends.
    graceMs: FOR_EVER,
    replayPatienceMs: 0,
  });
  let end: RunEnd | undefined;
  const restore = scriptOperations(tries);
  try {
    const running = run.execute();
    void running.then((ended) => {
      end = ended;
    });
    await untilQuiet();
    for (const { at, outcomes = [] } of entries) {
      clock.set(at);
      for (const outcome of outcomes) {
        if (end !== undefined) break;
        bringAbout(outcome, run, tries);
        await untilQuiet();
        if (outcome.kind === 'aborted') {
          clock.fire();
          await untilQuiet();
        }
      }
    }
    run.stop(new EnoughSeen());
    await untilQuiet();
  } finally {
    restore();
  }
  return { asks, trace, end, problems };
}

function bringAbout(
  outcome: Outcome,
  run: HandlerRun,
  tries: ReadonlyMap<number, (conclusion: Conclusion) => void>,
): void {
  if (!isHanded(outcome)) return;
  if (outcome.kind === 'aborted') {
    run.abort(outcome.cause);
    return;
  }
  const { of } = outcome;
  const conclude = tries.get(of);
  if (conclude !== undefined) {
    if (outcome.kind === 'ok') conclude({ kind: 'ok', value: outcome.value });
    else if (outcome.kind === 'failed') conclude({ kind: 'failed', error: errorAgain(outcome) });
    return;
  }
  const [key, at] = [keyOf(of), 0];
  if (outcome.kind === 'ok') run.deliver([{ key, at, outcome: { kind: 'ok', value: outcome.value as JsonValue } }]);
  else if (outcome.kind === 'timed_out') run.deliver([{ key, at, outcome: { kind: 'timed_out' } }]);
  else run.deliver([{ key, at, outcome: { kind: 'failed', message: outcome.error.message } }]);
}

function errorAgain({ error }: Extract<Outcome, { kind: 'failed' }>): unknown {
  return error.thrown === undefined ? new StepError(error) : error.thrown;
}

/** While it lasts no try ends and no wait falls due by itself: `tries` has how each try is to be ended. */
function scriptOperations(tries: Map<number, (conclusion: Conclusion) => void>): () => void {
  const ask: Operations['ask'] = Reflect.get(Operations.prototype, 'ask');
  Operations.prototype.ask = function (branch, kind, name, more) {
    const scripted: AskOptions = {
      ...more,
      ...(more.action === undefined
        ? {}
        : { action: () => new Promise<Conclusion>((resolve) => tries.set(operation.number, resolve)) }),
      ...(kind === 'wait' ? { afterMs: undefined, dueAt: FOR_EVER } : {}),
    };
    const operation = ask.call(this, branch, kind, name, scripted);
    return operation;
  };
  return () => {
    Operations.prototype.ask = ask;
  };
}

/** A clock that stands still, and whose timers go off when they are told to. */
class StillClock implements Clock {
  #now: EpochMs;
  readonly #timers = new Set<() => void>();

  constructor(now: EpochMs) {
    this.#now = now;
  }

  now(): EpochMs {
    return this.#now;
  }

  set(now: EpochMs): void {
    this.#now = now;
  }

  after(_delayMs: number, action: () => void): () => void {
    this.#timers.add(action);
    return () => {
      this.#timers.delete(action);
    };
  }

  fire(): void {
    const timers = [...this.#timers];
    this.#timers.clear();
    for (const action of timers) action();
  }
}

const PORT: ScopePort = {
  logger: silentLogger,
  mayAsk: undefined,
  openCallback: async () => 'a token',
  assertAskable: () => {},
  readVariables: async () => ({}),
  mergeVariables: async () => {},
};

function runWatched(program: Program, scope: TaskScope, trace: string[], problems: string[]): Promise<string[]> {
  return runProgram(program, scope, watching(scope, trace, problems));
}

/** What a workflow's actions find where no store is. */
const NO_STORE = {
  get: async () => ({ task: {}, version: 1 }),
  keep: async () => ({ json: null }),
  load: async () => null,
  readVariables: async () => ({}),
  mergeVariables: async () => ({ task: { run: {} }, version: 1 }),
} as unknown as TaskStore;
const NO_QUEUE: TaskQueue = { enqueue: async () => {} };

/** Actions end at once, so that there is an append to look at. */
function watching(scope: TaskScope, trace: string[], problems: string[]): Surroundings {
  const task: TaskContext = {
    ...scope,
    id: newTaskId(0, (count) => new Uint8Array(count)),
    owner: { issuer: 'simulation', subject: 'somebody' },
    signal: new AbortController().signal,
    logger: silentLogger,
    admission: undefined,
    related: undefined,
    trace: undefined,
    progress: () => {},
    extendDeadline: async () => {},
  };
  return {
    workflow: { task, deliveries: { store: NO_STORE, queue: NO_QUEUE, logger: silentLogger }, act: async () => {} },
    trace,
    act: async (id) => `${id} @replayed`,
    look: async () => {},
    submit: async () => {},
    complain: (problem) => problems.push(problem),
  };
}

/** Bytes of which the random values come out that are recorded, in their order. */
function recordedRandom(asks: readonly Ask[]): (count: number) => Uint8Array {
  const values = asks.flatMap(({ kind, value }) => (kind === 'value' && value !== undefined ? [value] : []));
  return (count) => {
    const value = count === 4 || count === 16 ? values.shift() : undefined;
    if (typeof value === 'number') {
      const whole = Math.round(value * 2 ** 32);
      return Uint8Array.of(whole >>> 24, whole >>> 16, whole >>> 8, whole);
    }
    return typeof value === 'string'
      ? Uint8Array.from(Buffer.from(value.replaceAll('-', ''), 'hex'))
      : new Uint8Array(count);
  };
}
