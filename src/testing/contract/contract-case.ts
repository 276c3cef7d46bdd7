/**
 * What a case of the storage contract is, what it is given, and how cases say what they expect.
 * Plain functions and `node:assert`: a case runs under any test runner, or none.
 */
import assert from 'node:assert/strict';
import type { ListOptions, RecordKey, StorageBackend, StoredRecord, Version } from '../../backends/backend.ts';
import { BackendConflictError, BackendInvalidError, BackendLimitError } from '../../backends/errors.ts';
import { present } from '../../present.ts';

/** What a case is run in. Make a new one for every case. */
export interface ContractEnvironment {
  readonly backend: StorageBackend;
  /** A second instance on the same data; the same one again only where the data lives in the instance. */
  readonly other: StorageBackend;
  /**
   * The clock that both instances were made with. Start it in the far future, as `ManualClock` does, or the
   * engine's own expiry, which follows the real time, removes records that the case still counts on.
   */
  readonly clock: { now(): number; advance(ms: number): void | Promise<void> };
  /** A partition name of at most 64 bytes that was never used and that no other one starts with. */
  readonly partition: () => string;
}

export interface ContractCase {
  /** A sentence, which is true of every backend. */
  readonly name: string;
  /** The requirements and invariants that it proves. */
  readonly ids: readonly string[];
  /** Rejects when the backend breaks the contract. */
  run(env: ContractEnvironment): Promise<void>;
}

/** Writes a record that is not there yet. */
export async function create(
  backend: StorageBackend,
  key: RecordKey,
  value = 'value',
  expiresAt?: number,
): Promise<Version> {
  return backend.putIfVersion(key, { value, ...present({ expiresAt }) }, 0);
}

/** More pages than any case can need: a listing that never ends fails instead of hanging. */
const MAX_PAGES = 1000;

/** Every page of a listing, and between two pages whatever the case wants to do there. */
export async function readAll(
  backend: StorageBackend,
  partition: string,
  options: ListOptions,
  betweenPages?: () => Promise<unknown>,
): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  let { after } = options;
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const page = await backend.list(partition, { ...options, after });
    assert.ok(page.records.length <= options.limit, `a page of ${page.records.length}, over limit ${options.limit}`);
    records.push(...page.records);
    after = page.next;
    if (after === undefined) return records;
    await betweenPages?.();
  }
  assert.fail(`the listing did not end within ${MAX_PAGES} pages`);
}

export async function readIds(backend: StorageBackend, partition: string, options: ListOptions): Promise<string[]> {
  return (await readAll(backend, partition, options)).map(({ id }) => id);
}

export async function rejectsAsConflict(call: Promise<unknown>, expected: number, actual: number): Promise<void> {
  const error = await rejection(call);
  assert.ok(error instanceof BackendConflictError, `not a BackendConflictError: ${String(error)}`);
  assert.deepEqual([error.code, error.retryable, error.expected, error.actual], ['conflict', false, expected, actual]);
}

export async function rejectsAsLimit(call: Promise<unknown>, current: number, ceiling: number): Promise<void> {
  const error = await rejection(call);
  assert.ok(error instanceof BackendLimitError, `not a BackendLimitError: ${String(error)}`);
  assert.deepEqual([error.code, error.retryable, error.current, error.ceiling], ['limit', false, current, ceiling]);
}

/** `what` says which of a case's many calls it was. */
export async function rejectsAsInvalid(call: Promise<unknown>, what: string): Promise<void> {
  const error = await rejection(call, what);
  assert.ok(error instanceof BackendInvalidError, `${what}: not a BackendInvalidError: ${String(error)}`);
  assert.deepEqual([error.code, error.retryable], ['invalid', false]);
}

async function rejection(call: Promise<unknown>, what = 'the call'): Promise<unknown> {
  let outcome: unknown;
  try {
    outcome = await call;
  } catch (error) {
    return error;
  }
  assert.fail(`${what} should have been rejected and resolved to ${JSON.stringify(outcome)}`);
}

/** Calls that all start before the first one ends, told apart by how they ended. */
export async function race<T>(count: number, call: (index: number) => Promise<T>): Promise<Outcomes<T>> {
  const settled = await Promise.allSettled(Array.from({ length: count }, (_, index) => call(index)));
  return {
    won: settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    lost: settled.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : [])),
  };
}

export interface Outcomes<T> {
  readonly won: readonly T[];
  readonly lost: readonly unknown[];
}
