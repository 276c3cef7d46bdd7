/** The extension on MCP servers that a host makes itself, with tools of its own. */
import { beforeEach, expect, test } from '@jest/globals';
import { createMcpHandler, InMemoryTransport, McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { ask, greet } from '../support/hostile-world.ts';
import { credentials, McpPeer } from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

/** A host's server, with a tool that answers and one that throws. */
function ownServer(): McpServer {
  const own = new McpServer({ name: 'own', version: '9.9.9' });
  own.registerTool(
    'own_echo',
    { description: 'Echoes.', inputSchema: z.object({ word: z.string() }) },
    async ({ word }) => ({
      content: [{ type: 'text', text: word }],
    }),
  );
  own.registerTool('own_trouble', { description: 'Throws.' }, async () => {
    throw new Error('Own trouble.');
  });
  return own;
}

let held: HeldServer;
let peer: McpPeer;

beforeEach(() => {
  held = holdServer([greet, ask], { createServer: ownServer });
  peer = held.peer;
});

test('a host’s own tools are listed beside ours and called as before [MOD-1]', async () => {
  const { tools } = await peer.result('tools/list');
  const { capabilities } = await peer.result('server/discover');

  expect((tools as { name: string }[]).map(({ name }) => name)).toEqual(['own_echo', 'own_trouble', 'greet', 'ask']);
  expect(capabilities).toMatchObject({ extensions: { 'io.modelcontextprotocol/tasks': {} } });
  expect((await peer.call('own_echo', { word: 'hi' })).message?.result).toMatchObject({
    resultType: 'complete',
    content: [{ type: 'text', text: 'hi' }],
  });
  expect((await peer.call('own_trouble')).message?.result).toMatchObject({
    isError: true,
    content: [{ text: 'Own trouble.' }],
  });
  expect((await held.stored()).size).toBe(0);
});

test('a host’s own tools need no owner and no extension, and ours do [MOD-1 SEC-1]', async () => {
  const nobody = held.as(undefined);

  expect((await nobody.call('own_echo', { word: 'hi' }, { declares: false })).message?.result).toBeDefined();
  expect((await nobody.call('greet', { name: 'Ada' })).message?.error?.code).toBe(-32600);
});

test('our tools become tasks on a host’s own server, which names itself [MOD-1]', async () => {
  const taskId = await peer.createTask('greet', { name: 'Ada' });
  await held.runDue();

  expect(await peer.task(taskId)).toMatchObject({
    status: 'completed',
    _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'own', version: '9.9.9' } },
  });
});

test('attaching twice to one server does nothing more [MOD-1]', async () => {
  const handler = createMcpHandler(() => {
    const server = ownServer();
    held.server.extension.attach(server);
    held.server.extension.attach(server);
    return server;
  });
  const twice = new McpPeer(handler.fetch, credentials('alice'));

  const taskId = await twice.createTask('greet', { name: 'Ada' });

  expect((await twice.result('tools/list'))['tools']).toHaveLength(4);
  expect((await peer.task(taskId))['status']).toBe('working');
});

test('attaching to a server that is connected is refused [MOD-1]', async () => {
  const server = ownServer();
  const [transport] = InMemoryTransport.createLinkedPair();
  await server.connect(transport);

  expect(() => held.server.extension.attach(server)).toThrow(
    'Attach the tasks extension before connecting the server.',
  );
  await server.close();
});

test('a host’s tool with the name of one of ours is refused [MOD-1]', () => {
  const server = ownServer();
  server.registerTool('greet', { description: 'Taken.' }, async () => ({ content: [] }));

  expect(() => held.server.extension.attach(server)).toThrow(/greet/);
});

test('a factory that makes another kind of server is an internal error, and is told to the log [MOD-1]', async () => {
  const records: unknown[] = [];
  const log = (message: string, fields?: object) => void records.push([message, fields]);
  const wrong = holdServer([greet], {
    createServer: () => ownServer().server,
    logger: { debug: log, info: log, warn: log, error: log },
  });

  const { status, message } = await wrong.peer.ask('server/discover');

  expect([status, message?.error]).toMatchObject([500, { code: -32603 }]);
  expect(JSON.stringify(records)).toContain('createServer must return an McpServer.');
});
