/**
 * The task store over any backend: load, apply a pure transition, compare-and-swap. What may happen to a task is decided
 * in `src/domain`; records, heads, values, the log, the limit and the agenda are rooms below this one.
 */
import type { StorageBackend } from '../backends/backend.ts';
import { type Clock, type RandomBytes, systemClock, systemRandom } from '../clock.ts';
import { isTaskError, TaskError, taskNotFound } from '../domain/errors.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import { isLater } from '../domain/lifetime.ts';
import { encodeOwner, type Owner } from '../domain/owner.ts';
import { type Payload, type PayloadRef, refOf } from '../domain/payload.ts';
import { isTerminal } from '../domain/status.ts';
import { enforceDeadline, isOverdue, keptUntil, replaceVariables, type Task, type TaskRef } from '../domain/task.ts';
import { asTaskId, isTaskId, type TaskId } from '../domain/task-id.ts';
import { mergeVariables } from '../domain/variables.ts';
import { ActiveLimit, type MaxActiveTasks } from './active-limit.ts';
import { Agenda, DEFAULT_FIRST_LOOK_MS } from './agenda.ts';
import { ChangeListeners } from './change-listeners.ts';
import { sha256 } from './codec.ts';
import { mayHaveLanded } from './errors.ts';
import { IdempotentCreation } from './idempotent-creation.ts';
import { logPartition, valuesPartition } from './keys.ts';
import { type PayloadKind, PayloadStore } from './payload-store.ts';
import { Records, recordWrite } from './records.ts';
import { RelayedAnswers } from './relayed-answers.ts';
import { type Creation, TaskCreation } from './task-creation.ts';
import { decodeTask } from './task-head.ts';
import { TaskHeads } from './task-heads.ts';
import { TaskLog } from './task-log.ts';
import type {
  ChangeListener,
  CreateTask,
  KeyedCall,
  MergeOptions,
  StoredTask,
  TaskPage,
  TaskStore,
  Transition,
  UpdatedTask,
} from './task-store.ts';

const UPDATE_ATTEMPTS = 20;
const DEFAULT_MAX_ACTIVE_TASKS = 100;

export interface GenericTaskStoreOptions {
  readonly backend: StorageBackend;
  readonly clock?: Clock | undefined;
  readonly random?: RandomBytes | undefined;
  /** `null`: no limit, and nothing is counted. A function gives each owner its own. @default 100 */
  readonly maxActiveTasksPerOwner?: MaxActiveTasks | undefined;
  /**
   * After how long somebody looks at a new task, in milliseconds: a healthy task has begun by then. At least twice as long
   * as a looker sees ahead. @default 30000
   */
  readonly firstLookMs?: number | undefined;
}

export class GenericTaskStore implements TaskStore {
  readonly log: TaskLog;
  readonly agenda: Agenda;
  readonly relayedAnswers: RelayedAnswers;
  readonly #records: Records;
  readonly #heads: TaskHeads;
  readonly #payloads: PayloadStore;
  readonly #limit: ActiveLimit;
  readonly #creation: TaskCreation;
  readonly #idempotent: IdempotentCreation;
  readonly #listeners = new ChangeListeners();

  /** Throws `invalid_definition` for settings that cannot work. */
  constructor(options: GenericTaskStoreOptions) {
    const { backend, clock = systemClock, random = systemRandom, maxActiveTasksPerOwner, firstLookMs } = options;
    const records = new Records({ backend, clock, random });
    const heads = new TaskHeads(records);
    const payloads = new PayloadStore(records);
    const max = maxActiveTasksPerOwner === undefined ? DEFAULT_MAX_ACTIVE_TASKS : maxActiveTasksPerOwner;
    const limit = new ActiveLimit(records, heads, max);
    this.agenda = new Agenda(records, firstLookMs ?? DEFAULT_FIRST_LOOK_MS);
    this.log = new TaskLog(records, payloads);
    this.relayedAnswers = new RelayedAnswers(records);
    this.#records = records;
    this.#heads = heads;
    this.#payloads = payloads;
    this.#limit = limit;
    this.#creation = new TaskCreation({ records, heads, payloads, limit, agenda: this.agenda });
    this.#idempotent = new IdempotentCreation({ records, heads, creation: this.#creation });
  }

  async create(input: CreateTask): Promise<Creation> {
    const { idempotencyKey } = input;
    const creation =
      idempotencyKey === undefined
        ? await this.#creation.create(this.#creation.newId(), input)
        : await this.#idempotent.create(input, idempotencyKey);
    if (creation.created) this.#listeners.notify(creation.stored, undefined);
    return creation;
  }

  createdBefore(input: KeyedCall): Promise<StoredTask | undefined> {
    return this.#idempotent.find(input);
  }

