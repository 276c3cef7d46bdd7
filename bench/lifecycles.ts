/**
 * Whole task lifecycles, many at once: create with 1 KB of arguments, ten polls of the working
 * task, one step, complete with 1 KB of result. Driven through the MCP endpoint (a JSON-RPC
 * request for the call and for each poll, no socket) or straight at the store. What is timed
 * includes the durable engine; what is counted are the backend's calls.
 */
import * as z from 'zod';
import type { StorageBackend } from '../src/backends/backend.ts';
import {
  createTaskServer,
  defineTaskTool,
  type Owner,
  type RunReport,
  silentLogger,
  type TaskServer,
} from '../src/index.ts';
import { countingBackend, VERBS } from '../test/support/counting-backend.ts';
import { inParallel } from './lanes.ts';
import { McpCaller } from './mcp-caller.ts';

export const POLLS = 10;
const ONE_KB = 'x'.repeat(1024 - 60);
const TOOL = 'lifecycle';
/** Each has a counter of its own, as callers of a service would. */
const OWNERS = 16;

export type Face = 'endpoint' | 'store';

export interface LifecycleFigures {
  readonly perSecond: number;
  /** By verb. */
  readonly callsEach: Readonly<Record<string, number>>;
}

export interface LifecycleOptions {
  readonly face: Face;
  readonly count: number;
  readonly concurrency: number;
}

export async function measureLifecycles(inner: StorageBackend, options: LifecycleOptions): Promise<LifecycleFigures> {
  const backend = countingBackend(inner);
  const bench = createBench(backend);
  const lifecycle = options.face === 'endpoint' ? bench.throughEndpoint : bench.throughStore;
  // A first few, so that neither compilation nor connecting is measured.
  await inParallel(options.concurrency, options.concurrency, lifecycle);
  backend.reset();
  const startedAt = performance.now();
  await inParallel(options.count, options.concurrency, lifecycle);
  const seconds = (performance.now() - startedAt) / 1000;
  const counts = backend.counts();
  const callsEach = Object.fromEntries(VERBS.map((verb) => [verb, (counts[verb] ?? 0) / options.count]));
  return { perSecond: options.count / seconds, callsEach };
}

function createBench(backend: StorageBackend) {
  const polled = new Map<string, PromiseWithResolvers<void>>();
  const runs = new Map<string, Promise<RunReport>>();
  const tool = defineTaskTool({
    name: TOOL,
    description: 'One step, then a result of 1 KB once the caller has polled.',
    inputSchema: z.object({ ticket: z.string(), padding: z.string() }),
    run: async ({ ticket }, task) => {
      await task.step('work', async () => 'done');
      await polled.get(ticket)?.promise;
      return { content: [{ type: 'text', text: ONE_KB }] };
    },
  });
  const server: TaskServer = createTaskServer({
    name: 'bench',
    logger: silentLogger,
    version: '1',
    tools: [tool],
    backend,
    maxActiveTasksPerOwner: 10_000,
    resolveOwner: (authInfo) => ownerOf(Number(authInfo?.clientId)),
    queue: {
      enqueue: async (ref) => {
        runs.set(ref.id, server.runTask(ref));
      },
    },
  });

  const finish = async (ticket: string, run: Promise<RunReport> | undefined) => {
    polled.get(ticket)?.resolve();
    const report = await run;
    polled.delete(ticket);
    if (report !== 'finished') throw new Error(`A lifecycle did not finish: ${report}`);
  };

  return {
    throughEndpoint: async (index: number) => {
      const ticket = String(index);
      polled.set(ticket, Promise.withResolvers<void>());
      const authInfo = { token: 'bench', clientId: String(index % OWNERS), scopes: [] };
      const caller = new McpCaller({ send: (request) => server.fetch(request, { authInfo }) });
      const { taskId } = await caller.createTask(TOOL, { ticket, padding: ONE_KB });
      for (let poll = 0; poll < POLLS; poll += 1) assertWorking((await caller.getTask(taskId)).status);
      await finish(ticket, runs.get(taskId));
      runs.delete(taskId);
    },
    throughStore: async (index: number) => {
      const ticket = String(index);
      polled.set(ticket, Promise.withResolvers<void>());
      const { stored } = await server.store.create({
        owner: ownerOf(index % OWNERS),
        tool: TOOL,
        arguments: { ticket, padding: ONE_KB },
        lifetime: { runDeadlineMs: 3_600_000, retentionMs: 3_600_000 },
        pollIntervalMs: 1_000,
        maxAttempts: 5,
      });
      const run = server.runTask(stored.task);
      for (let poll = 0; poll < POLLS; poll += 1) assertWorking((await server.store.get(stored.task)).task.status);
      await finish(ticket, run);
    },
  };
}

function ownerOf(index: number): Owner {
  return { issuer: 'bench', subject: `owner ${index}` };
}

function assertWorking(status: string): void {
  if (status !== 'working') throw new Error(`A poll found the task ${status}; it was to be working.`);
}
