/**
 * The exact limit of an owner's active tasks. A slot is counted before its task is written and given back
 * after the task has ended, so that a crash in between can only over-count. A refusal is believed
 * only after a recount of the tasks themselves, which repairs the counter.
 *
 * A recount cannot see a task that another process has counted and is just writing. Therefore the
 * counter carries a generation, raised by each recount: who wrote a task looks again, and counts it anew if a
 * recount came between; who ends a task gives its slot back only to the generation that counted it.
 * Both are the same atomic `addIfBelow`: a newer generation is a larger number than any ceiling of an
 * older one. See docs/decisions/0002-active-limit.md.
 */
import type { StorageBackend } from '../backends/backend.ts';
import { BackendConflictError, BackendLimitError } from '../backends/errors.ts';
import { TaskError } from '../domain/errors.ts';
import type { Owner } from '../domain/owner.ts';
import { activeCountKey } from './keys.ts';

/** The counter's value is `generation * SPAN + active`. */
const SPAN = 2 ** 20;
export const MAX_ACTIVE_LIMIT = SPAN - 1;

const ATTEMPTS = 12;
/** Recounts that must agree, a moment apart, before a counter is taken to be wrong: a create in flight looks the same. */
const LOOKS = 3;
const LOOK_PAUSE_MS = 15;

export interface ActiveLimitOptions {
  readonly backend: StorageBackend;
  readonly limit: number;
  /**
   * How many of the owner's tasks have not ended, by reading them. With `enough` it stops there, having read as few
   * as it can, and may miss one that is written meanwhile: good for a refusal, not for a repair.
   */
  readonly countActive: (owner: Owner, enough?: number) => Promise<number>;
  readonly pause: (maxMs: number) => Promise<void>;
}

export class ActiveLimit {
  readonly #options: ActiveLimitOptions;

  constructor(options: ActiveLimitOptions) {
    this.#options = options;
  }

  /** Counts one more task. Resolves to the generation it is counted in; rejects with `too_many_tasks`. */
  async take(owner: Owner): Promise<number> {
    const { backend, limit } = this.#options;
    let generation = 0;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      try {
        const sum = await backend.addIfBelow(activeCountKey(owner), 1, { ceiling: generation * SPAN + limit });
        return generationOf(sum);
      } catch (error) {
        if (!(error instanceof BackendLimitError)) throw error;
        const current = generationOf(error.current);
        if (current === generation) await this.#recount(owner);
        else generation = current;
      }
    }
    throw this.#tooMany();
  }

  /** Gives a slot back, unless a recount has come since: that one did not see the task, or will over-count it by one. */
  async giveBack(owner: Owner, generation: number): Promise<void> {
    try {
      await this.#options.backend.addIfBelow(activeCountKey(owner), -1, { ceiling: (generation + 1) * SPAN - 1 });
    } catch (error) {
      if (!(error instanceof BackendLimitError)) throw error;
    }
  }

  /** To be called once a counted task is written: counts it again if a recount may have missed it. */
  async confirm(owner: Owner, generation: number): Promise<void> {
    const record = await this.#options.backend.get(activeCountKey(owner));
    if (record !== undefined && generationOf(Number(record.value)) !== generation) await this.take(owner);
  }

  /** Returns when there is room after all; rejects with `too_many_tasks` when the tasks themselves are too many. */
  async #recount(owner: Owner): Promise<void> {
    const { backend, limit, countActive, pause } = this.#options;
    for (let look = 1; look <= ATTEMPTS; look += 1) {
      const record = await backend.get(activeCountKey(owner));
      if (record === undefined) return;
      const counter = Number(record.value);
      if (counter - generationOf(counter) * SPAN < limit) return;
      const active = look < LOOKS ? await countActive(owner, limit) : await countActive(owner);
      if (active >= limit) throw this.#tooMany();
      if (look < LOOKS) {
        await pause(LOOK_PAUSE_MS);
        continue;
      }
      try {
        const repaired = (generationOf(counter) + 1) * SPAN + active;
        await backend.putIfVersion(activeCountKey(owner), { value: String(repaired) }, record.version);
        return;
      } catch (error) {
        if (!(error instanceof BackendConflictError)) throw error;
      }
    }
  }

  #tooMany(): TaskError {
    const { limit } = this.#options;
    return new TaskError(
      'too_many_tasks',
      `There are already ${limit} unfinished tasks, which is the limit; wait for one to end, or cancel one.`,
      { detail: { limit } },
    );
  }
}

function generationOf(counter: number): number {
  return Math.max(0, Math.floor(counter / SPAN));
}
