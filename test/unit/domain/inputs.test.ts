/** The bounds on what a client may answer, each exactly at and one beyond. */
import { describe, expect, test } from '@jest/globals';
import { assertAnswersWithinBounds, INPUT_METHODS } from '../../../src/domain/inputs.ts';
import type { JsonValue } from '../../../src/domain/json.ts';

const KIB = 1024;

function answers(count: number, answer: JsonValue = 1): Record<string, JsonValue> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, answer]));
}

/** A string whose JSON text has so many bytes. */
function textOf(bytes: number): string {
  return 'x'.repeat(bytes - 2);
}

function nested(levels: number): JsonValue {
  let value: JsonValue = 1;
  for (let level = 0; level < levels; level += 1) value = { a: value };
  return value;
}

describe('answers', () => {
  test('answer what the protocol lets a server ask [MOD-4]', () => {
    expect([...INPUT_METHODS]).toEqual(['elicitation/create', 'sampling/createMessage', 'roots/list']);
  });

  test.each<[string, Record<string, unknown>]>([
    ['none', {}],
    ['64 of them', answers(64)],
    ['one of 64 KiB', { a: textOf(64 * KIB) }],
    ['256 KiB in all', answers(4, textOf(64 * KIB))],
    ['depth 32', { a: nested(32) }],
    ['null', { a: null }],
  ])('are within bounds: %s [MOD-4 SEC-3]', (_what, given) => {
    expect(() => assertAnswersWithinBounds(given)).not.toThrow();
  });

  test.each<[string, Record<string, unknown>, Record<string, string>]>([
    ['65 of them', answers(65), {}],
    ['one of 64 KiB and a byte', { good: 1, bad: textOf(64 * KIB + 1) }, { key: 'bad' }],
    ['64 KiB of two-byte characters and more', { bad: 'é'.repeat(32 * KIB) }, { key: 'bad' }],
    ['256 KiB and a byte in all', { ...answers(4, textOf(64 * KIB)), more: 1 }, {}],
    ['depth 33', { good: 1, bad: nested(33) }, { key: 'bad' }],
    ['a prototype key', { bad: JSON.parse('{"__proto__":1}') }, { key: 'bad' }],
    ['no JSON', { bad: undefined }, { key: 'bad' }],
    ['an overlong key', { ['k'.repeat(500)]: undefined }, { key: `${'k'.repeat(127)}…` }],
  ])('are refused, with the key at fault: %s [MOD-4 SEC-3]', (_what, given, detail) => {
    expect(() => assertAnswersWithinBounds(given)).toThrow(expect.objectContaining({ code: 'invalid_answer', detail }));
  });
});
