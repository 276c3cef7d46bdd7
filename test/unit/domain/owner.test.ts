/** Owners as text: no two of them ever share one. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { MAX_PARTITION_BYTES } from '../../../src/backends/backend.ts';
import { encodeOwner, MAX_OWNER_BYTES, type Owner } from '../../../src/domain/owner.ts';
import { newTaskId } from '../../../src/domain/task-id.ts';
import { headKey, headsPartitions, logPartition, valuesPartition } from '../../../src/store/keys.ts';

/** Any text that UTF-8 can carry, and pieces that invite confusion. */
const part = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
  fc.string({ unit: fc.constantFrom('"', '\\', ',', ':', '[', ']', 'a', '\u0000', '|', '#', '😀'), minLength: 1 }),
);
const owner: fc.Arbitrary<Owner> = fc
  .record({ issuer: part, subject: part, tenant: fc.option(part, { nil: undefined }) })
  .map(({ issuer, subject, tenant }) => (tenant === undefined ? { issuer, subject } : { issuer, subject, tenant }));

describe('an encoded owner', () => {
  test('is the same text only for the same parts [STORE-2 I6]', () => {
    fc.assert(
      fc.property(owner, owner, (one, two) => {
        const sameParts = one.issuer === two.issuer && one.subject === two.subject && one.tenant === two.tenant;
        expect(encodeOwner(one) === encodeOwner(two)).toBe(sameParts);
        expect(headsPartitions(one)[0] === headsPartitions(two)[0]).toBe(sameParts);
      }),
      { numRuns: 1000 },
    );
  });

  test('never lets a separator move from one part to another [STORE-2 I6]', () => {
    fc.assert(
      fc.property(part, part, part, (a, b, c) => {
        for (const separator of [':', '","', '/', '\u0000']) {
          const left = encodeOwner({ issuer: `${a}${separator}${b}`, subject: c });
          const right = encodeOwner({ issuer: a, subject: `${b}${separator}${c}` });
          expect(left).not.toBe(right);
        }
      }),
    );
  });

  test('keeps a tenant apart from the same text in the subject [STORE-2 I6]', () => {
    const texts = [
      { issuer: 'i', subject: 'b', tenant: 'a' },
      { issuer: 'i', subject: 'a', tenant: 'b' },
      { issuer: 'i', subject: 'a:b' },
      { issuer: 'i', subject: 'a","b' },
      { issuer: 'i:a', subject: 'b' },
    ].map(encodeOwner);

    expect(new Set(texts).size).toBe(texts.length);
  });

  test('keeps texts apart that only Unicode normalisation would join [STORE-2 I6]', () => {
    expect(encodeOwner({ issuer: 'i', subject: '\u00e9' })).not.toBe(encodeOwner({ issuer: 'i', subject: 'e\u0301' }));
  });

  test.each([
    [{ issuer: '', subject: 'a' }],
    [{ issuer: 'i', subject: '' }],
    [{ issuer: 'i', subject: 'a', tenant: '' }],
    [{ issuer: '\ud800', subject: 'a' }],
    [{ issuer: 'i', subject: 'x\udc00' }],
    [{ issuer: 'i', subject: 'a', tenant: '\ud83d' }],
    [{ issuer: 'i', subject: 7 as unknown as string }],
  ])('is refused for empty parts and text that is no Unicode: %j [STORE-2 SEC-1]', (wrong) => {
    expect(() => encodeOwner(wrong)).toThrow(expect.objectContaining({ code: 'invalid_owner' }));
  });

  test('may have exactly the largest size, in bytes of UTF-8 [STORE-2]', () => {
    const brackets = encodeOwner({ issuer: 'i', subject: 'x' }).length - 1;
    const longest = { issuer: 'i', subject: 'x'.repeat(MAX_OWNER_BYTES - brackets) };
    const longestOfTwoBytes = { issuer: 'ii', subject: 'é'.repeat((MAX_OWNER_BYTES - brackets - 1) / 2) };

    expect(encodeOwner(longest)).toHaveLength(MAX_OWNER_BYTES);
    expect(Buffer.byteLength(encodeOwner(longestOfTwoBytes))).toBeGreaterThan(MAX_OWNER_BYTES - 2);
    expect(() => encodeOwner({ ...longest, subject: `${longest.subject}x` })).toThrow(`than ${MAX_OWNER_BYTES} bytes`);
    expect(() => encodeOwner({ ...longest, subject: 'é'.repeat(MAX_OWNER_BYTES / 2) })).toThrow('The owner is longer');
  });

  test('that is accepted fits every partition, even if each character needs an escape [STORE-2]', () => {
    for (const character of ['"', '\\', '\u0000', '\n']) {
      const each = encodeOwner({ issuer: 'i', subject: character.repeat(2) }).length;
      const fixed = encodeOwner({ issuer: 'i', subject: character }).length;
      const escaped = each - fixed;
      const count = Math.floor((MAX_OWNER_BYTES - fixed) / escaped) + 1;
      const ref = {
        owner: { issuer: 'i', subject: character.repeat(count) },
        id: newTaskId(0, (n) => new Uint8Array(n)),
      };

      for (const partition of [headKey(ref).partition, logPartition(ref), valuesPartition(ref)]) {
        expect(Buffer.byteLength(partition)).toBeLessThanOrEqual(MAX_PARTITION_BYTES);
      }
    }
  });
});
