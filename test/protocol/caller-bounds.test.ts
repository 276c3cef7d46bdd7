/** How much one caller can make the server keep, hold open or go through. */
import { describe, expect, jest, test } from '@jest/globals';
import * as z from 'zod';
import { findJsonFault } from '../../src/domain/json.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { ask, createWaiting, greet } from '../support/hostile-world.ts';
import { credentials, type EventReader, type Json } from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

const forms = defineTaskTool({
  name: 'forms',
  description: 'Asks for many forms at once.',
  inputSchema: z.object({ count: z.number(), words: z.number() }),
  run: async ({ count, words }, task) => {
    const message = 'Please. '.repeat(words);
    const requestedSchema = { type: 'object', properties: { name: { type: 'string' } } } as const;
    await Promise.all(Array.from({ length: count }, () => task.elicit({ message, requestedSchema })));
    return { content: [] };
  },
});

/** Of the task's own record, which each poll reads. */
async function headBytes(held: HeldServer, taskId: string): Promise<number> {
  for (const [place, text] of await held.stored()) {
    const [partition, id] = JSON.parse(place) as [string, string];
    if (id === taskId && partition.startsWith('["tasks"')) return Buffer.byteLength(text);
  }
  throw new Error('no head');
}

describe('a task that asks for much at once', () => {
  test.each([
    ['short', 1],
    ['long', 30],
    ['very long', 300],
  ])(
    'keeps its head small with ten %s forms outstanding, all of which are shown [I10 EXEC-3]',
    async (_what, words) => {
      const held = holdServer([forms]);
      const taskId = await held.peer.createTask('forms', { count: 10, words });
      await held.runDue();

      const { status, inputRequests } = await held.peer.task(taskId);

      expect([status, Object.keys(inputRequests ?? {}).length]).toEqual(['input_required', 10]);
      expect(await headBytes(held, taskId)).toBeLessThan(4096);
    },
  );

  test('may ask for any number of things: 64 are shown, and the rest when those are answered [EXEC-3 EXEC-18 MOD-4]', async () => {
    const held = holdServer([forms]);
    const taskId = await held.peer.createTask('forms', { count: 65, words: 1 });
    for (const shown of [64, 1]) {
      await held.runDue();
      const { inputRequests } = await held.peer.task(taskId);
      const inputResponses = Object.fromEntries(
        Object.keys(inputRequests ?? {}).map((key) => [key, { action: 'decline' }]),
      );
      expect(Object.keys(inputResponses)).toHaveLength(shown);
      await held.peer.result('tasks/update', { taskId, inputResponses });
    }

    await held.runDue();
    expect(await held.peer.task(taskId)).toMatchObject({ status: 'completed' });
  });
});

test('a task of a tool that says nothing may be polled as often as fits its age, and its runs may crash five times [EXEC-4 I10]', async () => {
  const held = holdServer([greet]);
  await held.peer.createTask('greet', { name: 'Ada' });

  const { tasks } = await held.server.store.list({ issuer: 'unspecified', subject: 'client alice' }, { limit: 1 });

  expect(tasks).toMatchObject([{ pollIntervalMs: 0, maxAttempts: 5 }]);
});

test('one caller may have a hundred tasks that have not ended, and others theirs beside them [LIFE-8 I6]', async () => {
  const held = holdServer([greet]);
  const create = (peer = held.peer) => peer.call('greet', { name: 'Ada' });
  for (let count = 1; count <= 100; count += 1) expect((await create()).message).not.toHaveProperty('error');

  expect((await create()).message).toMatchObject({ error: { data: { limit: 100 } } });
  expect((await create(held.as(credentials('bob')))).message).not.toHaveProperty('error');
});

describe('an update that is refused', () => {
  test('stores nothing of the large answer that was right [MOD-4 I8]', async () => {
    const held = holdServer([ask]);
    const { taskId, form, roots } = await createWaiting(held, held.peer);
    const right: Json = { action: 'accept', content: { approved: true, note: 'y'.repeat(60_000) } };
    const before = await held.stored();

    for (const wrong of [{ roots: 'none' }, { nonsense: 1 }, 'no object']) {
      const { message } = await held.peer.ask('tasks/update', {
        taskId,
        inputResponses: { [form]: right, [roots]: wrong },
      });
      expect(message).toMatchObject({ error: { code: -32602, data: { key: roots } } });
    }

    expect(await held.stored()).toEqual(before);
    await held.peer.result('tasks/update', { taskId, inputResponses: { [form]: right } });
    expect((await held.stored()).size).toBe(before.size + 1);
  });
});

