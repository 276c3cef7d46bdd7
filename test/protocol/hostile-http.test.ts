/**
 * Hostile HTTP against a real listener on this machine: other hosts and origins (DNS rebinding), paths, methods
 * and bytes that no well-behaved client sends. After each the server still answers, and nothing is stored.
 */
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { type LocalServer, startLocalServer } from '../../src/server/local-server.ts';
import { greet } from '../support/hostile-world.ts';
import { envelope, McpPeer, mcpHeaders } from '../support/mcp-requests.ts';
import { recordsOf } from '../support/mcp-server.ts';

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
}

const DISCOVER = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: envelope() } });
const backend = new MemoryBackend();
let server: LocalServer;
let port: number;

beforeAll(async () => {
  server = await startLocalServer({
    name: 'local',
    version: '1.0.0',
    tools: [greet],
    backend,
    port: 0,
    allowAnonymous: true,
  });
  port = Number(new URL(server.url).port);
});

afterAll(() => server.close());

function send({ method = 'POST', path = '/mcp', headers = {}, body = DISCOVER }: Sent) {
  return new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const length = method === 'GET' ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const all = { ...mcpHeaders('server/discover', {}), ...length, ...headers };
    const outgoing = httpRequest({ host: '127.0.0.1', port, method, path, headers: all }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString('utf8') }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(method === 'GET' ? undefined : body);
  });
}

/** Bytes as they are, for what an HTTP client would refuse to write. */
function sendRaw(text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(text));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer.split('\r\n')[0] ?? ''));
  });
}

async function expectUnharmed(): Promise<void> {
  expect((await send({})).status).toBe(200);
  expect((await recordsOf(backend)).size).toBe(0);
}

const NOT_FOUND =
  'Not found. The MCP endpoint is /mcp; what is in front of it may put more before that, and nothing behind.';

const bytes = (before: string, between: readonly number[], after: string) =>
  new Uint8Array([...Buffer.from(before), ...between, ...Buffer.from(after)]);

describe('over HTTP', () => {
  test.each([
    ['the host of an attacker', { headers: { host: 'attacker.example' } }],
    ['the host of an attacker with our port', { headers: { host: 'attacker.example:3000' } }],
    ['a host that only starts like ours', { headers: { host: 'localhost.attacker.example' } }],
    ['a host that is none', { headers: { host: 'a b' } }],
    ['the origin of an attacker', { headers: { origin: 'https://attacker.example' } }],
    ['an opaque origin', { headers: { origin: 'null' } }],
    ['an origin that only starts like ours', { headers: { origin: 'http://localhost.attacker.example' } }],
    ['the host of an attacker, on another path', { path: '/', headers: { host: 'attacker.example' } }],
  ])('%s is refused with 403 [SEC-3]', async (_what, sent) => {
    const { status, text } = await send(sent);

    expect([status, JSON.parse(text)]).toMatchObject([403, { error: { code: -32000 }, id: null }]);
    await expectUnharmed();
  });

  test.each(['localhost', '127.0.0.1', '[::1]'])('the host and origin %s are ours [SEC-3]', async (name) => {
    expect((await send({ headers: { host: name, origin: `http://${name}:5173` } })).status).toBe(200);
  });

  test.each([
    '/',
    '//mcp',
    '/mcp2',
    '/mcp/x',
    '/mcp//',
    '/MCP',
    '/.well-known/x',
    '/.well-known/x/mcp',
    '/mcp/../etc/passwd',
  ])('the path %s is not found [SEC-3]', async (path) => {
    const { status, text } = await send({ path });

    expect([status, JSON.parse(text)]).toEqual([
      404,
      { jsonrpc: '2.0', id: null, error: { code: -32000, message: NOT_FOUND } },
    ]);
    await expectUnharmed();
  });

  test.each(['/mcp/', '/prod/mcp', '/api/v1/mcp/', '/mcp?x=1'])(
    'the path %s is the endpoint’s, with what others put around it [DX-1]',
    async (path) => {
      expect((await send({ path })).status).toBe(200);
    },
  );

  test.each(['GET', 'DELETE', 'PUT', 'PATCH', 'OPTIONS'])('%s is no method of the endpoint [SEC-3]', async (method) => {
    expect((await send({ method })).status).toBe(405);
    await expectUnharmed();
  });

  test('a body that never ends well is given up when it is too large [SEC-3]', async () => {
    const { status, text } = await send({ body: 'x'.repeat(7 * 1024 * 1024) });

    expect([status, JSON.parse(text)]).toMatchObject([413, { error: { code: -32000 } }]);
    await expectUnharmed();
  });

  test.each([
    ['bytes that are no UTF-8 instead of JSON', bytes('', [0xff, 0xfe, 0x00], '')],
    ['UTF-8 that is cut off', bytes('{"a": "', [0xe2, 0x82], '')],
    ['UTF-16', new Uint8Array(Buffer.from(DISCOVER, 'utf16le'))],
    ['nothing', ''],
    ['a null byte', '\u0000'],
    ['two messages', `${DISCOVER}\n${DISCOVER}`],
  ])('%s in the body is a parse error [SEC-3]', async (_what, body) => {
    const { status, text } = await send({ body });

    expect([status, JSON.parse(text)]).toMatchObject([400, { error: { code: -32700 }, id: null }]);
    await expectUnharmed();
  });

  test('bytes in a string that are no UTF-8 are read as U+FFFD, never passed on [SEC-3]', async () => {
    const [before = '', after = ''] = DISCOVER.replace('"id":1', '"id":"@"').split('@');

    const { status, text } = await send({ body: bytes(before, [0xc3, 0x28], after) });

    expect([status, JSON.parse(text)]).toMatchObject([200, { id: '\ufffd(' }]);
  });

  test('a byte order mark before the JSON is passed over [SEC-3]', async () => {
    expect((await send({ body: bytes('', [0xef, 0xbb, 0xbf], DISCOVER) })).status).toBe(200);
  });

  test('a client that goes away in the middle of its body harms nobody [SEC-3]', async () => {
    await sendRaw(
      'POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"js',
    );

    await expectUnharmed();
  });

  test.each([
    ['no HTTP at all', '\u0016\u0003\u0001\r\n\r\n', 'HTTP/1.1 400 Bad Request'],
    ['a header that is split', 'POST /mcp HTTP/1.1\r\nhost: localhost\r\nx: a\rb\r\n\r\n', 'HTTP/1.1 400 Bad Request'],
    ['no host', 'POST /mcp HTTP/1.1\r\n\r\n', 'HTTP/1.1 400 Bad Request'],
    [
      'two lengths',
      'POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}',
      'HTTP/1.1 400 Bad Request',
    ],
    [
      'headers without end',
      `POST /mcp HTTP/1.1\r\nhost: localhost\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`,
      'HTTP/1.1 431 Request Header Fields Too Large',
    ],
  ])('%s is refused [SEC-3]', async (_what, text, statusLine) => {
    expect(await sendRaw(text)).toBe(statusLine);
    await expectUnharmed();
  });
});

test('the same server takes a task from a well-behaved client [SEC-3]', async () => {
  const peer = new McpPeer(async (request) =>
    fetch(server.url, { method: 'POST', headers: request.headers, body: await request.text() }),
  );

  const taskId = await peer.createTask('greet', { name: 'Ada' });

  expect(taskId).toMatch(/^[0-9a-f]{44}$/);
});
