/**
 * How a record lies in a DynamoDB item, and the conditions and updates over its attributes. Pure:
 * knows the attribute names and nothing of clients, calls or errors on the wire.
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { RecordKey, RecordWrite, StoredRecord, Version } from './backend.ts';
import { BackendFormatError } from './errors.ts';
import { parseCount } from './validation.ts';

/**
 * `PK`, `SK`: the key. `version`: N. The value is in exactly one of two attributes: `n` (N) if
 * it spells an integer, so that DynamoDB can add to it, otherwise `data` (S). `expiresAtMs` (N)
 * is the exact expiry that reads and conditions go by; `expiresAt` (N, seconds) is for TTL alone
 * and never earlier. `writer`…: see {@link RECENT_WRITERS}.
 */
export type Item = Readonly<Record<string, AttributeValue>>;

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

export function itemKey(key: RecordKey): { PK: AttributeValue; SK: AttributeValue } {
  return { PK: { S: key.partition }, SK: { S: key.id } };
}

export function toItem(
  key: RecordKey,
  write: RecordWrite,
  version: Version,
  writer: string,
): Record<string, AttributeValue> {
  const { value, expiresAt } = write;
  return {
    ...itemKey(key),
    ...(spellsCount(value) ? { n: { N: value } } : { data: { S: value } }),
    ...(expiresAt !== undefined && { expiresAtMs: number(expiresAt), expiresAt: number(Math.ceil(expiresAt / 1000)) }),
    version: number(version),
    writer: { S: writer },
  };
}

/** Throws `BackendFormatError` for an item that this driver did not write. */
export function toRecord(item: Item): StoredRecord {
  const id = item['SK']?.S;
  const value = item['n']?.N ?? item['data']?.S;
  if (id === undefined || value === undefined) throw notOurs();
  const expiresAt = item['expiresAtMs']?.N;
  return { id, version: versionOf(item), value, ...(expiresAt !== undefined && { expiresAt: Number(expiresAt) }) };
}

export function versionOf(item: Item): Version {
  const version = Number(item['version']?.N);
  if (!Number.isSafeInteger(version)) throw notOurs();
  return version;
}

/** Throws `BackendInvalidError` if the record's value does not spell an integer. */
export function countOf(item: Item): number {
  return parseCount(item['n']?.N ?? item['data']?.S ?? '');
}

/** Whether `item` is stored and, at `now` (milliseconds since the epoch), not expired. */
export function isLive(item: Item | undefined, now: number): item is Item {
  if (item === undefined) return false;
  const expiresAt = item['expiresAtMs']?.N;
  return expiresAt === undefined || Number(expiresAt) > now;
}

export function wasWrittenBy(item: Item | undefined, writer: string): boolean {
  return RECENT_WRITERS.some((name) => item?.[name]?.S === writer);
}

export function number(value: number): AttributeValue {
  return { N: String(value) };
}

/** The spellings that `parseCount` accepts; they come back from an N attribute unchanged. */
function spellsCount(value: string): boolean {
  if (!/^(?:0|-?[1-9]\d{0,15})$/.test(value)) return false;
  return Number.isSafeInteger(Number(value));
}

function notOurs(): BackendFormatError {
  return new BackendFormatError('an item of the table was not written by this backend, or is damaged');
}
