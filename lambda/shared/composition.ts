/**
 * What the three functions are made of, put together once for a function's instance and kept between
 * invocations. The composition root on AWS; the laptop's is `src/server/local-server.ts`.
 */
import { SQSClient } from '@aws-sdk/client-sqs';
import { systemClock } from '../../src/clock.ts';
import { SqsQueue } from '../../src/runtime/sqs-queue.ts';
import { createTaskServer, type TaskServer } from '../../src/server/create-task-server.ts';
import tools from '../tools.ts';
import { type Authenticate, createAuthenticate } from './authentication.ts';
import { AUTH_MODES, type Environment, oneOf, readEnvironment, required, wholeNumber } from './environment.ts';
import { logger, reportTo } from './observability.ts';
import { openStorage } from './storage.ts';

export interface Composition {
  readonly authenticate: Authenticate;
  readonly tasks: TaskServer;
}

let composed: Promise<Composition> | undefined;

/** The same for every invocation of an instance; after a failure it is tried again. */
export function composition(): Promise<Composition> {
  composed ??= compose(readEnvironment(process.env)).catch((error: unknown) => {
    composed = undefined;
    throw error;
  });
  return composed;
}

async function compose(environment: Environment): Promise<Composition> {
  const backend = await openStorage(environment);
  const queue = new SqsQueue({
    client: new SQSClient({ requestHandler: { requestTimeout: 3_000, connectionTimeout: 1_000 } }),
    queueUrl: required(environment, 'queueUrl'),
    clock: systemClock,
  });
  const maxActiveTasksPerOwner = wholeNumber(environment, 'maxActiveTasksPerOwner');
  const leaseMs = wholeNumber(environment, 'leaseMs') ?? 30_000;
  const tasks = createTaskServer({
    name: environment.serverName ?? 'mcp-durable-tasks',
    version: environment.serverVersion ?? '0.0.0',
    tools,
    backend,
    queue,
    logger,
    leaseTimes: { leaseMs, heartbeatMs: wholeNumber(environment, 'heartbeatMs') ?? Math.floor(leaseMs / 6) },
    allowAnonymous: oneOf(environment, 'authMode', AUTH_MODES) === 'none',
    ...(maxActiveTasksPerOwner === undefined ? {} : { maxActiveTasksPerOwner }),
  });
  reportTo(tasks.store);
  return { authenticate: createAuthenticate(environment), tasks };
}
