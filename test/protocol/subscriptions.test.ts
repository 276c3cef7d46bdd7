/** `subscriptions/listen` with task ids: what is acknowledged, what is shown, and when a stream ends. */
import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { TaskError } from '../../src/domain/errors.ts';
import { McpServer } from '../../src/protocol/sdk.ts';
import { ask, createWaiting, greet, keepAll, shortLived } from '../support/hostile-world.ts';
import {
  credentials,
  DEEP,
  type EventReader,
  type RpcMessage,
  SUBSCRIPTION_KEY,
  VARIABLES_KEY,
  withDeep,
} from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

let held: HeldServer;
/** Those who wait for changes of tasks. */
let listeners: number;

beforeEach(() => {
  const createServer = () =>
    new McpServer({ name: 'own', version: '1.0.0' }, { capabilities: { tools: { listChanged: true } } });
  held = holdServer([greet, ask, keepAll, shortLived], { createServer });
  const { store } = held.server;
  const onChange = store.onChange.bind(store);
  listeners = 0;
  jest.spyOn(store, 'onChange').mockImplementation((listener, taskId) => {
    const stop = onChange(listener, taskId);
    let listening = true;
    listeners += 1;
    return () => {
      if (listening) listeners -= 1;
      listening = false;
      stop();
    };
  });
});

const create = () => held.peer.createTask('greet', { name: 'Ada' });
const cancel = (taskId: string) => held.peer.result('tasks/cancel', { taskId });
const listen = (taskIds: unknown, others: object = {}) => held.peer.listen({ taskIds, ...others });

/** What a message says, in short. */
function gist({ method, params, result }: RpcMessage): unknown {
  if (result !== undefined) return 'end';
  return method === 'notifications/tasks' ? [params?.['taskId'], params?.['status']] : params?.['notifications'];
}

async function gists(stream: EventReader): Promise<unknown[]> {
  return (await stream.rest()).map(gist);
}

async function expectNothingLeft(): Promise<void> {
  await held.clock.advance(0);
  expect([listeners, held.clock.pendingTimers]).toEqual([0, 0]);
}

