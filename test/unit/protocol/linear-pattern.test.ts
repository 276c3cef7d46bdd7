/** Patterns without backtracking: they tell what JavaScript's own engine tells, in time that the text alone decides. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { describePatternFault, LinearPattern } from '../../../src/protocol/linear-pattern.ts';
import { PatternError } from '../../../src/protocol/pattern-syntax.ts';
import { OutOfTimeError, withinTime } from '../../../src/protocol/within-time.ts';
import { manualRandom } from '../../../src/testing/manual-clock.ts';
import { processorMs } from '../../support/strain.ts';

/** Of what is in use. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

function faultOf(source: string, flags = 'u'): string | undefined {
  try {
    return void new LinearPattern(source, flags);
  } catch (error) {
    if (error instanceof PatternError) return error.message;
    throw error;
  }
}

/** Of the number of steps that JavaScript's own engine would need, no universe sees the end. */
const HOSTILE: readonly [pattern: string, text: string][] = [
  ['^([a-zA-Z0-9_.-])+@(([a-zA-Z0-9-])+.)+([a-zA-Z0-9]{2,4})+$', `a@${'a'.repeat(60_000)}!`],
  ['^(a+)+$', `${'a'.repeat(60_000)}!`],
  ['^(a|a)*$', `${'a'.repeat(60_000)}!`],
  ['(.*)*b', 'a'.repeat(60_000)],
  ['\\s+$', `${' '.repeat(60_000)}!`],
  ['(?:a|b)*a(?:a|b){12}!$', `!${'ab'.repeat(30_000)}`],
  ['^(\\w+\\s?)*$', `${'word '.repeat(12_000)}!`],
];

/** What text is made of: what the sets and ends of lines treat in special ways, and both halves of a surrogate pair. */
const CHARACTERS = [
  ...Array.from('aAbBzZ09_-.:@/ \t\n\v\r\f\u00a0\u1680\u2028\u2029\ufeff\u200b\u0085éßſKα😀'),
  '\ud800',
  '\0',
  '\b',
];
const text = fc.string({ unit: fc.constantFrom(...CHARACTERS), maxLength: 12 });

const atom = fc.constantFrom(
  ...[
    'a',
    'b',
    'A',
    '\\.',
    '.',
    '\\d',
    '\\D',
    '\\w',
    '\\W',
    '\\s',
    '\\S',
    '[a-z]',
    '[^a-z]',
    '[\\s\\d]',
    '[^\\s]',
    '[^\\S]',
  ],
  ...[
    '[\\w.-]',
    '[-a]',
    '[\\]\\\\]',
    '[.^$]',
    '[^]',
    '[]',
    '\\t',
    '\\cJ',
    '\\0',
    '\\x41',
    '\\u0061',
    '\\u{1f600}',
    '[\\b]',
  ],
  ...['\\ud83d\\ude00', '[😀-😂]', '[[:alpha:]', '\\p{L}', '\\P{Lu}', '\\p{Script=Greek}', '\\/', '\\-'],
);
const edge = fc.constantFrom('^', '$', '\\b', '\\B', '');
const quantifier = fc.constantFrom('', '', '*', '+', '?', '*?', '+?', '{2}', '{1,3}', '{0,}', '{2,3}?');
const pattern = fc.letrec<{ pattern: string; term: string }>((tie) => ({
  pattern: fc
    .tuple(edge, fc.array(fc.oneof({ weight: 3, arbitrary: tie('term') }, edge), { minLength: 1, maxLength: 4 }), edge)
    .map(([start, terms, end]) => start + terms.join('') + end),
  term: fc
    .tuple(
      fc.oneof(
        { depthSize: 'small', maxDepth: 4, withCrossShrink: true },
        atom,
        fc.tuple(fc.constantFrom('(', '(?:', '(?<n>'), tie('pattern')).map(([open, inner]) => `${open}${inner})`),
        fc.tuple(tie('pattern'), tie('pattern')).map(([one, other]) => `(?:${one}|${other})`),
      ),
      quantifier,
    )
    .map(([what, often]) => what + often),
})).pattern;

