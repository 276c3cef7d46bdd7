/** Several Redis servers that belong together: a primary with its replica, and a cluster of three with a replica of the first. */
import { Redis } from 'ioredis';
import { until } from '../until.ts';
import { type RedisServer, type RedisServerOptions, startRedisServer } from './redis-server.ts';

const SLOTS = 16_384;
const MASTERS = 3;
/** Milliseconds after which a node that is not heard of counts as gone. */
const NODE_TIMEOUT_MS = 2_000;

export interface Node {
  readonly server: RedisServer;
  /** As those who run it have it. */
  readonly admin: Redis;
  stop(): Promise<void>;
}

async function startNode({ settings = [], ...options }: RedisServerOptions = {}): Promise<Node> {
  // By default a primary waits five seconds for more replicas before it gives the first one its copy.
  const server = await startRedisServer({ ...options, settings: ['--repl-diskless-sync-delay', '0', ...settings] });
  const admin = new Redis(server.url, { maxRetriesPerRequest: null }).on('error', () => undefined);
  return {
    server,
    admin,
    stop: async () => {
      admin.disconnect();
      await server.stop();
    },
  };
}

export async function startPair(): Promise<{ readonly primary: Node; readonly replica: Node }> {
  const primary = await startNode();
  const replica = await startNode({ settings: ['--replicaof', '127.0.0.1', String(primary.server.port)] });
  await untilLinked(replica);
  return { primary, replica };
}

/** Until all that the primary has acknowledged by now is at its replica. */
export async function untilCopied({ admin }: Node): Promise<void> {
  const offsetIn = async (field: RegExp) => Number(field.exec(await admin.info('replication'))?.[1]);
  const written = await offsetIn(/^master_repl_offset:(\d+)/m);
  await until('the replica', async () => (await offsetIn(/^slave0:.*offset=(\d+)/m)) >= written);
}

export interface RedisCluster {
  /** The first has the replica. */
  readonly masters: readonly Node[];
  readonly replica: Node;
  stop(): Promise<void>;
}

export async function startRedisCluster(): Promise<RedisCluster> {
  const settings = ['--cluster-node-timeout', String(NODE_TIMEOUT_MS), '--cluster-replica-validity-factor', '0'];
  const nodes = await Promise.all(
    Array.from({ length: MASTERS + 1 }, () => startNode({ cluster: true, node: true, settings })),
  );
  const [first, ...others] = nodes as [Node, ...Node[]];
  const masters = nodes.slice(0, MASTERS);
  const replica = nodes[MASTERS] as Node;
  await Promise.all(
    masters.map(({ admin }, index) => {
      const from = Math.floor((SLOTS * index) / MASTERS);
      const to = Math.floor((SLOTS * (index + 1)) / MASTERS);
      return admin.call('CLUSTER', 'ADDSLOTS', ...Array.from({ length: to - from }, (_, slot) => String(from + slot)));
    }),
  );
  for (const { server } of others) await first.admin.call('CLUSTER', 'MEET', '127.0.0.1', String(server.port));
  const firstId = String(await first.admin.call('CLUSTER', 'MYID'));
  await until('the replica to be one', () =>
    replica.admin.call('CLUSTER', 'REPLICATE', firstId).then(
      () => true,
      // It has not heard of its primary yet.
      () => false,
    ),
  );
  await until('the cluster', async () =>
    (
      await Promise.all(
        nodes.map(async ({ admin }) => {
          const knows = String(await admin.call('CLUSTER', 'NODES'));
          return (
            /cluster_state:ok/.test(String(await admin.call('CLUSTER', 'INFO'))) &&
            knows.includes(`slave ${firstId}`) &&
            !/handshake|fail/.test(knows)
          );
        }),
      )
    ).every(Boolean),
  );
  await untilLinked(replica);
  return {
    masters,
    replica,
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

function untilLinked({ admin }: Node): Promise<true> {
  return until('the replica’s copy', async () => /master_link_status:up/.test(await admin.info('replication')));
}
