/**
 * Redis whose primary changes under a running server: behind one address, where old connections stay at the old
 * primary, and in a cluster, where a replica takes over from a master that died.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { RedisBackend } from '../../src/backends/redis.ts';
import { connectRedis } from '../../src/backends/redis-client.ts';
import { defineTaskTool, type LocalServer, type LogFields, type Logger, startLocalServer } from '../../src/index.ts';
import { openBackend, parseBackendAddress } from '../../src/server/open-backend.ts';
import { type EngineAddress, engineAddress } from '../support/engine-address.ts';
import { type Node, startPair, startRedisCluster, untilCopied } from '../support/engines/redis-sets.ts';
import { McpPeer } from '../support/mcp-requests.ts';
import { until } from '../support/until.ts';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

interface Working {
  readonly server: LocalServer;
  readonly peer: McpPeer;
  /** Ids of the tasks that have ended, as the log tells. */
  readonly ended: ReadonlySet<unknown>;
  /** How often the slow step of each task ran. */
  readonly slow: ReadonlyMap<string, number>;
  finish(): void;
}

/** A server whose tasks are in the middle of a step until `finish`. */
async function startWorking(url: string): Promise<Working> {
  const slow = new Map<string, number>();
  const { promise: mayFinish, resolve: finish } = Promise.withResolvers<void>();
  const working = defineTaskTool({
    name: 'working',
    description: 'Is in the middle of a step when the primary changes.',
    inputSchema: z.object({}),
    run: async (_args, task) => {
      await task.step('slow', async () => {
        slow.set(task.id, (slow.get(task.id) ?? 0) + 1);
        await mayFinish;
      });
      await task.variables.set('done', true);
      await task.wait('pause', { seconds: 1 });
      return { content: [{ type: 'text', text: JSON.stringify(await task.variables.get('done')) }] };
    },
  });
  const ended = new Set<unknown>();
  const info = (message: string, fields: LogFields = {}) => {
    if (message === 'Task ended') ended.add(fields['task']);
  };
  const logger: Logger = { debug: () => {}, info, warn: info, error: info };
  const opened = await openBackend(parseBackendAddress(url));
  const server = await startLocalServer({
    name: 'failover',
    version: '1',
    tools: [working],
    backend: opened.backend,
    port: 0,
    allowAnonymous: true,
    logger,
  });
  cleanUps.push(async () => {
    await server.close();
    await opened.close();
  });
  return { server, peer: new McpPeer((request) => fetch(new Request(server.url, request))), ended, slow, finish };
}

async function startBehindAddress(): Promise<{
  readonly primary: Node;
  readonly replica: Node;
  readonly address: EngineAddress;
  readonly url: string;
}> {
  const { primary, replica } = await startPair();
  const address = await engineAddress(primary.server.port);
  cleanUps.push(
    () => primary.stop(),
    () => replica.stop(),
    () => address.close(),
  );
  return { primary, replica, address, url: `redis://127.0.0.1:${address.port}` };
}

/** The old primary becomes a replica that copies nothing: whoever stays there sees none of what happens from now on. */
async function failOver({ primary, replica, address }: Awaited<ReturnType<typeof startBehindAddress>>): Promise<void> {
  await untilCopied(primary);
  await replica.admin.replicaof('NO', 'ONE');
  address.leadTo(replica.server.port);
  await primary.admin.replicaof('127.0.0.1', '1');
}

async function startTasks({ peer, slow }: Working, count: number): Promise<string[]> {
  const tasks = await Promise.all(Array.from({ length: count }, () => peer.createTask('working')));
  await until('the slow steps', () => tasks.every((task) => slow.has(task)));
  return tasks;
}

async function expectAllDone({ peer, slow }: Working, tasks: readonly string[]): Promise<void> {
  for (const task of tasks) {
    expect(await peer.task(task)).toMatchObject({ status: 'completed', result: { content: [{ text: 'true' }] } });
    expect(slow.get(task)).toBe(1);
  }
}

function show(what: string, since: number): void {
  if (process.env['SHOW_RECOVERY'] !== undefined)
    process.stderr.write(`${what}: ${Math.round(performance.now() - since)} ms\n`);
}

