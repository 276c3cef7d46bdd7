/**
 * A task server for the host that started this process and speaks to it over stdin and stdout: `createTaskServer` with
 * one connection, whose tasks belong to the host by its name. It drains when its input ends. A composition root for
 * laptops, beside `local-server.ts`.
 */
import type { Readable, Writable } from 'node:stream';
import { type Clock, systemClock } from '../clock.ts';
import { openStdioEndpoint } from '../protocol/stdio-endpoint.ts';
import { silentLogger } from '../runtime/logger.ts';
import { createTaskServer, type TaskServer, type TaskServerOptions } from './create-task-server.ts';
import { ownerOfClient } from './stdio-owner.ts';
import { holdEnd, reserveStdout } from './stdio-streams.ts';

/** What requests that are under way, and answers that are being written, get when the server closes. */
const LAST_ANSWERS_MS = 500;

export interface StdioServerOptions
  extends Omit<TaskServerOptions, 'allowedOrigins' | 'allowAnonymous' | 'maxStreamSeconds'> {
  /** Whose tasks are made and seen: the subject of their owner. @default what the client calls itself */
  readonly owner?: string | undefined;
  /** Whether clients that do not support tasks find tools for them. @default true */
  readonly taskTools?: boolean;
  /** @default the process's */
  readonly stdin?: Readable | undefined;
  /** @default the process's; what anything else writes there comes out on standard error from now on */
  readonly stdout?: Writable | undefined;
}

export interface StdioServer {
  readonly tasks: TaskServer;
  /** Resolves when the client has gone, or `close` was called, and the server has drained. */
  readonly closed: Promise<void>;
  /** Drains, then ends the connection. */
  close(): Promise<void>;
}

/** Answers from now on, and starts running tasks. Throws `invalid_owner` for a name that no owner can have. */
export async function startStdioServer(options: StdioServerOptions): Promise<StdioServer> {
  const { owner, stdin = process.stdin, stdout, ...serverOptions } = options;
  const { name, version, instructions, createServer, clock = systemClock, logger = silentLogger } = serverOptions;
  const ownerByName = ownerOfClient(owner);
  const tasks = createTaskServer({
    resolveOwner: () => ownerByName(endpoint.clientName),
    taskTools: true,
    ...serverOptions,
    // Nothing stands between the two ends that would end a stream.
    maxStreamSeconds: null,
  });
  let isStarted = false;
  let ending: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    // At once where that can be: what is under way is aborted next, and must not be taken for given up by its caller.
    await (isStarted ? tasks.drain() : starting.then(() => tasks.drain()));
    await atMost(clock, LAST_ANSWERS_MS, endpoint.answered());
    await endpoint.close();
    input.release();
    await atMost(clock, LAST_ANSWERS_MS, written(output.stream));
    output.release();
  };
  const { promise: closed, resolve, reject } = Promise.withResolvers<void>();
  // Told to whoever asks for it.
  closed.catch(() => {});
  const close = () => {
    ending ??= end();
    ending.then(resolve, reject);
    return closed;
  };
  const input = holdEnd(stdin, close);
  const output = stdout === undefined ? reserveStdout() : { stream: stdout, release: () => {} };
  const endpoint = openStdioEndpoint({
    name,
    version,
    instructions,
    createServer,
    extension: tasks.extension,
    stdin: input.stream,
    stdout: output.stream,
    logger,
    onAnswer: (answer) => tasks.extension.takeAnswer(answer, undefined),
    onClosed: () => void close(),
  });
  const starting = tasks.start().then(() => {
    isStarted = true;
  });
  await starting;
  return { tasks, closed, close };
}

/** Whatever was written before has been handed to the system, or the reader has gone. */
function written(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableEnded) resolve();
    else stream.write('', () => resolve());
  });
}

function atMost(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, resolve);
    work.then(resolve, reject).finally(cancel);
  });
}
