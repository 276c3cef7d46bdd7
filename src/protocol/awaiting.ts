/** Waits until something becomes true of a task: told by this process's own changes, and by looking, for those of others. */
import type { Clock } from '../clock.ts';
import type { TaskRef } from '../domain/task.ts';
import { isOutage } from '../store/errors.ts';
import type { StoredTask, TaskStore } from '../store/task-store.ts';

export interface WatchOptions {
  readonly store: TaskStore;
  readonly clock: Clock;
  /** How often the store is looked at, in milliseconds. */
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
  const { store, clock, lookEveryMs, signal, outlastsOutages = false, onLook } = options;
  let wake: () => void = () => {};
  let latest: StoredTask | undefined;
  const stop = store.onChange((stored) => {
    if (stored.task.id !== ref.id) return;
    latest = stored;
    wake();
  });
  const onAbort = () => wake();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    let seen = 0;
    while (signal?.aborted !== true) {
      const told = latest;
      latest = undefined;
      // What changes while the store is read stays in `latest`, for the next turn.
      const stored =
        told ??
        (await store.get(ref).catch((error: unknown) => {
          if (!outlastsOutages || !isOutage(error)) throw error;
          return undefined;
        }));
      if (stored !== undefined && stored.version > seen) {
        seen = stored.version;
        yield stored;
        continue;
      }
      if (told === undefined && stored !== undefined) await onLook?.(stored);
      await new Promise<void>((resolve) => {
        const cancel = clock.after(lookEveryMs, resolve);
        wake = () => {
          cancel();
          resolve();
        };
        if (latest !== undefined || signal?.aborted === true) wake();
      });
    }
  } finally {
    stop();
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