describe('a subscription', () => {
  test('acknowledges, shows the task, and ends, each in the form of the wire [MOD-3]', async () => {
    const taskId = await create();
    await cancel(taskId);

    const messages = await (await listen([taskId])).rest();

    expect(messages).toEqual([
      {
        jsonrpc: '2.0',
        method: 'notifications/subscriptions/acknowledged',
        params: { notifications: { taskIds: [taskId] }, _meta: { [SUBSCRIPTION_KEY]: 1 } },
      },
      {
        jsonrpc: '2.0',
        method: 'notifications/tasks',
        params: {
          taskId,
          status: 'cancelled',
          statusMessage: 'Cancelled by the client.',
          createdAt: '2100-01-01T00:00:00.000Z',
          lastUpdatedAt: '2100-01-01T00:00:00.000Z',
          ttlMs: 172_800_000,
          pollIntervalMs: 200,
          _meta: { [SUBSCRIPTION_KEY]: 1 },
        },
      },
      {
        jsonrpc: '2.0',
        id: 1,
        result: { resultType: 'complete', _meta: expect.objectContaining({ [SUBSCRIPTION_KEY]: 1 }) },
      },
    ]);
    await expectNothingLeft();
  });

  test('acknowledges what is there and the caller’s, once, and leaves out the rest alike [MOD-3 I6]', async () => {
    const foreign = await held.as(credentials('bob')).createTask('greet', { name: 'Bob' });
    const expired = await held.peer.createTask('short_lived');
    await held.clock.advance(2001);
    const mine = await create();
    await cancel(mine);

    const stream = await listen([foreign, mine, '0'.repeat(44), 'nope', '', mine, expired]);

    expect(await gists(stream)).toEqual([{ taskIds: [mine] }, [mine, 'cancelled'], 'end']);
  });

  test.each([[[]], [['nope']]])('to no task at all ends at once: %j [MOD-3]', async (taskIds) => {
    expect(await gists(await listen(taskIds))).toEqual([{ taskIds: [] }, 'end']);
    await expectNothingLeft();
  });

  test('shows every change, with what the new status carries, until the task has ended [MOD-3]', async () => {
    const { taskId, form, roots, sampling } = await createWaiting(held, held.peer);
    const stream = await listen([taskId]);
    await stream.message();

    const asking = await stream.message();
    await held.peer.result('tasks/update', { taskId, inputResponses: { [roots]: { roots: [] } } });
    const askingLess = await stream.message();
    await held.peer.result('tasks/update', {
      taskId,
      inputResponses: {
        [form]: { action: 'decline' },
        [sampling]: { role: 'assistant', content: { type: 'text', text: 'Hi' }, model: 'm' },
      },
    });
    const working = await stream.message();
    await held.runDue();
    const rest = await stream.rest();

    expect(Object.keys(asking.params?.['inputRequests'] as object)).toEqual([form, roots, sampling]);
    expect(Object.keys(askingLess.params?.['inputRequests'] as object)).toEqual([form, sampling]);
    expect(working.params).toMatchObject({ status: 'working' });
    expect(working.params).not.toHaveProperty('inputRequests');
    expect(rest.map(gist)).toEqual([[taskId, 'completed'], 'end']);
    expect(rest[0]?.params?.['result']).toMatchObject({ resultType: 'complete', content: [{ type: 'text' }] });
    await expectNothingLeft();
  });

  test('shows variables beside the subscription’s id [MOD-3 LIFE-5]', async () => {
    const taskId = await held.peer.createTask('keep_all', { city: 'Oslo', _internal: 1 });
    await held.runDue();

    const shown = (await (await listen([taskId])).rest())[1];

    expect(shown?.params?.['_meta']).toEqual({ [SUBSCRIPTION_KEY]: 1, [VARIABLES_KEY]: { city: 'Oslo' } });
  });

  test('says nothing of a change that no client can see, such as a run’s lease [MOD-3]', async () => {
    const taskId = await create();
    const stream = await listen([taskId]);
    await stream.message();
    await stream.message();

    await held.runDue();

    expect(await gists(stream)).toEqual([[taskId, 'completed'], 'end']);
  });

  test('to several tasks ends with the last of them [MOD-3]', async () => {
    const [first, second] = [await create(), await create()];
    const stream = await listen([first, second]);
    const beginning = [await stream.message(), await stream.message(), await stream.message()].map(gist);

    await cancel(second);
    const middle = gist(await stream.message());
    await cancel(first);

    expect(beginning).toEqual([{ taskIds: [first, second] }, [first, 'working'], [second, 'working']]);
    expect(middle).toEqual([second, 'cancelled']);
    expect(await gists(stream)).toEqual([[first, 'cancelled'], 'end']);
    await expectNothingLeft();
  });

  test('notices what another process does, by looking [MOD-3]', async () => {
    const taskId = await create();
    const stream = await listen([taskId]);
    await stream.message();
    await stream.message();
    const other = holdServer([greet], { backend: held.backend, clock: held.clock });
    await other.peer.result('tasks/cancel', { taskId });

    await held.clock.advance(1000);

    expect(await gists(stream)).toEqual([[taskId, 'cancelled'], 'end']);
  });

  test('notices the run deadline, and the end of a task that has gone [MOD-3 LIFE-3]', async () => {
    const taskId = await held.peer.createTask('short_lived');
    const stream = await listen([taskId]);

    await held.clock.advance(1000);

    expect(await gists(stream)).toEqual([{ taskIds: [taskId] }, [taskId, 'working'], [taskId, 'failed'], 'end']);
  });

  test('is kept alive every 15 seconds, and no longer than it is open [MOD-3]', async () => {
    const taskId = await create();
    const stream = await listen([taskId]);
    await stream.message();
    await stream.message();

    await held.clock.advance(15_000);
    const first = await stream.next();
    await held.clock.advance(15_000);
    const second = await stream.next();
    await cancel(taskId);

    expect([first, second]).toEqual(['keep-alive', 'keep-alive']);
    expect(await gists(stream)).toEqual([[taskId, 'cancelled'], 'end']);
    await expectNothingLeft();
  });

  test('carries what else was asked for, and then goes on when the tasks have ended [MOD-3]', async () => {
    const taskId = await create();
    const stream = await listen([taskId], { toolsListChanged: true });
    const beginning = [gist(await stream.message()), gist(await stream.message())];

    await cancel(taskId);
    const ended = gist(await stream.message());
    await held.clock.advance(15_000);
    const afterwards = await stream.next();
    await stream.leave();

    expect(beginning).toEqual([{ toolsListChanged: true, taskIds: [taskId] }, [taskId, 'working']]);
    expect([ended, afterwards]).toEqual([[taskId, 'cancelled'], 'keep-alive']);
    await expectNothingLeft();
  });

  test.each([{}, { toolsListChanged: true }])('ends when the server drains: %j [MOD-3]', async (others) => {
    const taskId = await create();
    const stream = await listen([taskId], others);
    await stream.message();
    await stream.message();

    await held.server.drain();

    expect(await gists(stream)).toEqual(['end']);
    await expectNothingLeft();
  });

  test.each([{}, { toolsListChanged: true }])(
    'ends when its tasks cannot be read any more: %j [MOD-3]',
    async (others) => {
      const stream = await listen([await create()], others);
      await stream.message();
      await stream.message();
      jest.spyOn(held.server.store, 'get').mockRejectedValue(new TaskError('unavailable', 'Storage did not answer.'));

      await held.clock.advance(1000);

      expect(await gists(stream)).toEqual([]);
      await expectNothingLeft();
    },
  );
});

