/**
 * Whether the counter of an owner at the limit can be believed. The owner's tasks are counted a few pages at a time, going
 * on where the last refusal stopped, and what was found holds for some seconds. So a refusal costs a few
 * reads, and most cost none, however many tasks are kept and however large the limit is.
 */
import { type Clock, type EpochMs, eventLoopTurn } from '../clock.ts';
import { encodeOwner, type Owner } from '../domain/owner.ts';

/** Pages of tasks that one refusal reads at most. */
const PAGES_PER_LOOK = 4;
/** How long an answer holds. Shorter: a storm of refusals reads more. Longer: a slot that a crash lost comes back later. */
export const REMEMBERED_MS = 3_000;
/** Owners at their limit that one process knows of; past that it starts anew. */
const MAX_OWNERS = 10_000;

export interface CountedPage {
  /** Tasks of the page that have not ended. */
  readonly active: number;
  /** Absent after the last page. */
  readonly cursor?: string;
}

/** Counts one page of an owner's tasks. */
export type CountPage = (owner: Owner, order: 'asc' | 'desc', cursor?: string) => Promise<CountedPage>;

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
  /** Where the next look goes on; absent: at the newest task. */
  readonly cursor?: string;
}

export class CountAudit {
  readonly #options: { readonly limit: number; readonly countPage: CountPage; readonly clock: Clock };
  readonly #findings = new Map<string, Finding>();

  constructor(options: { readonly limit: number; readonly countPage: CountPage; readonly clock: Clock }) {
    this.#options = options;
  }

  /** For how many milliseconds more a refusal may rest on the last look; 0: it needs another. */
  holdsMs(owner: Owner, generation: number): number {
    const finding = this.#findings.get(encodeOwner(owner));
    if (finding?.generation !== generation) return 0;
    const left = finding.until - this.#options.clock.now();
    // More than that is of a clock that has been put back.
    return left > REMEMBERED_MS ? 0 : Math.max(0, left);
  }

  /** Newest first, since unfinished tasks mostly are, and few pages then show that the counter is right. */
  async look(owner: Owner, generation: number): Promise<Verdict> {
    const { limit, countPage } = this.#options;
    const before = this.#findings.get(encodeOwner(owner));
    const earlier = before?.generation === generation && before.cursor !== undefined ? before : undefined;
    let found = earlier?.found ?? 0;
    let cursor = earlier?.cursor;
    for (let pages = 1; ; pages += 1) {
      const page: CountedPage = await countPage(owner, 'desc', cursor);
      found += page.active;
      cursor = page.cursor;
      if (found >= limit) return this.#remember(owner, { generation, found: 0 });
      if (cursor === undefined) break;
      if (pages === PAGES_PER_LOOK) return this.#remember(owner, { generation, found, cursor });
      await eventLoopTurn();
    }
    this.#findings.delete(encodeOwner(owner));
    return earlier === undefined ? 'fewer' : 'fewer_over_time';
  }

  /** All unfinished tasks, oldest first, so that one that is written meanwhile is seen. Reads everything that is kept. */
  async countAll(owner: Owner): Promise<number> {
    let active = 0;
    let cursor: string | undefined;
    do {
      await eventLoopTurn();
      const page: CountedPage = await this.#options.countPage(owner, 'asc', cursor);
      active += page.active;
      cursor = page.cursor;
    } while (cursor !== undefined);
    return active;
  }

  #remember(owner: Owner, finding: Omit<Finding, 'until'>): Verdict {
    if (this.#findings.size >= MAX_OWNERS) this.#findings.clear();
    this.#findings.set(encodeOwner(owner), { ...finding, until: this.#options.clock.now() + REMEMBERED_MS });
    return 'full';
  }
}
