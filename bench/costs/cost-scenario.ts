/**
 * The operations whose cost is stated, each done once, in the order in which a task meets them, for an owner
 * with a given number of tasks and for tasks with given variables. What they are to cost is
 * pinned in test/contract/costs.test.ts; what they did cost is written to docs/costs.md.
 */
import { IDEMPOTENCY_META_KEY, type JsonObject, type TaskContext } from '../../src/index.ts';
import { inParallel } from '../lanes.ts';
import { POLLS } from '../lifecycles.ts';
import { RpcError } from '../mcp-caller.ts';
import { addCosts, type Cost, type Meter, type MeterOptions, NO_COST } from './cost-meter.ts';
import type { Corner, Costs, Operation } from './cost-operations.ts';
import { openStage, resultOf, type Stage } from './cost-stage.ts';

export const DEFAULT_LIMIT = 100;
const ONE_KB = 1024;
const ONE_MB = 1024 * 1024;
const DAY_MS = 86_400_000;

export async function measureCorner(
  corner: Corner,
  openMeter: (options: MeterOptions) => Promise<Meter>,
): Promise<Costs> {
  const stage = await openStage(openMeter);
  const costs: Partial<Record<Operation, Cost>> = {};
  const lap = (operation?: Operation) => {
    const cost = stage.meter.lap();
    if (operation !== undefined) costs[operation] = addCosts(costs[operation] ?? NO_COST, cost);
  };
  const variables = variablesOf(corner.variablesBytes);
  const giveVariables = async (task: TaskContext) => {
    if (corner.variablesBytes > 0) await task.variables.merge(variables);
    lap();
  };
  try {
    await stage.seed(corner.tasks, async (task) => {
      await giveVariables(task);
      return resultOf(ONE_KB);
    });
    for (const part of [listing, running, asking, largeResult, lifecycle, idempotency, refusal]) {
      lap();
      await part(stage, lap, giveVariables);
    }
    costs.longWait = await measureLongWait(openMeter);
    return costs as Costs;
  } finally {
    await stage.meter.close();
  }
}

type Part = (
  stage: Stage,
  lap: (operation?: Operation) => void,
  giveVariables: (task: TaskContext) => Promise<void>,
) => Promise<void>;

const listing: Part = async ({ store, owner }, lap) => {
  await store.list(owner, { limit: 10 });
  lap('list');
};

const running: Part = async (stage, lap, giveVariables) => {
  const taskId = await stage.create(async (task) => {
    lap('firstRun');
    await giveVariables(task);
    await task.step('quick', async () => ({ done: true }));
    lap('step');
    await task.step('slow', takeAWhile);
    lap('slowStep');
    const stored = stage.message('Half way.');
    task.progress('Half way.');
    await stage.clock.advance(1_000);
    await stored;
    lap('progress');
    await stage.caller.getTask(taskId);
    lap('pollWorking');
    await task.variables.set('small', 1);
    lap('setVariable');
    await task.variables.get('small');
    lap('getVariable');
    await stage.pass(12, 5_000);
    lap('minute');
    // Goes on from an answer of the store: Node would look for the next one before the engine sends the step's start
    // if this went on from a timer, and on a busy machine start and end would then be one entry.
    await stage.caller.getTask(taskId);
    lap();
    await task.extendDeadline(48 * 3_600_000);
    lap('extendDeadline');
    return resultOf(ONE_KB);
  });
  lap('create');
  await stage.run(taskId);
  lap('complete');
  await stage.caller.getTask(taskId);
  lap('pollCompleted');
};

