/**
 * The looks at the store on behalf of all in this process who wait for the same task: one for all of them, and the less
 * often the longer nothing has changed. What this process changes itself it is told at once.
 */
import type { CancelTimer, Clock } from '../clock.ts';
import { encodeOwner } from '../domain/owner.ts';
import { BY_AGE } from '../domain/poll-interval.ts';
import type { TaskRef } from '../domain/task.ts';
import type { StoredTask, TaskStore } from '../store/task-store.ts';

/** A task that has not changed for 25 s may be told 1 s late, one that has not for two minutes 5 s. */
const PART_OF_QUIET = 25;
const LONGEST_LOOK_MS = 5_000;

/** How long after its last look the store is looked at again for a task that has not changed for `quietMs`. */
export function lookIntervalAfter(quietMs: number, lookEveryMs: number): number {
  return Math.max(Math.min(Math.floor(quietMs / PART_OF_QUIET), LONGEST_LOOK_MS), lookEveryMs);
}

/** Somebody who waits for a task. */
export interface Watcher {
  /** How often a task that has just changed is to be looked at, in milliseconds. */
  readonly lookEveryMs: number;
  /** With each look at the store, of one of those who wait. */
  readonly onLook: ((stored: StoredTask) => Promise<void>) | undefined;
  /** In any order, also of versions that were told before. */
  tell(stored: StoredTask): void;
  /** A look has failed; the next ones come all the same. */
  fail(error: unknown): void;
}

export interface SharedLooksOptions {
  readonly store: TaskStore;
  readonly clock: Clock;
}

/** Those of each store, so that whoever waits finds the others by what all of them have. */
const OPEN = new WeakMap<TaskStore, Map<string, SharedLooks>>();

/** From now on the watcher is told of changes, until it leaves. The first look is its own: `seen` shares it. */
export function joinLooks(
  ref: TaskRef,
  watcher: Watcher,
  options: SharedLooksOptions,
): { readonly seen: (stored: StoredTask | undefined) => void; readonly leave: () => void } {
  const open = OPEN.get(options.store) ?? new Map<string, SharedLooks>();
  OPEN.set(options.store, open);
  const key = keyOf(ref);
  const looks = open.get(key) ?? new SharedLooks(ref, options);
  open.set(key, looks);
  looks.add(watcher);
  return {
    seen: (stored) => looks.seen(stored),
    leave: () => {
      if (looks.remove(watcher)) open.delete(key);
    },
  };
}

/** Whoever knows an id alone does not join its owner. */
function keyOf({ owner, id }: TaskRef): string {
  return JSON.stringify([encodeOwner(owner), id]);
}

class SharedLooks {
  readonly #ref: TaskRef;
  readonly #options: SharedLooksOptions;
  readonly #watchers = new Set<Watcher>();
  readonly #stopListening: () => void;
  #latest: StoredTask | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #cancelLook: CancelTimer = () => {};
  #isLooking = false;

  constructor(ref: TaskRef, options: SharedLooksOptions) {
    this.#ref = ref;
    this.#options = options;
    const key = keyOf(ref);
    this.#stopListening = options.store.onChange((stored) => {
      if (keyOf(stored.task) === key) this.seen(stored);
    }, ref.id);
  }

  add(watcher: Watcher): void {
    this.#watchers.add(watcher);
  }

  /** Whether that was the last one. */
  remove(watcher: Watcher): boolean {
    if (!this.#watchers.delete(watcher) || this.#watchers.size > 0) return false;
    this.#cancelLook();
    this.#stopListening();
    return true;
  }

  /** `undefined`: storage is away. */
  seen(stored: StoredTask | undefined): void {
    if (stored !== undefined && stored.version > (this.#latest?.version ?? 0)) {
      this.#latest = stored;
      for (const watcher of this.#watchers) watcher.tell(stored);
    }
    this.#lookSoon();
  }

  /** What has just changed may soon do so again: a look that is due earlier than that is left as it is. */
  #lookSoon(): void {
    const { clock } = this.#options;
    const dueAt = clock.now() + this.#intervalMs();
    if (this.#isLooking || this.#watchers.size === 0 || dueAt >= this.#dueAt) return;
    this.#cancelLook();
    this.#dueAt = dueAt;
    this.#cancelLook = clock.after(dueAt - clock.now(), () => void this.#look());
  }

  #intervalMs(): number {
    let lookEveryMs = Number.POSITIVE_INFINITY;
    for (const watcher of this.#watchers) lookEveryMs = Math.min(lookEveryMs, watcher.lookEveryMs);
    const { task } = this.#latest ?? {};
    if (task?.pollIntervalMs !== BY_AGE) return lookEveryMs;
    return lookIntervalAfter(this.#options.clock.now() - task.updatedAt, lookEveryMs);
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    this.#dueAt = Number.POSITIVE_INFINITY;
    try {
      const stored = await this.#options.store.get(this.#ref);
      this.seen(stored);
      for (const { onLook } of this.#watchers) {
        if (onLook === undefined) continue;
        await onLook(stored);
        break;
      }
    } catch (error) {
      for (const watcher of this.#watchers) watcher.fail(error);
    }
    this.#isLooking = false;
    this.#lookSoon();
  }
}
