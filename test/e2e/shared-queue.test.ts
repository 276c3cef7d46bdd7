/**
 * Servers that share a queue and are killed: whatever was accepted comes to its end in those that are left, and no
 * client asks about it. Tasks are read from the store, because a poll would heal them.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type FauxqsServer, startFauxqs } from 'fauxqs';
import { asTaskId, GenericTaskStore, systemClock, systemRandom, type TaskStore } from '../../src/index.ts';
import { type OpenedBackend, openBackend, parseBackendAddress } from '../../src/server/open-backend.ts';
import type { Effect } from '../support/effects.ts';
import type { SharedQueue } from '../support/shared-queue.ts';
import { until } from '../support/until.ts';
import {
  bundleCrashServer,
  CrashServerProcess,
  type CrashServerPrograms,
  readEffects,
  type ServerData,
} from './crash-server-process.ts';
import { durableBackends, type OpenDurable } from './durable-backends.ts';

const STEPS = 4;
const DEADLINE_MS = 120_000;

let sqs: FauxqsServer;
const queues: Readonly<Record<'bullmq' | 'sqs', () => SharedQueue>> = {
  bullmq: () => ({ engine: 'bullmq', url: process.env['TEST_REDIS_URL'] ?? '', prefix: `{${randomUUID()}}` }),
  sqs: () => {
    const name = randomUUID();
    sqs.createQueue(name, { region: 'us-east-1' });
    return { engine: 'sqs', queueUrl: `http://127.0.0.1:${sqs.port}/000000000000/${name}` };
  },
};

/** Short, so that a take-over is soon. */
const LEASE = { leaseMs: 1_500 };

let programs: CrashServerPrograms;

beforeAll(async () => {
  programs = await bundleCrashServer();
  sqs = await startFauxqs({ port: 0, logger: false, defaultRegion: 'us-east-1', host: '127.0.0.1' });
});
afterAll(async () => {
  await sqs.stop();
  await programs.dispose();
});

describe.each([
  { engine: 'bullmq' as const, backend: 'redis' },
  { engine: 'sqs' as const, backend: 'dynamodb' },
])('two servers on one queue of $engine', ({ engine, backend }) => {
  let durable: OpenDurable;
  let data: ServerData;
  let opened: OpenedBackend;
  let store: TaskStore;
  let servers: CrashServerProcess[];

  beforeEach(async () => {
    const found = durableBackends.find(({ name }) => name === backend);
    if (found === undefined) throw new Error(`no backend ${backend}`);
    durable = await found.open();
    data = {
      programs,
      address: await durable.address(),
      owner: randomUUID(),
      effects: join(durable.folder, 'effects'),
      queue: queues[engine](),
    };
    opened = await openBackend(parseBackendAddress(data.address));
    store = new GenericTaskStore({ backend: opened.backend, clock: systemClock, random: systemRandom });
    servers = [new CrashServerProcess(data, LEASE), new CrashServerProcess(data, LEASE)];
  });

  afterEach(async () => {
    await Promise.all(servers.map((server) => server.kill()));
    await opened.close();
    await durable.dispose();
  });

  const statusOf = async (id: string) =>
    (await store.get({ owner: { issuer: 'crash test', subject: data.owner }, id: asTaskId(id) })).task.status;

  const allEnded = (tasks: readonly string[]) =>
    until('the end of all tasks', async () => {
      const statuses = await Promise.all(tasks.map(statusOf));
      return statuses.includes('working') ? undefined : statuses;
    });

  /** `count` tasks of each kind, through all servers in turn. */
  const createTasks = async (count: number): Promise<string[]> => {
    const peers = await Promise.all(servers.map((server) => server.peer()));
    const created = await Promise.all(
      Array.from({ length: count }, async (_, index) => [
        await peers[index % 2]?.createTask('steps', { count: STEPS, stepMs: 100 }),
        await peers[(index + 1) % 2]?.createTask('pausing', { pauseSeconds: 1 }),
      ]),
    );
    return created.flat().map(String);
  };

  test('share the work [EXEC-4 EXEC-21]', async () => {
    const tasks = await createTasks(20);

    const statuses = await allEnded(tasks);

    expect(new Set(statuses)).toEqual(new Set(['completed']));
    const effects = await readEffects(data.effects);
    expect(effects).toHaveLength(20 * STEPS + 20 * 2);
    expect(new Set(effects.map(({ pid }) => pid))).toEqual(new Set(servers.map(({ pid }) => pid)));
  });

  test.each([
    { victim: 0, moment: 0 },
    { victim: 1, moment: 1 },
    { victim: 0, moment: 12 },
    { victim: 1, moment: 25 },
    { victim: 0, moment: 48 },
  ])(
    'when server $victim is killed after $moment steps, the other ends all tasks, and does none twice but what was torn [EXEC-1 I3 I5]',
    async ({ victim, moment }) => {
      const tasks = await createTasks(10);
      await until('the moment', async () => (await readEffects(data.effects)).length >= moment);

      await servers[victim]?.kill();

      expect(new Set(await allEnded(tasks))).toEqual(new Set(['completed']));
      expectOnlyTornTwice(await readEffects(data.effects), servers[victim]?.pid ?? 0, tasks);
    },
    DEADLINE_MS + 30_000,
  );

  test(
    'when both are killed one after the other, those that come after them end all tasks [EXEC-1 I5]',
    async () => {
      const tasks = await createTasks(6);
      for (const victim of [...servers]) {
        const before = (await readEffects(data.effects)).length;
        servers.push(new CrashServerProcess(data, LEASE));
        await until('a step more', async () => (await readEffects(data.effects)).length > before);
        await victim.kill();
      }

      expect(new Set(await allEnded(tasks))).toEqual(new Set(['completed']));
    },
    2 * DEADLINE_MS,
  );
});

/** Each step once; twice where the killed process had begun a step that it could not record. */
function expectOnlyTornTwice(effects: readonly Effect[], killedPid: number, tasks: readonly string[]): void {
  for (const task of tasks) {
    const own = effects.filter((effect) => effect.task === task);
    const names = new Set(own.map(({ name }) => name));
    const torn = own.length - names.size;
    expect(torn).toBeLessThanOrEqual(1);
    const twice = own.filter(({ name }) => own.filter((other) => other.name === name).length > 1);
    expect(twice.filter(({ pid }) => pid === killedPid)).toHaveLength(torn);
    expect([STEPS, 2]).toContain(names.size);
  }
}
