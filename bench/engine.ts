/**
 * `npm run bench -- --engine`: what the engine costs, on the memory backend, so that little else is measured. CPU of
 * the whole process per step in tasks of several lengths, of a resume, and of the smallest task against the SDK's plain
 * call; bytes of the journal per step.
 */
import * as z from 'zod';
import { MemoryBackend } from '../src/backends/memory.ts';
import { ANONYMOUS, asTaskId, createTaskServer, defineTaskTool, silentLogger, type TaskServer } from '../src/index.ts';
import { logPartition } from '../src/store/keys.ts';
import { McpCaller } from './mcp-caller.ts';
import type { Table } from './text-table.ts';

const STEPS = [800, 1_000, 5_000, 8_000, 20_000];
const CALLS = 50;
const BLOCKS = 20;
const ROUNDS = 3;

const steps = defineTaskTool({
  name: 'steps',
  description: 'So many steps, one after the other; then it waits, and ends when it is run again.',
  inputSchema: z.object({ count: z.int() }),
  async run({ count }, task) {
    for (let index = 0; index < count; index += 1) await task.step('step', async () => ({ index, text: 'a result' }));
    await task.wait('until it is resumed', { seconds: 3_600 });
    return { content: [] };
  },
});

const trivial = defineTaskTool({
  name: 'trivial',
  description: 'Ends at once.',
  inputSchema: z.object({}),
  run: async () => ({ content: [] }),
});

const plain = defineTaskTool({
  name: 'plain',
  description: 'The same within its call.',
  inputSchema: z.object({}),
  taskSupport: 'forbidden',
  run: async () => ({ content: [] }),
});

/** Least of several rounds: what disturbs a round only adds to it. */
export async function measureEngine(): Promise<{ readonly steps: Table; readonly calls: Table }> {
  const rows: (string | number)[][] = [];
  for (const count of STEPS) {
    let first = Number.POSITIVE_INFINITY;
    let resumed = Number.POSITIVE_INFINITY;
    let bytes = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const figures = await measureSteps(count);
      first = Math.min(first, figures.firstUs);
      resumed = Math.min(resumed, figures.resumedUs);
      bytes = figures.bytes;
    }
    rows.push([
      count,
      (first / count).toFixed(1),
      Math.round(1e6 / (first / count)),
      (resumed / count).toFixed(1),
      Math.round(bytes / count),
    ]);
  }
  const { plainUs, trivialUs } = await measureCalls();
  return {
    steps: {
      head: ['steps in a task', 'CPU µs a step', 'steps a second of CPU', 'resume, CPU µs a step', 'bytes a step'],
      rows,
    },
    calls: {
      head: ['call', 'CPU µs', 'ratio'],
      rows: [
        ['plain tool', Math.round(plainUs), 1],
        ['task, from call to completed', Math.round(trivialUs), (trivialUs / plainUs).toFixed(2)],
      ],
    },
  };
}

async function measureSteps(count: number) {
  const backend = new MemoryBackend();
  const server = serverOver(backend);
  const caller = new McpCaller({ send: (request) => server.fetch(request) });
  const { taskId } = await caller.createTask('steps', { count });
  const { task } = await server.store.get({ owner: ANONYMOUS, id: asTaskId(taskId) });
  const firstUs = await cpuUs(() => server.runTask(task));
  // Due at once, as if its time had come.
  await server.store.update(task, (now, at) => ({ ...now, run: { ...now.run, dueAt: at } }));
  const resumedUs = await cpuUs(() => server.runTask(task));
  let bytes = 0;
  let after: string | undefined;
  do {
    const page = await backend.list(logPartition(task), {
      limit: 1_000,
      after,
    });
    for (const { value } of page.records) bytes += Buffer.byteLength(value);
    after = page.next;
  } while (after !== undefined);
  return { firstUs, resumedUs, bytes };
}

/** Both in blocks that take turns, so that neither has the warmer machine; medians of the blocks. */
async function measureCalls(): Promise<{ readonly plainUs: number; readonly trivialUs: number }> {
  const server = serverOver(new MemoryBackend());
  const caller = new McpCaller({ send: (request) => server.fetch(request) });
  const callPlain = () => caller.request('tools/call', { name: 'plain', arguments: {} }, 'plain');
  const callTrivial = async () => {
    const { taskId } = await caller.createTask('trivial', {});
    await server.runTask({ owner: ANONYMOUS, id: asTaskId(taskId) });
    await caller.getTask(taskId);
  };
  const plainUs: number[] = [];
  const trivialUs: number[] = [];
  for (let block = 0; block < BLOCKS; block += 1) {
    plainUs.push(await cpuUs(() => repeat(callPlain)));
    trivialUs.push(await cpuUs(() => repeat(callTrivial)));
  }
  return { plainUs: median(plainUs) / CALLS, trivialUs: median(trivialUs) / CALLS };
}

async function repeat(call: () => Promise<unknown>): Promise<void> {
  for (let index = 0; index < CALLS; index += 1) await call();
}

function serverOver(backend: MemoryBackend): TaskServer {
  return createTaskServer({
    name: 'bench',
    logger: silentLogger,
    version: '1',
    tools: [steps, trivial, plain],
    backend,
    allowAnonymous: true,
    // Runs are started here, one by one.
    queue: { enqueue: async () => {} },
  });
}

async function cpuUs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
