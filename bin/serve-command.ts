/**
 * The local server's command line: `npm start -- [options]`, or `npx mcp-durable-tasks serve [options]`. Reads options, loads
 * the tools, opens the backend, serves until it is told to stop, and turns whatever goes wrong into one line and an exit
 * code: 2 for a wrong option, 1 for everything else. What it serves, over HTTP or stdio, is made in src/server.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { systemClock } from '../src/clock.ts';
import { present } from '../src/present.ts';
import type { TaskServerOptions } from '../src/server/create-task-server.ts';
import { createLineLogger } from '../src/server/line-logger.ts';
import { startLocalServer } from '../src/server/local-server.ts';
import { openBackend } from '../src/server/open-backend.ts';
import { openQueue } from '../src/server/open-queue.ts';
import { startStdioServer } from '../src/server/stdio-server.ts';
import { reserveStdout } from '../src/server/stdio-streams.ts';
import { HELP, oneLine, readOptions, type ServeOptions, UsageError } from './serve-options.ts';
import { versionOf } from './version.ts';

const LOOPBACK_HOSTS = ['127.0.0.1', 'localhost', '::1'];
const SHARED = 'unfinished tasks go on in the other servers of this store, or at the next start';
/** What becomes of unfinished tasks then. */
const UNFINISHED = {
  memory: 'unfinished tasks are lost then',
  sqlite: 'unfinished tasks go on at the next start',
  dynamodb: SHARED,
  redis: SHARED,
} as const;
/** One Ctrl-C under `npm start` may arrive twice: from the terminal, and passed on by npm. */
const SAME_KEY_PRESS_MS = 500;

type Served = Pick<TaskServerOptions, 'tools' | 'workflows' | 'resources'>;

/** Their definitions are checked when the server is made of them. */
async function loadTools(module: string): Promise<Served> {
  const path = resolve(module);
  if (!existsSync(path))
    throw new Error(`--tools: there is no file ${path}: name a module that exports a list of tools`);
  let exported: { readonly default?: unknown; readonly workflows?: unknown; readonly resources?: unknown };
  try {
    exported = await import(pathToFileURL(path).href);
  } catch (error) {
    throw new Error(`--tools: ${path} does not load: ${oneLine(error)}`, { cause: error });
  }
  if (!Array.isArray(exported.default) || exported.default.length === 0) {
    throw new Error(`--tools: ${path} exports no list of tools: write \`export default [myTool];\``);
  }
  const { default: tools, workflows = [], resources = [] } = exported;
  for (const [name, list] of Object.entries({ workflows, resources })) {
    if (!Array.isArray(list))
      throw new Error(`--tools: what ${path} exports as ${name} is no list: write \`export const ${name} = [...];\``);
  }
  return { tools, workflows, resources } as Served;
}

function namesOf(named: readonly { readonly name: string }[]): string {
  return [...new Set(named.map(({ name }) => name))].join(', ');
}

/** What serves, by whatever way. */
interface Serving {
  /** How it is reached, for a person. */
  readonly address: string;
  /** What stops it, for a person. */
  readonly stop: string;
  /** Resolves when it has ended by itself. @default never */
  readonly closed?: Promise<void>;
  close(): Promise<void>;
}