  async get(ref: TaskRef): Promise<StoredTask> {
    const stored = await this.#heads.read(ref);
    if (stored === undefined) throw taskNotFound();
    return isOverdue(stored.task, this.#records.now()) ? this.update(ref, (task) => task, stored) : stored;
  }

  async update(ref: TaskRef, transition: Transition, known?: StoredTask): Promise<UpdatedTask> {
    let current = known ?? (await this.#heads.read(ref));
    const valuesUntil = current && keptUntil(current.task);
    for await (const _attempt of this.#records.attempts(UPDATE_ATTEMPTS)) {
      if (current === undefined) throw taskNotFound();
      const now = this.#records.now();
      const before = enforceDeadline(current.task, now);
      const next = transition(before, now);
      if (next === current.task) return { ...current, changed: false };
      const written = await this.#swap(current, next, valuesUntil ?? keptUntil(current.task));
      if (written !== undefined) return { ...written, changed: next !== before };
      current = await this.#heads.read(ref);
    }
    throw new TaskError('contention', 'The task is changed too often at the same time; try again.');
  }

  async readVariables(ref: TaskRef): Promise<JsonObject> {
    return (await this.#variablesOf(await this.get(ref))).variables;
  }

  async mergeVariables(ref: TaskRef, changes: JsonObject, options: MergeOptions = {}): Promise<StoredTask> {
    let stored = await this.get(ref);
    for await (const _attempt of this.#records.attempts(UPDATE_ATTEMPTS)) {
      const current = await this.#variablesOf(stored);
      const { task } = current.stored;
      options.guard?.(task);
      const merged = mergeVariables(current.variables, changes);
      const payload = await this.keep(task, 'variables', merged);
      const updated = await this.#replaceVariables(current.stored, { payload, merged }, options).catch(
        async (error: unknown) => {
          if (!mayHaveLanded(error)) await this.#discard(task, refOf(payload));
          throw error;
        },
      );
      if (updated.changed) return updated;
      await this.#discard(task, refOf(payload));
      stored = updated;
    }
    throw new TaskError('contention', 'The variables are changed too often at the same time; try again.');
  }

  async list(owner: Owner, { limit, cursor }: { limit: number; cursor?: string | undefined }): Promise<TaskPage> {
    const after = cursor === undefined ? undefined : idOfCursor(owner, cursor);
    const { heads, next } = await this.#heads.page(owner, { limit, order: 'desc', after });
    const now = this.#records.now();
    const tasks = heads
      .map((record) => decodeTask({ owner, id: asTaskId(record.id) }, record.value))
      .map((task) => enforceDeadline(task, now));
    return next === undefined ? { tasks } : { tasks, cursor: cursorOf(owner, next) };
  }

  keep(task: Task, kind: PayloadKind, value: JsonValue): Promise<Payload> {
    return this.#payloads.keep(task, kind, value);
  }

  load(ref: TaskRef, payload: Payload): Promise<JsonValue> {
    return this.#payloads.load(ref, payload);
  }

  discard(ref: TaskRef, payload: Payload): Promise<void> {
    return this.#discard(ref, refOf(payload));
  }

  onChange(listener: ChangeListener, taskId?: TaskId): () => void {
    return this.#listeners.add(listener, taskId);
  }

  /** Changes nothing if the variables are not those of `known` any more. */
  #replaceVariables(
    known: StoredTask,
    { payload, merged }: { readonly payload: Payload; readonly merged: JsonObject },
    { guard, also = (task) => task }: MergeOptions,
  ): Promise<UpdatedTask> {
    const readBefore = JSON.stringify(known.task.variables);
    const replace = (newest: Task, now: number) => {
      if (JSON.stringify(newest.variables) !== readBefore) return newest;
      guard?.(newest);
      return also(replaceVariables(newest, payload, now), merged, now);
    };
    return this.update(known.task, replace, known);
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

  /**
   * `valuesUntil`: how long the values that `next` brings were kept for when they were written, which may be before another
   * writer extended the task. `undefined`: another writer has changed the head first.
   */
  async #swap(current: StoredTask, next: Task, valuesUntil: number | null): Promise<StoredTask | undefined> {
    const before = current.task;
    const ends = !isTerminal(before.status) && isTerminal(next.status);
    const until = keptUntil(next);
    // Never to an earlier time: the head may not be written after all.
    if (!ends && (isLater(until, keptUntil(before)) || isLater(until, valuesUntil))) await this.#restamp(next);
    if (isLater(next.promisedUntil, before.promisedUntil)) await this.#idempotent.extend(next);
    if (isLater(before.promisedUntil, next.promisedUntil)) await this.#idempotent.close(next);
    const confirmNoted = await this.agenda.noteChange(before, next);
    // A recount passes over what is past its deadline: such a task may not be counted any more, and has nothing to give back.
    const isCounted = ends && before.isUncounted === undefined && !isOverdue(before, this.#records.now());
    const generation = isCounted ? await this.#limit.generation(next.owner) : undefined;
    const stored = await this.#heads.swap(next, current.version);
    if (stored === undefined) return undefined;
    this.#listeners.notify(stored, before);
    // What follows a change that is already durable: what fails of it heals later, or expires.
    await Promise.allSettled([
      generation === undefined ? undefined : this.#limit.giveBack(next.owner, generation),
      this.#discardReplaced(before, next),
      confirmNoted(),
      ends ? this.agenda.noteEnd(next) : undefined,
    ]);
    return stored;
  }

  /**
   * Only variables are replaced again and again. Requests and answers stay until the task expires: a reader that has
   * just read the head that names them may be about to read them.
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
    for (const partition of [logPartition(task), valuesPartition(task)]) {
      for await (const { id, value, version } of this.#records.all(partition)) {
        // A record that another process has removed or extended meanwhile needs nothing.
        await this.#records.write({ partition, id }, recordWrite(value, keptUntil(task)), version);
      }
    }
  }
}

/** Names the task that a page ended with, and whose list it was. */
function cursorOf(owner: Owner, id: string): string {
  return Buffer.from(`${id} ${fingerprint(owner)}`).toString('base64url');
}

/** Throws `invalid_cursor` for what no list of this owner's tasks gave. */
function idOfCursor(owner: Owner, cursor: string): string {
  const [id] = Buffer.from(cursor, 'base64url').toString().split(' ');
  if (isTaskId(id) && cursorOf(owner, id) === cursor) return id;
  throw new TaskError('invalid_cursor', 'The cursor is not one that this list gave.');
}

function fingerprint(owner: Owner): string {
  return sha256(encodeOwner(owner)).slice(0, 16);
}
