/**
 * One connection over stdio, seen from the client: both eras, subscriptions to tasks beside those that the SDK serves,
 * answers that are not for the SDK, and whose name it is.
 */
import { PassThrough } from 'node:stream';
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { TaskError } from '../../src/domain/errors.ts';
import { present } from '../../src/present.ts';
import { McpServer } from '../../src/protocol/sdk.ts';
import { openStdioEndpoint, type StdioEndpoint } from '../../src/protocol/stdio-endpoint.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { ask, createWaiting, greet, keepAll } from '../support/hostile-world.ts';
import { credentials, type RpcMessage, SUBSCRIPTION_KEY, VARIABLES_KEY } from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';
import { type PeerOptions, StdioPeer } from '../support/stdio-peer.ts';

const OWNER = { issuer: 'stdio', subject: 'somebody' };

interface Connection {
  readonly peer: StdioPeer;
  readonly endpoint: StdioEndpoint;
  readonly served: McpServer[];
  readonly closed: jest.Mock;
}

let held: HeldServer;
let connections: Connection[];
/** Those who wait for changes of tasks. */
let listeners: number;

beforeEach(() => {
  connections = [];
  held = holdServer([greet, ask, keepAll], {
    resolveOwner: (authInfo) => (authInfo === undefined ? OWNER : { issuer: 'http', subject: authInfo.clientId }),
  });
  const { store } = held.server;
  const onChange = store.onChange.bind(store);
  listeners = 0;
  jest.spyOn(store, 'onChange').mockImplementation((listener) => {
    const stop = onChange(listener);
    let listening = true;
    listeners += 1;
    return () => {
      if (listening) listeners -= 1;
      listening = false;
      stop();
    };
  });
});

afterEach(async () => {
  await Promise.all(connections.map(({ endpoint }) => endpoint.close()));
});

function connect(options: PeerOptions = {}, onAnswer?: (message: object) => Promise<void>): Connection {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const served: McpServer[] = [];
  const closed = jest.fn();
  const endpoint = openStdioEndpoint({
    name: 'held-server',
    version: '1.2.3',
    extension: held.server.extension,
    createServer: () => {
      const server = new McpServer({ name: 'own', version: '1' }, { capabilities: { tools: { listChanged: true } } });
      served.push(server);
      return server;
    },
    stdin,
    stdout,
    logger: silentLogger,
    onClosed: closed,
    ...present({ onAnswer }),
  });
  const connection = { peer: new StdioPeer(stdin, stdout, options), endpoint, served, closed };
  connections.push(connection);
  return connection;
}

const listen = (peer: StdioPeer, id: string | number, taskIds: unknown, others: object = {}) =>
  peer.request(id, 'subscriptions/listen', { notifications: { taskIds, ...others } });

/** What a message says, in short. */
function gist({ method, params, result, error, id }: RpcMessage): unknown {
  if (error !== undefined) return [id, error.code];
  if (result !== undefined) return [id, 'end'];
  if (method === 'notifications/tasks') return [params?.['taskId'], params?.['status']];
  return method === 'notifications/subscriptions/acknowledged' ? params?.['notifications'] : method;
}

async function gists(peer: StdioPeer, count: number): Promise<unknown[]> {
  const seen: unknown[] = [];
  while (seen.length < count) seen.push(gist(await peer.next()));
  return seen;
}

