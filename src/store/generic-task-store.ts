/**
 * The task store over any backend: load, apply a pure transition, compare-and-swap; with the one
 * retry loop that this project has. What may happen to a task is decided in `src/domain`.
 */

import { isWalkable, type StorageBackend } from '../backends/backend.ts';
import { BackendConflictError, BackendInvalidError } from '../backends/errors.ts';
import { type Clock, type RandomBytes, sleep, systemClock, systemRandom } from '../clock.ts';
import { isTaskError, TaskError, taskNotFound } from '../domain/errors.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Owner } from '../domain/owner.ts';
import { type Payload, type PayloadRef, refOf } from '../domain/payload.ts';
import { isTerminal } from '../domain/status.ts';
import {
  enforceDeadline,
  isExpired,
  isOverdue,
  keptUntil,
  replaceVariables,
  type Task,
  type TaskRef,
} from '../domain/task.ts';
import { asTaskId, newTaskId, type TaskId } from '../domain/task-id.ts';
import { mergeVariables } from '../domain/variables.ts';
import { ActiveLimit, MAX_ACTIVE_LIMIT } from './active-limit.ts';
import { decodeTask, hasEnded, headWrite, recordWrite } from './codec.ts';
import type { CountedPage } from './count-audit.ts';
import { mayHaveLanded, translated } from './errors.ts';
import { IdempotentCreation } from './idempotent-creation.ts';
import {
  headKey,
  logPartition,
  ownerOfTasksPartition,
  TASKS_PARTITIONS,
  tasksPartition,
  valuesPartition,
} from './keys.ts';
import { pagesOf } from './paging.ts';
import { PayloadStore } from './payload-store.ts';
import { type Creation, type KeyedCreation, TaskCreation } from './task-creation.ts';
import { TaskLog } from './task-log.ts';
import type {
  ChangeListener,
  CreateTask,
  KeyedCall,
  PayloadKind,
  StoredTask,
  TaskPage,
  TaskStore,
  Transition,
} from './task-store.ts';

/** Largest JSON text that stays in the head, by kind; together they keep a usual head below 4 KB, one read unit. */
const INLINE_BYTES: Readonly<Record<PayloadKind, number>> = {
  arguments: 1200,
  result: 1200,
  variables: 800,
  request: 500,
  further_request: 0,
  answer: 300,
};

const UPDATE_ATTEMPTS = 20;
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 200;
const PAGE = 100;

export interface GenericTaskStoreOptions {
  readonly backend: StorageBackend;
  readonly clock?: Clock;
  readonly random?: RandomBytes;
  /** @default 100 */
  readonly maxActiveTasksPerOwner?: number;
}

export class GenericTaskStore implements TaskStore {
  readonly log: TaskLog;
  readonly #backend: StorageBackend;
  readonly #clock: Clock;
  readonly #random: RandomBytes;
  readonly #payloads: PayloadStore;
  readonly #limit: ActiveLimit;
  readonly #creation: TaskCreation;
  readonly #idempotent: IdempotentCreation;
  readonly #listeners = new Set<ChangeListener>();

