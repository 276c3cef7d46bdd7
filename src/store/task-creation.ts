/**
 * Creating a task: a slot of its owner's limit, its values, a record on the agenda, its head, and one more look at the
 * limit; in this order, and with everything undone when one of them is refused, so that a refused create leaves nothing
 * behind, and one that dies in between leaves a task that runs or none.
 */
import { TaskError } from '../domain/errors.ts';
import type { JsonValue } from '../domain/json.ts';
import { type Payload, refOf } from '../domain/payload.ts';
import { isTerminal } from '../domain/status.ts';
import { createTask, failTask, runtimeFailure, type Task } from '../domain/task.ts';
import { newTaskId, type TaskId } from '../domain/task-id.ts';
import type { ActiveLimit } from './active-limit.ts';
import type { Agenda } from './agenda.ts';
import { mayHaveLanded } from './errors.ts';
import type { PayloadStore } from './payload-store.ts';
import type { Records } from './records.ts';
import type { TaskHeads } from './task-heads.ts';
import type { CreateTask, StoredTask } from './task-store.ts';

export type Creation = { readonly stored: StoredTask; readonly created: boolean };

/** What a task that is created for an idempotency key has from the key's record, so that both live equally long. */
export interface KeyedCreation {
  readonly keyDigest: string;
  readonly createdAt: number;
}

export interface TaskCreationOptions {
  readonly records: Records;
  readonly heads: TaskHeads;
  readonly limit: ActiveLimit;
  readonly payloads: PayloadStore;
  readonly agenda: Agenda;
}

interface Undoing {
  /** `undefined`: not written, or not known to be. */
  readonly stored: StoredTask | undefined;
  readonly generation: number | undefined;
  readonly kept: readonly Payload[];
  readonly isShared: boolean;
  /** Why the creation failed. */
  readonly error: unknown;
}

export class TaskCreation {
  readonly #options: TaskCreationOptions;

  constructor(options: TaskCreationOptions) {
    this.#options = options;
  }

  newId(): TaskId {
    const { records } = this.#options;
    return newTaskId(records.now(), records.random);
  }

  /** Resolves to the task that is there already when one has the id. Rejects with `too_many_tasks`, `value_too_large`. */
  async create(id: TaskId, input: CreateTask, keyed?: KeyedCreation): Promise<Creation> {
    const { agenda, heads, limit } = this.#options;
    const generation = await limit.take(input.owner);
    const draft = this.#draft(id, input, keyed, generation === undefined);
    const kept: Payload[] = [];
    let stored: StoredTask | undefined;
    let isTaken = false;
    try {
      const task = await this.#withValues(draft, input, kept);
      const confirmNoted = await agenda.noteCreation(draft);
      stored = await heads.swap(task, 0);
      if (stored === undefined) {
        isTaken = true;
        throw new TaskError('contention', 'Another task has this id.');
      }
      await confirmNoted();
      if (generation !== undefined) await limit.confirm(input.owner, generation);
    } catch (error) {
      // The next call with the same key finds what landed, or completes it.
      if (keyed !== undefined && mayHaveLanded(error)) throw error;
      // Another call with the key may have been told of the task already: it is ended then, not taken back.
      if (keyed !== undefined && stored !== undefined) {
        await this.#refuse(stored, error);
        throw error;
      }
      const isShared = keyed !== undefined || isTaken;
      await this.#undo(draft, { stored, generation, kept, isShared, error });
      const existing = isTaken ? await heads.read(draft) : undefined;
      if (existing === undefined) throw error;
      return { stored: existing, created: false };
    }
    return { stored, created: true };
  }

  #draft(id: TaskId, input: CreateTask, keyed: KeyedCreation | undefined, isUncounted: boolean): Task {
    const { arguments: _args, given: _given, admission: _admission, idempotencyKey: _key, ...rest } = input;
    const members = { ...rest, id, arguments: { json: null }, ...(keyed && { keyDigest: keyed.keyDigest }) };
    const draft = createTask(members, keyed?.createdAt ?? this.#options.records.now());
    return isUncounted ? { ...draft, isUncounted } : draft;
  }

