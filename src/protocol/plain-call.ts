/**
 * The wait for a task whose client cannot hold one, and its answer: the result; a question, where the client can be asked
 * within its call; or, when it has waited long enough, where the work goes on.
 */
import {
  type CallToolResult,
  type InputRequiredResult,
  inputRequired,
  SdkError,
  SdkErrorCode,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Clock } from '../clock.ts';
import { BY_AGE } from '../domain/poll-interval.ts';
import { isTerminal } from '../domain/status.ts';
import { attend, endUnattended, shownStatusMessage, type Task } from '../domain/task.ts';
import { cancel, type Deliveries, healForgotten } from '../runtime/queues/deliveries.ts';
import { isOutage } from '../store/errors.ts';
import type { StoredTask } from '../store/task-store.ts';
import { watchTask } from './awaiting.ts';
import { keepOpen, keptOpenMs } from './call-progress.ts';
import type { CallStream } from './legacy/call-stream.ts';
import { stateOf } from './resumed-calls.ts';
import { lookIntervalAfter } from './shared-looks.ts';
import { failureOf, resultOf } from './task-outcome.ts';
import { goesOn } from './task-summary.ts';
import { toolError } from './tool.ts';
import type { questionsOf } from './wire.ts';

/** A call that is kept open is answered soon after its task has ended, also where another machine runs it. */
const LOOK_EVERY_MS = 1_000;
/**
 * How long a call is kept open whose client is being asked something on its stream: a person is slower than a tool, and
 * many clients give a request up after a minute.
 */
const ASKED_WAIT_MS = 50_000;
/** Whoever waits has looked at least once in so many intervals before its end. */
const LAST_LOOKS = 2;

export interface PlainCallOptions extends Deliveries {
  readonly clock: Clock;
  /** How long a call without task support is waited for, in milliseconds. */
  readonly plainCallWaitMs: number;
  /** The same where the client is sent progress; `undefined`: nobody is. */
  readonly progressCallWaitMs: number | undefined;
  /** The longest that a call is kept open whose client is asked within it, in milliseconds. */
  readonly maxCallWaitMs: number;
  /** Fires when the server is closing: waiting ends, and the tasks go on. */
  readonly closing: AbortSignal;
  readonly healingGraceMs: number;
  /** Whether clients find the tools of task-tools.ts here. */
  readonly hasTaskTools: boolean;
}

/** Until when somebody waits who can answer, for a call that begins now. `undefined`: somebody may come at any time. */
export function attendedUntil(ctx: ServerContext, options: PlainCallOptions): number | undefined {
  return options.hasTaskTools ? undefined : attendedFor(keptOpenMs(ctx, options), options.clock.now());
}

/** Of a call that is kept open for `ms` from now on, or from `now`. */
function attendedFor(ms: number, now: number): number {
  return now + Math.max(ms - LAST_LOOKS * lookIntervalAfter(ms, LOOK_EVERY_MS), 0);
}

/** `stream`: on which a client of the 2025 era is asked; `answerable`: the questions that a later one can answer. */
export interface AskedWithin {
  readonly stream: CallStream | undefined;
  readonly answerable: (task: Task) => ReturnType<typeof questionsOf>;
}

