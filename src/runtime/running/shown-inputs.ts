/**
 * What a run waits for from outside, as the head of its task shows it, and the way back: answers in the head become
 * deliveries to the engine, each once. Questions beyond what a client can answer in one update, or be shown in one answer,
 * wait for their turn.
 */
import type { CancelTimer, Clock } from '../../clock.ts';
import { assertCarried, escapedBytes, roomForValues } from '../../domain/answer-size.ts';
import { ANSWER_LIMITS, type InputRequest } from '../../domain/inputs.ts';
import { closeOverdueInputs, showInputs } from '../../domain/run.ts';
import { type Answer, type PendingInput, type Task, without } from '../../domain/task.ts';
import type { HandlerRun } from '../../engine/handler-run.ts';
import { MisuseError } from '../../engine/misuse.ts';
import type { Delivery } from '../../engine/tries.ts';
import { present } from '../../present.ts';
import type { TaskStore } from '../../store/task-store.ts';
import type { HeldTask } from './held-task.ts';

/** Questions that a client is shown at a time: as many as one update can answer. */
const MAX_SHOWN_QUESTIONS = ANSWER_LIMITS.maxAnswers;
/** Callbacks that can be open at a time: each takes room in the head, which each poll reads. */
const MAX_OPEN_CALLBACKS = 1_000;
/** Requests that may stand in the head itself; more would make each poll of it dearer. */
const INLINE_REQUESTS = 3;
/** How often a run that is busy looks for answers that another process took; heartbeats are further apart. */
const LOOK_EVERY_MS = 1_000;
/** How long a run may be busy with other things before its client is shown what it waits for. */
const SHOW_AFTER_MS = 250;

export interface ShownInputsOptions {
  readonly held: HeldTask;
  readonly store: TaskStore;
  readonly clock: Clock;
  /** What fails in the background is told here. */
  readonly inBackground: (what: string, work: Promise<unknown>) => void;
  /** The largest answer that a client can be given; see `answer-size.ts`. */
  readonly maxAnswerBytes: number | undefined;
}

export class ShownInputs {
  readonly #options: ShownInputsOptions;
  readonly #run: HandlerRun;
  /** Keys of answers that the engine has been given. */
  readonly #taken = new Set<string>();
  /** Keys of callbacks whose token may have left: from then on they are shown. */
  readonly #opened = new Set<string>();
  /** Keys that this run has written to the head, or tried to. */
  readonly #offered = new Set<string>();
  /** By key: what a question takes of an answer. */
  readonly #sizes = new Map<string, number>();
  #lastShow: Promise<void> = Promise.resolve();
  #showing: CancelTimer | undefined;
  #closing: CancelTimer | undefined;
  #looking: CancelTimer | undefined;
  #isStopped = false;

  constructor(run: HandlerRun, options: ShownInputsOptions) {
    this.#run = run;
    this.#options = options;
    options.held.onClose(() => this.stop());
  }

  /** Hands the engine what the head has for it. */
  takeIn(task: Task): void {
    this.#options.inBackground('answers', this.takeInAll(task));
  }

