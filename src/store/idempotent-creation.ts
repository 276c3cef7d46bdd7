/**
 * Creating a task at most once for a caller's key. The key's record names the task before the task
 * exists; whoever finds a key without its task (its creator crashed, or is slow) takes the key over by
 * writing it again, and creates that very task, so that all callers end with the same one.
 */
import type { RecordKey, RecordWrite, StorageBackend } from '../backends/backend.ts';
import { BackendConflictError } from '../backends/errors.ts';
import { TaskError } from '../domain/errors.ts';
import { promisedUntil } from '../domain/lifetime.ts';
import type { TaskRef } from '../domain/task.ts';
import { asTaskId, type TaskId } from '../domain/task-id.ts';
import { canonicalJson, encodeRecord, parseRecord, recordWrite, sha256 } from './codec.ts';
import { mayHaveLanded } from './errors.ts';
import { idempotencyKey } from './keys.ts';
import type { Creation } from './task-creation.ts';
import type { CreateTask, StoredTask } from './task-store.ts';

const ATTEMPTS = 5;
/** How often, and how long at most each time, to wait for a creator that may just be at it. */
const LOOKS = 4;
const LOOK_PAUSE_MS = 25;

export interface IdempotentCreationOptions {
  readonly backend: StorageBackend;
  readonly pause: (maxMs: number) => Promise<void>;
  readonly newId: () => TaskId;
  readonly find: (ref: TaskRef) => Promise<StoredTask | undefined>;
  readonly create: (id: TaskId, input: CreateTask) => Promise<Creation>;
}

export class IdempotentCreation {
  readonly #options: IdempotentCreationOptions;

  constructor(options: IdempotentCreationOptions) {
    this.#options = options;
  }

  /** Rejects with `idempotency_conflict` when the key was used with another tool or other arguments. */
  async create(input: CreateTask, key: string, now: number): Promise<Creation> {
    const { backend, newId } = this.#options;
    const { owner } = input;
    const at = idempotencyKey(owner, sha256(key));
    const fingerprint = sha256(canonicalJson({ tool: input.tool, arguments: input.given ?? input.arguments }));
    const until = promisedUntil(now + input.lifetime.runDeadlineMs, input.lifetime.retentionMs);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const id = newId();
      const value = encodeRecord({ task: id, fingerprint });
      if (await this.#write(at, recordWrite(value, until), 0)) {
        const withdraw = () => this.#write(at, { value, expiresAt: now }, 1);
        return this.#createAs(id, input, withdraw);
      }
      const record = await backend.get(at);
      if (record === undefined) continue;
      const known = parseRecord(record.value, 'an idempotency key');
      if (known.fingerprint !== fingerprint) {
        throw new TaskError('idempotency_conflict', 'This idempotency key was already used with other arguments.');
      }
      const made = asTaskId(known.task);
      const stored = await this.#awaitCreator({ owner, id: made });
      if (stored !== undefined) return { stored, created: false };
      if (await this.#write(at, record, record.version)) return this.#createAs(made, input);
    }
    throw new TaskError('contention', 'The idempotency key is used too often at the same time; try again.');
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
  async #createAs(id: TaskId, input: CreateTask, withdraw?: () => Promise<unknown>): Promise<Creation> {
    const { create, find } = this.#options;
    try {
      return await create(id, input);
    } catch (error) {
      const stored = await find({ owner: input.owner, id });
      // Made by another call meanwhile, or by this one, whose answer got lost.
      if (stored !== undefined) return { stored, created: mayHaveLanded(error) };
      if (!mayHaveLanded(error)) await withdraw?.();
      throw error;
    }
  }

  /** Resolves to whether the key's record was at `expected`. */
  async #write(at: RecordKey, { value, expiresAt }: RecordWrite, expected: number): Promise<boolean> {
    try {
      await this.#options.backend.putIfVersion(at, recordWrite(value, expiresAt ?? null), expected);
      return true;
    } catch (error) {
      if (error instanceof BackendConflictError) return false;
      throw error;
    }
  }
}
