/** Web pages that call a server on this machine, as their browsers do it, against a real listener. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { present } from '../../src/present.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { createTaskServer } from '../../src/server/create-task-server.ts';
import { type LocalServer, startLocalServer } from '../../src/server/local-server.ts';
import { greet } from '../support/hostile-world.ts';
import { envelope, mcpHeaders } from '../support/mcp-requests.ts';

const INSPECTOR = 'http://localhost:6274';
const LISTED = 'https://app.example.com';
const ASKS = {
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'content-type,mcp-protocol-version,mcp-method,mcp-name',
};
const LIST = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: envelope() } });
const common = { name: 'local', version: '1.0.0', tools: [greet], allowAnonymous: true, logger: silentLogger };

let server: LocalServer;
beforeAll(async () => {
  server = await startLocalServer({ ...common, backend: new MemoryBackend(), port: 0, allowedOrigins: [LISTED] });
});
afterAll(() => server.close());

const post = (origin: string, body = LIST, url = server.url) =>
  fetch(url, { method: 'POST', headers: { ...mcpHeaders('tools/list', {}), origin }, body });

describe.each(['http://localhost:6274', 'http://127.0.0.1:5173', 'http://[::1]:8080', 'https://localhost', LISTED])(
  'a page of %s',
  (origin) => {
    test('may ask, call, and read the answer [SEC-6]', async () => {
      const asked = await fetch(server.url, { method: 'OPTIONS', headers: { ...ASKS, origin } });
      const answer = await post(origin);

      expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([200, origin]);
      expect(asked.headers.get('vary')).toBe('origin, access-control-request-headers');
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, origin]);
      expect(await answer.text()).toContain('greet');
    });
  },
);

test.each([
  ['of another origin', 'https://app.example.com.evil.example'],
  ['of a listed host on another port', `${LISTED}:8443`],
  ['of this machine’s name within another', 'http://localhost.evil.example'],
  ['whose origin has a path', 'http://localhost:6274/x'],
  ['without an origin of its own', 'null'],
])('a page %s is refused, and cannot read even that [SEC-6 SEC-3]', async (_which, origin) => {
  const asked = await fetch(server.url, { method: 'OPTIONS', headers: { ...ASKS, origin } });
  const refused = await post(origin);

  for (const { status, headers } of [asked, refused]) {
    expect([status, headers.get('access-control-allow-origin')]).toEqual([403, null]);
  }
});

test('refusals of each kind may be read by the page that asked [SEC-6]', async () => {
  const answers = [
    await post(INSPECTOR, '{'),
    await post(INSPECTOR, LIST, new URL('/other', server.url).href),
    await post(INSPECTOR, 'x'.repeat(7 * 1024 * 1024)),
    await fetch(server.url, { headers: { origin: INSPECTOR } }),
  ];

  expect(answers.map(({ status }) => status)).toEqual([400, 404, 413, 405]);
  for (const { headers } of answers) expect(headers.get('access-control-allow-origin')).toBe(INSPECTOR);
});

test('origins that no browser sends are refused before the server listens [SEC-6]', async () => {
  const options = { ...common, backend: new MemoryBackend(), port: 0 };

  await expect(startLocalServer({ ...options, allowedOrigins: ['*'] })).rejects.toMatchObject({
    code: 'invalid_definition',
  });
});

describe('a server that a host mounts itself', () => {
  const mounted = (allowedOrigins?: readonly string[]) =>
    createTaskServer({
      ...common,
      backend: new MemoryBackend(),
      ...present({ allowedOrigins }),
    });
  const asked = (origin: string) =>
    new Request('https://tasks.example.com/mcp', { method: 'OPTIONS', headers: { ...ASKS, origin } });

  test('answers the browsers of the origins that it is given [SEC-6]', async () => {
    const { fetch: serve } = mounted([LISTED]);

    expect((await serve(asked(LISTED))).headers.get('access-control-allow-origin')).toBe(LISTED);
    expect((await serve(asked(INSPECTOR))).status).toBe(403);
  });

  test('leaves browsers to the host if it is given none [SEC-6]', async () => {
    const { status, headers } = await mounted().fetch(asked(LISTED));

    expect([status, headers.get('access-control-allow-origin')]).toEqual([405, null]);
  });
});
