/**
 * `npm run bench -- --start`: how soon a server is up, and what its looks cost, with much in its store: on SQLite, beside
 * an empty one. Counts of backend calls, and times of one run.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { SqliteBackend } from '../src/backends/sqlite.ts';
import { systemRandom } from '../src/clock.ts';
import { completeTask } from '../src/domain/task.ts';
import { newTaskId } from '../src/domain/task-id.ts';
import { createTaskServer, defineTaskTool, GenericTaskStore, silentLogger } from '../src/index.ts';
import { headKey } from '../src/store/keys.ts';
import { encodeTask } from '../src/store/task-head.ts';
import { countingBackend, VERBS } from '../test/support/counting-backend.ts';
import type { Table } from './text-table.ts';
import { createWaitingTask } from './waiting-tasks.ts';

const SIZES = [
  { finished: 0, waiting: 0 },
  { finished: 100_000, waiting: 10_000 },
] as const;
/** Servers look each five seconds. */
const WATCHED_MS = 11_000;

const waits = defineTaskTool({
  name: 'waits',
  description: 'Waits for a day.',
  inputSchema: z.object({}),
  run: async (_args, task) => {
    await task.wait('a day', { days: 1 });
    return { content: [] };
  },
});

export async function measureStarts(): Promise<Table> {
  const rows: (string | number)[][] = [];
  for (const { finished, waiting } of SIZES) {
    const folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-bench-'));
    const backend = new SqliteBackend({ path: join(folder, 'tasks.db') });
    try {
      await fill(backend, finished, waiting);
      const counting = countingBackend(backend);
      const server = createTaskServer({
        name: 'starts',
        version: '1',
        tools: [waits],
        backend: counting,
        allowAnonymous: true,
        logger: silentLogger,
      });
      const startedAt = performance.now();
      await server.start();
      const startMs = performance.now() - startedAt;
      const started = counting.calls.length;
      const cpu = process.cpuUsage();
      await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
      const { user, system } = process.cpuUsage(cpu);
      const later = counting.calls.length - started;
      await server.drain();
      rows.push([finished, waiting, startMs.toFixed(0), started, ((user + system) / 2_000).toFixed(1), later / 2]);
    } finally {
      await backend.close();
      await rm(folder, { recursive: true });
    }
  }
  return {
    head: ['finished', 'waiting', 'start ms', `calls of ${VERBS.length} verbs`, 'CPU ms a look', 'calls a look'],
    rows,
  };
}

/** Finished ones are copies of one, which is quicker than to run them. */
async function fill(backend: SqliteBackend, finished: number, waiting: number): Promise<void> {
  const store = new GenericTaskStore({ backend, maxActiveTasksPerOwner: null });
  for (let made = 0; made < waiting; made += 1) await createWaitingTask(store, waits.name, 1_000);
  if (finished === 0) return;
  const last = await createWaitingTask(store, waits.name, 1_000);
  const ended = completeTask(last, { json: { content: [] } }, Date.now());
  for (let made = 0; made < finished; made += 1) {
    const task = { ...ended, id: newTaskId(Date.now(), systemRandom) };
    await backend.putIfVersion(headKey(task), { value: encodeTask(task) }, 0);
  }
  await store.update(last, () => ended);
}
