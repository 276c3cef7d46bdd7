/**
 * The stage on which costs are measured: a task server with one tool, whose handler is whatever
 * the scenario says, run by hand on a clock that stands still; and an owner who already has tasks.
 * Nothing happens on it but what the scenario does, so that a lap of the meter is one operation.
 */
import * as z from 'zod';
import { newTaskId } from '../../src/domain/task-id.ts';
import {
  type CallToolResult,
  createTaskServer,
  defineTaskTool,
  silentLogger,
  type Task,
  type TaskContext,
} from '../../src/index.ts';
import { present } from '../../src/present.ts';
import { Looker } from '../../src/runtime/queues/looker.ts';
import { DEFAULT_LEASE_TIMES } from '../../src/runtime/running/held-task.ts';
import { headKey } from '../../src/store/keys.ts';
import { ManualClock, manualRandom } from '../../src/testing/manual-clock.ts';
import { McpCaller } from '../mcp-caller.ts';
import type { Meter, MeterOptions } from './cost-meter.ts';

const OWNER = { issuer: 'https://issuer.example', subject: 'subject 0123456789abcdef' };
const TOOL = 'probe';

/** What a task's handler does this time. */
export type Script = (task: TaskContext) => Promise<CallToolResult>;

/** A result (or the arguments, with `bytes`) of about this size, its JSON included. */
export function resultOf(bytes: number): CallToolResult {
  const empty = JSON.stringify({ content: [{ type: 'text', text: '' }] }).length;
  return { content: [{ type: 'text', text: 'x'.repeat(bytes - empty) }] };
}

export async function openStage(openMeter: (options: MeterOptions) => Promise<Meter>) {
  const clock = new ManualClock();
  // Names have a source of their own, so that ids, which decide about shards, are the same on every engine and each time.
  const names = manualRandom(1);
  const others = manualRandom(3);
  const random = (count: number) => (count === 16 ? names(count) : others(count));
  const meter = await openMeter({ clock, random: manualRandom(2) });
  const scripts = new Map<string, Script>();
  const padding = 'x'.repeat(1024 - JSON.stringify({ ticket: '0000', padding: '' }).length);
  const tool = defineTaskTool({
    name: TOOL,
    description: 'Does what the scenario says.',
    inputSchema: z.object({ ticket: z.string(), padding: z.string() }),
    run: async ({ ticket }, task) => scripts.get(ticket)?.(task) ?? resultOf(1024),
  });
  // Nothing is delivered: the scenario runs what is to run.
  const queue = { enqueue: async () => {} };
  const server = createTaskServer({
    name: 'bench',
    logger: silentLogger,
    // Time is the stage's own: nobody moves it on while a run could suspend.
    graceMs: 0,
    version: '1',
    tools: [tool],
    backend: meter.backend,
    queue,
    resolveOwner: () => OWNER,
    clock,
    random,
  });
  const looker = new Looker({
    store: server.store,
    queue,
    clock,
    leaseMs: DEFAULT_LEASE_TIMES.leaseMs,
  });
  const caller = new McpCaller({ send: (request) => server.fetch(request) });
  let tickets = 0;

  /** A task with 1 KB of arguments; it runs when `run` is called. Resolves to its id. */
  const create = async (script?: Script, meta: Record<string, string> = {}): Promise<string> => {
    const ticket = String(tickets).padStart(4, '0');
    tickets += 1;
    if (script !== undefined) scripts.set(ticket, script);
    return (await caller.createTask(TOOL, { ticket, padding }, meta)).taskId;
  };
  const refOf = (taskId: string) => ({ owner: OWNER, id: taskId as Task['id'] });
  const run = (taskId: string) => server.runTask(refOf(taskId));

  /** Gives the owner `count` finished tasks: copies of one, written past the store. */
  const seed = async (count: number, script: Script): Promise<void> => {
    const taskId = await create(script);
    await run(taskId);
    const model = await meter.backend.get(headKey(refOf(taskId)));
    if (model === undefined) throw new Error('The model task is gone.');
    const { value, expiresAt } = model;
    const write = { value, ...present({ expiresAt }) };
    const copies = Array.from({ length: count - 1 }, (_, index) => {
      const id = newTaskId(clock.now() - 1 - index, (bytes) => others(bytes).fill(index, -1));
      return { key: headKey({ owner: OWNER, id }), write };
    });
    await meter.fill(copies);
  };

  /** Moves time on in steps that end with as many timers waiting as before: heartbeats have then done their work. */
  const pass = async (steps: number, stepMs: number): Promise<void> => {
    const timers = clock.pendingTimers;
    for (let step = 0; step < steps; step += 1) {
      await clock.advance(stepMs);
      while (clock.pendingTimers !== timers) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };

  /** Resolves once the task's message is stored. */
  const message = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const stop = server.store.onChange(({ task }) => {
        if (task.statusMessage !== text) return;
        stop();
        resolve();
      });
    });

  const look = () => looker.look();

  return { owner: OWNER, clock, meter, caller, store: server.store, create, run, look, seed, pass, message };
}

export type Stage = Awaited<ReturnType<typeof openStage>>;
