/**
 * The runtime on a memory backend and a clock that a test holds still: store, runners, and a queue
 * that only notes what it is given. Time passes by `advance` alone; the durable SDK's own short
 * pauses are real, so a run takes some 30 ms.
 */
import { MemoryBackend } from '../../../src/backends/memory.ts';
import type { JsonObject, JsonValue } from '../../../src/domain/json.ts';
import type { Lifetime } from '../../../src/domain/lifetime.ts';
import type { Owner } from '../../../src/domain/owner.ts';
import {
  type AnswerOutcome,
  acceptAnswers,
  cancelTask,
  type Failure,
  type Task,
  type TaskRef,
} from '../../../src/domain/task.ts';
import type { JournalEntry } from '../../../src/engine/journal.ts';
import { present } from '../../../src/present.ts';
import type { LogFields, Logger } from '../../../src/runtime/logger.ts';
import { Looker } from '../../../src/runtime/queues/looker.ts';
import type { TaskQueue } from '../../../src/runtime/queues/queue.ts';
import type { LeaseTimes } from '../../../src/runtime/running/held-task.ts';
import { Runner, type RunnerOptions } from '../../../src/runtime/running/runner.ts';
import type { TaskContext } from '../../../src/runtime/running/task-context.ts';
import { type RunnableTool, toolKey } from '../../../src/runtime/running/tool.ts';
import { GenericTaskStore } from '../../../src/store/generic-task-store.ts';
import { ManualClock, manualRandom } from '../../../src/testing/manual-clock.ts';
import { until } from '../../support/until.ts';

export const OWNER: Owner = { issuer: 'test', subject: 'somebody' };
export const TIMES: LeaseTimes = { leaseMs: 30_000, heartbeatMs: 5_000 };
const LIFETIME: Lifetime = { runDeadlineMs: 3_600_000, retentionMs: 3_600_000 };

/** Thrown by a handler to fail its task, as a `ProtocolError` does above the runtime. */
export class DeliberateFailure extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

export type Handler = (task: TaskContext, args: JsonObject) => Promise<JsonValue>;

export function toolOf(name: string, handler: Handler): RunnableTool {
  return {
    name,
    run: (args, task) => handler(task, args),
    outcomeOf: (error) =>
      error instanceof DeliberateFailure
        ? { kind: 'failure', failure: error.failure }
        : { kind: 'result', result: { isError: true, text: error instanceof Error ? error.message : String(error) } },
  };
}

export interface Delivery {
  readonly ref: TaskRef;
  readonly notBefore: number;
}

/** Keeps what it is given, for a test to look at and to deliver when it likes. */
export class NotingQueue implements TaskQueue {
  readonly deliveries: Delivery[] = [];

  async enqueue(ref: TaskRef, options: { readonly notBefore: number }): Promise<void> {
    this.deliveries.push({ ref: { owner: ref.owner, id: ref.id }, notBefore: options.notBefore });
  }
}

export class NotingLogger implements Logger {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: LogFields | undefined }[] = [];

  debug(message: string, fields?: LogFields): void {
    this.lines.push({ level: 'debug', message, fields });
  }

  info(message: string, fields?: LogFields): void {
    this.lines.push({ level: 'info', message, fields });
  }

  warn(message: string, fields?: LogFields): void {
    this.lines.push({ level: 'warn', message, fields });
  }

  error(message: string, fields?: LogFields): void {
    this.lines.push({ level: 'error', message, fields });
  }
}

export interface NewTaskOptions {
  readonly args?: JsonObject;
  readonly maxAttempts?: number;
  readonly lifetime?: Partial<Lifetime>;
  readonly admission?: JsonValue;
  readonly toolVersion?: number;
  readonly mayAsk?: readonly string[];
}

export class RuntimeUnderTest {
  readonly clock = new ManualClock();
  readonly backend = new MemoryBackend({ clock: this.clock });
  readonly store = new GenericTaskStore({ backend: this.backend, clock: this.clock, random: manualRandom(1) });
  readonly queue: NotingQueue;
  readonly logger = new NotingLogger();
  #runners = 0;