  constructor(options: GenericTaskStoreOptions) {
    this.#backend = options.backend;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#payloads = new PayloadStore(this.#backend, this.#random);
    this.log = new TaskLog(this.#backend, this.#payloads);
    const limit = options.maxActiveTasksPerOwner ?? 100;
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_ACTIVE_LIMIT) {
      throw new TaskError('invalid_definition', `maxActiveTasksPerOwner must be from 1 to ${MAX_ACTIVE_LIMIT}.`);
    }
    const pause = (maxMs: number) => this.#pause(maxMs);
    this.#limit = new ActiveLimit({
      backend: this.#backend,
      limit,
      clock: this.#clock,
      countPage: (owner, order, cursor) => this.#countPage(owner, order, cursor),
      pause,
    });
    this.#creation = new TaskCreation({
      backend: this.#backend,
      clock: this.#clock,
      limit: this.#limit,
      payloads: this.#payloads,
      keep: (task, kind, value) => this.keep(task, kind, value),
      find: (ref) => this.#read(ref),
    });
    this.#idempotent = new IdempotentCreation({
      backend: this.#backend,
      clock: this.#clock,
      pause,
      newId: () => this.#newId(),
      find: (ref) => this.#read(ref),
      create: (id, input, keyed) => this.#createNew(id, input, keyed),
    });
  }

  create(input: CreateTask): Promise<Creation> {
    return translated(() =>
      input.idempotencyKey === undefined
        ? this.#createNew(this.#newId(), input)
        : this.#idempotent.create(input, input.idempotencyKey),
    );
  }

  createdBefore(input: KeyedCall): Promise<StoredTask | undefined> {
    return translated(() => this.#idempotent.find(input));
  }

  async get(ref: TaskRef): Promise<StoredTask> {
    const stored = await translated(() => this.#read(ref));
    if (stored === undefined) throw taskNotFound();
    return isOverdue(stored.task, this.#clock.now()) ? this.update(ref, (task) => task, stored) : stored;
  }

  update(ref: TaskRef, transition: Transition, known?: StoredTask): Promise<StoredTask> {
    return translated(async () => {
      let current = known ?? (await this.#read(ref));
      for (let attempt = 0; attempt < UPDATE_ATTEMPTS; attempt += 1) {
        if (current === undefined) throw taskNotFound();
        const now = this.#clock.now();
        const next = transition(enforceDeadline(current.task, now), now);
        if (next === current.task) return current;
        const written = await this.#swap(current, next, keptUntil((known ?? current).task));
        if (written !== undefined) return written;
        if (attempt > 0) await this.#backOff(attempt);
        current = await this.#read(ref);
      }
      throw new TaskError('contention', 'The task is changed too often at the same time; try again.');
    });
  }

  async readVariables(ref: TaskRef): Promise<JsonObject> {
    return (await this.#variablesOf(await this.get(ref))).variables;
  }

  async mergeVariables(ref: TaskRef, changes: JsonObject, guard?: (task: Task) => void): Promise<StoredTask> {
    let stored = await this.get(ref);
    for (let attempt = 0; attempt < UPDATE_ATTEMPTS; attempt += 1) {
      const current = await this.#variablesOf(stored);
      const { variables: before } = current;
      const { task } = current.stored;
      guard?.(task);
      const payload = await this.keep(task, 'variables', mergeVariables(before, changes));
      const readBefore = JSON.stringify(task.variables);
      let stale = false;
      try {
        stored = await this.update(
          ref,
          (newest, now) => {
            stale = JSON.stringify(newest.variables) !== readBefore;
            if (stale) return newest;
            guard?.(newest);
            return replaceVariables(newest, payload, now);
          },
          current.stored,
        );
      } catch (error) {
        if (!mayHaveLanded(error)) await this.#discard(task, refOf(payload));
        throw error;
      }
      if (!stale) return stored;
      await this.#discard(task, refOf(payload));
      await this.#backOff(attempt);
    }
    throw new TaskError('contention', 'The variables are changed too often at the same time; try again.');
  }

  list(owner: Owner, options: { limit: number; cursor?: string }): Promise<TaskPage> {
    return translated(async () => {
      try {
        const page = await this.#backend.list(tasksPartition(owner), { ...options, order: 'desc' });
        const now = this.#clock.now();
        const tasks = page.records
          .map((record) => decodeTask({ owner, id: asTaskId(record.id) }, record.value))
          .map((task) => enforceDeadline(task, now));
        return page.cursor === undefined ? { tasks } : { tasks, cursor: page.cursor };
      } catch (error) {
        if (!(error instanceof BackendInvalidError)) throw error;
        throw new TaskError('invalid_cursor', 'The cursor is not one that this list gave.', { cause: error });
      }
    });
  }

  keep(task: Task, kind: PayloadKind, value: JsonValue): Promise<Payload> {
    return translated(() =>
      this.#payloads.keep(task, value, { inlineBytes: INLINE_BYTES[kind], expiresAt: keptUntil(task) }),
    );
  }

  load(ref: TaskRef, payload: Payload): Promise<JsonValue> {
    return translated(() => this.#payloads.load(ref, payload));
  }

  onChange(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async *unfinished(): AsyncIterable<Task> {
    if (!isWalkable(this.#backend)) return;
    for await (const partition of this.#backend.partitions(TASKS_PARTITIONS)) {
      const owner = ownerOfTasksPartition(partition);
      for await (const record of this.#records(partition)) {
        if (hasEnded(record.value)) continue;
        const task = readable({ owner, id: asTaskId(record.id) }, record.value);
        if (task !== undefined) yield task;
      }
    }
  }

  /** Large variables that were replaced after the head was read are gone; the newer head names the newer ones. */
  async #variablesOf(stored: StoredTask): Promise<{ stored: StoredTask; variables: JsonObject }> {
    const { task } = stored;
    if (task.variables === undefined) return { stored, variables: {} };
    try {
      return { stored, variables: (await this.load(task, task.variables)) as JsonObject };
    } catch (error) {
      if (!isTaskError(error, 'unreadable_record')) throw error;
      const newer = await this.get(task);
      if (newer.version === stored.version) throw error;
      return this.#variablesOf(newer);
    }
  }

  #newId(): TaskId {
    return newTaskId(this.#clock.now(), this.#random);
  }

  async #createNew(id: TaskId, input: CreateTask, keyed?: KeyedCreation): Promise<Creation> {
    const creation = await this.#creation.create(id, input, keyed);
    if (creation.created) this.#notify(creation.stored, undefined);
    return creation;
  }

  async #read(ref: TaskRef): Promise<StoredTask | undefined> {
    const record = await this.#backend.get(headKey(ref));
    if (record === undefined) return undefined;
    const task = decodeTask(ref, record.value);
    return isExpired(task, this.#clock.now()) ? undefined : { task, version: record.version };
  }

  /**
   * `valuesUntil`: how long the values that `next` brings were kept for when they were written, which may be before somebody
   * extended the task. `undefined`: somebody else was faster.
   */
  async #swap(current: StoredTask, next: Task, valuesUntil: number | null): Promise<StoredTask | undefined> {
    const before = current.task;
    const ends = !isTerminal(before.status) && isTerminal(next.status);
    const until = keptUntil(next);
    if (!ends && (until !== keptUntil(before) || until !== valuesUntil)) await this.#restamp(next);
    if (next.promisedUntil !== before.promisedUntil) await this.#idempotent.extend(next);
    // A recount passes over what is past its deadline: such a task may not be counted any more, and has nothing to give back.
    const isCounted = ends && !isOverdue(before, this.#clock.now());
    const generation = isCounted ? await this.#limit.generation(next.owner) : undefined;
    let stored: StoredTask;
    try {
      stored = {
        task: next,
        version: await this.#backend.putIfVersion(headKey(next), headWrite(next), current.version),
      };
    } catch (error) {
      if (error instanceof BackendConflictError) return undefined;
      throw error;
    }
    this.#notify(stored, before);
    // What follows a change that is already durable: what fails of it heals later, or expires.
    await Promise.allSettled([
      generation === undefined ? undefined : this.#limit.giveBack(next.owner, generation),
      this.#discardReplaced(before, next),
    ]);
    return stored;
  }

  /**
   * Only variables are replaced again and again. Requests and answers stay until the task expires: who has just read the
   * head that names them may be about to read them.
   */
  async #discardReplaced(before: Task, after: Task): Promise<void> {
    const replaced = refOf(before.variables);
    if (replaced !== undefined && replaced.id !== refOf(after.variables)?.id) await this.#discard(after, replaced);
  }

  async #discard(ref: TaskRef, payload: PayloadRef | undefined): Promise<void> {
    if (payload !== undefined) await this.#payloads.remove(ref, payload);
  }

  /** Lets a task's log and values live as long as its head will. Before the head promises it: a failure changes nothing. */
  async #restamp(task: Task): Promise<void> {
    const expiresAt = keptUntil(task);
    for (const partition of [logPartition(task), valuesPartition(task)]) {
      for await (const records of pagesOf(this.#backend, partition, { limit: PAGE })) {
        await Promise.all(
          records.map(async ({ id, value, version }) => {
            try {
              await this.#backend.putIfVersion({ partition, id }, recordWrite(value, expiresAt), version);
            } catch (error) {
              // Removed meanwhile, or extended by somebody else.
              if (!(error instanceof BackendConflictError)) throw error;
            }
          }),
        );
      }
    }
  }

  async #countPage(owner: Owner, order: 'asc' | 'desc', cursor: string | undefined): Promise<CountedPage> {
    const now = this.#clock.now();
    const page = await this.#backend.list(tasksPartition(owner), {
      limit: PAGE,
      order,
      ...(cursor === undefined ? {} : { cursor }),
    });
    const active = page.records.filter(({ id, value }) => {
      if (hasEnded(value)) return false;
      const task = decodeTask({ owner, id: asTaskId(id) }, value);
      return !isTerminal(task.status) && !isOverdue(task, now);
    }).length;
    return page.cursor === undefined ? { active } : { active, cursor: page.cursor };
  }

  async *#records(partition: string) {
    for await (const records of pagesOf(this.#backend, partition, { limit: PAGE })) yield* records;
  }

  #notify(stored: StoredTask, before: Task | undefined): void {
    for (const listener of this.#listeners) listener(stored, before);
  }

  #backOff(attempt: number): Promise<void> {
    return this.#pause(Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS));
  }

  #pause(maxMs: number): Promise<void> {
    const [byte = 0] = this.#random(1);
    return sleep(this.#clock, Math.ceil((maxMs * (byte + 1)) / 256));
  }
}

/** A damaged head must not keep other tasks from being found; whoever asks for that task itself is told. */
function readable(ref: TaskRef, text: string): Task | undefined {
  try {
    return decodeTask(ref, text);
  } catch (error) {
    if (isTaskError(error, 'unreadable_record')) return undefined;
    throw error;
  }
}
