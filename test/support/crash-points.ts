/**
 * Preloaded into a server process (`node --import`): numbers each boundary at which a crash could tell,
 * before and after every write of the backend and every hand-over to the queue, and kills the process at
 * the one that `CRASH_AT` names, as `kill -9` does. Each boundary that is passed is noted in the file
 * `CRASH_TRACE`. Knows nothing of what the server does.
 */
import { appendFileSync } from 'node:fs';
import { InProcessQueue } from '../../src/runtime/queues/in-process-queue.ts';

const { CRASH_BACKEND = '', CRASH_TRACE, CRASH_AT } = process.env;
const crashAt = CRASH_AT === undefined ? Number.POSITIVE_INFINITY : Number(CRASH_AT);

let passed = 0;

function boundary(name: string): void {
  passed += 1;
  if (CRASH_TRACE !== undefined) appendFileSync(CRASH_TRACE, `${name}\n`);
  if (passed !== crashAt) return;
  process.kill(process.pid, 'SIGKILL');
  // The signal comes at once; should it not, nothing may happen any more.
  for (;;);
}

type Method = (...args: unknown[]) => Promise<unknown>;

function wrap(prototype: object, name: string, label: string): void {
  const methods = prototype as Record<string, Method>;
  const original = methods[name];
  if (original === undefined) throw new Error(`There is no ${label} to wrap.`);
  methods[name] = async function (this: unknown, ...args) {
    boundary(`before ${label}`);
    try {
      return await original.apply(this, args);
    } finally {
      boundary(`after ${label}`);
    }
  };
}

const DRIVERS: Readonly<Record<string, () => Promise<object>>> = {
  sqlite: async () => (await import('../../src/backends/sqlite.ts')).SqliteBackend.prototype,
  dynamodb: async () => (await import('../../src/backends/dynamodb.ts')).DynamoDbBackend.prototype,
  redis: async () => (await import('../../src/backends/redis.ts')).RedisBackend.prototype,
};

const driver = await DRIVERS[CRASH_BACKEND]?.();
if (driver === undefined) throw new Error(`CRASH_BACKEND "${CRASH_BACKEND}" is no driver.`);
for (const method of ['putIfVersion', 'delete', 'addIfBelow']) wrap(driver, method, method);
wrap(InProcessQueue.prototype, 'enqueue', 'enqueue');
