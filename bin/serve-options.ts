/**
 * What `npm start -- …` and `npx mcp-durable-tasks …` may be told, and what each option means. Throws `UsageError`, in
 * one line, for what it does not understand; connects to nothing and loads nothing.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { problemWithOrigins } from '../src/server/allowed-origins.ts';
import { HEADER_MODES, type HeaderMode } from '../src/server/create-task-endpoint.ts';
import { LOG_LEVELS, type LogLevel } from '../src/server/line-logger.ts';
import { BACKEND_ADDRESSES, type BackendAddress, parseBackendAddress } from '../src/server/open-backend.ts';
import { CONCURRENCY_BOUNDS, parseQueueAddress, QUEUE_ADDRESSES, type QueueAddress } from '../src/server/open-queue.ts';
import { problemWithOwnerName } from '../src/server/stdio-owner.ts';
import { userDataFile } from './user-data.ts';

const DEFAULT_TOOLS = fileURLToPath(new URL('../examples/tools.ts', import.meta.url));
/** The limit is against a client that runs wild, not against one that works: nobody else pays for the tasks of a laptop. */
const DEFAULT_MAX_ACTIVE_TASKS = 10_000;
const MAX_ACTIVE_TASKS_BOUNDS = { min: 1, max: 1_000_000 } as const;

export const HELP = `Usage: npm start -- [options], or npx mcp-durable-tasks [serve] [options]

  --stdio            speak MCP over stdin and stdout, as hosts do that start their servers, and not over HTTP
  --owner NAME       with --stdio: whose tasks these are (default: what the host calls itself)
  --port N           the port to listen on; 0 takes any free one (default 3000)
  --host ADDRESS     the address to listen on (default 127.0.0.1)
  --backend WHERE    where tasks are kept (default sqlite:.data/tasks.sqlite; with --stdio: an SQLite file of this
                     user for these tools):
                     ${BACKEND_ADDRESSES}
  --allow-origin URL let web pages of that origin call, besides those of this machine; may be given several times
  --headers MODE     strict (default), or lenient: serve clients that send no Mcp-Name, as FastMCP's and Python's
  --queue WHERE      where due tasks go, for servers on several machines that share the backend (default: this process):
                     ${QUEUE_ADDRESSES}
  --concurrency N    how many tasks run at the same time, from 1 to 1000, in turns between their owners (default 16)
  --max-active-tasks N
                     the most unfinished tasks of one owner (default ${DEFAULT_MAX_ACTIVE_TASKS})
  --no-task-tools    leave out task_status, task_respond, task_cancel and task_list, with which clients that do not
                     support tasks follow them
  --create-table     create the DynamoDB table if it is missing
  --tools MODULE     a module whose default export is a list of tools, and that may export lists of workflows and
                     resources (default: the examples, where they are)
  --log-level LEVEL  ${LOG_LEVELS.join(', ')} (default info)
  --help             print this
  --version          print the version
`;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface ServeOptions {
  /** Instead of HTTP, and so of `port`, `host` and `allowedOrigins`. */
  readonly stdio: boolean;
  /** With `stdio`; `undefined`: what the host calls itself. */
  readonly owner: string | undefined;
  readonly port: number;
  readonly host: string;
  readonly allowedOrigins: readonly string[];
  readonly headers: HeaderMode;
  readonly backend: BackendAddress;
  /** `undefined`: in this process. */
  readonly queue: QueueAddress | undefined;
  /** `undefined`: 16. */
  readonly concurrency: number | undefined;
  readonly maxActiveTasks: number;
  /** Whether clients that do not support tasks find tools for them. */
  readonly taskTools: boolean;
  readonly createTable: boolean;
  readonly tools: string;
  readonly logLevel: LogLevel;
}

const OPTIONS = {
  stdio: { type: 'boolean', default: false },
  owner: { type: 'string' },
  port: { type: 'string' },
  host: { type: 'string' },
  'allow-origin': { type: 'string', multiple: true },
  backend: { type: 'string' },
  headers: { type: 'string' },
  queue: { type: 'string' },
  concurrency: { type: 'string' },
  'max-active-tasks': { type: 'string' },
  'no-task-tools': { type: 'boolean', default: false },
  'create-table': { type: 'boolean', default: false },
  tools: { type: 'string', default: DEFAULT_TOOLS },
  'log-level': { type: 'string', default: 'info' },
  help: { type: 'boolean', default: false },
  version: { type: 'boolean', default: false },
} as const;