/** Time for whatever could still come, to come. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await eventLoopTurn();
}

async function expectNothingLeft(): Promise<void> {
  await settle();
  expect([listeners, held.clock.pendingTimers]).toEqual([0, 0]);
}

describe('a subscription over stdio', () => {
  test('acknowledges, shows the task, and ends, each in the form of the wire [MOD-3 DX-4]', async () => {
    const { peer } = connect();
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
    const { peer } = connect();
    const foreign = await held.as(credentials('bob')).createTask('greet', { name: 'Bob' });
    const mine = await peer.createTask('greet', { name: 'Ada' });
    await peer.result('tasks/cancel', { taskId: mine });

    listen(peer, 1, [foreign, mine, '0'.repeat(44), 'nope', mine]);

    expect(await gists(peer, 3)).toEqual([{ taskIds: [mine] }, [mine, 'cancelled'], [1, 'end']]);
  });

  test.each([[[]], [['nope']]])('to no task at all ends at once: %j [MOD-3 DX-4]', async (taskIds) => {
    const { peer } = connect();

    listen(peer, 1, taskIds);

    expect(await gists(peer, 2)).toEqual([{ taskIds: [] }, [1, 'end']]);
    await expectNothingLeft();
  });

  test('shows what a task asks, and its variables [MOD-3 LIFE-5 DX-4]', async () => {
    const { peer } = connect();
    const waiting = await createWaiting(held, peer);
    const kept = await peer.createTask('keep_all', { city: 'Oslo' });
    await held.runDue();

    listen(peer, 1, [waiting.taskId, kept]);
    await peer.next();
    const shown = [await peer.next(), await peer.next()].map(({ params }) => params ?? {});
    const of = (taskId: string) => shown.find((params) => params['taskId'] === taskId);

    const { form, roots, sampling } = waiting;
    expect(Object.keys(of(waiting.taskId)?.['inputRequests'] as object)).toEqual([form, roots, sampling]);
    expect(of(kept)?.['_meta']).toEqual({ [SUBSCRIPTION_KEY]: 1, [VARIABLES_KEY]: { city: 'Oslo' } });
  });

  test('carries what else was asked for, and goes on with that when the tasks have ended [MOD-3 DX-4]', async () => {
    const { peer, served } = connect();
    const taskId = await peer.createTask('greet', { name: 'Ada' });
    listen(peer, 1, [taskId], { toolsListChanged: true });
    const beginning = await gists(peer, 2);

    await peer.result('tasks/cancel', { taskId });
    served[0]?.sendToolListChanged();

    expect(beginning).toEqual([{ toolsListChanged: true, taskIds: [taskId] }, [taskId, 'working']]);
    expect((await gists(peer, 2)).toSorted()).toEqual(
      [[taskId, 'cancelled'], 'notifications/tools/list_changed'].toSorted(),
    );
  });

  test('that the client cancels says nothing any more, and leaves no listener and no timer [MOD-3 DX-4]', async () => {
    const { peer, served } = connect();
    const taskId = await peer.createTask('greet', { name: 'Ada' });
    listen(peer, 1, [taskId], { toolsListChanged: true });
    await gists(peer, 2);

    peer.send({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await peer.result('tasks/cancel', { taskId });
    served[0]?.sendToolListChanged();

    await expectNothingLeft();
    expect(peer.untaken).toEqual([]);
  });

  test.each([{}, { toolsListChanged: true }])(
    'ends once when the server drains and closes: %j [MOD-3 DX-4]',
    async (others) => {
      const { peer, endpoint } = connect();
      const taskId = await peer.createTask('greet', { name: 'Ada' });
      listen(peer, 1, [taskId], others);
      await gists(peer, 2);

      await held.server.drain();
      await endpoint.close();
      await settle();

      expect(peer.untaken.map(gist)).toEqual([[1, 'end']]);
      await expectNothingLeft();
    },
  );

  test('that the SDK alone serves ends with the connection, too [DX-4]', async () => {
    const { peer, endpoint } = connect();
    peer.request(7, 'subscriptions/listen', { notifications: { toolsListChanged: true } });
    expect(gist(await peer.next())).toEqual({ toolsListChanged: true });

    await endpoint.close();
    await settle();

    expect(peer.untaken.map(gist)).toEqual([[7, 'end']]);
  });

  test('whose tasks cannot be read any more is answered with the reason, and may be asked for anew [MOD-3 DX-4]', async () => {
    const { peer } = connect();
    const taskId = await peer.createTask('greet', { name: 'Ada' });
    listen(peer, 1, [taskId]);
    await gists(peer, 2);
    const get = jest.spyOn(held.server.store, 'get');
    get.mockRejectedValue(new TaskError('unavailable', 'Storage did not answer.'));

    await held.clock.advance(1000);
    const end = await peer.next();
    get.mockRestore();
    listen(peer, 1, [taskId]);

    expect([end.id, end.error]).toMatchObject([1, { code: -32000, message: 'Storage did not answer.' }]);
    expect(await gists(peer, 2)).toEqual([{ taskIds: [taskId] }, [taskId, 'working']]);
  });

  test('under an id that is in use takes the place of the one before [DX-4]', async () => {
    const { peer } = connect();
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
    const { peer } = connect();
    const taskId = await peer.createTask('greet', { name: 'Ada' });
    listen(peer, 1, [taskId]);
    await gists(peer, 2);
    const other = holdServer([greet], { backend: held.backend, clock: held.clock, resolveOwner: () => OWNER });
    await other.peer.result('tasks/cancel', { taskId });

    await held.clock.advance(1000);

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
    const { peer } = connect();
    await peer.result('tools/list');

    const { error } = await peer.ask('subscriptions/listen', { notifications, _meta: meta });

    expect(error?.code).toBe(code);
    await expectNothingLeft();
  });

  test('is refused without the extension, and says which capability it takes [MOD-3 DX-4]', async () => {
    const { peer } = connect({ declares: false });

    const { error } = await peer.ask('subscriptions/listen', { notifications: { taskIds: [] } });

    expect(error).toMatchObject({
      code: -32021,
      data: { requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } },
    });
  });

  test('is the 21st of an owner, over whatever wire; a place is free again when one ends [MOD-3 SEC-3 DX-4]', async () => {
    const { peer } = connect();
    const taskId = await peer.createTask('greet', { name: 'Ada' });
    for (let id = 1; id <= 20; id += 1) listen(peer, id, [taskId]);
    await gists(peer, 40);

    const refused = await peer.ask('subscriptions/listen', { notifications: { taskIds: [taskId] } });
    const overHttp = await held.as(undefined).ask('subscriptions/listen', { notifications: { taskIds: [taskId] } });
    peer.send({ method: 'notifications/cancelled', params: { requestId: 3 } });
    listen(peer, 'next', [taskId]);

    expect([refused.error?.code, overHttp.message?.error?.code]).toEqual([-32000, -32000]);
    expect(await gists(peer, 2)).toEqual([{ taskIds: [taskId] }, [taskId, 'working']]);
  });

  test('is unknown to a connection of the 2025 era [DX-4]', async () => {
    const { peer } = connect({ era: '2025-11-25' });
    await peer.initialize();

    const { error } = await peer.ask('subscriptions/listen', { notifications: { taskIds: [] } });

    expect(error?.code).toBe(-32601);
  });
});

describe('the wire', () => {
  test('hands answers to requests of tasks to whom they are for, and to nobody else [DX-4]', async () => {
    const taken: object[] = [];
    const onAnswer = async (message: object) => {
      taken.push(message);
      throw new Error('only told to the log');
    };
    const { peer, served } = connect({ era: '2025-11-25' }, onAnswer);
    await peer.initialize();
    const wrong = jest.fn();
    const { server } = served[0] ?? {};
    if (server !== undefined) server.onerror = wrong;
    const answers = [
      { id: 'mcp-durable-tasks:1', result: { action: 'decline' } },
      { id: 'mcp-durable-tasks:2', error: { code: -1, message: 'no' } },
    ];

    for (const answer of answers) peer.send(answer);
    await peer.result('ping');

    expect(taken).toEqual(answers.map((answer) => ({ jsonrpc: '2.0', ...answer })));
    expect(wrong).not.toHaveBeenCalled();

    peer.send({ id: 'somebody else:1', result: {} });
    await peer.result('ping');

    expect(taken).toHaveLength(2);
    expect(wrong).toHaveBeenCalledTimes(1);
  });

  test.each(['2026-07-28', '2025-11-25'] as const)(
    'overhears what the client of %s calls itself [DX-4]',
    async (era) => {
      const { peer, endpoint } = connect({ era, name: 'a host' });
      const before = endpoint.clientName;

      if (era === '2025-11-25') await peer.initialize();
      else await peer.result('tools/list');

      expect([before, endpoint.clientName]).toEqual([undefined, 'a host']);
    },
  );

  test('serves a client that asks for the newest era first, and falls back to the one before [DX-4]', async () => {
    const { peer } = connect({ era: '2025-11-25', name: 'a host' });
    const modern = connect().peer;
    const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
    await peer.ask('server/discover', { _meta: meta });

    expect(await modern.result('server/discover')).toMatchObject({ supportedVersions: ['2026-07-28'] });
    expect(await peer.initialize()).toMatchObject({ protocolVersion: '2025-11-25' });
    expect((await peer.result('tools/list'))['tools']).toHaveLength(3);
  });

  test('knows when all that was asked is answered [DX-4]', async () => {
    const { peer, endpoint } = connect({ declares: false });
    await endpoint.answered();
    const call = peer.call('greet', { name: 'Ada' });
    await held.queue.filled();
    let answered = false;
    const all = endpoint.answered().then(() => {
      answered = true;
    });
    await settle();
    const before = answered;

    await held.runDue();
    await Promise.all([call, all]);

    expect(before).toBe(false);
  });

  test('tells that the connection is over before the SDK aborts what is under way [DX-4]', async () => {
    const { peer, closed, endpoint } = connect({ declares: false });
    void peer.call('greet', { name: 'Ada' });
    await held.queue.filled();
    closed.mockImplementation(() => void held.server.drain());

    peer.end();
    await endpoint.answered();
    await settle();

    expect(closed).toHaveBeenCalledTimes(1);
    const { tasks } = await held.server.store.list(OWNER, { limit: 1 });
    // It would be cancelled, had its caller given it up.
    expect(tasks[0]?.status).toBe('working');
  });
});
