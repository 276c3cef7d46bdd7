/** What SQS can delay, and what is longer and therefore the agenda's, on a clock that the test holds. */

import { type SendMessageCommandInput, SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, test } from '@jest/globals';
import { startFauxqs } from 'fauxqs';
import * as z from 'zod';
import { LOOK_TIMES } from '../../lambda/shared/composition.ts';
import { MemoryBackend } from '../../src/backends/memory.ts';
import type { Owner } from '../../src/domain/owner.ts';
import { asTaskId } from '../../src/domain/task-id.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { Looker } from '../../src/runtime/queues/looker.ts';
import { decodeDelivery, encodeDelivery, SqsQueue } from '../../src/runtime/queues/sqs-queue.ts';
import { DEFAULT_LEASE_TIMES } from '../../src/runtime/running/held-task.ts';
import { createTaskEndpoint } from '../../src/server/create-task-endpoint.ts';
import { createTaskWorker } from '../../src/server/create-task-worker.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { GenericTaskStore } from '../../src/store/generic-task-store.ts';
import { ManualClock, manualRandom } from '../../src/testing/manual-clock.ts';
import { McpPeer } from '../support/mcp-requests.ts';

const MINUTE_MS = 60_000;
const ref = { owner: { issuer: 'i', subject: 's' }, id: asTaskId('0'.repeat(44)) };

/** A queue whose messages stay here. */
function capturing(clock: ManualClock) {
  const sent: SendMessageCommandInput[] = [];
  const client = new SQSClient({ region: 'eu-central-1' });
  client.middlewareStack.add(
    () =>
      async ({ input }) => {
        sent.push(input as SendMessageCommandInput);
        return { output: { $metadata: {} }, response: undefined };
      },
    { step: 'initialize' },
  );
  return { sent, queue: new SqsQueue({ client, queueUrl: 'http://localhost/tasks', clock }) };
}

describe('a delivery for later', () => {
  test.each([
    ['in the past', -1, 0],
    ['now', 0, 0],
    ['in a millisecond', 1, 1],
    ['in a second', 1_000, 1],
    ['in 15 minutes', 15 * MINUTE_MS, 900],
    ['in a year', 365 * 24 * 60 * MINUTE_MS, 900],
  ])('%s is delayed by what SQS can delay it [EXEC-8]', async (_name, afterMs, seconds) => {
    const clock = new ManualClock();
    const { sent, queue } = capturing(clock);

    await queue.enqueue(ref, { notBefore: clock.now() + afterMs });

    expect(sent.map(({ DelaySeconds, QueueUrl }) => [DelaySeconds, QueueUrl])).toEqual([
      [seconds, 'http://localhost/tasks'],
    ]);
  });

  test('of an hour is the agenda’s, and one message at the right second, with a look each minute [EXEC-2 EXEC-8 EXEC-20]', async () => {
    const clock = new ManualClock();
    const { sent, queue } = capturing(clock);
    const sleeper = defineTaskTool({
      name: 'sleep',
      description: 'Waits for an hour.',
      inputSchema: z.object({}),
      run: async (_args, task) => {
        await task.wait('hour', { hours: 1 });
        return { content: [{ type: 'text', text: 'awake' }] };
      },
    });
    const firstLookMs = 2 * LOOK_TIMES.aheadMs;
    const store = new GenericTaskStore({
      backend: new MemoryBackend({ clock }),
      clock,
      random: manualRandom(1),
      firstLookMs,
    });
    const parts = { tools: [sleeper], store, queue, clock, logger: silentLogger };
    const endpoint = createTaskEndpoint({ ...parts, name: 't', version: '1', allowAnonymous: true });
    const worker = createTaskWorker({ ...parts, graceMs: 0 });
    const looker = new Looker({ ...parts, leaseMs: DEFAULT_LEASE_TIMES.leaseMs, times: LOOK_TIMES });
    const peer = new McpPeer(endpoint.fetch);
    const begun = clock.now();
    const taskId = await peer.createTask('sleep');
    const messages: { readonly sentAt: number; readonly delaySeconds: number }[] = [];
    const take = async () => {
      for (const message of sent.splice(0)) {
        const { ref: task, notBefore } = decodeDelivery(message.MessageBody ?? '') ?? {};
        if (task === undefined) throw new Error(`An odd message: ${JSON.stringify(message)}`);
        const delaySeconds = message.DelaySeconds ?? 0;
        messages.push({ sentAt: clock.now() - begun, delaySeconds });
        await clock.advance(delaySeconds * 1_000);
        const running = worker.runTask(task, notBefore);
        await clock.advance(0);
        await running;
      }
    };

    for (let look = 0; look <= 60; look += 1) {
      await take();
      await looker.look();
      await take();
      await clock.advance(begun + look * MINUTE_MS + 30_500 - clock.now());
    }

    expect(messages).toEqual([
      { sentAt: 0, delaySeconds: 0 },
      { sentAt: 3_570_500, delaySeconds: 30 },
    ]);
    expect(await peer.task(taskId)).toMatchObject({
      status: 'completed',
      result: { content: [{ type: 'text', text: 'awake' }] },
    });
  });
});