/** Those that say something of HTTP. */
const HTTP_ONLY = ['port', 'host', 'allow-origin', 'headers'] as const satisfies (keyof typeof OPTIONS)[];

export function readOptions(args: string[]): ServeOptions | 'help' | 'version' {
  const values = parse(args);
  if (values.help) return 'help';
  if (values.version) return 'version';
  const { stdio } = values;
  const misplaced = stdio ? HTTP_ONLY.find((name) => values[name] !== undefined) : undefined;
  if (misplaced !== undefined) throw new UsageError(`--${misplaced}: is for HTTP, which --stdio does not speak`);
  const owner = ownerOf(values.owner, stdio);
  const { port: portText = '3000', host = '127.0.0.1' } = values;
  const port = /^\d+$/.test(portText) ? Number(portText) : Number.NaN;
  if (!(port <= 65_535)) throw new UsageError(`--port ${portText}: a port is a whole number from 0 to 65535`);
  const logLevel = LOG_LEVELS.find((level) => level === values['log-level']);
  if (logLevel === undefined) {
    throw new UsageError(`--log-level ${values['log-level']}: use one of ${LOG_LEVELS.join(', ')}`);
  }
  const headersText = values.headers ?? 'strict';
  const headers = HEADER_MODES.find((mode) => mode === headersText);
  if (headers === undefined) throw new UsageError(`--headers ${headersText}: use one of ${HEADER_MODES.join(', ')}`);
  const backend = backendOf(values.backend, stdio ? userDataFile(values.tools) : '.data/tasks.sqlite');
  const createTable = values['create-table'];
  if (createTable && backend.engine !== 'dynamodb') {
    throw new UsageError('--create-table: goes with --backend dynamodb:TABLE');
  }
  const allowedOrigins = values['allow-origin'] ?? [];
  const problem = problemWithOrigins(allowedOrigins);
  if (problem !== undefined) throw new UsageError(`--allow-origin: ${problem}`);
  const queue = values.queue === undefined ? undefined : queueOf(values.queue, backend);
  const concurrency = values.concurrency === undefined ? undefined : concurrencyOf(values.concurrency);
  const maxActiveTasks =
    values['max-active-tasks'] === undefined ? DEFAULT_MAX_ACTIVE_TASKS : maxActiveOf(values['max-active-tasks']);
  return {
    stdio,
    owner,
    port,
    host,
    allowedOrigins,
    headers,
    backend,
    queue,
    concurrency,
    maxActiveTasks,
    taskTools: !values['no-task-tools'],
    createTable,
    tools: values.tools,
    logLevel,
  };
}

function concurrencyOf(text: string): number {
  return numberWithin(CONCURRENCY_BOUNDS, text, '--concurrency', 'the number of tasks at a time');
}

function maxActiveOf(text: string): number {
  return numberWithin(MAX_ACTIVE_TASKS_BOUNDS, text, '--max-active-tasks', 'the number of unfinished tasks');
}

function numberWithin({ min, max }: { min: number; max: number }, text: string, option: string, what: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`${option} ${text}: ${what} is a whole number from ${min} to ${max}`);
}

function ownerOf(name: string | undefined, stdio: boolean): string | undefined {
  if (name === undefined) return undefined;
  if (!stdio)
    throw new UsageError('--owner: goes with --stdio; over HTTP, all callers without credentials are one owner');
  const problem = problemWithOwnerName(name);
  if (problem !== undefined) throw new UsageError(`--owner: ${oneLine(problem)}`);
  return name;
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError(oneLine(error));
  }
}

function backendOf(text: string | undefined, defaultFile: string): BackendAddress {
  if (text === undefined) return { engine: 'sqlite', file: defaultFile };
  try {
    return parseBackendAddress(text);
  } catch (error) {
    throw new UsageError(`--backend: ${oneLine(error)}`);
  }
}

function queueOf(text: string, backend: BackendAddress): QueueAddress {
  let queue: QueueAddress;
  try {
    queue = parseQueueAddress(text);
  } catch (error) {
    throw new UsageError(`--queue: ${oneLine(error)}`);
  }
  if (backend.engine === 'memory' || backend.engine === 'sqlite') {
    throw new UsageError('--queue: is for servers that share their tasks: it goes with --backend dynamodb: or redis:');
  }
  return queue;
}

/** A message for a person: without line breaks and a full stop. */
export function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/[.]$/, '');
}
