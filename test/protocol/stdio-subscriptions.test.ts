/** `subscriptions/listen` with task ids over stdio: what is acknowledged, what is shown, when it ends, and what is refused. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { TaskError } from '../../src/domain/errors.ts';
import { asTaskId } from '../../src/domain/task-id.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { cancel } from '../../src/runtime/queues/deliveries.ts';
import { createWaiting, greet } from '../support/hostile-world.ts';
import { credentials, SUBSCRIPTION_KEY, VARIABLES_KEY } from '../support/mcp-requests.ts';
import { holdServer } from '../support/mcp-server.ts';
import type { StdioPeer } from '../support/stdio-peer.ts';
import { gist, gists, STDIO_OWNER, type StdioWorld, settle, stdioWorld } from '../support/stdio-world.ts';

let world: StdioWorld;

beforeEach(() => {
  world = stdioWorld();
});

afterEach(() => world.closeAll());

const listen = (peer: StdioPeer, id: string | number, taskIds: unknown, others: object = {}) =>
  peer.request(id, 'subscriptions/listen', { notifications: { taskIds, ...others } });

async function expectNothingLeft(): Promise<void> {
  await settle();
  expect([world.listeners, world.clock.pendingTimers]).toEqual([0, 0]);
}

describe('a subscription over stdio', () => {
  test('acknowledges, shows the task, and ends, each in the form of the wire [MOD-3 DX-4]', async () => {
    const { peer } = world.connect();
    const taskId = await peer.createTask('greet', { name: 'Ada' });
    listen(peer, 'a', [taskId]);
    const beginning = [await peer.next(), await peer.next()];

    await peer.result('tasks/cancel', { taskId });

    expect(beginning).toEqual([
      {
        jsonrpc: '2.0',
        method: 'notifications/subscriptions/acknowledged',
        params: { notifications: { taskIds: [taskId] }, _meta: { [SUBSCRIPTION_KEY]: 'a' } },
      },
      {
        jsonrpc: '2.0',
        method: 'notifications/tasks',
        params: {
          taskId,
          status: 'working',
          createdAt: '2100-01-01T00:00:00.000Z',
          lastUpdatedAt: '2100-01-01T00:00:00.000Z',
          ttlMs: 172_800_000,
          pollIntervalMs: 200,
          _meta: { [SUBSCRIPTION_KEY]: 'a' },
        },
      },
    ]);
    expect(gist(await peer.next())).toEqual([taskId, 'cancelled']);
    expect(await peer.next()).toEqual({
      jsonrpc: '2.0',
      id: 'a',
      result: { resultType: 'complete', _meta: { [SUBSCRIPTION_KEY]: 'a' } },
    });
    await expectNothingLeft();
  });

  test('acknowledges what is there and the client’s, and leaves out the rest alike [MOD-3 I6 DX-4]', async () => {
    const { peer } = world.connect();
    const foreign = await world.as(credentials('bob')).createTask('greet', { name: 'Bob' });
    const mine = await peer.createTask('greet', { name: 'Ada' });
    await peer.result('tasks/cancel', { taskId: mine });

    listen(peer, 1, [foreign, mine, '0'.repeat(44), 'nope', mine]);

    expect(await gists(peer, 3)).toEqual([{ taskIds: [mine] }, [mine, 'cancelled'], [1, 'end']]);
  });

  test.each([[[]], [['nope']]])('to no task at all ends at once: %j [MOD-3 DX-4]', async (taskIds) => {
    const { peer } = world.connect();

    listen(peer, 1, taskIds);

    expect(await gists(peer, 2)).toEqual([{ taskIds: [] }, [1, 'end']]);
    await expectNothingLeft();
  });

  test('shows what a task asks, and its variables [MOD-3 LIFE-5 DX-4]', async () => {
    const { peer } = world.connect();
    const waiting = await createWaiting(world, peer);
    const kept = await peer.createTask('keep_all', { city: 'Oslo' });
    await world.runDue();

    listen(peer, 1, [waiting.taskId, kept]);
    await peer.next();
    const shown = [await peer.next(), await peer.next()].map(({ params }) => params ?? {});
    const of = (taskId: string) => shown.find((params) => params['taskId'] === taskId);

    const { form, roots, sampling } = waiting;
    expect(Object.keys(of(waiting.taskId)?.['inputRequests'] as object)).toEqual([form, roots, sampling]);
    expect(of(kept)?.['_meta']).toEqual({ [SUBSCRIPTION_KEY]: 1, [VARIABLES_KEY]: { city: 'Oslo' } });
  });

  test('carries what else was asked for, and goes on with that when the tasks have ended [MOD-3 DX-4]', async () => {
    const { peer, served } = world.connect();
    const taskId = await peer.createTask('greet', { name: 'Ada' });
    listen(peer, 1, [taskId], { toolsListChanged: true });
    const beginning = await gists(peer, 2);

    await peer.result('tasks/cancel', { taskId });
    served[0]?.sendToolListChanged();

    expect(beginning).toEqual([{ toolsListChanged: true, taskIds: [taskId] }, [taskId, 'working']]);
    const rest = await gists(peer, 2);
    expect(rest).toContainEqual([taskId, 'cancelled']);
    expect(rest).toContain('notifications/tools/list_changed');
  });

  test('that the client cancels says nothing any more, and leaves no listener and no timer [MOD-3 DX-4]', async () => {
    const { peer, served } = world.connect();
    const taskId = await peer.createTask('greet', { name: 'Ada' });
    listen(peer, 1, [taskId], { toolsListChanged: true });
    await gists(peer, 2);

    peer.send({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await peer.result('tasks/cancel', { taskId });
    served[0]?.sendToolListChanged();

    await expectNothingLeft();
    expect(peer.untaken).toEqual([]);
  });

  test('that the client cancels before it is acknowledged is not acknowledged any more [MOD-3 DX-4]', async () => {
    const { peer } = world.connect();
    const taskId = await peer.createTask('greet', { name: 'Ada' });

    listen(peer, 1, [taskId]);
    peer.send({ method: 'notifications/cancelled', params: { requestId: 1 } });

    await expectNothingLeft();
    expect(peer.untaken).toEqual([]);
  });

  test.each([{}, { toolsListChanged: true }])(
    'ends once when the server drains and closes: %j [MOD-3 DX-4]',
    async (others) => {
      const { peer, endpoint } = world.connect();
      const taskId = await peer.createTask('greet', { name: 'Ada' });
      listen(peer, 1, [taskId], others);
      await gists(peer, 2);

      await world.server.drain();
      await endpoint.close();
      await settle();

      expect(peer.untaken.map(gist)).toEqual([[1, 'end']]);
      await expectNothingLeft();
    },
  );

  test('that has just ended is not ended once more by a connection that closes [DX-4]', async () => {
    const { peer, endpoint } = world.connect();
    const taskId = await peer.createTask('greet', { name: 'Ada' });
    listen(peer, 1, [taskId]);
    await gists(peer, 2);
    await settle();
    // What the client sends now waits for the store, and what the server says of the first subscription behind it.
    const get = jest.spyOn(world.server.store, 'get').mockReturnValue(new Promise(() => {}));
    listen(peer, 2, [taskId]);
    await settle();
    get.mockRestore();
    const stored = await world.server.store.get({ owner: STDIO_OWNER, id: asTaskId(taskId) });
    await cancel(
      { store: world.server.store, queue: world.queue, logger: silentLogger },
      stored.task,
      'Cancelled elsewhere.',
    );
    expect(await gists(peer, 2)).toEqual([
      [taskId, 'cancelled'],
      [1, 'end'],
    ]);

    await endpoint.close();
    await settle();

    expect(peer.untaken.map(gist)).toEqual([[2, 'end']]);
  });

  test('that the SDK alone serves ends with the connection, too [DX-4]', async () => {
    const { peer, endpoint } = world.connect();
    peer.request(7, 'subscriptions/listen', { notifications: { toolsListChanged: true } });
    expect(gist(await peer.next())).toEqual({ toolsListChanged: true });

    await endpoint.close();
    await settle();

    expect(peer.untaken.map(gist)).toEqual([[7, 'end']]);
  });

  test('whose tasks cannot be read any more is answered with the reason, and may be asked for anew [MOD-3 DX-4]', async () => {
    const { peer } = world.connect();
    const taskId = await peer.createTask('greet', { name: 'Ada' });
    listen(peer, 1, [taskId]);
    await gists(peer, 2);
    const get = jest.spyOn(world.server.store, 'get');
    get.mockRejectedValue(new TaskError('unavailable', 'Storage did not answer.'));

    await world.clock.advance(1000);
    const end = await peer.next();
    get.mockRestore();
    listen(peer, 1, [taskId]);

    expect([end.id, end.error]).toMatchObject([1, { code: -32000, message: 'Storage did not answer.' }]);
    expect(await gists(peer, 2)).toEqual([{ taskIds: [taskId] }, [taskId, 'working']]);
  });

  test('whose tasks cannot be read any more is over, with all else that it listened to [DX-4]', async () => {
    const { peer, served } = world.connect();
    listen(peer, 1, [await peer.createTask('greet', { name: 'Ada' })], { toolsListChanged: true });
    await gists(peer, 2);
    jest.spyOn(world.server.store, 'get').mockRejectedValue(new TaskError('unavailable', 'Storage did not answer.'));
    await world.clock.advance(1000);
    const end = gist(await peer.next());

    served[0]?.sendToolListChanged();

    await expectNothingLeft();
    expect([end, peer.untaken]).toEqual([[1, -32000], []]);
  });

  test('under an id that is in use takes the place of the one before [DX-4]', async () => {
    const { peer } = world.connect();
    const [first, second] = [
      await peer.createTask('greet', { name: 'A' }),
      await peer.createTask('greet', { name: 'B' }),
    ];
    listen(peer, 1, [first]);
    await gists(peer, 2);

    listen(peer, 1, [second]);
    await gists(peer, 2);
    await peer.result('tasks/cancel', { taskId: first });
    await peer.result('tasks/cancel', { taskId: second });

    expect(await gists(peer, 2)).toEqual([
      [second, 'cancelled'],
      [1, 'end'],
    ]);
    await expectNothingLeft();
    expect(peer.untaken).toEqual([]);
  });

  test('notices what another process does, by looking [MOD-3 DX-4]', async () => {
    const { peer } = world.connect();
    const taskId = await peer.createTask('greet', { name: 'Ada' });
    listen(peer, 1, [taskId]);
    await gists(peer, 2);
    const other = holdServer([greet], { backend: world.backend, clock: world.clock, resolveOwner: () => STDIO_OWNER });
    await other.peer.result('tasks/cancel', { taskId });

    await world.clock.advance(1000);

    expect(await gists(peer, 2)).toEqual([
      [taskId, 'cancelled'],
      [1, 'end'],
    ]);
  });
});

describe('a subscription over stdio that is not allowed', () => {
  test.each([
    ['task ids that are none', { taskIds: 'abc' }, {}, -32602],
    ['101 task ids', { taskIds: Array.from({ length: 101 }, () => 'x') }, {}, -32602],
    ['a wrong filter beside task ids', { taskIds: [], toolsListChanged: 'yes' }, {}, -32602],
    [
      'a version that is not spoken',
      { taskIds: [] },
      { 'io.modelcontextprotocol/protocolVersion': '2099-01-01' },
      -32022,
    ],
    ['no capabilities', { taskIds: [] }, { 'io.modelcontextprotocol/clientCapabilities': undefined }, -32602],
  ])('is refused with %s [MOD-3 SEC-3 DX-4]', async (_what, notifications, meta, code) => {
    const { peer } = world.connect();
    await peer.result('tools/list');

    const { error } = await peer.ask('subscriptions/listen', { notifications, _meta: meta });

    expect(error?.code).toBe(code);
    await expectNothingLeft();
  });

  test('is refused without the extension, and says which capability it takes [MOD-3 DX-4]', async () => {
    const { peer } = world.connect({ declares: false });

    const { error } = await peer.ask('subscriptions/listen', { notifications: { taskIds: [] } });

    expect(error).toMatchObject({
      code: -32021,
      data: { requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } },
    });
  });

  test('is the 21st of an owner, over whatever wire; a place is free again when one ends [MOD-3 SEC-3 DX-4]', async () => {
    const { peer } = world.connect();
    const taskId = await peer.createTask('greet', { name: 'Ada' });
    for (let id = 1; id <= 20; id += 1) listen(peer, id, [taskId]);
    await gists(peer, 40);

    const refused = await peer.ask('subscriptions/listen', { notifications: { taskIds: [taskId] } });
    const overHttp = await world.as(undefined).ask('subscriptions/listen', { notifications: { taskIds: [taskId] } });
    peer.send({ method: 'notifications/cancelled', params: { requestId: 3 } });
    listen(peer, 'next', [taskId]);

    expect([refused.error?.code, overHttp.message?.error?.code]).toEqual([-32000, -32000]);
    expect(await gists(peer, 2)).toEqual([{ taskIds: [taskId] }, [taskId, 'working']]);
  });

  test('is unknown to a connection of the 2025 era [DX-4]', async () => {
    const { peer } = world.connect({ era: '2025-11-25' });
    await peer.initialize();

    const { error } = await peer.ask('subscriptions/listen', { notifications: { taskIds: [] } });

    expect(error?.code).toBe(-32601);
  });
});
