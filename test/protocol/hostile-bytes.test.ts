/**
 * Bytes on the local listener's socket that no HTTP client would write: each is answered, with a status that puts
 * the fault where it is and a small JSON body, or the connection is closed; and the server goes on.
 */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { type LocalServer, startLocalServer } from '../../src/server/local-server.ts';
import { greet } from '../support/hostile-world.ts';
import { envelope, mcpHeaders } from '../support/mcp-requests.ts';
import { recordsOf } from '../support/mcp-server.ts';
import { strainOf } from '../support/strain.ts';

const MIB = 1024 * 1024;
const HOST = 'host: localhost\r\n';
const JSON_TYPE = 'content-type: application/json\r\n';
const END = '\r\n';

interface Row {
  readonly name: string;
  readonly text: string;
  readonly status: number;
}

const row = (name: string, text: string, status: number): Row => ({ name, text, status });
const post = (headers: string, body = '') =>
  `POST /mcp HTTP/1.1\r\n${HOST}content-length: ${Buffer.byteLength(body)}\r\n${headers}${END}${body}`;

const lines: readonly Row[] = [
  ...['TRACE', 'PROPFIND', 'MKCOL', 'LINK', 'PURGE', 'QUERY'].map((method) =>
    row(`the method ${method}`, `${method} /mcp HTTP/1.1\r\n${HOST}${END}`, 405),
  ),
  row('CONNECT', `CONNECT localhost:443 HTTP/1.1\r\n${HOST}${END}`, 405),
  row('CONNECT to a path', `CONNECT /mcp HTTP/1.1\r\n${HOST}${END}`, 405),
  ...['', ' ', 'FOO', 'PO ST', 'post', '😀', 'POST\t'].map((method) =>
    row(`the method ${JSON.stringify(method)}`, `${method} /mcp HTTP/1.1\r\n${HOST}${END}`, 400),
  ),
  row('no version, as in HTTP/0.9', `POST /mcp\r\n${HOST}${END}`, 415),
  row('a version that is none', `POST /mcp HTTP/9.9\r\n${HOST}${END}`, 400),
  row('HTTP/2 without asking', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400),
  row('a TLS greeting', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\r\n\r\n', 400),
  row('zeros', `${'\u0000'.repeat(100)}\r\n\r\n`, 400),
  row('a target that is a URL elsewhere', `POST http://evil.example/mcp HTTP/1.1\r\n${HOST}${END}`, 404),
  row('a target of two slashes', `POST //evil.example/mcp HTTP/1.1\r\n${HOST}${END}`, 404),
  row('the target *', `OPTIONS * HTTP/1.1\r\n${HOST}${END}`, 404),
  row('a space in the target', `POST /mcp x HTTP/1.1\r\n${HOST}${END}`, 400),
];

const headers: readonly Row[] = [
  ...['a b', '', 'ü', '😀', '(x)', 'a\u0000b', 'a@b'].map((name) =>
    row(`a header called ${JSON.stringify(name)}`, post(`${name}: x\r\n`), 400),
  ),
  ...['a\u0000b', 'a\rb', 'a\nb', 'a\u0001b', 'a\u007fb'].map((value) =>
    row(`the value ${JSON.stringify(value)}`, post(`x: ${value}\r\n`), 400),
  ),
  row('a value with an emoji, as bytes', post(`${JSON_TYPE}accept: 😀\r\n`, '{'), 406),
  row('a header that goes on in the next line', post('x: a\r\n b\r\n'), 400),
  row('a header without a colon', post('x\r\n'), 400),
  row('headers without end', post(`x: ${'a'.repeat(40_000)}\r\n`), 431),
  row('10,000 headers', post('x: a\r\n'.repeat(10_000)), 431),
  row('an expectation that nobody can meet', post('expect: a-miracle\r\n'), 417),
  row('two lengths', post('content-length: 3\r\n', '{}'), 400),
  row('a length that is no number', `POST /mcp HTTP/1.1\r\n${HOST}content-length: two\r\n${END}`, 400),
  row('a negative length', `POST /mcp HTTP/1.1\r\n${HOST}content-length: -2\r\n${END}`, 400),
  row('a length and chunks', post('transfer-encoding: chunked\r\n'), 400),
  row('an unknown transfer encoding', `POST /mcp HTTP/1.1\r\n${HOST}transfer-encoding: x\r\n${END}`, 400),
  row('a chunk that is none', `POST /mcp HTTP/1.1\r\n${HOST}transfer-encoding: chunked\r\n${END}zz\r\n`, 400),
  row('a content type that comes twice', post(`${JSON_TYPE}content-type: text/plain\r\n`, '{}'), 415),
];

const hosts: readonly Row[] = [
  row('no host', `POST /mcp HTTP/1.1\r\n${END}`, 400),
  row('no host, in HTTP/1.0', `POST /mcp HTTP/1.0\r\n${END}`, 400),
  row('two hosts', post('host: evil.example\r\n'), 403),
  row('the same host twice', post(HOST), 403),
  row('two origins', post('origin: http://localhost\r\norigin: https://evil.example\r\n'), 403),
  row('an empty host', `POST /mcp HTTP/1.1\r\nhost:\r\n${END}`, 403),
];

const ROWS = [...lines, ...headers, ...hosts];

const settings = { name: 'local', version: '1.0.0', tools: [greet], port: 0, allowAnonymous: true } as const;
const backend = new MemoryBackend();
let server: LocalServer;
let everywhere: LocalServer;

beforeAll(async () => {
  server = await startLocalServer({ ...settings, backend });
  everywhere = await startLocalServer({ ...settings, backend, host: '0.0.0.0' });
});

afterAll(async () => {
  await server.close();
  await everywhere.close();
});

/** Everything that comes back until the connection ends. */
function sendBytes(text: string, { url } = server): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.end(text));
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
  });
}

