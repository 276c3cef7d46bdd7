/**
 * Creating a task at most once for a caller's key. The key's record names the task before the task
 * exists; whoever finds a key without its task (its creator crashed, or is just at it) creates that
 * very task, so that all callers end with the same one.
 */
import type { StorageBackend } from '../backends/backend.ts';
import { BackendConflictError } from '../backends/errors.ts';
import { TaskError } from '../domain/errors.ts';
import { promisedUntil } from '../domain/lifetime.ts';
import { asTaskId, type TaskId } from '../domain/task-id.ts';
import type { TaskRef } from '../domain/task.ts';
import { canonicalJson, encodeRecord, parseRecord, sha256 } from './codec.ts';
import { idempotencyKey } from './keys.ts';
import type { CreateTask, StoredTask } from './task-store.ts';

export const MAX_IDEMPOTENCY_KEY_LENGTH = 256;

const ATTEMPTS = 5;
/** How often, and how long at most each time, to wait for a creator that may just be at it. */
const LOOKS = 4;
const LOOK_PAUSE_MS = 25;

type Creation = { readonly stored: StoredTask; readonly created: boolean };

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
    const { backend, newId, create } = this.#options;
    const at = idempotencyKey(input.owner, sha256(key));
    const fingerprint = sha256(canonicalJson({ tool: input.tool, arguments: input.arguments }));
    const until = promisedUntil(now + input.lifetime.runDeadlineMs, input.lifetime.retentionMs);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const id = newId();
      const value = encodeRecord({ task: id, fingerprint });
      try {
        await backend.putIfVersion(at, until === null ? { value } : { value, expiresAt: until }, 0);
      } catch (error) {
        if (!(error instanceof BackendConflictError)) throw error;
        const record = await backend.get(at);
        if (record === undefined) continue;
        const known = parseRecord(record.value, 'an idempotency key');
        if (known.fingerprint !== fingerprint) {
          throw new TaskError('idempotency_conflict', 'This idempotency key was already used with other arguments.');
        }
        return this.#adopt(asTaskId(known.task), input);
      }
      try {
        return await create(id, input);
      } catch (error) {
        await backend.delete(at);
        throw error;
      }
    }
    throw new TaskError('contention', 'The idempotency key is used too often at the same time; try again.');
  }

  async #adopt(id: TaskId, input: CreateTask): Promise<Creation> {
    const { find, pause, create } = this.#options;
    for (let look = 0; look < LOOKS; look += 1) {
      const stored = await find({ owner: input.owner, id });
      if (stored !== undefined) return { stored, created: false };
      await pause(LOOK_PAUSE_MS);
    }
    return create(id, input);
  }
}
