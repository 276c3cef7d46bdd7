/**
 * What `npm start -- …` may be told, and what each option means. Throws `UsageError`, in one line, for
 * what it does not understand; connects to nothing and loads nothing.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { problemWithOrigins } from '../src/server/allowed-origins.ts';
import { HEADER_MODES, type HeaderMode } from '../src/server/create-task-endpoint.ts';
import { LOG_LEVELS, type LogLevel } from '../src/server/line-logger.ts';
import { BACKEND_ADDRESSES, type BackendAddress, parseBackendAddress } from '../src/server/open-backend.ts';
import { CONCURRENCY_BOUNDS, parseQueueAddress, QUEUE_ADDRESSES, type QueueAddress } from '../src/server/open-queue.ts';

const DEFAULT_TOOLS = fileURLToPath(new URL('../examples/tools.ts', import.meta.url));

export const HELP = `Usage: npm start -- [options]

  --port N           the port to listen on; 0 takes any free one (default 3000)
  --host ADDRESS     the address to listen on (default 127.0.0.1)
  --backend WHERE    where tasks are kept (default sqlite:.data/tasks.sqlite):
                     ${BACKEND_ADDRESSES}
  --allow-origin URL let web pages of that origin call, besides those of this machine; may be given several times
  --headers MODE     strict (default), or lenient: serve clients that send no Mcp-Name, as FastMCP's and Python's
  --queue WHERE      where due tasks go, for servers on several machines that share the backend (default: this process):
                     ${QUEUE_ADDRESSES}
  --concurrency N    how many tasks run at the same time, from 1 to 1000, in turns between their owners (default 16)
  --create-table     create the DynamoDB table if it is missing
  --tools MODULE     a module whose default export is a list of tools (default: the examples)
  --log-level LEVEL  ${LOG_LEVELS.join(', ')} (default info)
  --help             print this
  --version          print the version
`;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface ServeOptions {
  readonly port: number;
  readonly host: string;
  readonly allowedOrigins: readonly string[];
  readonly headers: HeaderMode;
  readonly backend: BackendAddress;
  /** `undefined`: in this process. */
  readonly queue: QueueAddress | undefined;
  /** `undefined`: 16. */
  readonly concurrency: number | undefined;
  readonly createTable: boolean;
  readonly tools: string;
  readonly logLevel: LogLevel;
}

const OPTIONS = {
  port: { type: 'string', default: '3000' },
  host: { type: 'string', default: '127.0.0.1' },
  'allow-origin': { type: 'string', multiple: true },
  headers: { type: 'string', default: 'strict' },
  backend: { type: 'string', default: 'sqlite:.data/tasks.sqlite' },
  queue: { type: 'string' },
  concurrency: { type: 'string' },
  'create-table': { type: 'boolean', default: false },
  tools: { type: 'string', default: DEFAULT_TOOLS },
  'log-level': { type: 'string', default: 'info' },
  help: { type: 'boolean', default: false },
  version: { type: 'boolean', default: false },
} as const;

export function readOptions(args: string[]): ServeOptions | 'help' | 'version' {
  const values = parse(args);
  if (values.help) return 'help';
  if (values.version) return 'version';
  const port = /^\d+$/.test(values.port) ? Number(values.port) : Number.NaN;
  if (!(port <= 65_535)) throw new UsageError(`--port ${values.port}: a port is a whole number from 0 to 65535`);
  const logLevel = LOG_LEVELS.find((level) => level === values['log-level']);
  if (logLevel === undefined) {
    throw new UsageError(`--log-level ${values['log-level']}: use one of ${LOG_LEVELS.join(', ')}`);
  }
  const headers = HEADER_MODES.find((mode) => mode === values.headers);
  if (headers === undefined) {
    throw new UsageError(`--headers ${values.headers}: use one of ${HEADER_MODES.join(', ')}`);
  }
  const backend = backendOf(values.backend);
  const createTable = values['create-table'];
  if (createTable && backend.engine !== 'dynamodb') {
    throw new UsageError('--create-table: goes with --backend dynamodb:TABLE');
  }
  const allowedOrigins = values['allow-origin'] ?? [];
  const problem = problemWithOrigins(allowedOrigins);
  if (problem !== undefined) throw new UsageError(`--allow-origin: ${problem}`);
  const queue = values.queue === undefined ? undefined : queueOf(values.queue, backend);
  const concurrency = values.concurrency === undefined ? undefined : concurrencyOf(values.concurrency);
  return {
    port,
    host: values.host,
    allowedOrigins,
    headers,
    backend,
    queue,
    concurrency,
    createTable,
    tools: values.tools,
    logLevel,
  };
}

function concurrencyOf(text: string): number {
  const { min, max } = CONCURRENCY_BOUNDS;
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`--concurrency ${text}: the number of tasks at a time is a whole number from ${min} to ${max}`);
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError(oneLine(error));
  }
}

function backendOf(text: string): BackendAddress {
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
