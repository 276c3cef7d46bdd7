/** What browsers are told about pages of other origins, by the one policy of all ways of serving. */
import { describe, expect, test } from '@jest/globals';
import { onlyOrigins, withOrigins } from '../../../src/protocol/cross-origin.ts';
import { assertOrigins } from '../../../src/server/allowed-origins.ts';

const PAGE = 'https://app.example.com';

function ask(method: string, headers: Record<string, string>, answer = new Response('served')): Promise<Response> {
  const fetch = withOrigins(
    async () => answer,
    onlyOrigins((origin) => origin === PAGE),
  );
  return fetch(new Request('https://tasks.example.com/mcp', { method, headers }));
}

describe('a preflight', () => {
  test('is answered with the headers of both eras, and with what is kept of the answer [SEC-6]', async () => {
    const answer = await ask('OPTIONS', { origin: PAGE, 'access-control-request-method': 'POST' });

    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': PAGE,
      'access-control-allow-methods': 'POST, GET, DELETE',
      'access-control-allow-headers':
        'authorization, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, mcp-session-id, last-event-id, ' +
        'traceparent, tracestate, baggage, x-amz-date, x-amz-security-token, x-amz-content-sha256',
      'access-control-max-age': '7200',
      vary: 'origin, access-control-request-headers',
    });
    expect(answer.headers.has('access-control-allow-credentials')).toBe(false);
  });

  test('allows headers that a tool names, and no others that are asked for [SEC-6]', async () => {
    const answer = await ask('OPTIONS', {
      origin: PAGE,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'Mcp-Param-Region, x-other,mcp-method',
    });

    const allowed = answer.headers.get('access-control-allow-headers')?.split(', ') ?? [];
    expect(allowed).toContain('mcp-param-region');
    expect(allowed).not.toContain('x-other');
    expect(allowed.filter((name) => name === 'mcp-method')).toHaveLength(1);
  });

  test('of another origin is refused, and told of no origin [SEC-6]', async () => {
    const answer = await ask('OPTIONS', { origin: 'https://evil.example', 'access-control-request-method': 'POST' });

    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([403, null]);
  });

  test('is no OPTIONS of a program that is no browser [SEC-6]', async () => {
    expect(await (await ask('OPTIONS', {})).text()).toBe('served');
  });
});

describe('an answer', () => {
  test('may be read by the page that asked, with what a client needs of its headers [SEC-6]', async () => {
    const refusal = new Response('no', { status: 401, headers: { 'www-authenticate': 'Bearer' } });

    const answer = await ask('POST', { origin: PAGE }, refusal);

    expect(answer.status).toBe(401);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': PAGE,
      'access-control-expose-headers':
        'www-authenticate, x-amzn-remapped-www-authenticate, mcp-session-id, mcp-protocol-version, retry-after, allow',
      vary: 'origin',
      'www-authenticate': 'Bearer',
    });
  });

  test('to a program without an origin names none, and caches keep it apart [SEC-6]', async () => {
    const answer = await ask('POST', {});

    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    expect(answer.headers.get('vary')).toBe('origin');
  });

  test('is not given to pages of other origins: they are not served at all [SEC-6]', async () => {
    const answer = await ask('POST', { origin: 'null' });

    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32000 } });
  });
});

test.each(['https://app.example.com', 'http://localhost:6274', 'http://[::1]:3000', 'chrome-extension://abcdef'])(
  '%s is an origin [SEC-6]',
  (origin) => {
    expect(() => assertOrigins([origin])).not.toThrow();
  },
);

test.each(['*', 'null', '', 'app.example.com', 'https://app.example.com/', 'https://APP.example.com', 'http://a:80'])(
  '"%s" is no origin that a browser sends, and is refused where it is set [SEC-6]',
  (origin) => {
    expect(() => assertOrigins(['https://ok.example', origin])).toThrow(
      expect.objectContaining({ code: 'invalid_definition', message: expect.stringContaining(JSON.stringify(origin)) }),
    );
  },
);
