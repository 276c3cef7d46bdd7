/** Column statistics: against values that are computed another way, and merged in any order. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  type ColumnStatistics,
  columnType,
  distinctOf,
  EXACT_DISTINCT,
  merge,
  NO_VALUES,
  statisticsOf,
} from '../../../examples/column-statistics.ts';

describe('the type of a column', () => {
  test.each<[string, string[]]>([
    ['integer', ['1', '-20', '0', '']],
    ['number', ['1', '2.5', '-1e3']],
    ['boolean', ['true', 'FALSE']],
    ['date', ['2026-11-22', '2026-11-22T10:00:00Z']],
    ['text', ['1', 'true']],
    ['text', ['007', '0123']],
    ['text', ['2026-13-40']],
    ['text', ['Infinity', '1e999', '0x10', '1.', '.5', ' 1']],
    ['empty', ['', '']],
    ['empty', []],
  ])('is %s for %j [DX-2]', (type, values) => {
    expect(columnType(statisticsOf(values))).toBe(type);
  });
});

test('minimum, maximum, sum and counts are those of the values [DX-2]', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer({ min: -1e6, max: 1e6 })), { minLength: 1 }), (values) => {
      const numbers = values.filter((value) => value !== null);
      const statistics = statisticsOf(values.map((value) => (value === null ? '' : String(value))));

      expect(statistics.values).toBe(values.length);
      expect(statistics.empty).toBe(values.length - numbers.length);
      expect(statistics.numbers).toEqual(
        numbers.length === 0
          ? null
          : { min: Math.min(...numbers), max: Math.max(...numbers), sum: numbers.reduce((a, b) => a + b, 0) },
      );
      expect(distinctOf(statistics)).toEqual({ count: new Set(numbers).size, exact: true });
    }),
  );
});

test('the earliest and the latest date are kept, also across a merge [DX-2]', () => {
  const merged = merge(statisticsOf(['2026-02-01', '2025-12-31']), statisticsOf(['2026-01-05', '2027-01-01']));

  expect(merged.dates).toEqual({ min: '2025-12-31', max: '2027-01-01' });
});

test('pieces merge to the statistics of the whole, in any order and through JSON [DX-2]', () => {
  const value = fc.oneof(fc.integer({ min: -99, max: 99 }).map(String), fc.constantFrom('', 'a', '2026-01-01', 'true'));
  fc.assert(
    fc.property(fc.array(fc.array(value)), (pieces) => {
      const whole = statisticsOf(pieces.flat());
      const recorded = pieces.map((piece): ColumnStatistics => JSON.parse(JSON.stringify(statisticsOf(piece))));

      expect(recorded.reduce(merge, NO_VALUES)).toEqual(whole);
      expect(recorded.toReversed().reduce(merge, NO_VALUES)).toEqual(whole);
    }),
  );
});

describe('distinct values', () => {
  const different = (count: number) => Array.from({ length: count }, (_, index) => `value ${index}`);

  test('are exact up to the documented number, and say so [DX-2]', () => {
    expect(distinctOf(statisticsOf(different(EXACT_DISTINCT)))).toEqual({ count: EXACT_DISTINCT, exact: true });
    expect(distinctOf(statisticsOf(different(EXACT_DISTINCT + 1))).exact).toBe(false);
  });

  test.each([1_000, 20_000, 100_000])('of %d are estimated within 9 %, and say so [DX-2]', (count) => {
    const values = different(count);
    const halves = merge(statisticsOf(values.slice(0, count / 2)), statisticsOf(values.slice(count / 4)));

    const distinct = distinctOf(halves);

    expect(distinct.exact).toBe(false);
    expect(Math.abs(distinct.count - count) / count).toBeLessThan(0.09);
  });
});
