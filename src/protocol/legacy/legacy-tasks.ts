/**
 * `tasks/get`, `tasks/result`, `tasks/list` and `tasks/cancel` as the revision 2025-11-25 has them. Questions travel on the
 * streams of the first two: some clients ask for the result and are asked there, others only ever poll.
 */
import { ProtocolError, ProtocolErrorCode, type Result, type ServerContext } from '@modelcontextprotocol/server';
import type { Clock } from '../../clock.ts';
import { ANONYMOUS, encodeOwner, type Owner } from '../../domain/owner.ts';
import { BY_AGE } from '../../domain/poll-interval.ts';
import { isTerminal } from '../../domain/status.ts';
import { shownStatusMessage, type Task, type TaskRef } from '../../domain/task.ts';
import { present } from '../../present.ts';
import { cancel, type Deliveries, healForgotten } from '../../runtime/queues/deliveries.ts';
import type { StoredTask } from '../../store/task-store.ts';
import { watchTask } from '../awaiting.ts';
import { toldProgress } from '../call-progress.ts';
import { failureOf, resultOf } from '../task-outcome.ts';
import type { CallStream } from './call-stream.ts';
import { legacyTask, relatedTo } from './legacy-wire.ts';

const LOOK_EVERY_MS = 1_000;
const TASKS_PER_PAGE = 50;

export interface LegacyTasksOptions extends Deliveries {
  readonly clock: Clock;
  readonly healingGraceMs: number;
}

export class LegacyTasks {
  readonly #options: LegacyTasksOptions;

  constructor(options: LegacyTasksOptions) {
    this.#options = options;
  }

  async get(ref: TaskRef, stream: CallStream, ctx: ServerContext): Promise<Result> {
    const { store, clock } = this.#options;
    const stored = await store.get(ref);
    await this.#heal(stored);
    const { task } = stored;
    if (task.status === 'input_required') await stream.ask(stored, { again: false });
    if (task.status === 'working') this.#tellProgress(task, stream, ctx);
    return legacyTask(task, clock.now());
  }

  /** Resolves when the task has ended, or rejects with its error; until then its questions are asked on the stream. */
  async result(ref: TaskRef, stream: CallStream, ctx: ServerContext): Promise<Result> {
    const { store, clock } = this.#options;
    const { task } = await store.get(ref);
    const { signal } = ctx.mcpReq;
    // From one stream to the next it has to grow, whichever instance each is of.
    const progress = toldProgress(ctx, clock, task.createdAt);
    let status = task.status;
    try {
      const lookEveryMs = task.pollIntervalMs === BY_AGE ? LOOK_EVERY_MS : Math.max(task.pollIntervalMs, LOOK_EVERY_MS);
      const onLook = (stored: StoredTask) => this.#heal(stored);
      const states = watchTask(ref, { store, clock, lookEveryMs, signal, outlastsOutages: true, onLook });
      for await (const stored of states) {
        const { task: now } = stored;
        if (isTerminal(now.status)) return await this.#outcome(now);
        if (now.status !== status) await this.#tellStatus(now, ctx);
        status = now.status;
        progress.show(shownStatusMessage(now));
        this.#tellProgress(now, stream, ctx);
        if (now.status === 'input_required') await stream.ask(stored, { again: true });
      }
    } finally {
      stream.stop();
      progress.stop();
    }
    throw new ProtocolError(ProtocolErrorCode.InternalError, 'The request was given up before the task had ended.');
  }

  /** Throws for callers that cannot be told apart, whose tasks are not each other's to see. */
  async list(owner: Owner, cursor: string | undefined): Promise<Result> {
    const { store, clock } = this.#options;
    if (!mayList(owner)) {
      throw new ProtocolError(
        ProtocolErrorCode.MethodNotFound,
        'Method not found: this server cannot tell its callers apart, so it lists no tasks; ask for one by its id.',
      );
    }
    const page = await store.list(owner, { limit: TASKS_PER_PAGE, cursor });
    const now = clock.now();
    const tasks = page.tasks.map((task) => legacyTask(task, now));
    return { tasks, ...present({ nextCursor: page.cursor }) };
  }

  async cancel(ref: TaskRef): Promise<Result> {
    const { store, clock } = this.#options;
    const { task: known } = await store.get(ref);
    if (isTerminal(known.status)) throw alreadyEnded(known);
    const task = await cancel(this.#options, ref, 'Cancelled by the client.');
    if (task.status !== 'cancelled') throw alreadyEnded(task);
    return legacyTask(task, clock.now());
  }

  #heal(stored: StoredTask): Promise<void> {
    return healForgotten(this.#options, stored, this.#options.clock.now(), this.#options.healingGraceMs);
  }

  async #outcome(task: Task): Promise<Result> {
    const { store } = this.#options;
    if (task.status === 'failed') throw await failureOf(store, task);
    if (task.status === 'cancelled') {
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'The task was cancelled: it has no result.');
    }
    const result = await resultOf(store, task);
    return { ...result, _meta: relatedTo(task, result._meta) };
  }

  async #tellStatus(task: Task, ctx: ServerContext): Promise<void> {
    const params = { ...legacyTask(task, this.#options.clock.now()), _meta: relatedTo(task) };
    await ctx.mcpReq.notify({ method: 'notifications/tasks/status', params }).catch(() => {});
  }

  /** By the token of the call that made the task, which lasts as long as the task; to the session that has it. */
  #tellProgress(task: Task, { client }: CallStream, ctx: ServerContext): void {
    const { progressTo } = task;
    const message = shownStatusMessage(task);
    if (progressTo?.session !== client.session || message === undefined) return;
    // It has to grow from one notification to the next, whichever instance sends it.
    const progress = Math.max(this.#options.clock.now() - task.createdAt, 1) / 1000;
    const params = { progressToken: progressTo.token, progress, message, _meta: relatedTo(task) };
    ctx.mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
  }
}

/** Everybody who comes without credentials is one owner. */
export function mayList(owner: Owner): boolean {
  return encodeOwner(owner) !== encodeOwner(ANONYMOUS);
}

function alreadyEnded(task: Task): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidParams, `The task cannot be cancelled: it is ${task.status}.`);
}