function readAnswer(answer: string) {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), head: head.toLowerCase(), body };
}

async function expectUnharmed(): Promise<void> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: envelope() } });
  const answer = await fetch(server.url, { method: 'POST', headers: mcpHeaders('server/discover', {}), body });
  expect(answer.status).toBe(200);
  expect((await recordsOf(backend)).size).toBe(0);
}

describe('bytes on the local listener', () => {
  test.each(ROWS)('with $name are refused with $status [SEC-3]', async ({ text, status: expected }) => {
    const { status, head, body } = readAnswer(await sendBytes(text));

    expect(status).toBe(expected);
    expect(head).toContain('content-type: application/json');
    expect(body).toContain('"jsonrpc":"2.0"');
    await expectUnharmed();
  });

  test('that ask for a method that is not served are told those that are [SEC-3]', async () => {
    for (const method of ['TRACE /mcp', 'CONNECT localhost:443']) {
      const { head } = readAnswer(await sendBytes(`${method} HTTP/1.1\r\n${HOST}${END}`));

      expect(head).toContain('allow: post, get, delete, options, head, put, patch');
    }
  });

  test.each(['a b', 'localhost:99999', '[::1', 'a, b', ''])(
    'that name the host %j are refused with 400 where any host is served [SEC-3]',
    async (host) => {
      const text = `POST /mcp HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 0\r\nconnection: close\r\n${END}`;

      expect(readAnswer(await sendBytes(text, everywhere)).status).toBe(400);
      await expectUnharmed();
    },
  );

  test('that break off in an answer are given up, and nothing is written into it [SEC-3]', async () => {
    const good = post(`${JSON_TYPE}mcp-method: server/discover\r\n`, '{}');

    const answer = await sendBytes(`${good}\u0000\u0001 nonsense\r\n\r\n`);

    expect(answer.match(/HTTP\/1\.1 /g)?.length ?? 0).toBeLessThanOrEqual(2);
    await expectUnharmed();
  });

  test('keep no memory, and hold nobody up [SEC-8]', async () => {
    const all = ROWS.map(
      ({ text }) =>
        () =>
          sendBytes(text),
    );
    await strainOf(all);

    const { keptBytes, longestHoldMs } = await strainOf([...all, ...all, ...all, ...all, ...all]);

    expect(keptBytes).toBeLessThan(32 * MIB);
    expect(longestHoldMs).toBeLessThan(3_000);
    await expectUnharmed();
  });
});
