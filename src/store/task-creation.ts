/**
 * Creating a task: a slot of its owner's limit, its values, its head, and one more look at the limit; in this order, and
 * with everything undone when one of them is refused, so that a refused create leaves nothing behind.
 */
import type { StorageBackend } from '../backends/backend.ts';
import { BackendConflictError } from '../backends/errors.ts';
import type { Clock } from '../clock.ts';
import type { JsonValue } from '../domain/json.ts';
import { type Payload, refOf } from '../domain/payload.ts';
import { isTerminal } from '../domain/status.ts';
import { createTask, failTask, runtimeFailure, type Task, type TaskRef } from '../domain/task.ts';
import type { TaskId } from '../domain/task-id.ts';
import type { ActiveLimit } from './active-limit.ts';
import { headWrite } from './codec.ts';
import { mayHaveLanded } from './errors.ts';
import { headKey } from './keys.ts';
import type { PayloadStore } from './payload-store.ts';
import type { CreateTask, PayloadKind, StoredTask } from './task-store.ts';

export type Creation = { readonly stored: StoredTask; readonly created: boolean };

/** What a task that is created for an idempotency key has from the key's record, so that both live equally long. */
export interface KeyedCreation {
  readonly keyDigest: string;
  readonly createdAt: number;
}

export interface TaskCreationOptions {
  readonly backend: StorageBackend;
  readonly clock: Clock;
  readonly limit: ActiveLimit;
  readonly payloads: PayloadStore;
  readonly keep: (task: Task, kind: PayloadKind, value: JsonValue) => Promise<Payload>;
  readonly find: (ref: TaskRef) => Promise<StoredTask | undefined>;
}

export class TaskCreation {
  readonly #options: TaskCreationOptions;

  constructor(options: TaskCreationOptions) {
    this.#options = options;
  }

  /** Resolves to the task that is there already when one has the id. Rejects with `too_many_tasks`, `value_too_large`. */
  async create(id: TaskId, input: CreateTask, keyed?: KeyedCreation): Promise<Creation> {
    const { arguments: args, given: _given, admission, idempotencyKey: _key, ...rest } = input;
    const { backend, clock, limit, keep, find } = this.#options;
    const generation = await limit.take(input.owner);
    const draft = createTask(
      { ...rest, id, arguments: { json: null }, ...(keyed === undefined ? {} : { keyDigest: keyed.keyDigest }) },
      keyed?.createdAt ?? clock.now(),
    );
    const kept: Payload[] = [];
    const keepArguments = async (value: JsonValue) => {
      const payload = await keep(draft, 'arguments', value);
      kept.push(payload);
      return payload;
    };
    let stored: StoredTask | undefined;
    try {
      const task: Task = {
        ...draft,
        arguments: await keepArguments(args),
        ...(admission === undefined ? {} : { admission: await keepArguments(admission) }),
      };
      stored = { task, version: await backend.putIfVersion(headKey(task), headWrite(task), 0) };
      await limit.confirm(input.owner, generation);
    } catch (error) {
      // The next call with the same key finds what landed, or completes it.
      if (keyed !== undefined && mayHaveLanded(error)) throw error;
      // Another call with the key may have been told of the task already: it is ended then, not taken back.
      if (keyed !== undefined && stored !== undefined) {
        await this.#refuse(stored, error);
        throw error;
      }
      const isTaken = error instanceof BackendConflictError;
      await this.#undo(draft, generation, kept, { head: !isTaken });
      const existing = isTaken ? await find(draft) : undefined;
      if (existing === undefined) throw error;
      return { stored: existing, created: false };
    }
    return { stored, created: true };
  }

  /**
   * Ends a task that has no slot in the generation that counts now, so none is given back. Where another has ended it
   * before, that one gave back a slot of somebody else's, which is put right.
   */
  async #refuse(created: StoredTask, error: unknown): Promise<void> {
    const { backend, clock, limit, find } = this.#options;
    const failure = runtimeFailure('refused', error instanceof Error ? error.message : 'The task was refused.');
    let current: StoredTask | undefined = created;
    while (current !== undefined && !isTerminal(current.task.status)) {
      const { task, version }: StoredTask = current;
      try {
        await backend.putIfVersion(headKey(task), headWrite(failTask(task, failure, clock.now())), version);
        return;
      } catch (conflict) {
        if (!(conflict instanceof BackendConflictError)) throw conflict;
        current = await find(task);
      }
    }
    await limit.restore(created.task.owner);
  }

  /** In this order, and no further than storage answers: the slot is given back only if the task is surely gone. */
  async #undo(
    task: Task,
    generation: number,
    kept: readonly Payload[],
    what: { readonly head: boolean },
  ): Promise<void> {
    const { backend, limit, payloads } = this.#options;
    try {
      if (what.head) await backend.delete(headKey(task));
      await Promise.all(
        kept.map(async (payload) => {
          const ref = refOf(payload);
          if (ref !== undefined) await payloads.remove(task, ref);
        }),
      );
      await limit.giveBack(task.owner, generation);
    } catch (error) {
      if (!mayHaveLanded(error)) throw error;
    }
  }
}