const asking: Part = async (stage, lap, giveVariables) => {
  let runs = 0;
  const ask = () =>
    stage.create(async (task) => {
      runs += 1;
      lap(runs === 2 ? 'resume' : undefined);
      await giveVariables(task);
      await task.elicit({ message: 'Deploy?', requestedSchema: { type: 'object', properties: {} } });
      return resultOf(ONE_KB);
    });
  const taskId = await ask();
  await stage.run(taskId);
  lap('ask');
  const { inputRequests = {} } = await stage.caller.getTask(taskId);
  const answers = Object.keys(inputRequests).map((key) => [key, { action: 'accept', content: {} }]);
  lap();
  await stage.caller.updateTask(taskId, Object.fromEntries(answers) as JsonObject);
  lap('update');
  await stage.run(taskId);
  const cancelled = await ask();
  await stage.run(cancelled);
  lap();
  await stage.caller.cancelTask(cancelled);
  lap('cancel');
};

/**
 * From where the handler begins to wait to where it goes on: the looks that move the task's record and enqueue it
 * included, less what a look costs that finds nothing. On a stage of its own, since all that is on another one would
 * fall due meanwhile.
 */
async function measureLongWait(openMeter: (options: MeterOptions) => Promise<Meter>): Promise<Cost> {
  const stage = await openStage(openMeter);
  const { clock, meter } = stage;
  try {
    await stage.look();
    meter.lap();
    await stage.look();
    const idle = meter.lap();
    let runs = 0;
    let waited: Cost | undefined;
    const taskId = await stage.create(async (task) => {
      await task.extendDeadline(31 * DAY_MS);
      // In the second run this is a replay, and part of what is measured.
      runs += 1;
      if (runs === 1) meter.lap();
      await task.wait('a month', { days: 30 });
      waited = meter.lap();
      return resultOf(ONE_KB);
    });
    await stage.run(taskId);
    await clock.advance(30_000);
    await stage.look();
    await clock.advance(30 * DAY_MS - 35_000);
    await stage.look();
    await clock.advance(5_000);
    await stage.run(taskId);
    if (waited === undefined) throw new Error('The task did not go on after its wait.');
    return addCosts(waited, { ...idle, reads: -2 * idle.reads, readUnits: -2 * idle.readUnits });
  } finally {
    await meter.close();
  }
}

const largeResult: Part = async (stage, lap, giveVariables) => {
  const taskId = await stage.create(async (task) => {
    await giveVariables(task);
    return resultOf(ONE_MB);
  });
  await stage.run(taskId);
  lap('completeLarge');
  await stage.caller.getTask(taskId);
  lap('pollLarge');
};

const lifecycle: Part = async (stage, lap) => {
  const taskId = await stage.create(async (task) => {
    await task.step('work', takeAWhile);
    for (let poll = 0; poll < POLLS; poll += 1) await stage.caller.getTask(taskId);
    return resultOf(ONE_KB);
  });
  await stage.run(taskId);
  lap('lifecycle');
};

const idempotency: Part = async (stage, lap) => {
  const meta = { [IDEMPOTENCY_META_KEY]: 'call 1' };
  const [first, again] = [await keyed('createWithKey'), await keyed('createAgain')];
  if (first !== again) throw new Error('The same call made two tasks.');
  await stage.caller.cancelTask(first);

  async function keyed(operation: Operation): Promise<string> {
    const { taskId } = await stage.caller.createTask('probe', { ticket: 'none', padding: '' }, meta);
    lap(operation);
    return taskId;
  }
};

const refusal: Part = async (stage, lap) => {
  // Newer than all others, as the unfinished tasks of an owner at the limit usually are.
  await stage.clock.advance(1);
  await inParallel(DEFAULT_LIMIT, 8, async () => {
    await stage.create();
  });
  lap();
  const refused = await stage.create().catch((error: unknown) => error);
  if (!(refused instanceof RpcError)) throw new Error('A create above the limit was not refused.');
  lap('refused');
};

/** Long enough for the engine to have recorded the start of the step by itself. */
async function takeAWhile(): Promise<JsonObject> {
  await new Promise((resolve) => setTimeout(resolve, 50));
  return { done: true };
}

/** Strings of less than what one variable may have, together of about this size. */
function variablesOf(bytes: number): JsonObject {
  const part = 60_000;
  const count = Math.ceil(bytes / part);
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`part${index}`, 'v'.repeat(part - 12)]));
}
