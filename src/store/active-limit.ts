/**
 * The exact limit of an owner's active tasks. A slot is counted before its task is written, and given back
 * after the task has ended, so that a crash in between can only over-count. A counter that refuses is audited against
 * the tasks themselves, bit by bit (`count-audit.ts`), and repaired when it was wrong.
 *
 * The counter carries a generation in its high digits. A repair first opens a new generation, closed to all, and
 * counts then. Whoever wrote a task before that is seen by the count; whoever wrote one later finds another
 * generation when it looks again, and takes a slot in that one. A slot is given back only to an open
 * generation that its task was counted in. See docs/decisions/0002-active-limit.md.
 */
import type { StorageBackend } from '../backends/backend.ts';
import { BackendConflictError, BackendLimitError } from '../backends/errors.ts';
import type { Clock } from '../clock.ts';
import { TaskError } from '../domain/errors.ts';
import { encodeOwner, type Owner } from '../domain/owner.ts';
import { CountAudit, type CountPage, REMEMBERED_MS } from './count-audit.ts';
import { activeCountKey } from './keys.ts';

/** The counter's value is `generation * SPAN + active`. */
const SPAN = 2 ** 20;
/** What stands in place of the number of active tasks while they are being counted. */
const CLOSED = SPAN - 1;
export const MAX_ACTIVE_LIMIT = CLOSED - 1;

const ATTEMPTS = 12;
/** Looks, a moment apart, before a counter is taken to be wrong: a create in flight, or another's repair, looks the same. */
const LOOKS = 3;
const LOOK_PAUSE_MS = 15;
/** Owners whose generation this process remembers, to find it at the first try. */
const REMEMBERED_OWNERS = 10_000;

export interface ActiveLimitOptions {
  readonly backend: StorageBackend;
  readonly limit: number;
  readonly clock: Clock;
  readonly countPage: CountPage;
  readonly pause: (maxMs: number) => Promise<void>;
}

export class ActiveLimit {
  readonly #options: ActiveLimitOptions;
  readonly #generations = new Map<string, number>();
  readonly #audit: CountAudit;
  /** By owner: whoever is refused meanwhile waits for the same answer. */
  readonly #recounts = new Map<string, Promise<void>>();

  constructor(options: ActiveLimitOptions) {
    this.#options = options;
    this.#audit = new CountAudit(options);
  }

  /** Counts one more task. Resolves to the generation it is counted in; rejects with `too_many_tasks`. */
  async take(owner: Owner): Promise<number> {
    const { backend, limit } = this.#options;
    let generation = this.#generations.get(encodeOwner(owner)) ?? 0;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      try {
        const sum = await backend.addIfBelow(activeCountKey(owner), 1, { ceiling: generation * SPAN + limit });
        return this.#remember(owner, decodeCounter(sum).generation);
      } catch (error) {
        if (!(error instanceof BackendLimitError)) throw error;
        const current = decodeCounter(error.current).generation;
        if (current === generation) await this.#recountOnce(owner, generation);
        else generation = this.#remember(owner, current);
      }
    }
    throw this.#tooMany(REMEMBERED_MS);
  }

  /** Gives a slot back to the generation it was taken in; nothing happens if a recount has come since. */
  giveBack(owner: Owner, generation: number): Promise<void> {
    return this.#addWhileOpen(owner, -1, generation * SPAN + CLOSED - 2);
  }

  /** Counts a slot that was given back wrongly, whatever the limit. */
  async restore(owner: Owner): Promise<void> {
    const generation = await this.generation(owner);
    if (generation !== undefined) await this.#addWhileOpen(owner, 1, generation * SPAN + CLOSED - 1);
  }

  /**
   * The generation in which a task that is active now is counted, to be asked before the task ends; `undefined` while it
   * cannot be told: then its slot is not given back, and the next recount finds it.
   */
  async generation(owner: Owner): Promise<number | undefined> {
    const counter = await this.#read(owner);
    return counter === undefined || counter.active === CLOSED ? undefined : counter.generation;
  }

  /** To be called once a counted task is written: takes another slot if a recount may have missed the task. */
  async confirm(owner: Owner, generation: number): Promise<void> {
    const counter = await this.#read(owner);
    if (counter !== undefined && counter.generation !== generation) await this.take(owner);
  }

  /** Returns when there is room after all; rejects with `too_many_tasks` when there is none, as far as is known. */
  async #recountOnce(owner: Owner, generation: number): Promise<void> {
    const holdsMs = this.#audit.holdsMs(owner, generation);
    if (holdsMs > 0) throw this.#tooMany(holdsMs);
    const key = encodeOwner(owner);
    const recount = this.#recounts.get(key) ?? this.#recount(owner).finally(() => this.#recounts.delete(key));
    this.#recounts.set(key, recount);
    await recount;
  }

  async #recount(owner: Owner): Promise<void> {
    const { limit, pause } = this.#options;
    for (let look = 1; look <= LOOKS; look += 1) {
      const counter = await this.#read(owner);
      if (counter === undefined || counter.active < limit) return;
      const verdict = await this.#audit.look(owner, counter.generation);
      if (verdict === 'full') throw this.#tooMany(REMEMBERED_MS);
      // Another look would begin anew, and not come to an end.
      if (verdict === 'fewer_over_time') break;
      await pause(LOOK_PAUSE_MS);
    }
    await this.#repair(owner);
  }

  /** Counts all tasks. A repair that another one has overtaken leaves the counter to that one. */
  async #repair(owner: Owner): Promise<void> {
    const { backend, limit } = this.#options;
    const counter = await this.#read(owner);
    if (counter === undefined || counter.active < limit) return;
    const generation = counter.generation + 1;
    const write = (active: number, version: number) =>
      backend.putIfVersion(activeCountKey(owner), { value: String(generation * SPAN + active) }, version);
    try {
      const closed = await write(CLOSED, counter.version);
      await write(Math.min(await this.#audit.countAll(owner), CLOSED - 1), closed);
    } catch (error) {
      if (!(error instanceof BackendConflictError)) throw error;
    }
  }

  async #read(owner: Owner): Promise<{ generation: number; active: number; version: number } | undefined> {
    const record = await this.#options.backend.get(activeCountKey(owner));
    if (record === undefined) return undefined;
    return { ...decodeCounter(Number(record.value)), version: record.version };
  }

  /** A refusal says that a repair has come since, which counts what there is. */
  async #addWhileOpen(owner: Owner, delta: number, ceiling: number): Promise<void> {
    try {
      await this.#options.backend.addIfBelow(activeCountKey(owner), delta, { ceiling });
    } catch (error) {
      if (!(error instanceof BackendLimitError)) throw error;
    }
  }

  #remember(owner: Owner, generation: number): number {
    if (generation === 0) return 0;
    if (this.#generations.size >= REMEMBERED_OWNERS) this.#generations.clear();
    this.#generations.set(encodeOwner(owner), generation);
    return generation;
  }

  #tooMany(retryAfterMs: number): TaskError {
    const { limit } = this.#options;
    return new TaskError(
      'too_many_tasks',
      `There are already ${limit} unfinished tasks, which is the limit; wait for one to end, or cancel one.`,
      { detail: { limit, retryAfterMs } },
    );
  }
}

/** What a counter's value says. */
export function decodeCounter(counter: number): { readonly generation: number; readonly active: number } {
  const generation = Math.max(0, Math.floor(counter / SPAN));
  return { generation, active: counter - generation * SPAN };
}
