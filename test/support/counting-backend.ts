/**
 * A backend that records what is asked of another one, and lets a test step in: delay a call,
 * refuse it, or lose its answer. Changes nothing by itself. For tests and benchmarks.
 */
import type { ListOptions, RecordKey, RecordWrite, StorageBackend, Version } from '../../src/backends/backend.ts';

export const VERBS = ['get', 'list', 'putIfVersion', 'delete', 'addIfBelow'] as const;
export type Verb = (typeof VERBS)[number];

export interface BackendCall {
  readonly verb: Verb;
  readonly partition: string;
  /** Absent for a listing. */
  readonly id?: string;
  /** What `putIfVersion` writes. */
  readonly value?: string;
}

/** Stands between the caller and the engine: `proceed` makes the call. */
export type Interceptor = (call: BackendCall, proceed: () => Promise<unknown>) => Promise<unknown>;

export interface CountingBackend extends StorageBackend {
  /** Every call since the last `reset`, in the order in which they were made. */
  readonly calls: readonly BackendCall[];
  /** How often each verb was called; a verb that was not called is absent. */
  counts(): Partial<Record<Verb, number>>;
  reset(): void;
  /** Replaces the earlier interceptor; without one, calls go straight through. */
  intercept(interceptor?: Interceptor): void;
}

export function countingBackend(inner: StorageBackend): CountingBackend {
  let calls: BackendCall[] = [];
  let interceptor: Interceptor | undefined;

  const pass = <T>(call: BackendCall, proceed: () => Promise<T>): Promise<T> => {
    calls.push(call);
    return interceptor === undefined ? proceed() : (interceptor(call, proceed) as Promise<T>);
  };

  return {
    name: inner.name,
    get calls() {
      return calls;
    },
    counts() {
      const counts: Partial<Record<Verb, number>> = {};
      for (const { verb } of calls) counts[verb] = (counts[verb] ?? 0) + 1;
      return counts;
    },
    reset() {
      calls = [];
    },
    intercept(next) {
      interceptor = next;
    },
    get: (key: RecordKey) => pass({ verb: 'get', ...key }, () => inner.get(key)),
    putIfVersion: (key: RecordKey, write: RecordWrite, expected: Version | 0) =>
      pass({ verb: 'putIfVersion', ...key, value: write.value }, () => inner.putIfVersion(key, write, expected)),
    delete: (key: RecordKey) => pass({ verb: 'delete', ...key }, () => inner.delete(key)),
    list: (partition: string, options: ListOptions) =>
      pass({ verb: 'list', partition }, () => inner.list(partition, options)),
    addIfBelow: (key: RecordKey, delta: number, options: { readonly ceiling: number }) =>
      pass({ verb: 'addIfBelow', ...key }, () => inner.addIfBelow(key, delta, options)),
    cleanupExpired: (now: number) => inner.cleanupExpired(now),
    close: () => inner.close(),
  };
}
