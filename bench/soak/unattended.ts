/**
 * A soak in which no client ever asks: tasks are created, and nobody polls, listens or waits. Servers (endpoint, worker
 * and looker in one process) are killed without warning, and so is the queue, with all that is in it. In the end every
 * task has ended, or waits for what nobody gives it. Read from the records themselves, since a look through the store
 * would heal.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type FauxqsServer, startFauxqs } from 'fauxqs';
import type { StorageBackend } from '../../src/backends/backend.ts';
import { ANONYMOUS, asTaskId, type Task } from '../../src/index.ts';
import { openBackend, parseBackendAddress } from '../../src/server/open-backend.ts';
import { headsPartitions } from '../../src/store/keys.ts';
import { decodeTask } from '../../src/store/task-head.ts';
import { manualRandom } from '../../src/testing/manual-clock.ts';
import { engineAddress } from '../engine-addresses.ts';
import { McpCaller } from '../mcp-caller.ts';
import { Workers } from './soak-workers.ts';
import type { UnattendedSettings } from './unattended-server.ts';

const SERVERS = 3;
const CREATE_EVERY_MS = 250;
const KILL_EVERY_MS = { least: 2_000, most: 6_000 };
/** One kill in so many is the queue's. */
const QUEUE_SHARE = 4;
/** After the last kill: the longest that recovery may take without a client, and the longest wait of a task. */
const SETTLE_MS = 90_000;
const QUEUE = 'tasks';
const REGION = 'eu-central-1';

export const UNATTENDED_ENGINES = ['dynamodb', 'redis'] as const;

export interface UnattendedOptions {
  readonly engine: (typeof UNATTENDED_ENGINES)[number];
  readonly seconds: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

/** What each tool's tasks have come to in the end. */
const ENDS: Readonly<Record<string, (task: Task) => boolean>> = {
  works: ({ status }) => status === 'completed',
  waits: ({ status }) => status === 'completed',
  asks: ({ status }) => status === 'completed',
  asks_for_ever: ({ status, run }) => status === 'input_required' && run.lease === undefined,
  overruns: ({ status }) => status === 'failed',
};

/** Resolves to what must not have happened, a line each. */
export async function unattendedSoak({ engine, seconds, seed, say }: UnattendedOptions): Promise<string[]> {
  const bytes = manualRandom(seed);
  const random = () => (bytes(1)[0] ?? 0) / 256;
  const folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-soak-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const address = await engineAddress(engine, folder);
  const opened = await openBackend(parseBackendAddress(address), { createTable: true });
  stack.defer(() => opened.close());
  const queue = await Queue.start();
  stack.defer(() => queue.stop());
  const settings: UnattendedSettings = { address, queueUrl: queue.url, effects: join(folder, 'effects') };
  const servers = await Workers.start({ program: './unattended-server.ts', count: SERVERS, settings });
  stack.defer(() => servers.close());
  say(`unattended soak on ${engine}: ${seconds} s, ${SERVERS} servers, a queue, seed ${seed}`);

  const endAt = performance.now() + seconds * 1_000 - SETTLE_MS;
  let created = 0;
  let unanswered = 0;
  const create = async () => {
    while (performance.now() < endAt) {
      const [tool, args] = chosen(random);
      const answered = await isCreated(servers.url(random()), tool, args);
      if (answered) created += 1;
      else unanswered += 1;
      await delay(CREATE_EVERY_MS);
    }
  };
  const kill = async () => {
    while (performance.now() < endAt) {
      await delay(KILL_EVERY_MS.least + random() * (KILL_EVERY_MS.most - KILL_EVERY_MS.least));
      if (random() < 1 / QUEUE_SHARE) await queue.lose();
      else await servers.kill(random());
    }
  };
  await Promise.all([create(), kill()]);
  await delay(SETTLE_MS);

  const tasks = await tasksOf(opened.backend);
  const lines = (await readFile(join(folder, 'effects'), 'utf8')).split('\n').filter((line) => line !== '');
  const lost = tasks.filter((task) => ENDS[task.tool]?.(task) !== true);
  const breaches = [
    ...lost.map((task) => `lost: ${task.tool} ${task.id} is ${task.status}, ${JSON.stringify(task.run)}`),
    ...(tasks.length < created ? [`${created} creates were answered, and there are ${tasks.length} tasks`] : []),
  ];
  const byStatus = [...Map.groupBy(tasks, ({ status }) => status)];
  say(
    [
      `created ${created}, unanswered ${unanswered}, tasks ${tasks.length}`,
      ...byStatus.map(([status, some]) => `${status} ${some.length}`),
      `kills of servers ${servers.kills}, of the queue ${queue.losses}`,
      `steps ${lines.length}, of them repeated ${lines.length - new Set(lines).size}`,
      `lost ${lost.length}`,
    ].join('; '),
  );
  return breaches;
}

function chosen(random: () => number): [tool: string, args: { seconds?: number }] {
  const choice = random();
  if (choice < 0.35) return ['works', {}];
  if (choice < 0.65) return ['waits', { seconds: 1 + Math.floor(random() * 30) }];
  if (choice < 0.8) return ['asks', { seconds: 1 + Math.floor(random() * 20) }];
  return [choice < 0.9 ? 'asks_for_ever' : 'overruns', {}];
}

/** Resolves to whether the create was answered; one that was not may have been made all the same. */
async function isCreated(url: string | undefined, tool: string, args: { seconds?: number }): Promise<boolean> {
  if (url === undefined) return false;
  const caller = new McpCaller({ url, send: (request) => fetch(request, { signal: AbortSignal.timeout(10_000) }) });
  return caller.createTask(tool, args).then(
    () => true,
    () => false,
  );
}

/** All of the owner's heads, as they are written. */
async function tasksOf(backend: StorageBackend): Promise<Task[]> {
  const tasks: Task[] = [];
  for (const partition of headsPartitions(ANONYMOUS)) {
    let after: string | undefined;
    do {
      const page = await backend.list(partition, { limit: 100, after });
      tasks.push(...page.records.map(({ id, value }) => decodeTask({ owner: ANONYMOUS, id: asTaskId(id) }, value)));
      after = page.next;
    } while (after !== undefined);
  }
  return tasks;
}

/** An SQS emulator that is lost with its messages, and comes back empty at the same address. */
class Queue {
  losses = 0;
  #server: FauxqsServer;
  readonly #port: number;

  static async start(): Promise<Queue> {
    return new Queue(await emulator(0));
  }

  private constructor(server: FauxqsServer) {
    this.#server = server;
    this.#port = server.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/000000000000/${QUEUE}`;
  }

  async lose(): Promise<void> {
    this.losses += 1;
    await this.#server.stop();
    await delay(1_000);
    this.#server = await emulator(this.#port);
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }
}

async function emulator(port: number): Promise<FauxqsServer> {
  const server = await startFauxqs({ port, logger: false, defaultRegion: REGION, host: '127.0.0.1' });
  server.createQueue(QUEUE, { region: REGION });
  return server;
}
