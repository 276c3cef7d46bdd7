/**
 * What the functions are made of, put together once for a function's instance and kept between invocations.
 * The composition root on AWS; the laptop's is `src/server/local-server.ts`. Each function composes only its
 * own side, so that its bundle holds no more than that.
 */
import { SQSClient } from '@aws-sdk/client-sqs';
import { systemClock } from '../../src/clock.ts';
import type { LookTimes } from '../../src/runtime/queues/looker.ts';
import type { TaskQueue } from '../../src/runtime/queues/queue.ts';
import { SqsQueue } from '../../src/runtime/queues/sqs-queue.ts';
import { DEFAULT_LEASE_TIMES } from '../../src/runtime/running/held-task.ts';
import { GenericTaskStore } from '../../src/store/generic-task-store.ts';
import type { TaskStore } from '../../src/store/task-store.ts';
import { type Environment, readEnvironment, required, wholeNumber, wholeNumberOrNone } from './environment.ts';
import { reportTo } from './observability.ts';
import { openStorage } from './storage.ts';

/** Of the function that looks once a minute. */
export const LOOK_TIMES: LookTimes = { aheadMs: 60_000, settleMs: 120_000, heldMs: 240_000 };

export interface Foundation {
  readonly environment: Environment;
  readonly store: TaskStore;
  readonly queue: TaskQueue;
}

/** The same in all functions of a deployment. */
export function leaseMsIn(environment: Environment): number {
  return wholeNumber(environment, 'leaseMs') ?? DEFAULT_LEASE_TIMES.leaseMs;
}

/** Makes something once; after a failure it is tried again. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

/** Store and queue, which every function has. */
export const foundation = once(async (): Promise<Foundation> => {
  const environment = readEnvironment(process.env);
  const maxActiveTasksPerOwner = wholeNumberOrNone(environment, 'maxActiveTasksPerOwner');
  const store = new GenericTaskStore({
    backend: await openStorage(environment),
    firstLookMs: 2 * LOOK_TIMES.aheadMs,
    maxActiveTasksPerOwner,
  });
  reportTo(store);
  const queue = new SqsQueue({
    client: new SQSClient({ requestHandler: { requestTimeout: 3_000, connectionTimeout: 1_000 } }),
    queueUrl: required(environment, 'queueUrl'),
    clock: systemClock,
  });
  return { environment, store, queue };
});
