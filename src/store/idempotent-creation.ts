/**
 * Creating a task at most once for a caller's key. The key's record names the task before the task
 * exists; whoever finds a key without its task (its creator crashed, or is slow) takes the key over by
 * writing it again, and creates that very task, so that all callers end with the same one. The record lives
 * as long as its task: both expire at the same instant, and it is extended before the task is.
 */
import type { RecordKey, StorageBackend } from '../backends/backend.ts';
import { BackendConflictError } from '../backends/errors.ts';
import type { Clock } from '../clock.ts';
import { TaskError } from '../domain/errors.ts';
import { laterPromise, promisedUntil } from '../domain/lifetime.ts';
import type { Owner } from '../domain/owner.ts';
import type { Task, TaskRef } from '../domain/task.ts';
import { asTaskId, type TaskId } from '../domain/task-id.ts';
import { canonicalJson, encodeRecord, parseRecord, recordWrite, sha256 } from './codec.ts';
import { mayHaveLanded } from './errors.ts';
import { idempotencyKey } from './keys.ts';
import type { Creation, KeyedCreation } from './task-creation.ts';
import type { CreateTask, KeyedCall, StoredTask } from './task-store.ts';

const ATTEMPTS = 5;
/** How often, and how long at most each time, to wait for a creator that may just be at it. */
const LOOKS = 4;
const LOOK_PAUSE_MS = 25;

export interface IdempotentCreationOptions {
  readonly backend: StorageBackend;
  readonly clock: Clock;
  readonly pause: (maxMs: number) => Promise<void>;
  readonly newId: () => TaskId;
  readonly find: (ref: TaskRef) => Promise<StoredTask | undefined>;
  readonly create: (id: TaskId, input: CreateTask, keyed: KeyedCreation) => Promise<Creation>;
}

interface KeyRecord {
  readonly version: number;
  readonly task: TaskId;
  /**
   * While this is ahead, a task that is not there has yet to be made. After it, it may have been there and have expired, so its
   * id, under which a log may still lie, is not used again. `null`: always ahead.
   */
  readonly openUntil: number | null;
  /** `null`: never. */
  readonly expiresAt: number | null;
  readonly value: string;
}

export class IdempotentCreation {
  readonly #options: IdempotentCreationOptions;

  constructor(options: IdempotentCreationOptions) {
    this.#options = options;
  }

  /** Rejects with `idempotency_conflict` when the key was used with another tool or other arguments. */
  async create(input: CreateTask, key: string): Promise<Creation> {
    const { clock, newId } = this.#options;
    const { owner, lifetime } = input;
    const keyDigest = sha256(key);
    const at = idempotencyKey(owner, keyDigest);
    const fingerprint = fingerprintOf(input);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const createdAt = clock.now();
      const until = promisedUntil(createdAt + lifetime.runDeadlineMs, lifetime.retentionMs);
      const id = newId();
      const value = encodeRecord({ task: id, fingerprint, openUntil: until });
      if (await this.#write(at, value, until, 0)) {
        const withdraw = () => this.#write(at, value, createdAt, 1);
        return this.#createAs(id, input, { keyDigest, createdAt }, withdraw);
      }
      const known = await this.#read(owner, keyDigest, fingerprint);
      if (known === undefined) continue;
      const stored = await this.#awaitCreator({ owner, id: known.task });
      if (stored !== undefined) return { stored, created: false };
      const isOpen = known.openUntil === null || createdAt < known.openUntil;
      const takenOver = isOpen ? { id: known.task, value: known.value } : { id, value };
      if (await this.#write(at, takenOver.value, laterPromise(known.expiresAt, until), known.version)) {
        return this.#createAs(takenOver.id, input, { keyDigest, createdAt });
      }
    }
    throw usedTooOften();
  }

  /** The task of the key, if both are there. Rejects with `idempotency_conflict`. */
  async find(call: KeyedCall): Promise<StoredTask | undefined> {
    const known = await this.#read(call.owner, sha256(call.idempotencyKey), fingerprintOf(call));
    return known === undefined ? undefined : this.#options.find({ owner: call.owner, id: known.task });
  }

  /** Lets the key of a task live as long as the task will. To be called before the task promises it. */
  async extend({ id, owner, keyDigest, promisedUntil: until }: Task): Promise<void> {
    if (keyDigest === undefined) return;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const known = await this.#read(owner, keyDigest);
      if (known === undefined || known.task !== id) return;
      const later = laterPromise(known.expiresAt, until);
      if (later === known.expiresAt) return;
      if (await this.#write(idempotencyKey(owner, keyDigest), known.value, later, known.version)) return;
    }
    throw usedTooOften();
  }

  async #read(owner: Owner, keyDigest: string, fingerprint?: string): Promise<KeyRecord | undefined> {
    const record = await this.#options.backend.get(idempotencyKey(owner, keyDigest));
    if (record === undefined) return undefined;
    const known = parseRecord(record.value, 'an idempotency key');
    if (fingerprint !== undefined && known.fingerprint !== fingerprint) {
      throw new TaskError('idempotency_conflict', 'This idempotency key was already used with other arguments.');
    }
    const openUntil = typeof known.openUntil === 'number' ? known.openUntil : null;
    const { version, expiresAt = null } = record;
    return { version, task: asTaskId(known.task), openUntil, expiresAt, value: record.value };
  }

  async #awaitCreator(ref: TaskRef): Promise<StoredTask | undefined> {
    const { find, pause } = this.#options;
    for (let look = 0; look < LOOKS; look += 1) {
      const stored = await find(ref);
      if (stored !== undefined) return stored;
      await pause(LOOK_PAUSE_MS);
    }
    return undefined;
  }

  /** `withdraw` frees the key of a refused task, unless somebody has taken it over, who then may be creating that task. */
  async #createAs(
    id: TaskId,
    input: CreateTask,
    keyed: KeyedCreation,
    withdraw?: () => Promise<unknown>,
  ): Promise<Creation> {
    const { create, find } = this.#options;
    try {
      return await create(id, input, keyed);
    } catch (error) {
      const stored = await find({ owner: input.owner, id });
      // Made by another call meanwhile, or by this one, whose answer got lost.
      if (stored !== undefined) return { stored, created: mayHaveLanded(error) };
      if (!mayHaveLanded(error)) await withdraw?.();
      throw error;
    }
  }

  /** Resolves to whether the key's record was at `expected`. */
  async #write(at: RecordKey, value: string, expiresAt: number | null, expected: number): Promise<boolean> {
    try {
      await this.#options.backend.putIfVersion(at, recordWrite(value, expiresAt), expected);
      return true;
    } catch (error) {
      if (error instanceof BackendConflictError) return false;
      throw error;
    }
  }
}

/** Of what the caller gave: what a schema made of it may differ from call to call. */
function fingerprintOf(call: Pick<CreateTask, 'tool' | 'arguments' | 'given'>): string {
  return sha256(canonicalJson({ tool: call.tool, arguments: call.given ?? call.arguments }));
}

function usedTooOften(): TaskError {
  return new TaskError('contention', 'The idempotency key is used too often at the same time; try again.');
}
