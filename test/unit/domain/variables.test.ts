/** Variables: merging, and each bound exactly at and one beyond. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { JsonObject, JsonValue } from '../../../src/domain/json.ts';
import { mergeVariables, visibleVariables } from '../../../src/domain/variables.ts';

const invalid = (path: string) => expect.objectContaining({ code: 'invalid_variables', detail: { path } });

/** `levels` lists, one in the other, around a number. */
function nested(levels: number): JsonValue {
  let value: JsonValue = 1;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
}

describe('merging variables', () => {
  test('adds, overwrites, and deletes with null [LIFE-5]', () => {
    expect(mergeVariables({ a: 1, b: { x: 1 }, c: 3 }, { b: { y: 2 }, c: null, d: [4], e: null })).toEqual({
      a: 1,
      b: { y: 2 },
      d: [4],
    });
  });

  test('keeps null below the top, where it deletes nothing [LIFE-5]', () => {
    expect(mergeVariables({}, { a: { b: null }, c: [null] })).toEqual({ a: { b: null }, c: [null] });
  });

  test('changes neither of its arguments [LIFE-5]', () => {
    const current = Object.freeze({ a: 1 });
    const changes = Object.freeze({ a: 2, b: 3 });

    mergeVariables(current, changes);

    expect([current, changes]).toEqual([{ a: 1 }, { a: 2, b: 3 }]);
  });

  test.each([
    ['a key of 128 characters', { ['k'.repeat(128)]: 1 }],
    ['a key of one character', { k: 1 }],
    ['a key that starts with an underscore', { _internal: 1 }],
    ['a string of 65,536 characters', { a: 'x'.repeat(65_536) }],
    ['a deep string of 65,536 characters', { a: [{ b: 'x'.repeat(65_536) }] }],
    ['depth 10, the variables themselves being the first', { a: nested(9) }],
  ])('accepts %s [LIFE-5]', (_what, changes) => {
    expect(mergeVariables({}, changes)).toEqual(changes);
  });

  const tooLongKey = 'k'.repeat(129);

  test.each<[string, Record<string, unknown>, string]>([
    ['an empty key', { '': 1 }, '""'],
    ['a key of 129 characters', { [tooLongKey]: 1 }, `"${tooLongKey.slice(0, 31)}…"`],
    ['a string of 65,537 characters', { a: 'x'.repeat(65_537) }, 'a'],
    ['a deep string of 65,537 characters', { a: [{ b: 'x'.repeat(65_537) }] }, 'a.[0].b'],
    ['depth 11', { a: nested(10) }, `a.${'[0]'.repeat(9)}`],
    ['__proto__ as parsed JSON has it', JSON.parse('{"__proto__":{"x":1}}'), '"__proto__"'],
    ['prototype', { prototype: 1 }, '"prototype"'],
    ['constructor', { constructor: 1 }, '"constructor"'],
    ['a prototype key, even to delete it', { constructor: null }, '"constructor"'],
    ['a deep prototype key', { a: JSON.parse('{"b":{"__proto__":1}}') }, 'a.b'],
    ['a key with half a surrogate pair', { 'k\ud800': 1 }, '(name)'],
    ['undefined', { a: undefined }, 'a'],
    ['NaN', { a: Number.NaN }, 'a'],
    ['a deep infinity', { a: { b: [Number.POSITIVE_INFINITY] } }, 'a.b[0]'],
    ['a function', { a: () => 1 }, 'a'],
    ['a bigint', { a: 1n }, 'a'],
    ['a Date', { a: new Date(0) }, 'a'],
    ['a Map', { a: new Map() }, 'a'],
  ])('refuses %s, and with it the whole merge [LIFE-5]', (_what, bad, path) => {
    const current = { kept: 1 };

    expect(() => mergeVariables(current, { good: 1, ...bad, kept: null })).toThrow(invalid(path));
    expect(() => mergeVariables(current, { ...JSON.parse('{}'), ...bad })).toThrow(invalid(path));
    expect(current).toEqual({ kept: 1 });
  });

  test('allows 1 MiB in all, as JSON text in UTF-8, and not a byte more [LIFE-5]', () => {
    // 16 strings fill a MiB but for names and quotes; the last one makes it exact.
    const changes: Record<string, string> = {};
    for (let index = 0; index < 15; index += 1) changes[`k${index}`] = 'é'.repeat(32_768);
    const used = Buffer.byteLength(JSON.stringify({ ...changes, last: '' }));
    const room = 1_048_576 - used;

    const full = mergeVariables({}, { ...changes, last: 'x'.repeat(room) });

    expect(Buffer.byteLength(JSON.stringify(full))).toBe(1_048_576);
    expect(() => mergeVariables({}, { ...changes, last: 'x'.repeat(room + 1) })).toThrow(invalid('(all)'));
    expect(() => mergeVariables(full, { one: 1 })).toThrow(invalid('(all)'));
    expect(Object.keys(mergeVariables(full, { k0: null, one: 1 }))).toContain('one');
  });

  test('refuses a value that contains itself [LIFE-5]', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;

    expect(() => mergeVariables({}, { cycle })).toThrow(expect.objectContaining({ code: 'invalid_variables' }));
  });

  const key = fc.oneof(fc.constantFrom('a', 'b', 'c', 'toString', '_x'), fc.string({ minLength: 1, maxLength: 8 }));
  const changesArbitrary = fc
    .dictionary(
      key.filter((name) => !['__proto__', 'constructor', 'prototype'].includes(name)),
      fc.option(fc.nat()),
    )
    .map((changes): JsonObject => ({ ...changes }));

  test('is last-writer-wins for each key [LIFE-5]', () => {
    fc.assert(
      fc.property(fc.array(changesArbitrary, { maxLength: 8 }), (writes) => {
        const merged = writes.reduce<JsonObject>(mergeVariables, {});
        const last = new Map(writes.flatMap((changes) => Object.entries(changes)));
        expect(new Map(Object.entries(merged))).toEqual(new Map([...last].filter(([, value]) => value !== null)));
      }),
    );
  });

  test('of disjoint keys does not depend on the order, nor on the grouping [LIFE-5]', () => {
    fc.assert(
      fc.property(changesArbitrary, changesArbitrary, changesArbitrary, (current, one, two) => {
        const rest = Object.fromEntries(Object.entries(two).filter(([name]) => !Object.hasOwn(one, name)));
        const oneByOne = mergeVariables(mergeVariables(current, one), rest);
        expect(mergeVariables(mergeVariables(current, rest), one)).toEqual(oneByOne);
        expect(mergeVariables(current, { ...one, ...rest })).toEqual(oneByOne);
      }),
    );
  });
});

describe('variables for a client', () => {
  test('leave out internal ones at the top and nothing else [LIFE-5]', () => {
    expect(visibleVariables({ a: 1, _b: 2, __c: 3, d_: { _e: 4 }, _: 5 })).toEqual({ a: 1, d_: { _e: 4 } });
  });
});
