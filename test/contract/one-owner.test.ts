/**
 * How far one owner goes on DynamoDB, where a partition key bears so many units a second and no more: lifecycles spread
 * evenly over two seconds that a test holds, in memory, every record counted as DynamoDB would. docs/costs.md says the
 * same by arithmetic ("How far one owner goes").
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { MemoryBackend } from '../../src/backends/memory.ts';
import type { Owner } from '../../src/domain/owner.ts';
import { acquireLease } from '../../src/domain/run.ts';
import { completeTask } from '../../src/domain/task.ts';
import { GenericTaskStore } from '../../src/store/generic-task-store.ts';
import type { StoredTask } from '../../src/store/task-store.ts';
import { manualRandom } from '../../src/testing/manual-clock.ts';
import { limitPartitions, type PartitionLimiter } from '../support/partition-limiter.ts';
import { call, SteadyClock } from './task-stores.ts';

const OWNER: Owner = { issuer: 'https://issuer.example', subject: 'subject 0123456789abcdef' };
const SECONDS = 2;
const POLLS = 10;
/** JSON texts of 1 KB. */
const ARGUMENTS = { text: 'x'.repeat(1024 - '{"text":""}'.length) };
const RESULT = {
  content: [{ type: 'text', text: 'x'.repeat(1024 - '{"content":[{"type":"text","text":""}]}'.length) }],
};

/** When each part of a lifecycle happens, in milliseconds from its begin. */
const RUN_AT = 20;
const STEP_AT = 300;
const FIRST_POLL_AT = 30;
const POLL_EVERY = 60;
const COMPLETE_AT = 700;

interface Event {
  readonly at: number;
  readonly happen: () => Promise<unknown>;
}

/** The calls of the store that a task server makes for a lifecycle, as test/contract/costs.test.ts measures it. */
function lifecycle(store: GenericTaskStore, at: number): Event[] {
  let current: StoredTask;
  const event = (after: number, happen: () => Promise<unknown>): Event => ({ at: at + after, happen });
  const keep = async (next: Promise<StoredTask>) => {
    current = await next;
  };
  return [
    event(0, () => keep(store.create(call(OWNER, { arguments: ARGUMENTS })).then(({ stored }) => stored))),
    event(RUN_AT, async () => {
      const read = await store.get(current.task);
      await keep(store.update(read.task, (task, now) => acquireLease(task, 'worker 1', 30_000, now), read));
    }),
    event(STEP_AT, () => store.log.append(current.task, 0, { epoch: 1, asks: [], outcomes: [] })),
    ...Array.from({ length: POLLS }, (_, poll) =>
      event(FIRST_POLL_AT + poll * POLL_EVERY, () => store.get(current.task)),
    ),
    event(COMPLETE_AT, async () => {
      const result = await store.keep(current.task, 'result', RESULT);
      await keep(store.update(current.task, (task, now) => completeTask(task, result, now), current));
    }),
  ];
}

async function simulate(perSecond: number, maxActiveTasksPerOwner: number | null): Promise<PartitionLimiter> {
  const clock = new SteadyClock();
  const limiter = limitPartitions(new MemoryBackend({ clock }), clock);
  const store = new GenericTaskStore({
    backend: limiter.backend,
    clock,
    random: manualRandom(7),
    maxActiveTasksPerOwner,
  });
  const begin = clock.now();
  const events = Array.from({ length: perSecond * SECONDS }, (_, index) =>
    lifecycle(store, begin + Math.floor((index * 1000) / perSecond)),
  ).flat();
  for (const { at, happen } of events.toSorted((a, b) => a.at - b.at)) {
    clock.advance(at - clock.now());
    await happen();
  }
  return limiter;
}

describe('one owner', () => {
  test('is simulated with lifecycles that cost what is measured of them [STORE-13]', async () => {
    const limiter = await simulate(1 / SECONDS, 100);
    const costs = readFileSync(new URL('../../docs/costs.md', import.meta.url), 'utf8');
    const [, readUnits, writeUnits] = /\| whole lifecycle \| \d+ \| \d+ \| (\d+) \| (\d+) \|/.exec(costs) ?? [];

    expect(limiter.total()).toEqual({ read: Number(readUnits), write: Number(writeUnits) });
  });

  test('without a limit has 2,000 lifecycles a second, and no partition key is throttled [STORE-13]', async () => {
    const limiter = await simulate(2000, null);

    expect(limiter.throttled()).toBe(0);
    expect(Object.fromEntries(limiter.busiest())).toEqual({
      tasks: { keys: 32, read: 831, write: 509 },
      agenda: { keys: 16, read: 0, write: 283 },
      log: { keys: 2000 * SECONDS, read: 0, write: 1 },
    });
  });

  test('with a limit has 500 a second, and not more: its counter is one record [STORE-13 LIFE-8]', async () => {
    const most = await simulate(500, 100_000);
    const more = await simulate(510, 100_000);

    expect(most.throttled()).toBe(0);
    expect(most.busiest().get('active')).toEqual({ keys: 1, read: 1000, write: 1000 });
    expect(more.throttled()).toBe(20);
    expect(more.busiest().get('active')).toEqual({ keys: 1, read: 1020, write: 1020 });
  });
});
