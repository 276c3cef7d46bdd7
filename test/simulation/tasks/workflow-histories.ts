/** Histories of workflows: random steps, in random worlds, with clients that do some of them. */
import type { Seeded } from '../seeded.ts';
import type { HistoryKind } from '../simulate.ts';
import type { Statement } from './program.ts';
import { randomProgram } from './random-program.ts';
import { type TaskHistory, taskHistories } from './task-histories.ts';
import { randomSettings } from './world-settings.ts';

const MOST_STEPS = 6;

export const workflowHistories: HistoryKind<TaskHistory> = {
  ...taskHistories,
  name: 'workflows',
  random: (chance) => ({ program: randomWorkflow(chance), settings: { ...randomSettings(chance), isDeployed: false } }),
};

/** By itself, or with something before it. */
function randomWorkflow(chance: Seeded) {
  const options = { times: chance.below(MOST_STEPS), key: 1 + chance.below(1_000_000) };
  const workflow: Statement = { kind: 'workflow', id: 'workflow0', name: '', options, blocks: [] };
  const before = chance.chance(0.2) ? randomProgram(chance).slice(0, 1) : [];
  return [...before, workflow];
}
