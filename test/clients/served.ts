/**
 * Servers under test behind one address that stays: a proxy hands each request to the next of the instances, holds
 * requests while they are being restarted, and restarts them when a client's driver asks for it. A restart is `kill -9` of
 * all instances; requests that would be answered soon are waited for first, as a load balancer does, open streams are not.
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { COMPILE_CACHE } from '../support/compile-cache.ts';
import { type Engine, freePort, startEngine } from '../support/engines/process.ts';
import { until } from '../support/until.ts';

const SERVE = fileURLToPath(new URL('../../bin/serve.ts', import.meta.url));
const SHORT_WAIT_SERVE = fileURLToPath(new URL('./server.ts', import.meta.url));
const TOOLS = fileURLToPath(new URL('./tools.ts', import.meta.url));
/** How long requests are waited for before a restart; a call or a stream that is held open takes longer. */
const DRAIN_MS = 300;
/**
 * To which a driver posts for a restart; it is answered when the server is there again. `?after=TOOL`: once a call of that
 * tool has been answered, for clients that do not say when.
 */
const RESTART_PATH = '/restart';
const KEPT_LOG_CHARACTERS = 4_000;

export interface ServedOptions {
  /** Whether the waiting time of plain calls is short; else it is `bin/serve.ts` itself. */
  readonly shortWait: boolean;
  /** As of `--backend`; must outlive a process. */
  readonly backend: string;
  readonly instances: number;
  /** More of the command line of `bin/serve.ts`. */
  readonly args?: readonly string[];
}

export interface Served extends AsyncDisposable {
  readonly url: string;
  readonly restartUrl: string;
  /** Of the protocol, as the last request named it. */
  readonly revision: () => string | undefined;
  /** The end of what the instances said on standard error. */
  readonly log: () => string;
}

/** The command with which a host starts the server itself, on stdio. */
export function stdioCommand({ shortWait, backend }: Pick<ServedOptions, 'shortWait' | 'backend'>): {
  readonly command: string;
  readonly args: readonly string[];
} {
  const program = shortWait ? [SHORT_WAIT_SERVE] : [SERVE, '--tools', TOOLS, '--log-level', 'error'];
  return { command: process.execPath, args: [...program, '--stdio', '--backend', backend] };
}

export async function serve(options: ServedOptions): Promise<Served> {
  const ports = await Promise.all(Array.from({ length: options.instances }, freePort));
  let log = '';
  let life = 0;
  let instances: readonly Engine[] = [];
  const start = async () => {
    life += 1;
    const said = (text: string) => {
      log = (log + text).slice(-KEPT_LOG_CHARACTERS);
    };
    instances = await Promise.all(ports.map((port) => startInstance(options, port, life, said)));
  };
  const crash = async () => {
    for (const instance of instances) instance.signal('SIGKILL');
    await Promise.all(instances.map((instance) => instance.stop()));
  };

  let turn = 0;
  let unanswered = 0;
  let revision: string | undefined;
  const answered = new Set<unknown>();
  let gate = Promise.resolve();
  const restart = async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    const drained = performance.now() + DRAIN_MS;
    await until('requests to be answered', () => unanswered === 0 || performance.now() > drained);
    await crash();
    await start();
    resolve();
  };
  const proxy = createServer((incoming, outgoing) => {
    const { pathname, searchParams } = new URL(incoming.url ?? '', 'http://localhost');
    if (pathname === RESTART_PATH) {
      const tool = searchParams.get('after');
      const called = until(`a call of ${tool}`, () => tool === null || answered.has(tool));
      called.then(restart).then(
        () => outgoing.end('{}'),
        (error: unknown) => outgoing.writeHead(500).end(String(error)),
      );
      return;
    }
    revision = incoming.headers['mcp-protocol-version']?.toString() ?? revision;
    void gate.then(() => {
      turn += 1;
      unanswered += 1;
      outgoing.once('close', () => {
        unanswered -= 1;
        answered.add(incoming.headers['mcp-name']);
      });
      forward(incoming, outgoing, ports[turn % ports.length] ?? 0);
    });
  });

  await start();
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    restartUrl: `http://127.0.0.1:${port}${RESTART_PATH}`,
    revision: () => revision,
    log: () => log,
    [Symbol.asyncDispose]: async () => {
      await crash();
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

/** Whatever becomes of this process, it ends with it. */
function startInstance(
  { shortWait, backend, args = [] }: ServedOptions,
  port: number,
  life: number,
  said: (text: string) => void,
): Promise<Engine> {
  const program = shortWait ? [SHORT_WAIT_SERVE] : [SERVE, '--tools', TOOLS, '--log-level', 'warn', ...args];
  const table = backend.startsWith('dynamodb:') ? ['--create-table'] : [];
  return startEngine({
    name: 'The server under test',
    command: process.execPath,
    args: [...program, '--port', String(port), '--backend', backend, ...table],
    env: { ...COMPILE_CACHE, NODE_OPTIONS: '', CLIENTS_SERVER_LIFE: String(life) },
    // Any answer is one.
    answers: async () => (await fetch(`http://127.0.0.1:${port}/`)).status > 0,
    said,
  });
}

/** Bodies and streams as they come; what breaks on one side breaks on the other. */
function forward(incoming: IncomingMessage, outgoing: ServerResponse, port: number): void {
  const { method, url, headers } = incoming;
  const onward = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    // A stream that says nothing yet is open all the same.
    outgoing.flushHeaders();
    answer.pipe(outgoing);
    answer.once('error', () => outgoing.destroy());
    answer.once('aborted', () => outgoing.destroy());
  });
  onward.once('error', () => outgoing.destroy());
  outgoing.once('close', () => onward.destroy());
  incoming.pipe(onward);
}
