/**
 * Erasing an owner, for requests under privacy laws: every record of the owner's that can be found, with the tasks last of
 * all, so that an erasure that dies half-way is begun again and finds what is left. Unfinished tasks are cancelled first
 * and given time to stop, because a run that goes on would write again what was just removed.
 */
import type { StorageBackend } from '../backends/backend.ts';
import { type Clock, sleep, systemRandom } from '../clock.ts';
import { isTaskError } from '../domain/errors.ts';
import { encodeOwner, type Owner } from '../domain/owner.ts';
import { isOver } from '../domain/run.ts';
import { isTerminal } from '../domain/status.ts';
import type { Task, TaskRef } from '../domain/task.ts';
import { asTaskId } from '../domain/task-id.ts';
import { cancel, type Deliveries } from '../runtime/queues/deliveries.ts';
import { activeCountKey, headsPartitions, idempotencyKey, logPartition, valuesPartition } from '../store/keys.ts';
import { Records } from '../store/records.ts';
import { OperationError } from './errors.ts';
import { tasksOf } from './task-listing.ts';

/** Between two looks at whether runs have stopped. */
const LOOK_EVERY_MS = 1_000;
/** Deletions under way at the same time. */
const AT_ONCE = 16;
/** A client that makes tasks all the while cannot keep an erasure going for ever. */
const MAX_ROUNDS = 10;

export interface ErasureOptions {
  readonly backend: StorageBackend;
  readonly deliveries: Deliveries;
  readonly clock: Clock;
  /** How long runs get to stop and clean up, in milliseconds. A lease is over after 30 seconds. */
  readonly patienceMs: number;
}

/** What was removed, in records. */
export interface Erased {
  readonly tasks: number;
  readonly journalEntries: number;
  readonly values: number;
  readonly idempotencyKeys: number;
  readonly agendaEntries: number;
  readonly counters: number;
  /** Tasks that were cancelled for it. */
  readonly cancelled: number;
  /** Tasks whose handler had not cleaned up when its time was over, because no server ran it. */
  readonly withoutCleanup: number;
}

type Counts = { -readonly [Name in keyof Erased]: number };

/** What there is, for who is to say yes: without the agenda, which is everybody's. */
export async function countTasks(deliveries: Deliveries, owner: Owner): Promise<{ total: number; unfinished: number }> {
  const counts = { total: 0, unfinished: 0 };
  for await (const task of tasksOf(deliveries.store, owner)) {
    counts.total += 1;
    if (!isTerminal(task.status)) counts.unfinished += 1;
  }
  return counts;
}

/** Rejects with an `OperationError`, with nothing removed, while a server still runs one of the tasks. */
export async function eraseOwner(owner: Owner, options: ErasureOptions): Promise<Erased> {
  const counts: Counts = {
    tasks: 0,
    journalEntries: 0,
    values: 0,
    idempotencyKeys: 0,
    agendaEntries: 0,
    counters: 0,
    cancelled: 0,
    withoutCleanup: 0,
  };
  const erasing = new Erasing(owner, options, counts);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    await erasing.stopAll();
    // What was made while the rest was being removed.
    if ((await erasing.removeTasks()) === 0) {
      await erasing.removeFromAgenda();
      await erasing.removeCounter();
      return counts;
    }
  }
  throw new OperationError('The owner makes new tasks all the time: stop its clients, and erase again.');
}

class Erasing {
  readonly #owner: Owner;
  readonly #options: ErasureOptions;
  readonly #records: Records;
  readonly #counts: Counts;

  constructor(owner: Owner, options: ErasureOptions, counts: Counts) {
    this.#owner = owner;
    this.#options = options;
    this.#records = new Records({ backend: options.backend, clock: options.clock, random: systemRandom });
    this.#counts = counts;
  }

