/**
 * What `tasks/get` costs above the least that an MCP request can cost: `server/discover`, which the
 * SDK answers by itself. Both through the same endpoint in the same run, in short batches that
 * take turns, so that neither has the warmer machine; the figure is the median of their ratios.
 */
import * as z from 'zod';
import type { StorageBackend } from '../src/backends/backend.ts';
import { createTaskServer, defineTaskTool, silentLogger } from '../src/index.ts';
import { McpCaller } from './mcp-caller.ts';

const PAIRS = 40;
const WARM_UP_PAIRS = 5;
const BATCH = 100;

export interface OverheadFigures {
  readonly discoverMs: number;
  readonly getMs: number;
  /** Of `tasks/get` to `server/discover`. */
  readonly ratio: number;
}

export async function measureOverhead(backend: StorageBackend): Promise<OverheadFigures> {
  const tool = defineTaskTool({
    name: 'idle',
    description: 'Never runs: the task stays working.',
    inputSchema: z.object({ padding: z.string() }),
    run: async () => ({ content: [] }),
  });
  const server = createTaskServer({
    name: 'bench',
    logger: silentLogger,
    version: '1',
    tools: [tool],
    backend,
    allowAnonymous: true,
    queue: { enqueue: async () => {} },
  });
  const caller = new McpCaller({ send: (request) => server.fetch(request) });
  const { taskId } = await caller.createTask('idle', { padding: 'x'.repeat(1000) });
  const pairs: (readonly [discoverMs: number, getMs: number])[] = [];
  for (let pair = 0; pair < WARM_UP_PAIRS + PAIRS; pair += 1) {
    const discoverMs = await batch(() => caller.discover());
    const getMs = await batch(() => caller.getTask(taskId));
    if (pair >= WARM_UP_PAIRS) pairs.push([discoverMs, getMs]);
  }
  return {
    discoverMs: median(pairs.map(([discoverMs]) => discoverMs)),
    getMs: median(pairs.map(([, getMs]) => getMs)),
    ratio: median(pairs.map(([discoverMs, getMs]) => getMs / discoverMs)),
  };
}

/** Milliseconds each. */
async function batch(request: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  for (let index = 0; index < BATCH; index += 1) await request();
  return (performance.now() - startedAt) / BATCH;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
