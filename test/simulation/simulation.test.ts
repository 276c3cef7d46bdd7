/** The oracle in small: `npm run simulate` goes through as many histories as there is time for. */
import { describe, expect, test } from '@jest/globals';
import { randomProgram } from './program.ts';
import { Seeded } from './seeded.ts';
import { simulate } from './simulate.ts';

describe('random programs in random worlds', () => {
  test('replay every prefix of their journals to itself, and lead to the same result [EXEC-19 EXEC-11 EXEC-1 EXEC-2 EXEC-15 I3 I4 I11]', async () => {
    expect(await simulate({ firstSeed: 1, histories: 150 })).toEqual({ histories: 150 });
  }, 120_000);

  test('are the same for the same seed, and use every kind of operation [EXEC-19]', () => {
    const programs = Array.from({ length: 300 }, (_, seed) => JSON.stringify(randomProgram(new Seeded(seed))));

    expect(programs).toEqual(Array.from({ length: 300 }, (_, seed) => JSON.stringify(randomProgram(new Seeded(seed)))));
    const kinds = [
      'step',
      'once',
      'wait',
      'ask',
      'poll',
      'value',
      'all',
      'race',
      'any',
      'settled',
      'sequence',
      'generator',
    ];
    for (const kind of [...kinds, 'map', 'parallel', 'contest', 'guarded']) {
      expect(programs.some((program) => program.includes(`"op":"${kind}"`))).toBe(true);
    }
  });
});