  async stopAll(): Promise<void> {
    const { clock, deliveries, patienceMs } = this.#options;
    const until = clock.now() + patienceMs;
    const stopping: TaskRef[] = [];
    for await (const task of tasksOf(deliveries.store, this.#owner)) {
      if (isOver(task)) continue;
      if (!isTerminal(task.status)) this.#counts.cancelled += 1;
      stopping.push(await cancel(deliveries, task, 'Its owner is being erased.'));
    }
    for (;;) {
      const tasks = await Promise.all(stopping.map((ref) => this.#find(ref)));
      const busy = tasks.filter((task) => task !== undefined && !isOver(task));
      if (busy.length === 0) return;
      const held = busy.filter((task) => task?.run.lease !== undefined && task.run.lease.until > clock.now());
      if (clock.now() >= until) {
        const [first] = held;
        if (first !== undefined) {
          throw new OperationError(
            `Nothing was removed: ${first.run.lease?.holder} still runs task ${first.id}` +
              `${held.length > 1 ? ` and ${held.length - 1} others are run` : ''}. They are cancelled; erase again later.`,
          );
        }
        this.#counts.withoutCleanup += busy.length;
        return;
      }
      await sleep(clock, Math.min(LOOK_EVERY_MS, patienceMs));
    }
  }

  async #find(ref: TaskRef): Promise<Task | undefined> {
    try {
      return (await this.#options.deliveries.store.get(ref)).task;
    } catch (error) {
      if (isTaskError(error, 'task_not_found')) return undefined;
      throw error;
    }
  }

  /** Resolves to how many there were. */
  async removeTasks(): Promise<number> {
    let removed = 0;
    for (const partition of headsPartitions(this.#owner)) {
      const refs: TaskRef[] = [];
      for await (const { id } of this.#records.all(partition)) refs.push({ owner: this.#owner, id: asTaskId(id) });
      for (let start = 0; start < refs.length; start += AT_ONCE) {
        await Promise.all(refs.slice(start, start + AT_ONCE).map((ref) => this.#removeTask(partition, ref)));
      }
      removed += refs.length;
    }
    this.#counts.tasks += removed;
    return removed;
  }

  /** The head last: as long as it is there, the rest is found. */
  async #removeTask(partition: string, ref: TaskRef): Promise<void> {
    this.#counts.journalEntries += await this.#empty(logPartition(ref));
    this.#counts.values += await this.#empty(valuesPartition(ref));
    const digest = await this.#keyDigestOf(partition, ref);
    if (digest !== undefined && (await this.#removeOne(idempotencyKey(this.#owner, digest)))) {
      this.#counts.idempotencyKeys += 1;
    }
    await this.#records.remove({ partition, id: ref.id });
  }

  /** Also of a head that this build cannot read otherwise. */
  async #keyDigestOf(partition: string, ref: TaskRef): Promise<string | undefined> {
    const record = await this.#records.read({ partition, id: ref.id });
    if (record === undefined) return undefined;
    try {
      const { keyDigest } = JSON.parse(record.value) as { keyDigest?: unknown };
      return typeof keyDigest === 'string' ? keyDigest : undefined;
    } catch {
      return undefined;
    }
  }

  /** Everybody's agenda is gone through, for its entries name their owners. */
  async removeFromAgenda(): Promise<void> {
    const { agenda } = this.#options.deliveries.store;
    const own = encodeOwner(this.#owner);
    for (const entries of agenda.due(Number.POSITIVE_INFINITY)) {
      for await (const entry of entries) {
        if ('fault' in entry || encodeOwner(entry.ref.owner) !== own) continue;
        await agenda.remove(entry);
        this.#counts.agendaEntries += 1;
      }
    }
  }

  async removeCounter(): Promise<void> {
    if (await this.#removeOne(activeCountKey(this.#owner))) this.#counts.counters += 1;
  }

  async #empty(partition: string): Promise<number> {
    let removed = 0;
    for await (const { id } of this.#records.all(partition)) {
      await this.#records.remove({ partition, id });
      removed += 1;
    }
    return removed;
  }

  async #removeOne(key: Parameters<Records['read']>[0]): Promise<boolean> {
    if ((await this.#records.read(key)) === undefined) return false;
    await this.#records.remove(key);
    return true;
  }
}