  /** The same, for the beginning of a run: resolves when all is delivered. */
  async takeInAll(task: Task): Promise<void> {
    const fresh = Object.entries(task.answers).filter(([key]) => !this.#taken.has(key));
    if (fresh.length === 0) return;
    for (const [key] of fresh) this.#taken.add(key);
    try {
      await this.#deliver(task, fresh);
    } catch (error) {
      // Read again the next time that the task is seen.
      for (const [key] of fresh) this.#taken.delete(key);
      throw error;
    }
  }

  /** A run that does nothing but wait ends at once and shows its inputs then; this is for one that is busy besides. */
  changed(): void {
    if (this.#isStopped) return;
    const { clock, inBackground } = this.#options;
    // Most runs ask nobody for anything.
    if (this.#run.outstanding.length === 0 && Object.keys(this.#options.held.task.inputs).length === 0) return;
    this.#deliverHidden(clock.now(), (key) => !this.#offered.has(key));
    this.#closeInTime();
    this.#showing ??= clock.after(SHOW_AFTER_MS, () => {
      this.#showing = undefined;
      inBackground('inputs', this.#show());
    });
  }

  /** Makes a callback known before its token leaves the process. `false`: it is over, so nobody could complete it. */
  async open(key: string): Promise<boolean> {
    const open = this.#run.outstanding.filter(({ kind }) => kind === 'callback').length;
    if (open > MAX_OPEN_CALLBACKS) {
      throw new MisuseError(
        `A task can wait for at most ${MAX_OPEN_CALLBACKS} callbacks at the same time; give map a maxConcurrency.`,
      );
    }
    this.#opened.add(key);
    await this.#show();
    // It may have timed out while storage was away, without the handler having heard of it in its turn.
    return Object.hasOwn(this.#options.held.task.inputs, key);
  }

  /**
   * As the head is to show it. A callback whose token cannot have left yet is not shown: nobody could complete it. Rejects
   * with `value_too_large` for a question that no answer could carry.
   */
  async pending(): Promise<Record<string, PendingInput>> {
    const { held, store } = this.#options;
    const inputs: Record<string, PendingInput> = {};
    let questions = 0;
    let room = this.#roomForMore(held.task.inputs);
    for (const { key, kind, request, timeoutAt } of this.#run.outstanding) {
      const shown = held.task.inputs[key];
      const timeout = present({ timeoutAt });
      if (kind === 'callback') {
        if (shown !== undefined || this.#opened.has(key)) inputs[key] = shown ?? timeout;
        continue;
      }
      questions += 1;
      if (questions > MAX_SHOWN_QUESTIONS) continue;
      if (shown === undefined) {
        const size = this.#sizeOf(key, request);
        if (size > room) continue;
        room -= size;
      }
      const size = questions <= INLINE_REQUESTS ? 'request' : 'further_request';
      inputs[key] = shown ?? {
        ...timeout,
        request: await store.keep(held.task, size, { ...(request as InputRequest) }),
      };
    }
    return inputs;
  }

  /** What is left of an answer beside the questions that are shown already, which stay. */
  #roomForMore(shown: Readonly<Record<string, PendingInput>>): number {
    let room = roomForValues(this.#options.maxAnswerBytes);
    for (const { key, request } of this.#run.outstanding) {
      if (Object.hasOwn(shown, key)) room -= this.#sizeOf(key, request);
    }
    return room;
  }

  #sizeOf(key: string, request: unknown): number {
    const { maxAnswerBytes } = this.#options;
    if (maxAnswerBytes === undefined || request === undefined) return 0;
    const known = this.#sizes.get(key);
    if (known !== undefined) return known;
    const asked = { [key]: { ...(request as InputRequest) } };
    assertCarried(asked, maxAnswerBytes, 'A question');
    const size = escapedBytes(asked);
    this.#sizes.set(key, size);
    return size;
  }

  /** The earliest timeout of what is not shown, in milliseconds since the epoch. */
  hiddenTimeoutAt(shown: Readonly<Record<string, PendingInput>>): number | null {
    const hidden = this.#run.outstanding.flatMap(({ key, timeoutAt }) =>
      timeoutAt === undefined || Object.hasOwn(shown, key) ? [] : timeoutAt,
    );
    return hidden.length === 0 ? null : Math.min(...hidden);
  }

  /** Answers that the run has taken into its journal, or that nothing waits for. */
  imported(): ReadonlySet<string> {
    const outstanding = new Set(this.#run.outstanding.map(({ key }) => key));
    return new Set(Object.keys(this.#options.held.task.answers).filter((key) => !outstanding.has(key)));
  }

  stop(): void {
    this.#isStopped = true;
    this.#showing?.();
    this.#closing?.();
    this.#looking?.();
  }

  /** As long as somebody may answer. */
  #lookSoon(): void {
    const { clock, held, inBackground } = this.#options;
    if (this.#isStopped || this.#looking !== undefined || Object.keys(held.task.inputs).length === 0) return;
    this.#looking = clock.after(LOOK_EVERY_MS, () => {
      this.#looking = undefined;
      inBackground('answers', held.refresh());
      this.#lookSoon();
    });
  }

  /** One after the other: what is shown is all there is to show, and the newest of it must be written last. */
  #show(): Promise<void> {
    const { held } = this.#options;
    const show = async () => {
      const inputs = await this.pending();
      for (const key of Object.keys(inputs)) this.#offered.add(key);
      // What the engine was given meanwhile is over: an answer to it, by a clock that is behind, would be accepted and lost.
      await held.change((task, claim, now) => showInputs(task, claim, without(inputs, this.#taken), now));
      this.#lookSoon();
    };
    // Nothing else would show them before the run has something new to show.
    const shown = this.#lastShow.then(() => held.throughOutages(show));
    this.#lastShow = shown.catch(() => {});
    return shown;
  }

  async #deliver(task: Task, answers: readonly [string, Answer][]): Promise<void> {
    const deliveries = await Promise.all(
      answers.map(async ([key, answer]): Promise<Delivery> => {
        if (answer.outcome !== 'answered') {
          const outcome =
            answer.outcome === 'failed'
              ? ({ kind: 'failed', message: answer.message } as const)
              : ({ kind: 'timed_out' } as const);
          return { key, at: answer.at, outcome };
        }
        const value = await this.#options.store.load(task, answer.value);
        return { key, at: answer.at, outcome: { kind: 'ok', value } };
      }),
    );
    this.#run.deliver(deliveries);
    this.#closeInTime();
  }

  /** While the run goes on: closes in the head what times out, so that no late answer is accepted. */
  #closeInTime(): void {
    const { clock, held } = this.#options;
    this.#closing?.();
    this.#closing = undefined;
    if (this.#isStopped || held.endedAs !== undefined) return;
    // What the engine has been given is over, though it may not have written it yet.
    const times = this.#run.outstanding.flatMap(({ key, timeoutAt }) =>
      this.#taken.has(key) ? [] : (timeoutAt ?? []),
    );
    if (times.length === 0) return;
    this.#closeIn(Math.min(...times) - clock.now());
  }

  #closeIn(ms: number): void {
    const { clock, held, inBackground } = this.#options;
    this.#closing = clock.after(ms, () => {
      this.#closing = undefined;
      inBackground('timeouts', this.#closeOverdue(held, clock.now()));
    });
  }

  async #closeOverdue(held: HeldTask, now: number): Promise<void> {
    try {
      // What this run has shown may be shown, and answered, without its knowing yet.
      await held.refresh();
      if (Object.values(held.task.inputs).some(({ timeoutAt }) => timeoutAt !== undefined && timeoutAt <= now)) {
        await held.change(closeOverdueInputs);
      }
    } catch (error) {
      if (!this.#isStopped) this.#closeIn(LOOK_EVERY_MS);
      throw error;
    }
    this.#deliverHidden(now, () => true);
    this.#closeInTime();
  }

  /**
   * A question or callback that the head never showed cannot be answered: its time-out is delivered here, if it `isCertain`
   * that it was not shown. A task that has ended gets none: all that it waited for is rejected with `TaskAborted`.
   */
  #deliverHidden(now: number, isCertain: (key: string) => boolean): void {
    const { held } = this.#options;
    if (held.endedAs !== undefined) return;
    const { inputs, answers } = held.task;
    const hidden = this.#run.outstanding.flatMap(({ key, timeoutAt }): Delivery[] =>
      timeoutAt === undefined ||
      timeoutAt > now ||
      Object.hasOwn(inputs, key) ||
      Object.hasOwn(answers, key) ||
      !isCertain(key)
        ? []
        : [{ key, at: timeoutAt, outcome: { kind: 'timed_out' } }],
    );
    for (const { key } of hidden) this.#taken.add(key);
    this.#run.deliver(hidden);
  }
}