describe('a linear pattern', () => {
  test.each(HOSTILE)('of %s says no to hostile text at once [SEC-3]', (source, hostile) => {
    const matcher = new LinearPattern(source, 'u');
    const before = processorMs();

    expect(matcher.test(hostile)).toBe(false);

    expect(processorMs() - before).toBeLessThan(2_000);
  });

  test('tells of every text what JavaScript’s own engine tells [SEC-3]', () => {
    fc.assert(
      fc.property(
        pattern,
        fc.constantFrom('u', 'us', 'gu', 'iu', 'mu', '', 'i', 'm', 's'),
        fc.array(text, { minLength: 5, maxLength: 5 }),
        (source, flags, texts) => {
          let native: RegExp;
          try {
            native = new RegExp(source, flags);
          } catch {
            return;
          }
          // Repetitions within repetitions may come to more than is allowed, which other tests show.
          if (faultOf(source, flags) === 'repeats too much') return;
          const linear = new LinearPattern(source, flags);
          for (const some of texts) {
            native.lastIndex = 0;
            expect([source, some, linear.test(some)]).toEqual([source, some, native.test(some)]);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['^[\\w-.]+$', '', ['a-b.c', 'a b']],
    ['^\\_\\@\\-$', '', ['_@-', '_@']],
    ['a{,2}]}', '', ['a{,2}]}', 'a']],
    ['^a{2$', '', ['a{2', 'aa']],
    ['^[a-\\d]$', '', ['-', '5', 'a', 'b']],
    ['^\\u{2}\\p{1}$', '', ['uup', 'uu']],
    ['^.$', '', ['😀', 'é']],
    ['^[😀]{2}$', '', ['😀', '😀😀']],
    ['', 'u', ['', 'a']],
    ['a/b\n', 'u', ['a/b\n', 'ab']],
    ['(?:){3}a(?:)*', 'u', ['a', 'b']],
    ['^(?:a{0}){2,}$', 'u', ['', 'a']],
    ['(?:^|,)(?:a|b|)(?:$|,)', 'u', ['a', ',', 'x,b', 'xb', 'c']],
    ['ſ|\\bK', 'iu', ['s', 'k', 'ak']],
  ])('%s with the flags "%s" tells what JavaScript’s own engine tells [SEC-3]', (source, flags, texts) => {
    const linear = new LinearPattern(source, flags);

    expect(texts.map((some) => linear.test(some))).toEqual(texts.map((some) => new RegExp(source, flags).test(some)));
  });

  test.each([
    ['(?=a)b', 'u', 'looks ahead or behind'],
    ['(?!a)b', 'u', 'looks ahead or behind'],
    ['(?<=a)b', 'u', 'looks ahead or behind'],
    ['a(?<!a)b', 'u', 'looks ahead or behind'],
    ['(a)\\1', 'u', 'refers back to a group'],
    ['(?<n>a)\\k<n>', 'u', 'refers back to a group'],
    ['(?i:a)', 'u', 'changes its flags on the way'],
    ['^a', 'y', 'has the flag "y"'],
    ['[a--b]', 'v', 'has the flag "v"'],
    ['\\07', '', 'has the escape "\\07"'],
    ['\\c1', '', 'has the escape "\\c1"'],
    ['a{1,5001}', 'u', 'repeats too much'],
    ['(?:a{100}){100}', 'u', 'repeats too much'],
    ['(?:(?:){1000000}){1000000}', 'u', 'repeats too much'],
  ])('of %s with the flags "%s" cannot be made: it %s [SEC-3]', (source, flags, fault) => {
    expect(faultOf(source, flags)).toBe(fault);
  });

  test('of what has 5,000 instructions can be made [SEC-3]', () => {
    expect(faultOf('a{4999}')).toBeUndefined();
    expect(faultOf('a{5000}')).toBe('repeats too much');
  });

  test('goes on telling the truth after all that it remembers was too much, and after a cut [SEC-3]', () => {
    const many = new LinearPattern('(?:a|b)*a(?:a|b){200}c$', '');
    const random = manualRandom(1);
    const letters = Array.from({ length: 5_000 }, () => ((random(1)[0] ?? 0) % 2 === 0 ? 'a' : 'b')).join('');

    expect(() => withinTime(5, () => many.test(letters.repeat(100)))).toThrow(OutOfTimeError);

    expect(many.test(`${letters}a${'b'.repeat(200)}c`)).toBe(true);
    expect(many.test(`${letters}a${'b'.repeat(200)}cc`)).toBe(false);
    expect(many.test(`b${letters}`)).toBe(false);
  });

  test('keeps little of what it has met [SEC-3]', () => {
    const ways = new LinearPattern('(?:a|b)*a(?:a|b){200}c$', '');
    const characters = new LinearPattern('^\\p{L}*$', 'u');
    const random = manualRandom(1);
    const letters = Array.from({ length: 20_000 }, () => ((random(1)[0] ?? 0) % 2 === 0 ? 'a' : 'b')).join('');
    const before = heapBytes();

    expect(ways.test(letters)).toBe(false);
    for (let code = 0x10000; code < 0x90000; code += 0x1000) {
      const some = String.fromCodePoint(...Array.from({ length: 0x1000 }, (_, index) => code + index));
      expect(characters.test(`${some}!`)).toBe(false);
    }

    expect(heapBytes() - before).toBeLessThan(1_500_000);
    expect([ways.test('ac'), characters.test('é')]).toEqual([false, true]);
  });

  test('that is no pattern at all is JavaScript’s own error [SEC-3]', () => {
    expect(() => new LinearPattern('(', 'u')).toThrow(SyntaxError);
  });

  test('says of a fault what to do instead, and shows no endless pattern [SEC-3]', () => {
    const text = describePatternFault('x'.repeat(5000), new PatternError('looks ahead or behind'));

    expect(text).toMatch(
      /^the pattern x{200}… looks ahead or behind, and cannot be matched in .* check it in the tool’s own code$/,
    );
  });
});
