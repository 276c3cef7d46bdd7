/**
 * Statistics of a CSV column that can be gathered piece by piece and merged in any order. Counts,
 * extremes and sums are exact. Distinct values are exact up to `EXACT_DISTINCT` of them; beyond, they
 * are estimated from the smallest hashes (k minimum values), within about 9 % in 95 of 100 cases.
 */
import { createHash } from 'node:crypto';

export const EXACT_DISTINCT = 512;
const HASH_BYTES = 6;
const HASH_SPACE = 2 ** (8 * HASH_BYTES);

export const VALUE_TYPES = ['integer', 'number', 'boolean', 'date', 'text'] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

/** JSON, so that a step can record it. */
export interface ColumnStatistics {
  readonly values: number;
  readonly empty: number;
  readonly types: Readonly<Record<ValueType, number>>;
  /** Of integers and numbers. */
  readonly numbers: { readonly min: number; readonly max: number; readonly sum: number } | null;
  /** Of dates, as they are spelt: ISO 8601 sorts by time. */
  readonly dates: { readonly min: string; readonly max: string } | null;
  /** The smallest hashes of the values, ascending; at most one more than can be counted exactly. */
  readonly hashes: readonly number[];
}

export const NO_VALUES: ColumnStatistics = {
  values: 0,
  empty: 0,
  types: { integer: 0, number: 0, boolean: 0, date: 0, text: 0 },
  numbers: null,
  dates: null,
  hashes: [],
};

export function statisticsOf(values: readonly string[]): ColumnStatistics {
  const types = { ...NO_VALUES.types };
  const numbers: number[] = [];
  const dates: string[] = [];
  const filled = values.filter((value) => value !== '');
  for (const value of filled) {
    const type = typeOf(value);
    types[type] += 1;
    if (type === 'integer' || type === 'number') numbers.push(Number(value));
    if (type === 'date') dates.push(value);
  }
  dates.sort();
  const [first] = dates;
  return {
    values: values.length,
    empty: values.length - filled.length,
    types,
    numbers: numbers.length === 0 ? null : { min: least(numbers), max: greatest(numbers), sum: sumOf(numbers) },
    dates: first === undefined ? null : { min: first, max: dates.at(-1) ?? first },
    hashes: smallest([...new Set(filled)].map(hashOf)),
  };
}

export function merge(a: ColumnStatistics, b: ColumnStatistics): ColumnStatistics {
  return {
    values: a.values + b.values,
    empty: a.empty + b.empty,
    types: Object.fromEntries(VALUE_TYPES.map((type) => [type, a.types[type] + b.types[type]])) as Record<
      ValueType,
      number
    >,
    numbers: joined(a.numbers, b.numbers, (x, y) => ({
      min: Math.min(x.min, y.min),
      max: Math.max(x.max, y.max),
      sum: x.sum + y.sum,
    })),
    dates: joined(a.dates, b.dates, (x, y) => ({
      min: [x.min, y.min].sort()[0] ?? x.min,
      max: [x.max, y.max].sort()[1] ?? x.max,
    })),
    hashes: smallest([...a.hashes, ...b.hashes]),
  };
}

export interface DistinctCount {
  readonly count: number;
  readonly exact: boolean;
}

/** How many different values, empty ones aside. */
export function distinctOf({ hashes }: ColumnStatistics): DistinctCount {
  const largest = hashes[EXACT_DISTINCT];
  if (largest === undefined) return { count: hashes.length, exact: true };
  // k of n even-spread hashes lie below the k-th smallest: n ≈ (k - 1) / its share of the space.
  return { count: Math.round(EXACT_DISTINCT / (largest / HASH_SPACE)), exact: false };
}

/** The narrowest type that all filled values have; `text` when they disagree. */
export function columnType({ types, values, empty }: ColumnStatistics): ValueType | 'empty' {
  const filled = values - empty;
  if (filled === 0) return 'empty';
  if (types.integer + types.number === filled) return types.number === 0 ? 'integer' : 'number';
  return VALUE_TYPES.find((type) => types[type] === filled) ?? 'text';
}

const DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/;

function typeOf(value: string): ValueType {
  // A leading zero is a code or a telephone number.
  if (/^-?(0|[1-9]\d*)$/.test(value)) return 'integer';
  if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(value) && Number.isFinite(Number(value))) return 'number';
  if (/^(true|false)$/i.test(value)) return 'boolean';
  return DATE.test(value) && !Number.isNaN(Date.parse(value)) ? 'date' : 'text';
}

function hashOf(value: string): number {
  return createHash('sha256').update(value).digest().readUIntBE(0, HASH_BYTES);
}

function smallest(hashes: readonly number[]): number[] {
  return [...new Set(hashes)].sort((a, b) => a - b).slice(0, EXACT_DISTINCT + 1);
}

function joined<T>(a: T | null, b: T | null, join: (a: T, b: T) => T): T | null {
  if (a === null) return b;
  return b === null ? a : join(a, b);
}

function least(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => Math.min(a, b));
}

function greatest(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => Math.max(a, b));
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