describe('between owners the queue is fair', () => {
  const groupsOf = async (...owners: readonly Owner[]) => {
    const { sent, queue } = capturing(new ManualClock());
    for (const owner of owners) await queue.enqueue({ ...ref, owner }, { notBefore: 0 });
    return sent.map(({ MessageGroupId }) => MessageGroupId ?? '');
  };

  test('since each owner’s messages are a group, whichever task they are of [AWS-9]', async () => {
    const [one, again, other, tenant] = await groupsOf(
      { issuer: 'i', subject: 's' },
      { issuer: 'i', subject: 's' },
      { issuer: 'i', subject: 'another' },
      { issuer: 'i', subject: 's', tenant: 't' },
    );

    expect(again).toBe(one);
    expect(new Set([one, other, tenant]).size).toBe(3);
  });

  test('whose name tells nobody who the owner is, and is one that SQS takes [AWS-9 SEC-4]', async () => {
    const [group = ''] = await groupsOf({ issuer: 'https://issuer.example', subject: 'alice'.repeat(100) });

    expect(group).toMatch(/^[\w!-/:-@[-`{-~]{1,128}$/);
    expect(group).not.toContain('alice');
  });

  test('and a standard queue takes such messages, delayed or not [AWS-9 EXEC-8]', async () => {
    await using stack = new AsyncDisposableStack();
    const server = await startFauxqs({ port: 0, logger: false, defaultRegion: 'eu-central-1', host: '127.0.0.1' });
    stack.defer(() => server.stop());
    server.createQueue('tasks', { region: 'eu-central-1' });
    const endpoint = `http://127.0.0.1:${server.port}`;
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    const client = stack.adopt(new SQSClient({ endpoint, region: 'eu-central-1', credentials }), (it) => it.destroy());
    const clock = new ManualClock();
    const queue = new SqsQueue({ client, queueUrl: `${endpoint}/000000000000/tasks`, clock });

    for (const notBefore of [0, clock.now() + 60_000]) await queue.enqueue(ref, { notBefore });

    const { ready = [], delayed = [] } = server.inspectQueue('tasks')?.messages ?? {};
    expect([ready.length, delayed.length]).toEqual([1, 1]);
  });
});

describe('a message', () => {
  test('names the task, its owner and the time, and nothing else [EXEC-8 SEC-4]', () => {
    const delivery = { ref: { ...ref, owner: { ...ref.owner, tenant: 't' } }, notBefore: 5 };

    expect(JSON.parse(encodeDelivery(delivery))).toEqual({
      format: 1,
      owner: { issuer: 'i', subject: 's', tenant: 't' },
      task: ref.id,
      notBefore: 5,
    });
    expect(decodeDelivery(encodeDelivery(delivery))).toEqual(delivery);
  });

  test.each([
    '',
    'x',
    '{}',
    'null',
    '[]',
    '{"owner":{"issuer":"i"},"task":"x","notBefore":1}',
    '{"owner":{"issuer":"i","subject":"s"},"task":"x","notBefore":1}',
  ])('that is none of ours is no delivery: %s [SEC-3]', (body) => {
    expect(decodeDelivery(body)).toBeUndefined();
  });

  test.each(['5', 'null', '""', '["t"]', '{}', '"\\ud800"'])(
    'whose owner has the tenant %s is no delivery: without it, it would be another owner’s [SEC-3 SEC-7]',
    (tenant) => {
      const body = (json: string) =>
        `{"format":1,"owner":{"issuer":"i","subject":"s"${json}},"task":"${ref.id}","notBefore":1}`;

      expect(decodeDelivery(body(',"tenant":"t"'))).toBeDefined();
      expect(decodeDelivery(body(`,"tenant":${tenant}`))).toBeUndefined();
    },
  );
});
