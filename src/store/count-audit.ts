/**
 * Whether the counter of an owner at the limit can be believed. The owner's tasks are counted a few pages at a time, going
 * on where the last refusal stopped, and what was found holds for some seconds. So a refusal costs a few
 * reads, and most cost none, however many tasks are kept and however large the limit is.
 */
import { type EpochMs, eventLoopTurn } from '../clock.ts';
import { encodeOwner, type Owner } from '../domain/owner.ts';
import { isTerminal } from '../domain/status.ts';
import { isOverdue } from '../domain/task.ts';
import { asTaskId } from '../domain/task-id.ts';
import type { Records } from './records.ts';
import { decodeTask, hasEnded } from './task-head.ts';
import type { ListOrder, TaskHeads } from './task-heads.ts';

/** Tasks that one refusal reads at most: one page, and, where that does not show enough, another with the rest. */
const TASKS_PER_LOOK = 400;
/** How long an answer holds. Shorter: a storm of refusals reads more. Longer: a slot that a crash lost comes back later. */
export const REMEMBERED_MS = 3_000;
/** Owners at their limit that one process knows of; past that it starts anew. */
const MAX_OWNERS = 10_000;

/** Tasks of a page; of the first of a look as many as the limit, where that is more. */
const PAGE = 100;

interface CountedPage {
  /** Tasks of the page that are counted and have not ended. */
  readonly active: number;
  /** The id that more may come after. */
  readonly next: string | undefined;
}

export type Verdict =
  /** There are as many tasks as the counter says, or it is not known yet that there are fewer: the counter is believed. */
  | 'full'
  /** Fewer, counted within this look. One that is just being written may have been missed. */
  | 'fewer'
  /** Fewer, counted over several looks, while tasks may have come and gone. */
  | 'fewer_over_time';

interface Finding {
  /** Of the counter. A repair opens a new one, and what was found before says nothing about it. */
  readonly generation: number;
  /** No new look until then. */
  readonly until: EpochMs;
  readonly found: number;
  /** The id that the next look goes on after; absent: it begins with the newest task. */
  readonly after?: string;
}

export class CountAudit {
  readonly #records: Records;
  readonly #heads: TaskHeads;
  readonly #findings = new Map<string, Finding>();

  constructor(records: Records, heads: TaskHeads) {
    this.#records = records;
    this.#heads = heads;
  }

  /** For how many milliseconds more a refusal may rest on the last look; 0: it needs another. */
  holdsMs(owner: Owner, generation: number): number {
    const finding = this.#findings.get(encodeOwner(owner));
    if (finding?.generation !== generation) return 0;
    const left = finding.until - this.#records.now();
    // More than that is of a clock that has been put back.
    return left > REMEMBERED_MS ? 0 : Math.max(0, left);
  }

  /** Newest first, since unfinished tasks mostly are, and few pages then show that the counter is right. */
  async look(owner: Owner, generation: number, limit: number): Promise<Verdict> {
    const before = this.#findings.get(encodeOwner(owner));
    const earlier = before?.generation === generation && before.after !== undefined ? before : undefined;
    let found = earlier?.found ?? 0;
    let after = earlier?.after;
    let size = Math.min(Math.max(PAGE, limit - found), TASKS_PER_LOOK);
    for (let left = TASKS_PER_LOOK - size; ; left -= size) {
      const page: CountedPage = await this.#count(owner, 'desc', after, size);
      found += page.active;
      after = page.next;
      if (found >= limit) return this.#remember(owner, { generation, found: 0 });
      if (after === undefined) break;
      if (left === 0) return this.#remember(owner, { generation, found, after });
      size = left;
      await eventLoopTurn();
    }
    this.#findings.delete(encodeOwner(owner));
    return earlier === undefined ? 'fewer' : 'fewer_over_time';
  }

  /** All unfinished tasks, oldest first, so that one that is written meanwhile is seen. Reads everything that is kept. */
  async countAll(owner: Owner): Promise<number> {
    let active = 0;
    let after: string | undefined;
    do {
      await eventLoopTurn();
      const page: CountedPage = await this.#count(owner, 'asc', after, PAGE);
      active += page.active;
      after = page.next;
    } while (after !== undefined);
    return active;
  }

  async #count(owner: Owner, order: ListOrder, after: string | undefined, limit: number): Promise<CountedPage> {
    const now = this.#records.now();
    const { heads, next } = await this.#heads.page(owner, { limit, order, after });
    const active = heads.filter(({ id, value }) => {
      if (hasEnded(value)) return false;
      const task = decodeTask({ owner, id: asTaskId(id) }, value);
      return !isTerminal(task.status) && !isOverdue(task, now) && task.isUncounted === undefined;
    }).length;
    return { active, next };
  }

  #remember(owner: Owner, finding: Omit<Finding, 'until'>): Verdict {
    if (this.#findings.size >= MAX_OWNERS) this.#findings.clear();
    this.#findings.set(encodeOwner(owner), { ...finding, until: this.#records.now() + REMEMBERED_MS });
    return 'full';
  }
}
