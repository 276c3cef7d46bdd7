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
import { ANONYMOUS, createTaskServer, defineTaskTool, GenericTaskStore, silentLogger } from '../src/index.ts';
import { headKey } from '../src/store/keys.ts';
import { encodeTask } from '../src/store/task-head.ts';
import { countingBackend, VERBS } from '../test/support/counting-backend.ts';
import type { Table } from './text-table.ts';

const SIZES = [
  { finished: 0, waiting: 0 },
  { finished: 100_000, waiting: 10_000 },
] as const;
const HOUR_MS = 3_600_000;
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

/** Finished ones are copies of one, which is quicker than to run them; waiting ones have waited, each put down for its due time. */
async function fill(backend: SqliteBackend, finished: number, waiting: number): Promise<void> {
  const store = new GenericTaskStore({ backend, maxActiveTasksPerOwner: null });
  const input = {
    owner: ANONYMOUS,
    tool: 'waits',
    arguments: {},
    lifetime: { runDeadlineMs: 48 * HOUR_MS, retentionMs: 48 * HOUR_MS },
    pollIntervalMs: 1_000,
    maxAttempts: 3,
  };
  for (let made = 0; made < waiting; made += 1) {
    const { stored } = await store.create(input);
    const dueAt = Date.now() + 24 * HOUR_MS;
    await store.update(stored.task, (task) => ({ ...task, run: { ...task.run, dueAt } }), stored);
    // As whoever looks would have moved it.
    await store.agenda.note(stored.task, dueAt);
    await store.agenda.forgetNew(stored.task, stored.task.createdAt);
  }
  if (finished === 0) return;
  const { stored } = await store.create(input);
  const ended = completeTask(stored.task, { json: { content: [] } }, Date.now());
  for (let made = 0; made < finished; made += 1) {
    const task = { ...ended, id: newTaskId(Date.now(), systemRandom) };
    await backend.putIfVersion(headKey(task), { value: encodeTask(task) }, 0);
  }
  await store.update(stored.task, () => ended, stored);
}
