/**
 * The exact limit of an owner's active tasks. A slot is counted before its task is written, and given back after the
 * task has ended, so that a crash in between can only over-count. A counter that refuses is audited against the tasks
 * themselves, bit by bit (`count-audit.ts`), and repaired when it was wrong.
 *
 * The counter carries a generation (`active-count.ts`). A repair first begins a new generation, in which no slot can be
 * taken yet, and counts the tasks then. A task that was written before is seen by the count. A creator that writes its
 * task later finds, when it reads the counter again, another generation than it took its slot in, and takes a slot in
 * the new one. A slot is given back only to an open generation in which its task was counted. See
 * docs/decisions/0002-active-limit.md.
 */
import { TaskError } from '../domain/errors.ts';
import { encodeOwner, type Owner } from '../domain/owner.ts';
import { type ActiveCount, decodeCount, encodeCount, MAX_ACTIVE } from './active-count.ts';
import { isOfNewerBuild } from './codec.ts';
import { CountAudit, REMEMBERED_MS } from './count-audit.ts';
import { activeCountKey } from './keys.ts';
import type { Records } from './records.ts';
import type { TaskHeads } from './task-heads.ts';

/** What stands in place of the number of active tasks while they are being counted. */
const CLOSED = MAX_ACTIVE;
const MAX_ACTIVE_LIMIT = CLOSED - 1;

const ATTEMPTS = 12;
/** Looks, a moment apart, before a counter is taken to be wrong: a create in flight, or another's repair, looks the same. */
const LOOKS = 3;
const LOOK_PAUSE_MS = 15;
/** Owners whose generation this process remembers, to find it at the first try. */
const REMEMBERED_OWNERS = 10_000;

/** The most unfinished tasks that an owner may have; `null`: any number, and nothing is counted. */
export type MaxActiveTasks = number | null | ((owner: Owner) => number | null);

export class ActiveLimit {
  readonly #records: Records;
  readonly #limitOf: (owner: Owner) => number | null;
  readonly #generations = new Map<string, number>();
  readonly #audit: CountAudit;
  /** By owner: a creation that is refused while an audit runs waits for the answer of that audit. */
  readonly #recounts = new Map<string, Promise<void>>();

  /** Throws `invalid_definition` for a limit that cannot be counted to. */
  constructor(records: Records, heads: TaskHeads, max: MaxActiveTasks) {
    this.#records = records;
    this.#limitOf = typeof max === 'function' ? (owner) => checked(max(owner)) : () => max;
    if (typeof max !== 'function') checked(max);
    this.#audit = new CountAudit(records, heads);
  }

  /**
   * Counts one more task. Resolves to the generation it is counted in, or `undefined` where the owner has no limit;
   * rejects with `too_many_tasks`.
   */
  async take(owner: Owner): Promise<number | undefined> {
    const limit = this.#limitOf(owner);
    if (limit === null) return undefined;
    let generation = this.#generations.get(encodeOwner(owner)) ?? 0;
    for await (const _attempt of this.#records.attempts(ATTEMPTS)) {
      const added = await this.#records.add(activeCountKey(owner), 1, encodeCount({ generation, active: limit }));
      if ('sum' in added) return this.#remember(owner, decodeCount(added.sum).generation);
      const current = decodeCount(added.refusedAt).generation;
      if (current === generation) await this.#recountOnce(owner, generation, limit);
      else generation = this.#remember(owner, current);
    }
    throw tooMany(limit, REMEMBERED_MS);
  }

  /** Gives a slot back to the generation it was taken in; nothing happens if a recount has come since. */
  async giveBack(owner: Owner, generation: number): Promise<void> {
    // Refused where a repair has come since, which counts what there is; so are all additions to an open generation below.
    await this.#records.add(activeCountKey(owner), -1, encodeCount({ generation, active: CLOSED - 2 }));
  }