describe('a failover behind one address', () => {
  test('that leaves connections at the demoted primary is followed by reads and writes [EXEC-1 EXEC-22 STORE-10]', async () => {
    const redis = await startBehindAddress();
    // So that what is refused is all that tells of the failover.
    for (const { admin } of [redis.primary, redis.replica])
      await admin.call('ACL', 'SETUSER', 'writer', 'on', '>secret', '~*', '&*', '+@all', '-role');
    const working = await startWorking(redis.url.replace('//', '//writer:secret@'));
    const tasks = await startTasks(working, 5);

    await failOver(redis);
    const since = performance.now();
    working.finish();

    await until('all to end', () => tasks.every((task) => working.ended.has(task)));
    show('demoted primary, writing', since);
    await expectAllDone(working, tasks);
    const created = await until('a new task', async () => {
      const { message } = await working.peer.call('working');
      return message?.result?.['taskId'] as string | undefined;
    });
    expect((await working.peer.task(created))['taskId']).toBe(created);
  });

  test('is noticed by a process that only reads, and is refused nothing [EXEC-22 STORE-10 I1]', async () => {
    const redis = await startBehindAddress();
    const reading = await connectRedis(redis.url);
    const writing = await connectRedis(redis.replica.server.url);
    cleanUps.push(
      () => reading.disconnect(),
      () => writing.disconnect(),
    );
    const reader = new RedisBackend({ client: reading });
    const key = { partition: 'p', id: 'written after the failover' };
    expect(await reader.get(key)).toBeUndefined();

    await failOver(redis);
    const since = performance.now();
    await new RedisBackend({ client: writing }).putIfVersion(key, { value: 'v' }, 0);

    const read = await until('the record', () => reader.get(key));
    show('demoted primary, reading', since);
    expect(read).toMatchObject({ value: 'v', version: 1 });
  });

  test('that has not come yet is looked for twice a second at the most, however much is refused [EXEC-22 STORE-10]', async () => {
    const { primary, address, url } = await startBehindAddress();
    const client = await connectRedis(url);
    cleanUps.push(() => client.disconnect());
    const backend = new RedisBackend({ client });
    await primary.admin.replicaof('127.0.0.1', '1');
    const before = address.connections;
    const since = performance.now();
    let refused = 0;

    while (performance.now() - since < 1_200) {
      await backend.putIfVersion({ partition: 'p', id: 'r' }, { value: 'v' }, 0).catch(() => {
        refused += 1;
      });
    }

    const allowed = 1 + Math.floor((performance.now() - since) / 500);
    expect(refused).toBeGreaterThan(2 * allowed);
    expect(address.connections - before).toBeGreaterThanOrEqual(2);
    expect(address.connections - before).toBeLessThanOrEqual(allowed);
  });

  test('from a primary that has gone without a word is followed, too [EXEC-1 EXEC-22 STORE-10]', async () => {
    const redis = await startBehindAddress();
    const working = await startWorking(redis.url);
    const tasks = await startTasks(working, 2);
    await untilCopied(redis.primary);
    await redis.replica.admin.replicaof('NO', 'ONE');
    redis.address.silenceOpen();
    redis.address.leadTo(redis.replica.server.port);
    const since = performance.now();

    working.finish();

    await until('all to end', () => tasks.every((task) => working.ended.has(task)));
    show('silent primary', since);
    await expectAllDone(working, tasks);
  });
});

describe('a cluster', () => {
  test.each([
    ['dies', 'SIGKILL'],
    ['hangs', 'SIGSTOP'],
  ] as const)(
    'one of whose masters %s goes on with its replica, and nothing is lost or done twice [EXEC-1 EXEC-22 STORE-10 I3]',
    async (how, signal) => {
      const cluster = await startRedisCluster();
      cleanUps.push(() => cluster.stop());
      const [first] = cluster.masters as [Node];
      // The address of the one that dies: the client has learnt of the others.
      const working = await startWorking(first.server.url);
      const tasks = await startTasks(working, 12);
      await untilCopied(first);

      first.server.signal(signal);
      const since = performance.now();
      working.finish();

      await until('all to end', () => tasks.every((task) => working.ended.has(task)));
      show(`cluster whose master ${how}`, since);
      expect((await cluster.replica.admin.role())[0]).toBe('master');
      await expectAllDone(working, tasks);
    },
  );
});
