/**
 * What is checked before an engine sees it: one rule, one message, whatever the backend. Knows no engine; who calls
 * what and when: checked-backend.ts.
 * Everything here throws `BackendInvalidError` (`addBelow` also `BackendLimitError`).
 */
import type { EpochMs } from '../clock.ts';
import {
  type ListOptions,
  MAX_ID_BYTES,
  MAX_PARTITION_BYTES,
  MAX_VALUE_BYTES,
  type RecordKey,
  type RecordWrite,
  type StoredRecord,
  type Version,
} from './backend.ts';
import { BackendInvalidError, BackendLimitError } from './errors.ts';

const MAX_PAGE_LIMIT = 1000;

export type ListOrder = NonNullable<ListOptions['order']>;

export function assertKey(key: RecordKey): void {
  assertPartition(key.partition);
  assertText('id', key.id, 1, MAX_ID_BYTES);
}

function assertPartition(partition: string): void {
  assertText('partition', partition, 1, MAX_PARTITION_BYTES);
}

export function assertWrite(write: RecordWrite): void {
  assertText('value', write.value, 0, MAX_VALUE_BYTES);
  const { expiresAt } = write;
  if (expiresAt !== undefined && !(Number.isSafeInteger(expiresAt) && expiresAt >= 0)) {
    throw new BackendInvalidError(`expiresAt must be whole milliseconds since the epoch, not ${expiresAt}`);
  }
}

/** The `expected` of `putIfVersion`: 0, or a version after which there can be another. */
export function assertExpected(expected: Version | 0): void {
  if (!(Number.isInteger(expected) && expected >= 0 && expected < Number.MAX_SAFE_INTEGER)) {
    throw new BackendInvalidError(
      `the expected version must be an integer from 0 to ${Number.MAX_SAFE_INTEGER - 1}, not ${expected}`,
    );
  }
}

function assertListOptions(options: ListOptions): void {
  const { limit, order, after } = options;
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= MAX_PAGE_LIMIT)) {
    throw new BackendInvalidError(`a page limit must be an integer from 1 to ${MAX_PAGE_LIMIT}, not ${limit}`);
  }
  if (order !== undefined && order !== 'asc' && order !== 'desc') {
    throw new BackendInvalidError(`a listing's order must be 'asc' or 'desc', not ${JSON.stringify(order)}`);
  }
  if (after !== undefined) assertText('after', after, 1, MAX_ID_BYTES);
}

/** The arguments of `addIfBelow` that are not its key. */
export function assertAddition(delta: number, ceiling: number): void {
  if (!Number.isSafeInteger(delta)) throw new BackendInvalidError(`delta must be an integer, not ${delta}`);
  if (!Number.isSafeInteger(ceiling)) throw new BackendInvalidError(`ceiling must be an integer, not ${ceiling}`);
}

/** The integer that a counter's value spells, in the one spelling that `String(number)` gives it. */
export function parseCount(value: string): number {
  if (!spellsCount(value)) {
    throw new BackendInvalidError('the record counts nothing: its value does not spell an integer');
  }
  return Number(value);
}

/** Whether {@link parseCount} takes the value. Then `String(Number(value))` is the value again. */
export function spellsCount(value: string): boolean {
  const count = Number(value);
  return Number.isSafeInteger(count) && String(count) === value;
}

/** The rule of `addIfBelow`, for drivers that read and write in one transaction. Returns the sum. */
export function addBelow(current: number, delta: number, ceiling: number): number {
  const sum = current + delta;
  if (sum > ceiling) throw new BackendLimitError(current, ceiling);
  if (!Number.isSafeInteger(sum)) throw new BackendInvalidError('the sum is too far below zero to be exact');
  return sum;
}

/**
 * Orders two ids as their UTF-8 bytes do, which is code point order. JavaScript's own `<`
 * compares UTF-16 units and would put 😀 (a surrogate pair) before U+FFFF.
 */
export function compareIds(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index += 1) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a === b) continue;
    if (isSurrogate(a) !== isSurrogate(b)) return isSurrogate(a) ? 1 : -1;
    return a - b;
  }
  return left.length - right.length;
}

/** A page of a partition, as a driver reads it. */
export interface PageQuery {
  readonly partition: string;
  /** So many records are looked at, expired ones included, so that a page never costs more than a page. */
  readonly limit: number;
  readonly order: ListOrder;
  /** The id after which the page starts; undefined: at the beginning. */
  readonly after: string | undefined;
}

/** A listing's options, checked. */
export function readListOptions(partition: string, options: ListOptions): PageQuery {
  assertPartition(partition);
  assertListOptions(options);
  const { limit, after, order = 'asc' } = options;
  return { partition, limit, order, after };
}

/** Whether a record still reads as there at `now`. */
export function isLive({ expiresAt }: Pick<StoredRecord, 'expiresAt'>, now: EpochMs): boolean {
  return expiresAt === undefined || expiresAt > now;
}

/** Messages name the field, never its content: keys and values may be personal. */
function assertText(field: string, text: string, minBytes: number, maxBytes: number): void {
  if (typeof text !== 'string') throw new BackendInvalidError(`${field} must be a string, not ${typeof text}`);
  if (!text.isWellFormed()) {
    throw new BackendInvalidError(`${field} holds a lone surrogate, which UTF-8 cannot carry`);
  }
  const bytes = Buffer.byteLength(text);
  if (bytes < minBytes) throw new BackendInvalidError(`${field} must not be empty`);
  if (bytes > maxBytes) throw new BackendInvalidError(`${field} is ${bytes} bytes of UTF-8; at most ${maxBytes} fit`);
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}
