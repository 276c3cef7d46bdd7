/**
 * The task server inside apps of Express, Fastify and Hono, as the guide shows them, called by the guide's client; and
 * what a developer is told who puts it there in another way.
 */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { toNodeHandler } from '@modelcontextprotocol/node';
import express, { type Express } from 'express';
import * as z from 'zod';
import { createExpressApp } from '../../examples/express-app.ts';
import { createFastifyApp } from '../../examples/fastify-app.ts';
import { createHonoApp } from '../../examples/hono-app.ts';
import { callTool } from '../../examples/official-client.ts';
import { MemoryBackend } from '../../src/backends/memory.ts';
import {
  type AuthInfo,
  createNodeHandler,
  createTaskServer,
  defineTaskTool,
  silentLogger,
  type TaskServer,
} from '../../src/index.ts';
import { credentials, mcpRequest, type RpcMessage } from '../support/mcp-requests.ts';

const MEGABYTE = 1024 * 1024;
const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] });
const tools = [
  defineTaskTool({
    name: 'approve',
    description: 'Asks a person.',
    inputSchema: z.object({ release: z.string() }),
    async run({ release }, task) {
      const properties = { approver: { type: 'string' } };
      const answer = await task.elicit({
        message: `Approve ${release}?`,
        requestedSchema: { type: 'object', properties, required: ['approver'] },
      });
      return text(`${release} by ${String(answer.content?.['approver'])}`);
    },
  }),
  defineTaskTool({
    name: 'measure',
    description: 'Says how long a text is.',
    inputSchema: z.object({ text: z.string() }),
    run: async (args) => text(String(args.text.length)),
  }),
];

let server: TaskServer;
let closers: (() => Promise<unknown>)[];
const outerFetch = globalThis.fetch;

beforeEach(async () => {
  closers = [];
  server = createTaskServer({
    name: 'hosted',
    version: '1',
    tools,
    backend: new MemoryBackend(),
    logger: silentLogger,
  });
  await server.start();
  // Jest runs tests in a realm of their own, and the client takes objects of another one's `json()` for no JSON.
  globalThis.fetch = async (input, init) => {
    const response = await outerFetch(input, init);
    return Object.assign(response, { json: async () => JSON.parse(await response.text()) as unknown });
  };
});
afterEach(async () => {
  globalThis.fetch = outerFetch;
  await server.drain();
  await Promise.all(closers.map((close) => close()));
});

/** A sign-in that knows everybody by the name that they give. */
function callerOf(authorization: string | null | undefined): AuthInfo {
  const name = /^Bearer (\w+)$/.exec(authorization ?? '')?.[1];
  if (name === undefined) throw new Error('Nobody has signed in.');
  return credentials(name);
}

async function listen(listener: RequestListener): Promise<string> {
  const http = createServer(listener);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  });
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

function expressApp(): Express {
  return createExpressApp(server, (req, _res, next) => {
    Object.assign(req, { auth: callerOf(req.headers.authorization) });
    next();
  });
}

/** A web-standard app has an HTTP server in front of it, which is another's affair: its requests are sent right in. */
async function honoApp(): Promise<string> {
  const app = createHonoApp(server, async (request) => callerOf(request.headers.get('authorization')));
  globalThis.fetch = async (input, init) => {
    const response = await app.fetch(new Request(input, init));
    return Object.assign(response, { json: async () => JSON.parse(await response.text()) as unknown });
  };
  return 'http://hono.example';
}

const HOSTS = [
  ['Express', async () => listen(expressApp())],
  ['Express below a path of another app', async () => `${await listen(express().use('/api', expressApp()))}/api`],
  [
    'Fastify',
    async () => {
      const app = createFastifyApp(server, async (request) => callerOf(request.headers.authorization));
      closers.push(() => app.close());
      return app.listen({ port: 0, host: '127.0.0.1' });
    },
  ],
  ['Hono', honoApp],
] as const;

describe.each(HOSTS)('in %s', (_host, start) => {
  const answer = async () => ({ action: 'accept', content: { approver: 'Ada' } }) as never;
  const bearer = (name: string) => ({ authorization: `Bearer ${name}` });

  test('a task asks and completes [DX-3 MOD-1]', async () => {
    const url = `${await start()}/mcp`;

    expect(await callTool(url, bearer('alice'), 'approve', { release: 'v1' }, answer)).toMatchObject(text('v1 by Ada'));
  });

  test('the path may end in a slash [DX-3]', async () => {
    const url = `${await start()}/mcp/`;

    expect(await callTool(url, bearer('alice'), 'measure', { text: 'four' }, answer)).toMatchObject(text('4'));
  });

  test('arguments may be as large as a task bears [DX-3 LIFE-10]', async () => {
    const url = `${await start()}/mcp`;
    const args = { text: 'x'.repeat(5 * MEGABYTE - 100) };

    expect(await callTool(url, bearer('alice'), 'measure', args, answer)).toMatchObject(
      text(String(5 * MEGABYTE - 100)),
    );
  });

  test('a task belongs to who has signed in [DX-3 SEC-1]', async () => {
    const url = `${await start()}/mcp`;
    const called = await post(url, 'alice', 'tools/call', { name: 'approve', arguments: { release: 'v1' } });
    const taskId = called.result?.['taskId'];

    expect((await post(url, 'alice', 'tasks/get', { taskId })).result).toMatchObject({ taskId });
    expect((await post(url, 'bob', 'tasks/get', { taskId })).error?.code).toBe(-32602);
  });
});

async function post(url: string, name: string, method: string, params: Record<string, unknown>): Promise<RpcMessage> {
  const request = mcpRequest(method, params, { url, headers: { authorization: `Bearer ${name}` } });
  const { headers } = request;
  const response = await fetch(url, { method: 'POST', headers, body: await request.text() });
  return JSON.parse(await response.text()) as RpcMessage;
}

describe('a body that Express has read', () => {
  const mounted = (mount: (app: Express) => void) => {
    const app = express();
    app.use((req, _res, next) => {
      Object.assign(req, { auth: callerOf(req.headers.authorization) });
      next();
    });
    mount(app);
    return listen(app);
  };
  const measure = { name: 'measure', arguments: { text: 'four' } };

  test.each([
    ['JSON', () => express.json()],
    ['text', () => express.text({ type: '*/*' })],
    ['bytes', () => express.raw({ type: '*/*' })],
    ['nothing, for it is not read', () => express.urlencoded()],
  ])('as %s is found by a handler that is mounted as a middleware [DX-3]', async (_how, parser) => {
    const url = await mounted((app) => app.use(parser(), createNodeHandler(server)));

    expect((await post(url, 'alice', 'tools/call', measure)).result).toMatchObject({ status: 'working' });
  });

  test('and is not handed on is told so, and how to mend it [DX-3]', async () => {
    const url = await mounted((app) => app.use(express.json(), toNodeHandler(server)));

    const { error } = await post(url, 'alice', 'tools/call', measure);

    expect(error?.message).toContain('something in front of it, such as `express.json()`, has read it');
    expect(error?.message).toContain('createNodeHandler(server)(req, res, body)');
  });
});
