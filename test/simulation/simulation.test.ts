/** The oracle in small: `npm run simulate` goes through as many histories as there is time for. */
import { describe, expect, test } from '@jest/globals';
import { engineHistories } from './engine-histories.ts';
import { randomProgram } from './program.ts';
import { Seeded } from './seeded.ts';
import { simulate } from './simulate.ts';
import { watchEventLoop } from './tasks/event-loop.ts';
import { KINDS } from './tasks/program.ts';
import { programText } from './tasks/program-text.ts';
import { randomProgram as randomTaskProgram } from './tasks/random-program.ts';
import { taskHistories } from './tasks/task-histories.ts';
import { workflowHistories } from './tasks/workflow-histories.ts';
import { World } from './tasks/world.ts';
import { randomSettings } from './tasks/world-settings.ts';

describe('random programs in random worlds', () => {
  test('replay every prefix of their journals to itself, and lead to the same result [EXEC-19 EXEC-11 EXEC-1 EXEC-2 EXEC-15 I3 I4 I11]', async () => {
    expect(await simulate({ kind: engineHistories(), firstSeed: 1, histories: 150 })).toEqual({ histories: 150 });
  });

  test('as whole tasks keep what is promised, whatever dies, is lost or comes late [EXEC-19 EXEC-1 EXEC-2 EXEC-3 EXEC-11 EXEC-15 I1 I2 I3 I4 I5 I6 I7 I8 I11]', async () => {
    expect(await simulate({ kind: taskHistories, firstSeed: 1, histories: 300 })).toEqual({ histories: 300 });
  });

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

  test('run as workflows, with clients that report what they do, and lose nothing of it [EXEC-19 WF-5]', async () => {
    expect(await simulate({ kind: workflowHistories, firstSeed: 1, histories: 60 })).toEqual({ histories: 60 });
  });

  test('of whole tasks use every kind of operation [EXEC-19]', () => {
    const programs = Array.from({ length: 300 }, (_, seed) => programText(randomTaskProgram(new Seeded(seed))));
    // Workflows have histories of their own.
    const texts = [...programs, programText(workflowHistories.random(new Seeded(1)).program)].join('\n');

    expect(KINDS.filter((kind) => !texts.includes(`: ${kind}`))).toEqual([]);
  });

  test('happen in the same way for the same seed [EXEC-19]', async () => {
    const happened = async (seed: number) => {
      const chance = new Seeded(seed);
      const [program, settings] = [randomTaskProgram(chance), randomSettings(chance)];
      const stopWatching = watchEventLoop();
      try {
        const world = new World({ program, settings, seed });
        await world.run();
        return { entries: world.journal.entries, head: world.head, lives: world.lives };
      } finally {
        stopWatching();
      }
    };

    for (let seed = 1; seed <= 30; seed += 1) expect(await happened(seed)).toEqual(await happened(seed));
  });
});