  /** The task with its values, which are written. `kept` gets what was written. */
  async #withValues(draft: Task, { arguments: args, admission }: CreateTask, kept: Payload[]): Promise<Task> {
    const { payloads } = this.#options;
    const keep = async (value: JsonValue) => {
      const payload = await payloads.keep(draft, 'arguments', value);
      kept.push(payload);
      return payload;
    };
    const [keptArguments, keptAdmission] = await settled([
      keep(args),
      admission === undefined ? undefined : keep(admission),
    ] as const);
    return {
      ...draft,
      arguments: keptArguments,
      ...(keptAdmission && { admission: keptAdmission }),
    };
  }

  /**
   * Ends a task that has no slot in the generation that counts now, so none is given back. If another process has ended
   * the task before, it gave back a slot that another task holds: `restore` takes that slot again.
   */
  async #refuse(created: StoredTask, error: unknown): Promise<void> {
    if (!(await this.#end(created, error))) await this.#options.limit.restore(created.task.owner);
  }

  /** `false`: the task was ended, or removed, by somebody else before. */
  async #end(created: StoredTask, error: unknown): Promise<boolean> {
    const { records, heads } = this.#options;
    const failure = runtimeFailure('refused', error instanceof Error ? error.message : 'The task was refused.');
    let current: StoredTask | undefined = created;
    while (current !== undefined && !isTerminal(current.task.status)) {
      const { task, version }: StoredTask = current;
      // As long as its key is: what a key that is open names, and is not there, is made again.
      const refused = { ...failTask(task, failure, records.now()), promisedUntil: task.promisedUntil };
      if ((await heads.swap(refused, version)) !== undefined) return true;
      current = await heads.read(task);
    }
    return false;
  }

  /**
   * In this order, and no further than storage answers: the slot is given back only if the task is surely gone, and nobody
   * has given it back before. Where the id is, or may be, another creation's as well (`isShared`), the task that has it
   * stays, and so does its record on the agenda, which may be the same record. So does the record of a head that may still
   * land, however late: the looker takes it off.
   */
  async #undo(task: Task, undoing: Undoing): Promise<void> {
    const { agenda, heads, limit, payloads } = this.#options;
    const { kept, isShared, error: cause } = undoing;
    try {
      const ownSlot = isShared ? undoing.generation : await this.#ownSlot(task, undoing);
      if (!isShared) {
        await heads.remove(task);
        if (!mayHaveLanded(cause)) await agenda.forgetNew(task, task.createdAt);
      }
      await Promise.all(
        kept.map(async (payload) => {
          const ref = refOf(payload);
          if (ref !== undefined) await payloads.remove(task, ref);
        }),
      );
      if (ownSlot !== undefined) await limit.giveBack(task.owner, ownSlot);
    } catch (error) {
      if (!mayHaveLanded(error)) throw error;
    }
  }

  /**
   * The slot of a task that is taken back, if it is this creation's to give back; to be asked before the task is removed.
   * The task may have been seen in a list, and ended: then its slot was given back with its end. It is ended here first, so
   * that nobody does so between this look and its removal.
   */
  async #ownSlot(task: Task, { stored, generation, error: cause }: Undoing): Promise<number | undefined> {
    const { heads, limit } = this.#options;
    if (generation === undefined) return undefined;
    try {
      const landed = stored ?? (await heads.read(task));
      if (landed === undefined || (await this.#end(landed, cause))) return generation;
      await limit.restore(task.owner, generation);
    } catch (error) {
      // The task is to go all the same. Nobody knows whose the slot is: too many is repaired.
      if (!mayHaveLanded(error)) throw error;
    }
    return undefined;
  }
}

/** `Promise.all`, but for one that fails the others are waited for: what is undone must not land afterwards. */
async function settled<T extends readonly unknown[]>(
  work: T,
): Promise<{ -readonly [Place in keyof T]: Awaited<T[Place]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
