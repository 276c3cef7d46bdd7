/**
 * `npm run bench -- --waiters`: 500 clients of the 2025-11-25 era that wait in `tasks/result` at one process, each with a
 * stream of its own, for tasks that wait themselves. What that takes of the process, and how soon each has its result,
 * whether its own process or another one ends its task.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LegacyClient, readerOf } from '../../test/support/legacy-client.ts';
import { engineAddress } from '../engine-addresses.ts';
import type { EngineName } from '../engines.ts';
import { inParallel } from '../lanes.ts';
import type { Table } from '../text-table.ts';
import type { Command, Measurement } from './waiters-server.ts';

export const WAITERS = 500;
const SETTLE_MS = 1_000;
const MEASURE_MS = 6_000;
/** Between two ends, so that each is seen alone. */
const END_EVERY_MS = 4;
/** Clients that connect at once. */
const LANES = 25;
const PROGRAM = fileURLToPath(new URL('./waiters-server.ts', import.meta.url));

/** Young tasks, old ones, and some that several clients wait for. */
const CASES = [
  { tasks: WAITERS, ageMs: 0, age: 'new' },
  { tasks: WAITERS, ageMs: 3_600_000, age: '1 h' },
  { tasks: WAITERS / 10, ageMs: 0, age: 'new' },
] as const;
type Case = (typeof CASES)[number];

export interface WaiterFigures {
  /** How the process is, idle and with them. */
  readonly costs: Table;
  /** How soon they have their results. */
  readonly delays: Table;
}

export async function measureWaiters(
  engines: readonly EngineName[],
  say: (line: string) => void,
): Promise<WaiterFigures> {
  const costs: (string | number)[][] = [];
  const delays: (string | number)[][] = [];
  for (const engine of engines) {
    for (const one of CASES) {
      try {
        const { idle, waiting, own, other } = await measureCase(engine, one);
        const label = [engine, one.tasks, one.age];
        costs.push([...label, 0, ...figuresOf(idle)]);
        costs.push([...label, WAITERS, ...figuresOf(waiting), ...perWaiter(idle, waiting)]);
        delays.push([...label, ...spread(own), ...(other.length === 0 ? ['', ''] : spread(other))]);
      } catch (error) {
        say(`${engine}: left out, ${error instanceof Error ? error.message : String(error)}`);
        break;
      }
    }
  }
  const label = ['backend', 'tasks', 'age'];
  return {
    costs: {
      head: [
        ...label,
        'waiters',
        'late ms p50',
        'p99',
        'max',
        'CPU %',
        'reads/s',
        'others/s',
        'reads/waiter/s',
        'heap KB/waiter',
        'RSS KB/waiter',
      ],
      rows: costs,
    },
    delays: { head: [...label, 'own process ms p50', 'max', 'other process ms p50', 'max'], rows: delays },
  };
}

interface CaseFigures {
  readonly idle: Measurement;
  readonly waiting: Measurement;
  /**
   * From the end of a task to its result at a client, in milliseconds: by its own process, and by another. What follows the
   * write of the end is part of it, and a waiter need not wait for that: so one can be a little below zero.
   */
  readonly own: readonly number[];
  readonly other: readonly number[];
}

async function measureCase(engine: EngineName, { tasks, ageMs }: Case): Promise<CaseFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-bench-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const address = await engineAddress(engine, folder);
  const server = await ServerProcess.start(address);
  stack.defer(() => server.stop());
  const clients = await connect(server.url);
  const idle = await server.tell<Measurement>({ do: 'measure', forMs: MEASURE_MS });
  const ids = await server.tell<string[]>({ do: 'create', count: tasks, ageMs });

  const resultsAt: Promise<{ readonly id: string; readonly at: number }>[] = [];
  await inParallel(WAITERS, LANES, async (index) => {
    const id = ids[index % tasks] ?? '';
    const response = await clients[index]?.open('tasks/result', { taskId: id });
    if (response === undefined) return;
    const reader = readerOf(response);
    resultsAt.push(
      reader.rest().then((messages) => {
        if (messages.at(-1)?.result === undefined) throw new Error(`No result: ${JSON.stringify(messages)}`);
        return { id, at: wallMs() };
      }),
    );
  });
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const waiting = await server.tell<Measurement>({ do: 'measure', forMs: MEASURE_MS });

  // What is in the memory of a process, no other can end.
  const half = engine === 'memory' ? ids.length : ids.length / 2;
  const end = (ended: readonly string[]): Command => ({ do: 'end', ids: ended, pauseMs: END_EVERY_MS });
  const endedAt = await server.tell<number[]>(end(ids.slice(0, half)));
  if (half < ids.length) {
    const second = await ServerProcess.start(address);
    stack.defer(() => second.stop());
    endedAt.push(...(await second.tell<number[]>(end(ids.slice(half)))));
  }
  const endOf = new Map(ids.map((id, index) => [id, endedAt[index] ?? Number.NaN]));
  const own: number[] = [];
  const other: number[] = [];
  for (const { id, at } of await Promise.all(resultsAt)) {
    (ids.indexOf(id) < half ? own : other).push(at - (endOf.get(id) ?? Number.NaN));
  }
  return { idle, waiting, own, other };
}

async function connect(url: string): Promise<LegacyClient[]> {
  // The clients of the tests name a host of their own.
  const send = async (request: Request) => {
    const { method, headers, signal } = request;
    const body = method === 'POST' ? await request.text() : null;
    return fetch(url, { method, headers, signal, body });
  };
  const clients: LegacyClient[] = [];
  await inParallel(WAITERS, LANES, async () => {
    clients.push(await LegacyClient.connect(send));
  });
  return clients;
}

class ServerProcess {
  readonly url: string;
  readonly #child: ChildProcess;

  static async start(address: string): Promise<ServerProcess> {
    const child = fork(PROGRAM, [JSON.stringify({ address })], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: ['--expose-gc'],
    });
    const { url } = await answerOf<{ readonly url: string }>(child);
    return new ServerProcess(child, url);
  }

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  tell<Answer>(command: Command): Promise<Answer> {
    const answer = answerOf<Answer>(this.#child);
    this.#child.send(command);
    return answer;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

function answerOf<Answer>(child: ChildProcess): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`its server ended by itself, with code ${code}`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message as Answer);
    });
  });
}

function figuresOf({ lateMs, cpuShare, readsPerSecond, othersPerSecond }: Measurement): string[] {
  const late = [lateMs.p50, lateMs.p99, lateMs.max].map((ms) => ms.toFixed(1));
  return [...late, (cpuShare * 100).toFixed(1), readsPerSecond.toFixed(0), othersPerSecond.toFixed(0)];
}

function perWaiter(idle: Measurement, waiting: Measurement): string[] {
  const kilobytes = (bytes: number) => (bytes / WAITERS / 1_024).toFixed(1);
  return [
    ((waiting.readsPerSecond - idle.readsPerSecond) / WAITERS).toFixed(2),
    kilobytes(waiting.heapBytes - idle.heapBytes),
    kilobytes(waiting.rssBytes - idle.rssBytes),
  ];
}

/** The median and the longest. */
function spread(times: readonly number[]): string[] {
  const sorted = times.toSorted((a, b) => a - b);
  return [sorted[Math.floor(sorted.length / 2)] ?? Number.NaN, sorted.at(-1) ?? Number.NaN].map((ms) => ms.toFixed(0));
}

/** Comparable between the processes of one machine. */
function wallMs(): number {
  return performance.timeOrigin + performance.now();
}
