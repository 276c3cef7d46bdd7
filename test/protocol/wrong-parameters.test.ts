/**
 * Parameters of the wrong type: every one of every method, by HTTP, by another transport of the MCP SDK, and by direct
 * invocation of the function. The client is told that it is its fault, the same by each way, and nothing is done.
 */
import { beforeAll, expect, test } from '@jest/globals';
import { InMemoryTransport, McpServer } from '@modelcontextprotocol/server';
import { answerDirectly } from '../../lambda/endpoint/direct-invocation.ts';
import { present } from '../../src/present.ts';
import { type HostileWorld, hostileWorld } from '../support/hostile-world.ts';
import { envelope, type Json, type RpcError } from '../support/mcp-requests.ts';
import { WRONG_PARAMETERS, type WrongParameter } from '../support/wrong-parameters.ts';

let world: HostileWorld;

beforeAll(async () => {
  world = await hostileWorld();
});

type Send = (row: WrongParameter, params: Record<string, unknown>) => Promise<RpcError | undefined>;

const byHttp: Send = async ({ method }, { _meta, ...params }) => {
  const meta = _meta as Record<string, Json> | undefined;
  const { message } = await world.peer.ask(method, params, present({ meta }));
  return message?.error;
};

const directly: Send = async ({ method }, params) => {
  const message = { jsonrpc: '2.0', id: 1, method, params, owner: { issuer: 'test', subject: 'alice' } };
  const answer = await answerDirectly(message, async () => world.server.fetch, new AbortController().signal);
  return (answer as { error?: RpcError }).error;
};

const ways: readonly (readonly [string, Send])[] = [
  ['HTTP', byHttp],
  ['direct invocation', directly],
];

test.each(ways.flatMap(([way, send]) => WRONG_PARAMETERS.map((row) => ({ ...row, way, send }))))(
  '$name, by $way, is refused [SEC-3 MOD-4]',
  async ({ send, way: _way, ...row }) => {
    const before = await world.stored();

    const error = await send(row, row.params(world.waiting.taskId));

    expect(error?.code).toBe(row.code);
    if (row.message !== undefined) expect(error?.message).toBe(row.message);
    expect(await world.stored()).toEqual(before);
  },
);

test.each([[null], [[]], [''], ['text'], [5], [true]])(
  'direct invocation: params that are %j are refused [SEC-3]',
  async (params) => {
    const error = await directly({ ...(WRONG_PARAMETERS[0] as WrongParameter), method: 'tasks/get' }, params as never);

    expect(error).toEqual({ code: -32600, message: 'The method must be text and the params an object.' });
  },
);

const filters: readonly (readonly [string, unknown])[] = [
  ...[null, [], 'text', 5, true, undefined].map((notifications) => ['notifications', notifications] as const),
  ...[null, {}, 'text', 5, true, [5], [null]].map((taskIds) => ['taskIds', { taskIds }] as const),
  ...[null, {}, 'text', 5, []].map((toolsListChanged) => ['toolsListChanged', { toolsListChanged }] as const),
  ...[null, {}, 'text', 5, []].map(
    (toolsListChanged) => ['toolsListChanged', { toolsListChanged, taskIds: [] }] as const,
  ),
];
test.each(filters)(
  'subscriptions/listen: a wrong type in %s: %j is refused [SEC-3 MOD-3]',
  async (_what, notifications) => {
    const { message } = await world.peer.ask('subscriptions/listen', { notifications });

    expect(message?.error?.code).toBe(-32602);
  },
);

test('a transport of the MCP SDK other than HTTP gives the same answers [SEC-3 MOD-4]', async () => {
  const [client, server] = InMemoryTransport.createLinkedPair();
  const own = new McpServer({ name: 'own', version: '1.0.0' });
  world.server.extension.attach(own);
  await own.connect(server);
  await client.start();
  const rows = WRONG_PARAMETERS.filter(({ name }) => /inputResponses|cursor/.test(name));

  const answers: { error?: RpcError }[] = [];
  let answered = () => {};
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- The SDK's transports have no such method.
  client.onmessage = (message) => {
    answers.push(message as { error?: RpcError });
    answered();
  };
  for (const [id, { method, params }] of rows.entries()) {
    const answer = new Promise<void>((resolve) => {
      answered = resolve;
    });
    const withMeta = { ...params(world.waiting.taskId), _meta: envelope() };
    await client.send({ jsonrpc: '2.0', id, method, params: withMeta });
    await answer;
  }
  await own.close();

  expect(answers.map(({ error }) => error?.code)).toEqual(rows.map(({ code }) => code));
  expect(answers.map(({ error }) => error?.message)).toEqual(rows.map(({ message }) => message ?? expect.any(String)));
});
