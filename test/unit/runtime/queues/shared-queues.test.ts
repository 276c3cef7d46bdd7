/** What BullMQ on a real Redis and SQS, as an emulator has it, promise alike as queues that processes share. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Queue } from 'bullmq';
import { type FauxqsServer, startFauxqs } from 'fauxqs';
import { asTaskId } from '../../../../src/domain/task-id.ts';
import { encodeDelivery } from '../../../../src/runtime/queues/delivery.ts';
import type { RunDelivery } from '../../../../src/runtime/queues/queue.ts';
import { redisClient } from '../../../support/engines/clients.ts';
import { openSharedQueue, type SharedQueue } from '../../../support/shared-queue.ts';
import { until } from '../../../support/until.ts';
import { NotingLogger } from '../runtime-under-test.ts';

const ref = { owner: { issuer: 'i', subject: 's', tenant: 't' }, id: asTaskId('0'.repeat(44)) };
const TIMEOUT_MS = 60_000;

let sqs: FauxqsServer;
beforeAll(async () => {
  sqs = await startFauxqs({ port: 0, logger: false, defaultRegion: 'us-east-1', host: '127.0.0.1' });
});
afterAll(() => sqs.stop());

/** A named queue, and a way to put anything into it. */
const engines: Readonly<Record<string, () => { named: SharedQueue; putRaw: (body: string) => Promise<unknown> }>> = {
  bullmq: () => {
    const named = { engine: 'bullmq', url: process.env['TEST_REDIS_URL'] ?? '', prefix: `{${randomUUID()}}` } as const;
    return {
      named,
      putRaw: async (body) => {
        const connection = redisClient();
        // As often as ours is tried.
        const again = { attempts: Number.MAX_SAFE_INTEGER, backoff: { type: 'custom' } };
        await new Queue('deliveries', { connection, prefix: named.prefix }).add('run', body, again);
        connection.disconnect();
      },
    };
  },
  sqs: () => {
    const name = randomUUID();
    sqs.createQueue(name, { region: 'us-east-1' });
    return {
      named: { engine: 'sqs', queueUrl: `http://127.0.0.1:${sqs.port}/000000000000/${name}` },
      putRaw: async (body) => sqs.sendMessage(name, body),
    };
  },
};

