/**
 * Creating a task at most once for a caller's key. The key's record names the task before the task
 * exists. A caller that finds a key without its task (the task's creator crashed, or is slow) takes the key over by
 * writing it again, and creates that very task, so that all callers end with the same task. The record lives
 * as long as its task was to: it is extended before the task is, and closed before a task's life is cut short.
 */
import * as z from 'zod';
import { TaskError } from '../domain/errors.ts';
import { isLater, laterPromise, promisedUntil } from '../domain/lifetime.ts';
import type { Owner } from '../domain/owner.ts';
import type { Task, TaskRef } from '../domain/task.ts';
import { isTaskId, type TaskId } from '../domain/task-id.ts';
import { canonicalJson, type ShapeOf, StoredKind, sha256 } from './codec.ts';
import { mayHaveLanded } from './errors.ts';
import { idempotencyKey } from './keys.ts';
import { type Records, recordWrite } from './records.ts';
import type { Creation, KeyedCreation, TaskCreation } from './task-creation.ts';
import type { TaskHeads } from './task-heads.ts';
import type { CreateTask, KeyedCall, StoredTask } from './task-store.ts';

const ATTEMPTS = 5;
/** How often, and how long at most each time, to wait for a creator that may just be at it. */
const LOOKS = 4;
const LOOK_PAUSE_MS = 25;

export interface IdempotentCreationOptions {
  readonly records: Records;
  readonly heads: TaskHeads;
  readonly creation: TaskCreation;
}

interface KeyRecord {
  readonly task: TaskId;
  /** Of the call that the key was used for. */
  readonly fingerprint: string;
  /**
   * While this is ahead, a task that is not there has yet to be made. After it, it may have been there and have
   * expired, so its id, under which a log may still lie, is not used again. `null`: always ahead.
   */
  readonly openUntil: number | null;
}

interface StoredKey extends KeyRecord {
  readonly version: number;
  /** `null`: never. */
  readonly expiresAt: number | null;
  readonly value: string;
}

const members = {
  task: z.custom<TaskId>(isTaskId),
  fingerprint: z.string(),
  openUntil: z.int().nullable(),
} satisfies ShapeOf<KeyRecord>;
export const keyRecord: StoredKind<KeyRecord> = StoredKind.first<KeyRecord>('record', z.looseObject(members));

export class IdempotentCreation {
  readonly #options: IdempotentCreationOptions;

  constructor(options: IdempotentCreationOptions) {
    this.#options = options;
  }

  /** Rejects with `idempotency_conflict` when the key was used with another tool or other arguments. */
  async create(input: CreateTask, key: string): Promise<Creation> {
    const { records, creation } = this.#options;
    const { owner, lifetime } = input;
    const keyDigest = sha256(key);
    const at = idempotencyKey(owner, keyDigest);
    const fingerprint = fingerprintOf(input);
    for await (const _attempt of records.attempts(ATTEMPTS)) {
      const createdAt = records.now();
      const until = promisedUntil(createdAt + lifetime.runDeadlineMs, lifetime.retentionMs);
      const id = creation.newId();
      const value = keyRecord.encode({ task: id, fingerprint, openUntil: until });
      if ((await records.write(at, recordWrite(value, until), 0)) !== undefined) {
        const withdraw = () => records.write(at, recordWrite(value, createdAt), 1);
        return this.#createAs(id, input, { keyDigest, createdAt }, withdraw);
      }
      const known = await this.#read(owner, keyDigest, fingerprint);
      if (known === undefined) continue;
      const stored = await this.#awaitCreator({ owner, id: known.task });
      if (stored !== undefined) return { stored, created: false };
      const isOpen = known.openUntil === null || createdAt < known.openUntil;
      const takenOver = isOpen ? { id: known.task, value: known.value } : { id, value };
      const write = recordWrite(takenOver.value, laterPromise(known.expiresAt, until));
      if ((await records.write(at, write, known.version)) !== undefined) {
        return this.#createAs(takenOver.id, input, { keyDigest, createdAt });
      }
    }
    throw usedTooOften();
  }

  /** The task of the key, if both are there. Rejects with `idempotency_conflict`. */
  async find(call: KeyedCall): Promise<StoredTask | undefined> {
    const known = await this.#read(call.owner, sha256(call.idempotencyKey), fingerprintOf(call));
    return known === undefined ? undefined : this.#options.heads.read({ owner: call.owner, id: known.task });
  }

  /** Lets the key of a task live as long as the task will. To be called before the task promises it. */
  async extend({ id, owner, keyDigest, promisedUntil: until }: Task): Promise<void> {
    if (keyDigest === undefined) return;
    const { records } = this.#options;
    for await (const _attempt of records.attempts(ATTEMPTS)) {
      const known = await this.#read(owner, keyDigest);
      if (known === undefined || known.task !== id) return;
      const later = laterPromise(known.expiresAt, until);
      if (later === known.expiresAt) return;
      const write = recordWrite(known.value, later);
      if ((await records.write(idempotencyKey(owner, keyDigest), write, known.version)) !== undefined) return;
    }
    throw usedTooOften();
  }

  /**
   * Notes that the task of the key has been there, so that its id is not used again once it is gone. To be called
   * before the task promises less.
   */
  async close({ id, owner, keyDigest }: Task): Promise<void> {
    if (keyDigest === undefined) return;
    const { records } = this.#options;
    for await (const _attempt of records.attempts(ATTEMPTS)) {
      const known = await this.#read(owner, keyDigest);
      const now = records.now();
      if (known === undefined || known.task !== id || isLater(now, known.openUntil)) return;
      const { version, expiresAt, value: _value, ...record } = known;
      const write = recordWrite(keyRecord.encode({ ...record, openUntil: now }), expiresAt);
      if ((await records.write(idempotencyKey(owner, keyDigest), write, version)) !== undefined) return;
    }
    throw usedTooOften();
  }

  async #read(owner: Owner, keyDigest: string, fingerprint?: string): Promise<StoredKey | undefined> {
    const record = await this.#options.records.read(idempotencyKey(owner, keyDigest));
    if (record === undefined) return undefined;
    const known = keyRecord.decode(record.value, 'an idempotency key');
    if (fingerprint !== undefined && known.fingerprint !== fingerprint) {
      throw new TaskError('idempotency_conflict', 'This idempotency key was already used with other arguments.');
    }
    const { version, expiresAt = null, value } = record;
    return { ...known, version, expiresAt, value };
  }

  async #awaitCreator(ref: TaskRef): Promise<StoredTask | undefined> {
    const { records, heads } = this.#options;
    for (let look = 0; look < LOOKS; look += 1) {
      const stored = await heads.read(ref);
      if (stored !== undefined) return stored;
      await records.pause(LOOK_PAUSE_MS);
    }
    return undefined;
  }

  /** `withdraw` frees the key of a refused task, unless another caller has taken the key over, who may be creating that task. */
  async #createAs(
    id: TaskId,
    input: CreateTask,
    keyed: KeyedCreation,
    withdraw?: () => Promise<unknown>,
  ): Promise<Creation> {
    const { creation, heads } = this.#options;
    try {
      return await creation.create(id, input, keyed);
    } catch (error) {
      const stored = await heads.read({ owner: input.owner, id });
      // Made by another call meanwhile, or by this one, whose answer got lost.
      if (stored !== undefined) return { stored, created: mayHaveLanded(error) };
      if (!mayHaveLanded(error)) await withdraw?.();
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
