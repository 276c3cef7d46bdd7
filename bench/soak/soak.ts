/**
 * A bounded soak: worker processes over one DynamoDB Local table, killed at random and started
 * again, under clients that create, answer, cancel and poll. No queue outlives a worker, so
 * what a killed one had in hand goes on only because its clients ask. Prints what happened, and
 * returns what must not have: a line for each breach of an invariant.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { StorageBackend } from '../../src/backends/backend.ts';
import { GenericTaskStore, type TaskStore } from '../../src/index.ts';
import { manualRandom } from '../../src/testing/manual-clock.ts';
import { openDynamoDb } from '../engines.ts';
import { plainTable } from '../text-table.ts';
import { activeTasks, checkCounter, checkTask, type Findings, tasksOf } from './soak-checks.ts';
import { runClient } from './soak-clients.ts';
import { figures, type Happened, parseJournal } from './soak-report.ts';
import { CLIENTS, LIMIT, OWNERS, ownerName, ownerNamed, WORKERS, type WorkerSettings } from './soak-settings.ts';
import { Workers } from './soak-workers.ts';

/** Room at the end for what was just killed: a lease, the grace of 10 s before a poll takes over, and the run itself. */
const SETTLE_SECONDS = 22;
const KILL_EVERY_MS = { least: 1_000, most: 3_000 };
const SAMPLE_EVERY_MS = 1_000;

const owners = Array.from({ length: OWNERS }, (_, index) => ownerNamed(ownerName(index)));

export interface SoakOptions {
  readonly seconds: number;
  /** Of the kills and of what clients choose; not of the processes' timing. */
  readonly seed: number;
  readonly say: (line: string) => void;
}

export async function soak({ seconds, seed, say }: SoakOptions): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-soak-'));
  const journal = join(folder, 'journal');
  const engine = await openDynamoDb();
  const { backend, tableName } = engine;
  const settings: WorkerSettings = { tableName, journal };
  const workers = await Workers.start({ program: './soak-worker.ts', count: WORKERS, settings });
  const store = new GenericTaskStore({ backend, maxActiveTasksPerOwner: LIMIT });
  try {
    say(`soak: ${seconds} s, ${WORKERS} workers, ${CLIENTS} clients, ${OWNERS} owners, seed ${seed}`);
    const findings = new Breaches();
    const load = await putUnderLoad(workers, store, { seconds, seed, findings });
    workers.close();
    const happened = { ...load, noted: parseJournal(await readFile(journal, 'utf8')) };
    await checkTasks(store, happened, findings);
    const counters = await checkCounters(backend, store, findings);
    say(`${plainTable(figures(happened, counters))}\n`);
    for (const line of findings.report()) say(line);
    return findings.all();
  } finally {
    workers.close();
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  }
}

interface LoadOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly findings: Breaches;
}

async function putUnderLoad(
  workers: Workers,
  store: TaskStore,
  { seconds, seed, findings }: LoadOptions,
): Promise<Omit<Happened, 'noted'>> {
  const bytes = manualRandom(seed);
  const random = () => (bytes(1)[0] ?? 0) / 256;
  const startedAt = performance.now();
  const giveUpAt = startedAt + seconds * 1000;
  const createUntil = giveUpAt - SETTLE_SECONDS * 1000;
  const events = { 'lost connection': 0, 'refused at the limit': 0, busy: 0 };
  const count = (event: keyof typeof events) => {
    events[event] += 1;
  };
  const killPause = () => KILL_EVERY_MS.least + random() * (KILL_EVERY_MS.most - KILL_EVERY_MS.least);
  const soaking = { workers, random, createUntil, giveUpAt, count };
  const [sightings] = await Promise.all([
    Promise.all(Array.from({ length: CLIENTS }, (_, index) => runClient(index, soaking))),
    repeatedly(createUntil, killPause, () => workers.kill(random())),
    repeatedly(
      createUntil,
      () => SAMPLE_EVERY_MS,
      () => sampleLimit(store, findings),
    ),
  ]);
  const took = (performance.now() - startedAt) / 1000;
  // A run whose task a client cancelled may still be at its end.
  await delay(1_000);
  return { seconds: took, kills: workers.kills, seen: sightings.flat(), events };
}

async function sampleLimit(store: TaskStore, findings: Breaches): Promise<void> {
  for (const owner of owners) {
    const active = await activeTasks(store, owner);
    const breaches = active > LIMIT ? [`${owner.subject} had ${active} active tasks`] : [];
    findings.add({ 'an owner never has more active tasks than allowed (I8)': breaches });
  }
}

async function checkTasks(store: TaskStore, { seen, noted }: Happened, findings: Breaches): Promise<void> {
  for (const sighting of seen) {
    const { owner, taskId } = sighting;
    findings.add(await checkTask(store, ownerNamed(owner), sighting, noted.get(taskId) ?? []));
  }
  const known = new Set(seen.map(({ taskId }) => taskId));
  const all = (await Promise.all(owners.map((owner) => tasksOf(store, owner)))).flat();
  const strays = all.filter(({ id }) => !known.has(id)).map(({ id }) => `${id} is nobody's`);
  findings.add({ 'a create that is sent again makes no second task (LIFE-9)': strays });
}

async function checkCounters(backend: StorageBackend, store: TaskStore, findings: Breaches) {
  let repairs = 0;
  let surplus = 0;
  for (const owner of owners) {
    const report = await checkCounter(backend, store, owner);
    repairs += report.repairs;
    surplus += report.surplus;
    findings.add({ 'the counter is right, or too high and repaired by the next refusal (I8)': report.broken });
  }
  return { repairs, surplus };
}

/** Breaches by the invariant that they break. */
class Breaches {
  readonly #found = new Map<string, string[]>();

  add(findings: Findings): void {
    for (const [invariant, breaches] of Object.entries(findings)) {
      this.#found.set(invariant, [...(this.#found.get(invariant) ?? []), ...breaches]);
    }
  }

  all(): string[] {
    return [...this.#found.values()].flat();
  }

  report(): string[] {
    return [...this.#found].flatMap(([invariant, breaches]) => [
      `${breaches.length === 0 ? 'ok     ' : 'BROKEN '} ${invariant}`,
      ...breaches.slice(0, 5).map((breach) => `          ${breach}`),
    ]);
  }
}

async function repeatedly(until: number, pauseMs: () => number, action: () => Promise<void>): Promise<void> {
  for (;;) {
    await delay(pauseMs());
    if (performance.now() >= until) return;
    await action();
  }
}