  /**
   * Counts a slot that was given back wrongly, whatever the limit. `takenIn`: the generation in which it was given back
   * rightly, if it was in that one.
   */
  async restore(owner: Owner, takenIn?: number): Promise<void> {
    const generation = await this.generation(owner);
    if (generation === undefined || generation === takenIn) return;
    await this.#records.add(activeCountKey(owner), 1, encodeCount({ generation, active: CLOSED - 1 }));
  }

  /**
   * The generation in which a task that is active now is counted, to be asked before the task ends; `undefined` while it
   * cannot be told: then its slot is not given back, and the next recount finds it.
   */
  async generation(owner: Owner): Promise<number | undefined> {
    const counter = await this.#read(owner).catch((error: unknown) => {
      // A task ends whatever a newer build counts by.
      if (isOfNewerBuild(error)) return undefined;
      throw error;
    });
    return counter === undefined || counter.active === CLOSED ? undefined : counter.generation;
  }

  /** To be called once a counted task is written: takes another slot if a recount may have missed the task. */
  async confirm(owner: Owner, generation: number): Promise<void> {
    const counter = await this.#read(owner);
    if (counter !== undefined && counter.generation !== generation) await this.take(owner);
  }

  /** Returns when there is room after all; rejects with `too_many_tasks` when there is none, as far as is known. */
  async #recountOnce(owner: Owner, generation: number, limit: number): Promise<void> {
    const holdsMs = this.#audit.holdsMs(owner, generation);
    if (holdsMs > 0) throw tooMany(limit, holdsMs);
    const key = encodeOwner(owner);
    const recount = this.#recounts.get(key) ?? this.#recount(owner, limit).finally(() => this.#recounts.delete(key));
    this.#recounts.set(key, recount);
    await recount;
  }

  async #recount(owner: Owner, limit: number): Promise<void> {
    for (let look = 1; look <= LOOKS; look += 1) {
      const counter = await this.#read(owner);
      if (counter === undefined || counter.active < limit) return;
      const verdict = await this.#audit.look(owner, counter.generation, limit);
      if (verdict === 'full') throw tooMany(limit, REMEMBERED_MS);
      // Another look would begin anew, and not come to an end.
      if (verdict === 'fewer_over_time') break;
      await this.#records.pause(LOOK_PAUSE_MS);
    }
    await this.#repair(owner, limit);
  }

  /** Counts all tasks and sets the counter. Does not set it if another repair has begun since: that repair will. */
  async #repair(owner: Owner, limit: number): Promise<void> {
    const counter = await this.#read(owner);
    if (counter === undefined || counter.active < limit) return;
    const generation = counter.generation + 1;
    const write = (active: number, version: number) =>
      this.#records.write(activeCountKey(owner), { value: String(encodeCount({ generation, active })) }, version);
    const closed = await write(CLOSED, counter.version);
    if (closed !== undefined) await write(Math.min(await this.#audit.countAll(owner), CLOSED - 1), closed);
  }

  async #read(owner: Owner): Promise<(ActiveCount & { readonly version: number }) | undefined> {
    const record = await this.#records.read(activeCountKey(owner));
    if (record === undefined) return undefined;
    return { ...decodeCount(Number(record.value)), version: record.version };
  }

  #remember(owner: Owner, generation: number): number {
    if (generation === 0) return 0;
    if (this.#generations.size >= REMEMBERED_OWNERS) this.#generations.clear();
    this.#generations.set(encodeOwner(owner), generation);
    return generation;
  }
}

function checked(limit: number | null): number | null {
  if (limit === null || (Number.isInteger(limit) && limit >= 1 && limit <= MAX_ACTIVE_LIMIT)) return limit;
  const bounds = `from 1 to ${MAX_ACTIVE_LIMIT}, or null for no limit`;
  throw new TaskError('invalid_definition', `maxActiveTasksPerOwner must be ${bounds}, not ${limit}.`);
}

function tooMany(limit: number, retryAfterMs: number): TaskError {
  return new TaskError(
    'too_many_tasks',
    `There are already ${limit} unfinished tasks, which is the limit: end or cancel some of them first ` +
      '(tools task_list and task_cancel, or tasks/cancel), or wait for one to end.',
    { detail: { limit, retryAfterMs } },
  );
}
