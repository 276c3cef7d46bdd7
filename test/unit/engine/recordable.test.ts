/** How deep and how large a value may be that is recorded. What may be recorded at all is in `steps.test.ts`. */
import { describe, expect, test } from '@jest/globals';
import type { JsonValue } from '../../../src/domain/json.ts';
import { assertRecordableSize, recordable } from '../../../src/engine/recordable.ts';

function nested(levels: number): JsonValue {
  let value: JsonValue = 1;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
}

/** Members whose names are one letter each, so many of them in each object, and objects in objects. */
function members(count: number, levels: number): JsonValue {
  if (levels === 0) return 0.1234567890123456;
  const names = Array.from({ length: count }, (_, index) => String.fromCharCode(0x30 + index));
  return Object.fromEntries(names.map((name) => [name, members(count, levels - 1)]));
}

const MAX_BYTES = 5_242_880;

describe('a value to be recorded', () => {
  test('is nested 500 deep at most [EXEC-18]', () => {
    expect(recordable(nested(500), 'It is')).toEqual(nested(500));
    expect(() => recordable(nested(501), 'It is')).toThrow(/^It is more than 500 levels of nesting at (\[0\]){500}, /);
  });

  // It is measured roughly first, and must not pass then because it looks shorter than it is.
  test.each<[string, JsonValue]>([
    ['plain text', ''],
    ['text of which each character takes six bytes', '\u0001'.repeat(870_000)],
    ['a name of which each character takes six bytes', { ['\u0001'.repeat(870_000)]: 1 }],
    ['long numbers with short names', members(59, 3)],
    ['long numbers', Array.from({ length: 270_000 }, () => 0.1234567890123456)],
  ])('has at most 5 MiB as JSON, be it %s [EXEC-18]', (_what, part) => {
    const used = Buffer.byteLength(JSON.stringify([part, '']));

    expect(() => assertRecordableSize([part, 'x'.repeat(MAX_BYTES - used)], 'It has')).not.toThrow();
    expect(() => assertRecordableSize([part, 'x'.repeat(MAX_BYTES - used + 1)], 'It has')).toThrow(
      'It has 5242881 bytes of JSON; at most 5242880 are recorded.',
    );
  });
});
