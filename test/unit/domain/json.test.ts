/** The measures by which hostile or oversized input is turned away. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { findJsonFault, isJsonObject, type JsonValue, jsonBytes } from '../../../src/domain/json.ts';

const bounds = { maxDepth: 3, maxStringLength: 5 };

describe('a fault in JSON', () => {
  test.each<[string, unknown]>([
    ['null', null],
    ['a boolean', false],
    ['zero', -0],
    ['a string at the bound', '12345'],
    ['depth at the bound', [[[1]]]],
    ['depth at the bound, in objects', { a: { b: { c: 1 } } }],
    ['an object without prototype', Object.assign(Object.create(null), { a: 1 })],
    ['keys that only look dangerous', { proto: 1, toString: 2, __proto: 3, hasOwnProperty: 4 }],
    ['a lone surrogate, which JSON can escape', '\ud800'],
  ])('is not found in %s [LIFE-5 SEC-3]', (_what, value) => {
    expect(findJsonFault(value, bounds)).toBeUndefined();
  });

  class Money {
    readonly amount = 1;
  }
  const cycle: unknown[] = [];
  cycle.push(cycle);

  test.each<[string, unknown, string, string]>([
    ['a string beyond the bound', '123456', '(root)', 'string longer than 5 characters'],
    ['depth beyond the bound', [[[[]]]], '[0][0][0]', 'nested deeper than 3'],
    ['depth beyond the bound, in objects', { a: { b: { c: {} } } }, 'a.b.c', 'nested deeper than 3'],
    ['a list that contains itself', cycle, '[0][0][0]', 'nested deeper than 3'],
    ['undefined', { a: undefined }, 'a', 'undefined is not JSON'],
    ['a hole in a list', Array.from({ length: 2 }), '[0]', 'undefined is not JSON'],
    ['a function', { a: () => 1 }, 'a', 'function is not JSON'],
    ['a symbol', [Symbol.iterator], '[0]', 'symbol is not JSON'],
    ['a bigint', { a: [0, 1n] }, 'a[1]', 'bigint is not JSON'],
    ['NaN', Number.NaN, '(root)', 'number is not finite'],
    ['infinity', { a: Number.NEGATIVE_INFINITY }, 'a', 'number is not finite'],
    ['a class instance', { a: new Money() }, 'a', 'not a plain object'],
    ['a Date', new Date(0), '(root)', 'not a plain object'],
    ['bytes', [new Uint8Array(1)], '[0]', 'not a plain object'],
    ['__proto__ as parsed JSON has it', JSON.parse('{"a":{"__proto__":{"admin":true}}}'), 'a', '"__proto__"'],
    ['constructor', { constructor: 1 }, '(root)', '"constructor"'],
    ['prototype', [{ prototype: 1 }], '[0]', '"prototype"'],
  ])('is found in %s, with its place [LIFE-5 SEC-3]', (_what, value, path, problem) => {
    expect(findJsonFault(value, bounds)).toEqual({ path, problem: expect.stringContaining(problem) });
  });

  test('is found however deep a value is, without exhausting the stack [SEC-3]', () => {
    let deep: unknown = Number.NaN;
    for (let level = 0; level < 200_000; level += 1) deep = [deep];

    expect(findJsonFault(deep, { maxDepth: 100 })).toEqual({
      path: '[0]'.repeat(100),
      problem: 'nested deeper than 100',
    });
  });

  test('is never found in what JSON.parse gives, within bounds and without forbidden keys [SEC-3]', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        fc.pre(!/__proto__|constructor|prototype/.test(text));
        expect(findJsonFault(JSON.parse(text), { maxDepth: 12 })).toBeUndefined();
      }),
    );
  });
});

describe('the size of JSON', () => {
  test('is that of its text in UTF-8 [LIFE-10]', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(jsonBytes(value as JsonValue)).toBe(Buffer.byteLength(JSON.stringify(value)));
      }),
    );
    expect(jsonBytes('é😀')).toBe(8);
  });
});

describe('a JSON object', () => {
  test('is neither null nor a list nor a scalar', () => {
    expect([{}, null, [], 'a', 1, undefined].map(isJsonObject)).toEqual([true, false, false, false, false, false]);
  });
});