  constructor(queue = new NotingQueue()) {
    this.queue = queue;
  }

  /** A runner as another process would have it; on the same store unless given one of its own. */
  runner(
    tools: readonly RunnableTool[],
    store: GenericTaskStore = this.store,
    isGone?: (holder: string) => boolean,
    changes: Pick<RunnerOptions, 'maxAnswerBytes'> = {},
  ): Runner {
    this.#runners += 1;
    return new Runner({
      store,
      queue: this.queue,
      tools: new Map(tools.map((tool) => [toolKey(tool.name, tool.version), tool])),
      holder: `runner ${this.#runners}`,
      clock: this.clock,
      times: TIMES,
      logger: this.logger,
      graceMs: 0,
      isGone,
      ...changes,
    });
  }

  /** As a server looks at the agenda every few seconds. */
  looker(isGone?: (holder: string) => boolean): Looker {
    const { store, queue, clock, logger } = this;
    return new Looker({ store, queue, clock, logger, leaseMs: TIMES.leaseMs, isGone });
  }

  /** A second process's view of the same records: it is not told of changes that the first makes. */
  otherStore(): GenericTaskStore {
    return new GenericTaskStore({ backend: this.backend, clock: this.clock, random: manualRandom(2) });
  }

  async create(tool: string, options: NewTaskOptions = {}): Promise<Task> {
    const { stored } = await this.store.create({
      owner: OWNER,
      tool,
      arguments: options.args ?? {},
      lifetime: { ...LIFETIME, ...options.lifetime },
      pollIntervalMs: 1000,
      maxAttempts: options.maxAttempts ?? 5,
      ...present({ admission: options.admission, toolVersion: options.toolVersion, mayAsk: options.mayAsk }),
    });
    return stored.task;
  }

  /** The task as a client would be told of it now. */
  async read(ref: TaskRef): Promise<Task> {
    return (await this.store.get(ref)).task;
  }

  async result(ref: TaskRef): Promise<JsonValue | undefined> {
    const { result } = await this.read(ref);
    return result === undefined ? undefined : this.store.load(ref, result);
  }

  async error(ref: TaskRef): Promise<JsonValue | undefined> {
    const { error } = await this.read(ref);
    return error === undefined ? undefined : this.store.load(ref, error);
  }

  async log(ref: TaskRef): Promise<readonly JournalEntry[]> {
    return (await this.store.log.read(await this.read(ref))).entries as unknown as JournalEntry[];
  }

  /** Keys of what the client is asked, in the order of their making. */
  async asked(ref: TaskRef): Promise<string[]> {
    const { inputs } = await this.read(ref);
    return Object.keys(inputs)
      .filter((key) => inputs[key]?.request !== undefined)
      .sort();
  }

  /** As `tasks/update` does, through a store of its own: the answers of a client of another process. */
  async answer(ref: TaskRef, answers: Readonly<Record<string, JsonValue>>): Promise<Task> {
    const accepted = Object.fromEntries(
      Object.entries(answers).map(([key, json]): [string, AnswerOutcome] => [
        key,
        { outcome: 'answered', value: { json } },
      ]),
    );
    const { task } = await this.otherStore().update(ref, (now, at) => acceptAnswers(now, accepted, at));
    return task;
  }

  /** As `tasks/cancel` does, in another process. */
  async cancel(ref: TaskRef): Promise<void> {
    await this.otherStore().update(ref, (task, now) => cancelTask(task, 'Cancelled.', now));
  }
}

/** Something that a test opens, so that a handler goes on when the test wants it to. */
export class Gate {
  readonly opened: Promise<void>;
  open: () => void = () => {};
  #arrived: () => void = () => {};
  readonly reached: Promise<void>;

  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve;
    });
    this.reached = new Promise((resolve) => {
      this.#arrived = resolve;
    });
  }

  /** Called by the handler. */
  async pass(): Promise<void> {
    this.#arrived();
    await this.opened;
  }
}

/** Until the condition holds, in real time. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  await until(`this to become true: ${condition.toString()}`, condition);
}
