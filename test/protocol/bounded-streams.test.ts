/** How long streams stay open, that they end in good order, and that who listens anew misses nothing. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { McpServer } from '../../src/protocol/sdk.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { greet } from '../support/hostile-world.ts';
import { SUBSCRIPTION_KEY } from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

const createServer = () =>
  new McpServer({ name: 'own', version: '1.0.0' }, { capabilities: { tools: { listChanged: true } } });
const plain = defineTaskTool({ ...greet, name: 'plain' });

let held: HeldServer;

beforeEach(() => {
  held = holdServer([greet, plain], { createServer });
});

const create = () => held.peer.createTask('greet', { name: 'Ada' });
const end = (id: string | number) => ({
  jsonrpc: '2.0',
  id,
  result: { resultType: 'complete', _meta: { [SUBSCRIPTION_KEY]: id } },
});

async function expectNothingLeft(): Promise<void> {
  await held.clock.advance(0);
  expect(held.clock.pendingTimers).toBe(0);
}

describe('a stream', () => {
  test.each([
    ['of tasks', {}],
    ['of tasks and of other changes', { toolsListChanged: true }],
  ])('%s ends after five minutes, with the result that ends it on its own [MOD-3 AWS-9]', async (_of, others) => {
    const stream = await held.peer.listen({ taskIds: [await create()], ...others }, { message: { id: 'mine' } });
    await stream.message();
    await stream.message();

    await held.clock.advance(299_999);
    const before = await stream.next();
    await held.clock.advance(1);

    expect(before).toBe('keep-alive');
    expect(await stream.rest()).toEqual([end('mine')]);
    await expectNothingLeft();
  });

  test('of other changes alone does so too [AWS-9]', async () => {
    const stream = await held.peer.listen({ toolsListChanged: true });
    await stream.message();

    await held.clock.advance(300_000);

    expect(await stream.rest()).toEqual([end(1)]);
    await expectNothingLeft();
  });

  test('ends as soon as it is told to, read or not, and leaves a place for another [MOD-3 AWS-9]', async () => {
    held = holdServer([greet], { maxStreamSeconds: 10 });
    const taskIds = [await create()];
    const streams = await Promise.all(Array.from({ length: 20 }, () => held.peer.listen({ taskIds })));
    const refused = await held.peer.ask('subscriptions/listen', { notifications: { taskIds } });

    await held.clock.advance(10_000);
    const another = await held.peer.listen({ taskIds });

    expect(refused.message?.error?.message).toContain('already 20 subscriptions');
    expect((await another.message()).method).toBe('notifications/subscriptions/acknowledged');
    for (const stream of streams) expect((await stream.rest()).at(-1)).toEqual(end(1));
    await another.leave();
    await expectNothingLeft();
  });

  test('that is opened anew shows what has happened in between [MOD-3 AWS-9 I1]', async () => {
    const taskId = await create();
    const stream = await held.peer.listen({ taskIds: [taskId] });
    await held.clock.advance(300_000);
    const first = await stream.rest();
    await held.runDue();

    const second = await (await held.peer.listen({ taskIds: [taskId] })).rest();

    expect(first.map(({ params }) => params?.['status'])).toEqual([undefined, 'working', undefined]);
    expect(second.map(({ params }) => params?.['status'])).toEqual([undefined, 'completed', undefined]);
  });

  test('whose tasks end before leaves no timer behind [MOD-3 AWS-9]', async () => {
    const taskId = await create();
    const stream = await held.peer.listen({ taskIds: [taskId] });
    await held.peer.result('tasks/cancel', { taskId });

    expect(await stream.rest()).toHaveLength(4);
    await expectNothingLeft();
  });

  test('stays open for as long as its tasks go on where there is no bound [MOD-3]', async () => {
    held = holdServer([greet], { maxStreamSeconds: null });
    const stream = await held.peer.listen({ taskIds: [await create()] });
    await stream.message();
    await stream.message();

    await held.clock.advance(3_600_000);

    expect(await stream.next()).toBe('keep-alive');
    await stream.leave();
  });
});

test('a call that is kept open is answered by then [MOD-6 AWS-9]', async () => {
  held = holdServer([plain], { maxStreamSeconds: 10 });
  let isAnswered = false;
  const call = held.peer.call('plain', { name: 'Ada' }, { declares: false }).finally(() => {
    isAnswered = true;
  });
  await held.queue.filled();

  await held.clock.advance(9999);
  expect(isAnswered).toBe(false);
  await held.clock.advance(1);

  expect((await call).message?.result).toMatchObject({
    content: [{ text: expect.stringContaining('goes on as task') }],
  });
});

test.each([0, 0.5, -1, 86_401, Number.NaN])('a bound of %j seconds is refused [AWS-9]', (maxStreamSeconds) => {
  expect(() => holdServer([greet], { maxStreamSeconds })).toThrow('maxStreamSeconds must be from 1 to 86400, or null');
});