async function serve(options: ServeOptions): Promise<void> {
  const { concurrency, stdio } = options;
  // Before any code of others runs, which might write there.
  const stdout = stdio ? reserveStdout().stream : process.stdout;
  const loaded = await loadTools(options.tools);
  const logger = createLineLogger(options.logLevel, systemClock, (line) => process.stderr.write(line));
  // What tasks hold is nobody else's business on a machine of several people.
  if (stdio && options.backend.engine === 'sqlite') makePrivateFolder(options.backend.file);
  const opened = await openBackend(options.backend, { createTable: options.createTable });
  const queued = options.queue === undefined ? undefined : await openQueue(options.queue, logger, { concurrency });
  for (const warning of [...opened.warnings, ...(queued?.warnings ?? [])]) complain(warning);
  const settings: TaskServerOptions = {
    taskTools: options.taskTools,
    name: 'mcp-durable-tasks',
    version: versionOf(),
    ...loaded,
    backend: opened.backend,
    ...present({ queue: queued?.queue, consumer: queued?.consumer, concurrency }),
    maxActiveTasksPerOwner: options.maxActiveTasks,
    strayErrors: 'log',
    logger,
  };
  let served: Serving;
  try {
    served = stdio ? await serveStdio(settings, options, stdout) : await serveHttp(settings, options);
  } catch (error) {
    await queued?.close();
    await opened.close();
    throw error;
  }
  const { address, stop } = served;
  const banner = stdio ? process.stderr : process.stdout;
  banner.write(
    `MCP server  ${address}\nTasks       ${opened.description}\n` +
      (queued === undefined ? '' : `Queue       ${queued.description}\n`) +
      `Tools       ${namesOf(loaded.tools)}\n` +
      (loaded.workflows === undefined || loaded.workflows.length === 0
        ? ''
        : `Workflows   ${namesOf(loaded.workflows)}\n`) +
      `${stop} stops it; ${UNFINISHED[options.backend.engine]}.\n`,
  );
  const end = async () => {
    await served.close();
    await queued?.close();
    await opened.close();
    process.exit(0);
  };
  served.closed?.then(end).catch(fail);
  onStop(end);
}

async function serveHttp(settings: TaskServerOptions, options: ServeOptions): Promise<Serving> {
  const { port, host, allowedOrigins, headers } = options;
  const server = await startLocalServer({
    ...settings,
    allowAnonymous: true,
    port,
    host,
    allowedOrigins,
    headers,
  }).catch((error: unknown) => {
    throw listenError(error, options);
  });
  if (!LOOPBACK_HOSTS.includes(host))
    complain(`whoever reaches ${host} may call these tools: no credentials are asked for`);
  return { address: server.url, stop: 'Ctrl-C', close: () => server.close() };
}

async function serveStdio(settings: TaskServerOptions, { owner }: ServeOptions, stdout: Writable): Promise<Serving> {
  const server = await startStdioServer({ ...settings, owner, stdout });
  return {
    address: 'over stdin and stdout, for the host that started it',
    stop: 'The end of its input',
    closed: server.closed,
    close: () => server.close(),
  };
}

function makePrivateFolder(file: string): void {
  try {
    mkdirSync(dirname(resolve(file)), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Error(`--backend: ${oneLine(error)}`, { cause: error });
  }
}

function listenError(error: unknown, { port, host }: ServeOptions): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EADDRINUSE':
      return new Error(
        `port ${port} of ${host} is in use: stop the program that has it, or choose another with --port`,
      );
    case 'EACCES':
      return new Error(`port ${port} of ${host} is not for this user: choose one above 1023 with --port`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new Error(`--host ${host}: this machine has no such address`);
    default:
      return error;
  }
}

/** The first signal closes in good order, the next one does not wait for that. */
function onStop(close: () => Promise<void>): void {
  let stoppedAt: number | undefined;
  const stop = (signal: NodeJS.Signals) => {
    if (stoppedAt !== undefined) {
      if (systemClock.now() - stoppedAt >= SAME_KEY_PRESS_MS) process.exit(130);
      return;
    }
    stoppedAt = systemClock.now();
    process.stderr.write(`${signal}: stopping; running tools are told so\n`);
    close().catch(fail);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

function complain(problem: string): void {
  process.stderr.write(`serve: ${problem}\n`);
}

function fail(error: unknown): never {
  const isUsage = error instanceof UsageError;
  complain(isUsage ? `${oneLine(error)} (--help lists the options)` : oneLine(error));
  process.exit(isUsage ? 2 : 1);
}

/** Serves until it is told to stop, or ends the process with what was wrong. */
export async function serveCommand(args: string[]): Promise<void> {
  try {
    const options = readOptions(args);
    if (options === 'help') process.stdout.write(HELP);
    else if (options === 'version') process.stdout.write(`${versionOf()}\n`);
    else await serve(options);
  } catch (error) {
    fail(error);
  }
}