export async function awaitPlainCall(
  task: Task,
  asked: AskedWithin,
  ctx: ServerContext,
  options: PlainCallOptions,
): Promise<CallToolResult | InputRequiredResult> {
  const { store, clock, closing, healingGraceMs } = options;
  const { signal } = ctx.mcpReq;
  const kept = keepOpen(ctx, options);
  const patience = new Patience(clock, kept.maxMs);
  let latest = task;
  const states = watchTask(task, {
    store,
    clock,
    lookEveryMs: task.pollIntervalMs === BY_AGE ? LOOK_EVERY_MS : Math.min(task.pollIntervalMs, LOOK_EVERY_MS),
    onLook: (stored) => healForgotten(options, stored, clock.now(), healingGraceMs),
    signal: AbortSignal.any([signal, closing, patience.signal]),
    outlastsOutages: true,
  });
  try {
    for await (const stored of states) {
      latest = stored.task;
      if (isTerminal(latest.status)) return await outcomeOf(latest, options);
      if (latest.status === 'input_required') {
        const question = await ask(stored, asked);
        if (question === 'nobody') return await goesOn(store, latest, clock.now(), options.hasTaskTools);
        if (question !== 'asked') return question;
        if (patience.extend(Math.min(ASKED_WAIT_MS, options.maxCallWaitMs))) {
          await stayAttended(latest, patience, options);
        }
      }
      kept.show(shownStatusMessage(latest));
    }
  } finally {
    asked.stream?.stop();
    kept.stop();
    patience.stop();
  }
  if (signal.aborted && !closing.aborted && !patience.signal.aborted) {
    // In this era a connection that is lost says nothing: the client may come again, or find the task by its tools.
    if (asked.stream === undefined || !isDisconnect(signal.reason)) {
      await cancel(options, task, 'The caller went away.');
    }
    return toolError('Cancelled.');
  }
  const left = await leave(latest, options);
  if (isTerminal(left.status)) return outcomeOf(left, options);
  return goesOn(store, left, clock.now(), options.hasTaskTools);
}

/** While its client is asked, a call is kept open longer: what is asked next has somebody to answer it too. */
async function stayAttended(task: Task, patience: Patience, { store }: PlainCallOptions): Promise<void> {
  if (task.attendedUntil === undefined) return;
  await store
    .update(task, (current) => attend(current, attendedFor(patience.ms, patience.since)))
    .catch((error: unknown) => {
      if (!isOutage(error)) throw error;
    });
}

/** Where nobody else can answer, a question ends with the call on whose stream it was asked. */
async function leave(task: Task, { store }: PlainCallOptions): Promise<Task> {
  if (task.attendedUntil === undefined || task.status !== 'input_required') return task;
  const ended = await store.update(task, (current, now) =>
    current.attendedUntil === undefined || current.status !== 'input_required' ? current : endUnattended(current, now),
  );
  return ended.task;
}

/** The SDK aborts what it answers for two reasons: its client says so, or its connection is over. */
function isDisconnect(reason: unknown): boolean {
  return reason instanceof SdkError && reason.code === SdkErrorCode.ConnectionClosed;
}

/** `asked`: the answer comes by itself; `nobody`: this client cannot answer; or the question as the call's own answer. */
async function ask(stored: StoredTask, asked: AskedWithin): Promise<'asked' | 'nobody' | InputRequiredResult> {
  const { task } = stored;
  if (asked.stream !== undefined) return (await asked.stream.ask(stored, { again: true })) ? 'asked' : 'nobody';
  const questions = await asked.answerable(task);
  if (Object.keys(questions).length === 0) return 'nobody';
  return inputRequired({
    inputRequests: questions as unknown as NonNullable<InputRequiredResult['inputRequests']>,
    requestState: stateOf(task.id),
  });
}

async function outcomeOf(task: Task, { store }: PlainCallOptions): Promise<CallToolResult> {
  if (task.status === 'completed') return resultOf(store, task);
  if (task.status === 'failed') throw await failureOf(store, task);
  return toolError('The task was cancelled.');
}

/** For how long a call is kept open, from its making on. */
class Patience {
  readonly #clock: Clock;
  readonly #over = new AbortController();
  readonly since: number;
  #untilMs: number;
  #cancel: () => void;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.since = clock.now();
    this.#untilMs = ms;
    this.#cancel = clock.after(ms, () => this.#over.abort());
  }

  /** Fires when it is over. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** From the beginning. */
  get ms(): number {
    return this.#untilMs;
  }

  /** To that long, from the beginning; `false`: it is as long anyway. */
  extend(ms: number): boolean {
    if (ms <= this.#untilMs) return false;
    this.#untilMs = ms;
    this.#cancel();
    this.#cancel = this.#clock.after(this.since + ms - this.#clock.now(), () => this.#over.abort());
    return true;
  }

  stop(): void {
    this.#cancel();
  }
}
