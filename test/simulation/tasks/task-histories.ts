/** Histories of whole tasks: a random program in a random world, through the real runner and store. */
import type { HistoryKind } from '../simulate.ts';
import { watchEventLoop } from './event-loop.ts';
import { judge } from './oracle.ts';
import type { Program } from './program.ts';
import { programText } from './program-text.ts';
import { randomProgram } from './random-program.ts';
import { smallerPrograms } from './smaller-programs.ts';
import { World } from './world.ts';
import { calmerSettings, describeSettings, randomSettings, type WorldSettings } from './world-settings.ts';

export interface TaskHistory {
  readonly program: Program;
  readonly settings: WorldSettings;
}

/** Seeds by which a smaller history is tried: what happens in it is drawn anew. */
const OTHER_SEEDS = 12;

export const taskHistories: HistoryKind<TaskHistory> = {
  name: 'tasks',
  random: (chance) => ({ program: randomProgram(chance), settings: randomSettings(chance) }),
  faultsOf: async ({ program, settings }, seed) => {
    const stopWatching = watchEventLoop();
    const stray: string[] = [];
    const onStray = (error: unknown) => stray.push(`nobody handled ${String(error)} [EXEC-18]`);
    process.on('unhandledRejection', onStray);
    try {
      const options = { program, settings, seed };
      const world = new World(options);
      await world.run();
      const problems = world.problems.length > 0 ? world.problems : await judge(world, options);
      return [...problems, ...stray];
    } finally {
      process.off('unhandledRejection', onStray);
      stopWatching();
    }
  },
  *smaller({ program, settings }) {
    for (const smaller of smallerPrograms(program)) yield { program: smaller, settings };
    for (const calmer of calmerSettings(settings)) yield { program, settings: calmer };
  },
  seedsFor: (seed) => Array.from({ length: OTHER_SEEDS }, (_, index) => seed + index),
  text: ({ program, settings }) => `in ${describeSettings(settings)}\n${programText(program)}`,
};
