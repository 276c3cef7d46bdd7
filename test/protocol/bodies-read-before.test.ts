/** A body that something in front of the endpoint has read: served with what was made of it, else told how to mend it. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Logger } from '../../src/runtime/logger.ts';
import { greet } from '../support/hostile-world.ts';
import { mcpRequest, readAnswer } from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

let held: HeldServer;
let failures: string[];
const logger: Logger = { debug() {}, info() {}, warn() {}, error: (message) => void failures.push(message) };
beforeEach(() => {
  failures = [];
  held = holdServer([greet], { allowAnonymous: true, logger });
});
afterEach(() => held.server.drain());

const called = () => mcpRequest('tools/call', { name: 'greet', arguments: { name: 'Ada' } });
const listening = () => mcpRequest('subscriptions/listen', { notifications: { taskIds: [] } });

test.each([
  ['parsed', (text: string) => JSON.parse(text) as unknown],
  ['as text', (text: string) => text],
  ['as bytes', (text: string) => Buffer.from(text)],
  ['as a part of more bytes', (text: string) => Buffer.from(`--${text}--`).subarray(2, -2)],
])('is served when it comes along %s [DX-3]', async (_how, made) => {
  for (const headers of ['strict', 'lenient'] as const) {
    const { server } = holdServer([greet], { allowAnonymous: true, headers });
    const request = called();
    const parsedBody = made(await request.text());

    const { message } = await readAnswer(await server.fetch(request, { parsedBody }));

    expect(message?.result).toMatchObject({ resultType: 'task', status: 'working' });
  }
});

test.each([
  ['read', async (request: Request) => request.text()],
  ['being read', async (request: Request) => request.body?.getReader()],
])('that is %s elsewhere is a failure of the host, which is told what to write [DX-3]', async (_how, read) => {
  for (const request of [called(), listening()]) {
    await read(request);

    const { status, message } = await readAnswer(await held.server.fetch(request));

    expect([status, message?.id]).toEqual([500, null]);
    expect(message?.error?.message).toContain('`server.fetch(request, { parsedBody })`');
  }
  expect(failures).toHaveLength(2);
});

test.each([{ 'content-length': '120' }, { 'transfer-encoding': 'chunked' }])(
  'that is announced by %j and not there is told so, and is no failure, since a caller can do that [DX-3 SEC-3]',
  async (announced) => {
    const { headers, url } = called();
    for (const [name, value] of Object.entries(announced)) headers.set(name, value);

    const answer = await held.server.fetch(new Request(url, { method: 'POST', headers }));
    const { status, message } = await readAnswer(answer);

    expect([status, message?.error?.code]).toEqual([400, -32000]);
    expect(message?.error?.message).toContain('`createNodeHandler(server)(req, res, body)`');
    expect(failures).toEqual([]);
  },
);

test('text that is no JSON, or too much of it, is refused like a body [SEC-3]', async () => {
  const answers = await Promise.all(
    ['{', 'x'.repeat(7 * 1024 * 1024)].map(async (parsedBody) =>
      readAnswer(await held.server.fetch(called(), { parsedBody })),
    ),
  );

  expect(answers.map(({ status, message }) => [status, message?.error?.code])).toEqual([
    [400, -32700],
    [413, -32000],
  ]);
});

test('a request without a body is what it was [SEC-3]', async () => {
  const { status, message } = await readAnswer(
    await held.server.fetch(new Request('http://localhost/mcp', { method: 'POST', headers: called().headers })),
  );

  expect([status, message?.error?.code]).toEqual([400, -32700]);
});
