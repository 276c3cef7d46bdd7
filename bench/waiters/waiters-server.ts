/**
 * A server of the benchmark of waiters, run as a program with its settings in JSON as its argument: a local server as on the
 * command line, whose storage is counted. Does what its parent tells it, one command at a time, and answers each.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { systemClock } from '../../src/clock.ts';
import { BY_AGE } from '../../src/domain/poll-interval.ts';
import { completeTask } from '../../src/domain/task.ts';
import {
  ANONYMOUS,
  asTaskId,
  defineTaskTool,
  GenericTaskStore,
  silentLogger,
  startLocalServer,
} from '../../src/index.ts';
import { openBackend, parseBackendAddress } from '../../src/server/open-backend.ts';
import { countingBackend } from '../../test/support/counting-backend.ts';
import { createWaitingTask } from '../waiting-tasks.ts';

export type Command =
  /** Tasks that were created `ageMs` ago and wait since then; answered by their ids. */
  | { readonly do: 'create'; readonly count: number; readonly ageMs: number }
  /** Answered by a `Measurement`. */
  | { readonly do: 'measure'; readonly forMs: number }
  /** Ends tasks one after the other, through this process's store; answered by when each had ended (`wallMs`). */
  | { readonly do: 'end'; readonly ids: readonly string[]; readonly pauseMs: number };

export interface Measurement {
  /** Of the heap, and of buffers outside it, after a collection. */
  readonly heapBytes: number;
  readonly rssBytes: number;
  /** How late the event loop is. */
  readonly lateMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Of one core. */
  readonly cpuShare: number;
  readonly readsPerSecond: number;
  /** Calls of every other verb. */
  readonly othersPerSecond: number;
}

const RESOLUTION_MS = 2;

const waits = defineTaskTool({
  name: 'waits',
  description: 'Waits for a day.',
  inputSchema: z.object({}),
  run: async (_args, task) => {
    await task.wait('a day', { days: 1 });
    return { content: [] };
  },
});

const { address } = JSON.parse(process.argv[2] ?? '') as { readonly address: string };
const { backend } = await openBackend(parseBackendAddress(address), { createTable: true });
const counting = countingBackend(backend);
const server = await startLocalServer({
  name: 'waiters',
  version: '1',
  tools: [waits],
  backend: counting,
  port: 0,
  allowAnonymous: true,
  maxActiveTasksPerOwner: null,
  logger: silentLogger,
});

process.on('message', (command: Command) => {
  void obey(command).then((answer) => process.send?.(answer));
});
process.send?.({ url: server.url });
// The benchmark is gone: nobody will end this process.
process.on('disconnect', () => process.exit(0));

async function obey(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'create':
      return create(command.count, command.ageMs);
    case 'measure':
      return measure(command.forMs);
    case 'end':
      return end(command.ids, command.pauseMs);
  }
}

async function create(count: number, ageMs: number): Promise<string[]> {
  const clock = { ...systemClock, now: () => systemClock.now() - ageMs };
  const store = new GenericTaskStore({ backend, clock, maxActiveTasksPerOwner: null });
  const ids: string[] = [];
  for (let made = 0; made < count; made += 1) ids.push((await createWaitingTask(store, waits.name, BY_AGE)).id);
  return ids;
}

async function measure(forMs: number): Promise<Measurement> {
  counting.reset();
  const late = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  late.enable();
  await delay(forMs);
  late.disable();
  const seconds = (performance.now() - startedAt) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const { get = 0 } = counting.counts();
  const others = counting.calls.length - get;
  counting.reset();
  if (globalThis.gc === undefined) throw new Error('Run with --expose-gc.');
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  const milliseconds = (nanoseconds: number) => Math.max(nanoseconds / 1e6 - RESOLUTION_MS, 0);
  return {
    heapBytes: heapUsed + external,
    rssBytes: rss,
    lateMs: {
      p50: milliseconds(late.percentile(50)),
      p99: milliseconds(late.percentile(99)),
      max: milliseconds(late.max),
    },
    cpuShare: (user + system) / 1e6 / seconds,
    readsPerSecond: get / seconds,
    othersPerSecond: others / seconds,
  };
}

async function end(ids: readonly string[], pauseMs: number): Promise<number[]> {
  const endedAt: number[] = [];
  for (const id of ids) {
    const ref = { owner: ANONYMOUS, id: asTaskId(id) };
    await server.tasks.store.update(ref, (task, now) => completeTask(task, { json: { content: [] } }, now));
    endedAt.push(performance.timeOrigin + performance.now());
    await delay(pauseMs);
  }
  return endedAt;
}