describe('streams of one caller', () => {
  const LIMIT = 20;

  async function fill(held: HeldServer, taskId: string): Promise<EventReader[]> {
    return Promise.all(Array.from({ length: LIMIT }, () => held.peer.listen({ taskIds: [taskId] })));
  }

  const refusal = (held: HeldServer, taskId: string) =>
    held.peer.ask('subscriptions/listen', { notifications: { taskIds: [taskId] } });

  test('are at most 20; one that is closed makes room for another [MOD-3 I6]', async () => {
    const held = holdServer([greet]);
    const taskId = await held.peer.createTask('greet', { name: 'Ada' });
    const streams = await fill(held, taskId);

    expect((await refusal(held, taskId)).message).toMatchObject({
      id: 1,
      error: { code: -32000, message: expect.stringContaining('20 subscriptions') },
    });
    const bobs = await held.as(credentials('bob')).listen({ taskIds: [] });
    expect(await bobs.rest()).toHaveLength(2);

    await streams.pop()?.leave();
    streams.push(await held.peer.listen({ taskIds: [taskId] }));
    expect(await streams.at(-1)?.message()).toMatchObject({ params: { notifications: { taskIds: [taskId] } } });
    expect((await refusal(held, taskId)).message).toHaveProperty('error');
    await Promise.all(streams.map((stream) => stream.leave()));
  });

  test('that have ended with their task, or been refused, take no place [MOD-3]', async () => {
    const held = holdServer([greet]);
    const taskId = await held.peer.createTask('greet', { name: 'Ada' });
    const streams = await fill(held, taskId);
    await refusal(held, taskId);
    await held.peer.result('tasks/cancel', { taskId });
    for (const stream of streams) expect((await stream.rest()).at(-1)).toHaveProperty('result');

    for (const stream of await fill(held, taskId)) expect((await stream.rest()).at(-1)).toHaveProperty('result');
  });

  test('that their client left before they began take no place [MOD-3]', async () => {
    const held = holdServer([greet]);
    const taskId = await held.peer.createTask('greet', { name: 'Ada' });
    const { store } = held.server;
    const get = store.get.bind(store);
    for (let count = 0; count < LIMIT; count += 1) {
      const leaving = new AbortController();
      const spy = jest.spyOn(store, 'get').mockImplementationOnce((ref) => {
        leaving.abort();
        return get(ref);
      });
      const opened = held.peer.open(
        'subscriptions/listen',
        { notifications: { taskIds: [taskId] } },
        { signal: leaving.signal },
      );
      await opened.then((response) => response.body?.cancel()).catch(() => {});
      spy.mockRestore();
    }
    await held.clock.advance(0);

    const stream = await held.peer.listen({ taskIds: [taskId] });

    expect(await stream.message()).toMatchObject({ params: { notifications: { taskIds: [taskId] } } });
    await stream.leave();
  });
});

describe('a stream of one caller', () => {
  test.each([
    ['as often as a client may poll', 7_000, 7_000],
    ['once a second, where that is less', 10, 1_000],
  ])(
    'looks for what other processes do %s, and no more often [MOD-3 I10]',
    async (_often, pollIntervalMs, lookEveryMs) => {
      const held = holdServer([{ ...greet, pollIntervalMs }]);
      const other = holdServer([greet], { backend: held.backend, clock: held.clock });
      const taskId = await held.peer.createTask('greet', { name: 'Ada' });
      const stream = await held.peer.listen({ taskIds: [taskId] });
      await stream.message();
      await stream.message();
      let status: unknown;
      const change = stream.message().then(({ params }) => {
        status = params?.['status'];
      });
      await other.peer.result('tasks/cancel', { taskId });

      await held.clock.advance(lookEveryMs - 1);
      expect(status).toBeUndefined();
      await held.clock.advance(1);

      await change;
      expect(status).toBe('cancelled');
      await stream.leave();
    },
  );
});

describe('six megabytes of JSON in one flat list', () => {
  test('are gone through, and what is wrong is found at its place [SEC-3]', () => {
    const list: unknown[] = Array.from({ length: 3_000_000 }, () => 0);
    expect(findJsonFault({ a: { list } }, { maxDepth: 3 })).toBeUndefined();

    list[2_999_999] = { b: ['', { c: Number.NaN }] };

    expect(findJsonFault({ a: { list } }, { maxDepth: 6 })).toEqual({
      path: 'a.list[2999999].b[1].c',
      problem: 'number is not finite',
    });
    expect(findJsonFault({ a: { list } }, { maxDepth: 3 })).toEqual({
      path: 'a.list[2999999]',
      problem: 'nested deeper than 3',
    });
  });
});