describe.each(Object.keys(engines))('a queue of %s [EXEC-21]', (engine) => {
  const opened: Awaited<ReturnType<typeof openSharedQueue>>[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(({ close }) => close()));
  });

  const open = async (named: SharedQueue, logger = new NotingLogger()) => {
    const queue = await openSharedQueue(named, logger);
    opened.push(queue);
    return { ...queue, logger };
  };
  const fresh = async () => {
    const { named, putRaw } = engines[engine]?.() ?? { named: undefined, putRaw: undefined };
    if (named === undefined) throw new Error(`no engine ${engine}`);
    return { named, putRaw, ...(await open(named)) };
  };

  test(
    'delivers what was enqueued, with the time that it was for and not before it [EXEC-8]',
    async () => {
      const { queue, consumer } = await fresh();
      const seen: { delivery: Parameters<RunDelivery>; at: number }[] = [];
      const both = Promise.withResolvers<void>();
      consumer.start(async (...delivery) => {
        seen.push({ delivery, at: Date.now() });
        if (seen.length === 2) both.resolve();
      });
      const later = Date.now() + 1_500;

      await queue.enqueue(ref, { notBefore: later });
      await queue.enqueue(ref, { notBefore: 5 });
      await both.promise;

      expect(seen.map(({ delivery }) => delivery)).toEqual([
        [ref, 5],
        [ref, later],
      ]);
      expect(seen[1]?.at).toBeGreaterThanOrEqual(later);
      await consumer.drain();
    },
    TIMEOUT_MS,
  );

  test(
    'brings a delivery that failed again, without the time that it was for, later each time, and says each time why [EXEC-8]',
    async () => {
      const { queue, consumer, logger } = await fresh();
      const seen: { notBefore: number | undefined; at: number }[] = [];
      const enough = Promise.withResolvers<void>();
      consumer.start(async (_ref, notBefore) => {
        seen.push({ notBefore, at: performance.now() });
        if (seen.length < 4) throw new Error(`failure ${seen.length}`);
        enough.resolve();
      });

      await queue.enqueue(ref, { notBefore: 7 });
      await enough.promise;

      expect(seen.map(({ notBefore }) => notBefore)).toEqual([7, undefined, undefined, undefined]);
      const pauses = seen.slice(1).map(({ at }, index) => at - (seen[index]?.at ?? 0));
      for (const [index, leastMs] of [1_000, 2_000, 4_000].entries()) {
        // An emulator's timers are not exact to the millisecond.
        expect(pauses[index]).toBeGreaterThan(leastMs - 50);
      }
      expect(logger.lines.filter(({ level }) => level === 'error').map(({ fields }) => fields)).toEqual(
        [1, 2, 3].map((count) => expect.objectContaining({ task: ref.id, message: `failure ${count}` })),
      );
      await consumer.drain();
    },
    TIMEOUT_MS,
  );

  test(
    'keeps a delivery for as long as its run takes, in one process alone [EXEC-4]',
    async () => {
      const { named, queue, consumer } = await fresh();
      const other = await open(named);
      const runs: string[] = [];
      const done = Promise.withResolvers<void>();
      const slow = (name: string) => async () => {
        runs.push(name);
        // Three times as long as a silent process keeps a delivery.
        await new Promise((resume) => setTimeout(resume, 6_000));
        done.resolve();
      };
      consumer.start(slow('a'));
      other.consumer.start(slow('b'));

      await queue.enqueue(ref, { notBefore: 0 });
      await done.promise;
      await Promise.all([consumer.drain(), other.consumer.drain()]);

      expect(runs).toHaveLength(1);
    },
    TIMEOUT_MS,
  );

  test(
    'runs many at the same time, and no more than it may [EXEC-8]',
    async () => {
      const { queue, consumer } = await fresh();
      let running = 0;
      let most = 0;
      let count = 0;
      const all = Promise.withResolvers<void>();
      consumer.start(async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resume) => setTimeout(resume, 300));
        running -= 1;
        count += 1;
        if (count === 20) all.resolve();
      });

      await Promise.all(Array.from({ length: 20 }, () => queue.enqueue(ref, { notBefore: 0 })));
      await all.promise;

      // As support/shared-queue.ts has it.
      expect(most).toBe(8);
      await consumer.drain();
    },
    TIMEOUT_MS,
  );

  test(
    'that drains waits for what runs, takes nothing more, and another process has the rest [EXEC-8]',
    async () => {
      const { named, queue, consumer } = await fresh();
      const begun = Promise.withResolvers<void>();
      const finish = Promise.withResolvers<void>();
      let runs = 0;
      consumer.start(async () => {
        runs += 1;
        begun.resolve();
        await finish.promise;
      });
      await queue.enqueue(ref, { notBefore: 0 });
      await begun.promise;

      let drained = false;
      const draining = consumer.drain().then(() => {
        drained = true;
      });
      await queue.enqueue(ref, { notBefore: 1 });
      const other = await open(named);
      const rest = Promise.withResolvers<Parameters<RunDelivery>[0]>();
      other.consumer.start(async (taken) => rest.resolve(taken));

      expect(await rest.promise).toEqual(ref);
      expect([drained, runs]).toEqual([false, 1]);
      finish.resolve();
      await draining;
      await other.consumer.drain();
      expect(runs).toBe(1);
    },
    TIMEOUT_MS,
  );

  test(
    'does not bring again what ended while it drained [EXEC-8]',
    async () => {
      const { named, queue, consumer } = await fresh();
      const begun = Promise.withResolvers<void>();
      consumer.start(async () => {
        begun.resolve();
        await new Promise((resume) => setTimeout(resume, 200));
      });
      await queue.enqueue(ref, { notBefore: 0 });
      await begun.promise;

      await consumer.drain();

      const other = await open(named);
      const seen: string[] = [];
      const marker = Promise.withResolvers<void>();
      const last = { ...ref, id: asTaskId('1'.repeat(44)) };
      other.consumer.start(async ({ id }) => {
        seen.push(id);
        if (id === last.id) marker.resolve();
      });
      // Twice as long as it takes until the first would come back.
      await queue.enqueue(last, { notBefore: Date.now() + 4_000 });
      await marker.promise;
      expect(new Set(seen)).toEqual(new Set([last.id]));
      await other.consumer.drain();
    },
    TIMEOUT_MS,
  );

  test(
    'keeps a delivery of a newer build for a server that can read it, and says so each time [STORE-12]',
    async () => {
      const { putRaw, queue, consumer, logger } = await fresh();
      await putRaw('{"format":2,"addressee":"x"}');
      const taken = Promise.withResolvers<Parameters<RunDelivery>[0]>();
      consumer.start(async (found) => taken.resolve(found));

      await queue.enqueue(ref, { notBefore: 0 });

      expect(await taken.promise).toEqual(ref);
      const said = () => logger.lines.filter(({ message }) => message === 'A delivery cannot be read here');
      await until('the delivery to come again', () => said().length >= 2);
      await consumer.drain();
      expect(JSON.stringify(said()[0])).toContain('upgrade this server');
    },
    TIMEOUT_MS,
  );

  test(
    'takes nothing for a delivery that is none, says so, and goes on [SEC-3]',
    async () => {
      const { putRaw, queue, consumer, logger } = await fresh();
      await putRaw('{"owner":{"issuer":"i"},"task":"x","notBefore":1}');
      await putRaw('no delivery');
      const taken = Promise.withResolvers<Parameters<RunDelivery>[0]>();
      consumer.start(async (found) => taken.resolve(found));

      await queue.enqueue(ref, { notBefore: 0 });

      expect(await taken.promise).toEqual(ref);
      await consumer.drain();
      const said = logger.lines.filter(({ message }) => message.endsWith('names no task'));
      expect(said.length).toBeGreaterThanOrEqual(2);
      expect(JSON.stringify(said)).not.toContain('no delivery');
    },
    TIMEOUT_MS,
  );
});

test('BullMQ holds what a queue holds of its work, and no more: nothing of what has been delivered [EXEC-8]', async () => {
  const prefix = `{${randomUUID()}}`;
  const { queue, consumer, close } = await openSharedQueue({
    engine: 'bullmq',
    url: process.env['TEST_REDIS_URL'] ?? '',
    prefix,
  });
  let count = 0;
  const all = Promise.withResolvers<void>();
  consumer.start(async () => {
    count += 1;
    if (count === 300) all.resolve();
  });

  await Promise.all(Array.from({ length: 300 }, () => queue.enqueue(ref, { notBefore: 0 })));
  await all.promise;
  await consumer.drain();
  await close();

  const client = redisClient();
  const keys = await client.keys(`${prefix}*`);
  const events = await client.xlen(keys.find((key) => key.endsWith(':events')) ?? '');
  client.disconnect();
  expect(keys.filter((key) => /:\d+$/.test(key))).toEqual([]);
  expect(events).toBeLessThan(300);
});

test('a delivery is text that both understand [EXEC-8]', () => {
  expect(JSON.parse(encodeDelivery({ ref, notBefore: 3 }))).toEqual({
    format: 1,
    owner: ref.owner,
    task: ref.id,
    notBefore: 3,
  });
});
