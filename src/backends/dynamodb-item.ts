/**
 * How a record lies in a DynamoDB item, and the conditions and updates over its attributes. Pure:
 * knows the attribute names and nothing of clients, calls or errors on the wire.
 */
import type { RecordKey, RecordWrite, StoredRecord, Version } from './backend.ts';
import { BackendFormatError } from './errors.ts';
import { parseCount, spellsCount } from './validation.ts';

/**
 * `PK`, `SK`: the key. `version`: a safe integer. The value is in exactly one of two attributes: `n`,
 * a number, if it spells an integer, so that DynamoDB can add to it, otherwise `data`, a string.
 * `expiresAtMs` is the exact expiry that reads and conditions go by; `expiresAt` (seconds) is for TTL
 * alone and never earlier. `writer`…: see {@link RECENT_WRITERS}. Anything may lie in a table, so what
 * was read is believed attribute by attribute.
 */
export type Item = Readonly<Record<string, unknown>>;

/**
 * Who wrote last, and, on counters, the writers before. A write that the client retried because
 * its answer was lost finds its own token here and knows that it has landed.
 */
const RECENT_WRITERS = ['writer', 'writer2', 'writer3', 'writer4', 'writer5'] as const;

const LIVE = '(attribute_not_exists(expiresAtMs) OR expiresAtMs > :now)';
const NOT_YET_COUNTED = `NOT (${RECENT_WRITERS.map((name) => `${name} = :writer`).join(' OR ')})`;
/** Where the record does not count, `n` is absent and a comparison with it false. */
const COUNTS_WITH_ROOM = `(n <= :room AND n >= :floor AND ${LIVE} AND ${NOT_YET_COUNTED})`;

/** To be read after "Write this if the stored record …". */
export const CONDITION = {
  isMissing: 'attribute_not_exists(PK) OR expiresAtMs <= :now',
  isLive: LIVE,
  isThereAndLive: `attribute_exists(PK) AND ${LIVE}`,
  hasTheExpectedVersion: `version = :expected AND ${LIVE}`,
  countsWithRoom: COUNTS_WITH_ROOM,
  isAbsentOrCountsWithRoom: `attribute_not_exists(PK) OR ${COUNTS_WITH_ROOM}`,
} as const;

export const ADD_AND_REMEMBER_WRITER = [
  'SET n = if_not_exists(n, :zero) + :delta',
  'version = if_not_exists(version, :zero) + :one',
  'writer = :writer',
  ...RECENT_WRITERS.slice(1).map((name, index) => `${name} = if_not_exists(${RECENT_WRITERS[index]}, :nobody)`),
].join(', ');

export function itemKey({ partition, id }: RecordKey) {
  return { PK: partition, SK: id };
}

/** The same for the document client: an attribute that is undefined is left out. */
export function toItem(key: RecordKey, { value, expiresAt }: RecordWrite, version: Version, writer: string): Item {
  return {
    ...itemKey(key),
    ...(spellsCount(value) ? { n: Number(value) } : { data: value }),
    expiresAtMs: expiresAt,
    expiresAt: expiresAt === undefined ? undefined : Math.ceil(expiresAt / 1000),
    version,
    writer,
  };
}

/** Throws `BackendFormatError` for an item that this driver did not write. */
export function toRecord(item: Item): StoredRecord {
  const { SK: id, expiresAtMs } = item;
  const value = textOf(item);
  if (typeof id !== 'string' || value === undefined) throw notOurs();
  return { id, version: versionOf(item), value, ...(typeof expiresAtMs === 'number' && { expiresAt: expiresAtMs }) };
}

export function versionOf({ version }: Item): Version {
  if (typeof version !== 'number' || !Number.isSafeInteger(version)) throw notOurs();
  return version;
}

/** Throws `BackendInvalidError` if the record's value does not spell an integer. */
export function countOf(item: Item): number {
  return parseCount(textOf(item) ?? '');
}

/** Whether `item` is stored and, at `now` (milliseconds since the epoch), not expired. */
export function isLive(item: Item | undefined, now: number): item is Item {
  if (item === undefined) return false;
  const { expiresAtMs } = item;
  return typeof expiresAtMs !== 'number' || expiresAtMs > now;
}

export function wasWrittenBy(item: Item | undefined, writer: string): boolean {
  return RECENT_WRITERS.some((name) => item?.[name] === writer);
}

function textOf({ n, data }: Item): string | undefined {
  if (typeof n === 'number') return String(n);
  return typeof data === 'string' ? data : undefined;
}

function notOurs(): BackendFormatError {
  return new BackendFormatError('an item of the table was not written by this backend, or is damaged');
}
