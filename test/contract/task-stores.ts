/**
 * Task stores to test: on every backend of the table, two instances on the same data, each
 * behind a backend that counts. Time stands until a test moves it, while short pauses (retries)
 * pass in real time.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe } from '@jest/globals';
import type { StorageBackend, StoredRecord } from '../../src/backends/backend.ts';
import { type Clock, type RandomBytes, systemClock } from '../../src/clock.ts';
import type { Owner } from '../../src/domain/owner.ts';
import { completeTask, type Task } from '../../src/domain/task.ts';
import { present } from '../../src/present.ts';
import { GenericTaskStore } from '../../src/store/generic-task-store.ts';
import type { CreateTask } from '../../src/store/task-store.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { type CountingBackend, countingBackend } from '../support/counting-backend.ts';
import { backends, type OpenEngine } from './backends.ts';

/** Its `now` is the test's; its timers are real. */
export class SteadyClock implements Clock {
  #now = new ManualClock().now();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, action: () => void): () => void {
    return systemClock.after(delayMs, action);
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}

/** Time as on another clock; a pause is over as soon as everything else had its turn. */
export class BriefClock implements Clock {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  after(_delayMs: number, action: () => void): () => void {
    const timer = setImmediate(action);
    return () => clearImmediate(timer);
  }
}

export interface StoreOptions {
  readonly maxActiveTasksPerOwner?: number;
  readonly random?: RandomBytes;
  /** The stores' pauses are over as soon as everything else had its turn. */
  readonly brief?: boolean;
}

export interface Stores {
  /** Two instances on the same data, as two processes would have. */
  readonly store: GenericTaskStore;
  readonly other: GenericTaskStore;
  /** What `store` and `other` call. */
  readonly backend: CountingBackend;
  readonly otherBackend: CountingBackend;
  readonly clock: SteadyClock;
  /** Never used before. */
  readonly owner: Owner;
}

export type OpenStores = (options?: StoreOptions) => Promise<Stores>;

/** Defines the same tests for every backend. */
export function onEveryBackend(subject: string, define: (open: OpenStores) => void): void {
  describe.each(backends.map((backend) => ({ variant: '', ...backend })))(
    `${subject} on $driver$variant`,
    ({ open: openEngine }) => {
      let engine: OpenEngine;
      let opened: StorageBackend[] = [];

      beforeAll(async () => {
        engine = await openEngine();
      });

      afterEach(async () => {
        await Promise.all(opened.map((backend) => backend.close()));
        opened = [];
      });

      afterAll(async () => {
        await engine.dispose();
      });

      define(async ({ maxActiveTasksPerOwner = 100, random, brief = false } = {}) => {
        const clock = new SteadyClock();
        const instances = await engine.create(clock, 2);
        opened.push(...instances);
        const [backend, otherBackend] = instances.map(countingBackend);
        if (backend === undefined || otherBackend === undefined) throw new Error('the engine created no two instances');
        const options = {
          clock: brief ? new BriefClock(clock) : clock,
          maxActiveTasksPerOwner,
          ...present({ random }),
        };
        return {
          store: new GenericTaskStore({ ...options, backend }),
          other: new GenericTaskStore({ ...options, backend: otherBackend }),
          backend,
          otherBackend,
          clock,
          owner: { issuer: 'test', subject: randomUUID() },
        };
      });
    },
  );
}

export const HOUR_MS = 3_600_000;

/** A call of a tool, as the protocol hands it to the store: an hour to run, an hour to be read. */
export function call(owner: Owner, changes: Partial<CreateTask> = {}): CreateTask {
  return {
    owner,
    tool: 'greet',
    arguments: { name: 'Ada' },
    lifetime: { runDeadlineMs: HOUR_MS, retentionMs: HOUR_MS },
    pollIntervalMs: 1000,
    maxAttempts: 3,
    ...changes,
  };
}

export async function createdTask(store: GenericTaskStore, input: CreateTask): Promise<Task> {
  return (await store.create(input)).stored.task;
}

export function complete(task: Task, now: number): Task {
  return completeTask(task, { json: { content: [] } }, now);
}

/** Every record of the given partitions; of the agenda, which is everybody's, only those of `owner`, where there is one. */
export async function recordsOf(
  backend: StorageBackend,
  partitions: Iterable<string>,
  owner?: Owner,
): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for (const partition of new Set(partitions)) {
    let after: string | undefined;
    do {
      const page = await backend.list(partition, { limit: 100, after });
      const isForeign = ({ value }: StoredRecord) =>
        owner !== undefined && partition.startsWith('["agenda"') && !value.includes(JSON.stringify(owner.subject));
      records.push(...page.records.filter((record) => !isForeign(record)));
      after = page.next;
    } while (after !== undefined);
  }
  return records;
}

/** All of an owner's tasks, newest first. */
export async function tasksOf(store: GenericTaskStore, owner: Owner): Promise<Task[]> {
  const tasks: Task[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list(owner, { limit: 100, cursor });
    tasks.push(...page.tasks);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return tasks;
}
