/**
 * Waits until something becomes true of a task: told by this process's own changes, and by looking, for those of others.
 * How often is the business of shared-looks.ts.
 */
import type { Clock } from '../clock.ts';
import type { TaskRef } from '../domain/task.ts';
import { isOutage } from '../store/errors.ts';
import type { StoredTask, TaskStore } from '../store/task-store.ts';
import { joinLooks, type Watcher } from './shared-looks.ts';

export interface WatchOptions {
  readonly store: TaskStore;
  readonly clock: Clock;
  /** How often the store is looked at, in milliseconds, for a task that has changed lately or has an interval of its own. */
  readonly lookEveryMs: number;
  readonly signal?: AbortSignal;
  /** Whether storage that is away is waited for, and not the end. @default false */
  readonly outlastsOutages?: boolean;
  /** With each look at the store, so that waiting does for a task what polling does. */
  readonly onLook?: (stored: StoredTask) => Promise<void>;
}

/**
 * The task each time it has changed, beginning with how it is now. Ends when the signal fires; rejects
 * when the task is gone. Changes that come close together may be shown as one.
 */
export async function* watchTask(ref: TaskRef, options: WatchOptions): AsyncGenerator<StoredTask> {
  const { store, lookEveryMs, signal, outlastsOutages = false, onLook } = options;
  const isOver = () => signal?.aborted === true;
  if (isOver()) return;
  let wake = () => {};
  let shown = 0;
  let latest: StoredTask | undefined;
  let failure: { readonly error: unknown } | undefined;
  const watcher: Watcher = {
    lookEveryMs,
    onLook,
    tell: (stored) => {
      if (stored.version <= (latest?.version ?? shown)) return;
      latest = stored;
      wake();
    },
    fail: (error) => {
      if (outlastsOutages && isOutage(error)) return;
      failure = { error };
      wake();
    },
  };
  const looks = joinLooks(ref, watcher, options);
  const onAbort = () => wake();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    // Not one that others have begun already: it may not see what its caller knows of.
    let first = await store.get(ref).catch((error: unknown) => {
      watcher.fail(error);
      return undefined;
    });
    if (first !== undefined) watcher.tell(first);
    looks.seen(first);
    while (!isOver()) {
      if (failure !== undefined) throw failure.error;
      if (latest !== undefined) {
        const stored = latest;
        shown = stored.version;
        latest = undefined;
        yield stored;
      } else if (first !== undefined) {
        const stored = first;
        first = undefined;
        await onLook?.(stored);
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    looks.leave();
    // A signal that is made of others is kept in memory for its listeners, as long as one of the others may fire.
    signal?.removeEventListener('abort', onAbort);
  }
}

/**
 * The first state that satisfies `until`, or `undefined` once `maxMs` have passed or the signal has fired. Outlasts
 * outages: whoever waits here mostly has no other way to learn what became of the task, and would have it done again.
 */
export async function awaitTask(
  ref: TaskRef,
  until: (stored: StoredTask) => boolean,
  options: WatchOptions & { readonly maxMs: number },
): Promise<StoredTask | undefined> {
  const limit = new AbortController();
  const cancel = options.clock.after(options.maxMs, () => limit.abort());
  const signal = options.signal === undefined ? limit.signal : AbortSignal.any([limit.signal, options.signal]);
  try {
    for await (const stored of watchTask(ref, { ...options, signal, outlastsOutages: true }))
      if (until(stored)) return stored;
    return undefined;
  } finally {
    cancel();
  }
}
