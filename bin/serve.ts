#!/usr/bin/env node
/**
 * The local server's command line: `npm start -- [options]`. Reads options, loads the tools, opens
 * the backend, serves until it is told to stop, and turns whatever goes wrong into one line and an
 * exit code: 2 for a wrong option, 1 for everything else. What it serves is made in src/server.
 */
import { existsSync, readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemClock } from '../src/clock.ts';
import { present } from '../src/present.ts';
import type { TaskServerOptions } from '../src/server/create-task-server.ts';
import { createLineLogger } from '../src/server/line-logger.ts';
import { type LocalServer, startLocalServer } from '../src/server/local-server.ts';
import { openBackend } from '../src/server/open-backend.ts';
import { openQueue } from '../src/server/open-queue.ts';
import { HELP, oneLine, readOptions, type ServeOptions, UsageError } from './serve-options.ts';

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

/** Their definitions are checked when the server is made of them. */
async function loadTools(module: string): Promise<TaskServerOptions['tools']> {
  const path = resolve(module);
  if (!existsSync(path)) throw new Error(`--tools: there is no file ${path}`);
  let exported: { readonly default?: unknown };
  try {
    exported = await import(pathToFileURL(path).href);
  } catch (error) {
    throw new Error(`--tools: ${path} does not load: ${oneLine(error)}`, { cause: error });
  }
  if (!Array.isArray(exported.default) || exported.default.length === 0) {
    throw new Error(`--tools: ${path} exports no list of tools: write \`export default [myTool];\``);
  }
  return exported.default;
}

function versionOf(): string {
  const manifest = findPackageJSON(import.meta.url);
  return manifest === undefined ? 'unknown' : String(JSON.parse(readFileSync(manifest, 'utf8')).version);
}

async function serve(options: ServeOptions): Promise<void> {
  const { port, host, concurrency } = options;
  const tools = await loadTools(options.tools);
  const logger = createLineLogger(options.logLevel, systemClock, (line) => process.stderr.write(line));
  const opened = await openBackend(options.backend, { createTable: options.createTable });
  const queued = options.queue === undefined ? undefined : await openQueue(options.queue, logger, { concurrency });
  for (const warning of [...opened.warnings, ...(queued?.warnings ?? [])]) complain(warning);
  let server: LocalServer;
  try {
    server = await startLocalServer({
      name: 'mcp-durable-tasks',
      version: versionOf(),
      tools,
      backend: opened.backend,
      ...present({ queue: queued?.queue, consumer: queued?.consumer, concurrency }),
      allowAnonymous: true,
      strayErrors: 'log',
      logger,
      port,
      host,
      allowedOrigins: options.allowedOrigins,
      headers: options.headers,
    });
  } catch (error) {
    await queued?.close();
    await opened.close();
    throw listenError(error, options);
  }
  if (!LOOPBACK_HOSTS.includes(host))
    complain(`whoever reaches ${host} may call these tools: no credentials are asked for`);
  process.stdout.write(
    `MCP server  ${server.url}\nTasks       ${opened.description}\n` +
      (queued === undefined ? '' : `Queue       ${queued.description}\n`) +
      `Tools       ${tools.map(({ name }) => name).join(', ')}\n` +
      `Ctrl-C stops it; ${UNFINISHED[options.backend.engine]}.\n`,
  );
  onStop(async () => {
    await server.close();
    await queued?.close();
    await opened.close();
  });
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
    close().then(() => process.exit(0), fail);
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

try {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') process.stdout.write(HELP);
  else if (options === 'version') process.stdout.write(`${versionOf()}\n`);
  else await serve(options);
} catch (error) {
  fail(error);
}