describe('several subscriptions', () => {
  test('each show the changes of their own tasks, under their own id [MOD-3]', async () => {
    const [first, second] = [await create(), await create()];
    const asked = (id: string, taskIds: string[]) => held.peer.listen({ taskIds }, { message: { id } });
    const streams = [await asked('a', [first]), await asked('b', [first, second]), await asked('c', [second])];

    await cancel(first);
    await cancel(second);

    const shown = await Promise.all(streams.map((stream) => stream.rest()));
    const endings = shown.map((messages) =>
      messages.flatMap(({ params }) => (params?.['status'] === 'cancelled' ? [params] : [])),
    );
    expect(endings.map((all) => all.map((params) => params['taskId'] as string).toSorted())).toEqual([
      [first],
      [first, second],
      [second],
    ]);
    expect(
      endings.map((all) => [...new Set(all.map((params) => (params['_meta'] as object)[SUBSCRIPTION_KEY as never]))]),
    ).toEqual([['a'], ['b'], ['c']]);
    await expectNothingLeft();
  });

  test('of other owners see nothing of each other [MOD-3 I6]', async () => {
    const mine = await create();
    const bob = held.as(credentials('bob'));
    const theirs = await bob.createTask('greet', { name: 'Bob' });
    const stream = await bob.listen({ taskIds: [mine, theirs] });

    await cancel(mine);
    await bob.result('tasks/cancel', { taskId: theirs });

    const shown = await gists(stream);
    expect(shown[0]).toEqual({ taskIds: [theirs] });
    expect(JSON.stringify(shown)).not.toContain(mine);
  });
});

describe('a client that leaves', () => {
  test('by cancelling the stream leaves no listener and no timer behind [MOD-3]', async () => {
    const stream = await listen([await create(), await create()]);
    await stream.message();
    await stream.message();
    expect(listeners).toBe(2);

    await stream.leave();

    await expectNothingLeft();
  });

  test('by closing its connection leaves no listener and no timer behind [MOD-3]', async () => {
    const client = new AbortController();
    const stream = await held.peer.listen({ taskIds: [await create()] }, { signal: client.signal });
    await stream.message();

    client.abort();

    await stream.rest();
    await expectNothingLeft();
  });

  test('before reading anything leaves no listener and no timer behind [MOD-3]', async () => {
    const stream = await listen([await create()], { toolsListChanged: true });

    await stream.leave();

    await expectNothingLeft();
  });
});

describe('a subscription that is not allowed', () => {
  const BAD_IDS = 'notifications.taskIds must be an array of at most 100 task ids.';

  test.each([
    ['a string', 'abc'],
    ['a number', 5],
    ['null', null],
    ['an object', {}],
    ['an array of numbers', [5]],
    ['101 ids', Array.from({ length: 101 }, () => 'x')],
  ])('%s for task ids is refused [MOD-3 SEC-3]', async (_what, taskIds) => {
    const { status, message } = await held.peer.ask('subscriptions/listen', { notifications: { taskIds } });

    expect([status, message]).toEqual([200, { jsonrpc: '2.0', id: 1, error: { code: -32602, message: BAD_IDS } }]);
    await expectNothingLeft();
  });

  test('is refused without the extension, and says which capability it takes [MOD-3]', async () => {
    const { status, message } = await held.peer.ask(
      'subscriptions/listen',
      { notifications: { taskIds: [await create()] } },
      { declares: false },
    );

    expect([status, message?.error]).toMatchObject([
      400,
      { code: -32021, data: { requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } } },
    ]);
    await expectNothingLeft();
  });

  test('does not keep a client without the extension from listening to other things [MOD-3]', async () => {
    const stream = await held.peer.listen({ toolsListChanged: true }, { declares: false });

    expect(gist(await stream.message())).toEqual({ toolsListChanged: true });
    await stream.leave();
  });

  test.each([
    ['no filter', {}, {}, 200, -32602],
    ['a filter of another type', { notifications: 5 }, {}, 200, -32602],
    ['a wrong filter beside task ids', { notifications: { taskIds: [], toolsListChanged: 'yes' } }, {}, 200, -32602],
    [
      'another method in the header',
      { notifications: { taskIds: [] } },
      { headers: { 'mcp-method': 'tools/list' } },
      400,
      -32020,
    ],
    [
      'another method in the body',
      { notifications: { taskIds: [] } },
      { message: { method: 'tools/list' } },
      400,
      -32020,
    ],
    ['no id', { notifications: { taskIds: [] } }, { message: { id: null } }, 400, -32600],
    ['cut-off JSON', {}, { body: (text: string) => text.slice(0, -3) }, 400, -32700],
    ['too large a body', { junk: 'x'.repeat(6 * 1024 * 1024) }, {}, 413, -32000],
  ])('is refused with %s [MOD-3 SEC-3]', async (_what, params, changes, status, code) => {
    const answer = await held.peer.ask('subscriptions/listen', params, changes);

    expect([answer.status, answer.message?.error?.code]).toEqual([status, code]);
    await expectNothingLeft();
  });

  test.each([100, 10_000, 100_000])('takes no harm from junk nested %i deep [MOD-3 SEC-3]', async (depth) => {
    const stream = await held.peer.listen({ taskIds: [] }, { meta: { junk: DEEP }, body: withDeep(depth) });

    expect(await gists(stream)).toEqual([{ taskIds: [] }, 'end']);
  });
});
