/** Clients that leave out `Mcp-Name` or `Mcp-Method`: refused by the letter, served where the endpoint is told to be lenient. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Logger } from '../../src/runtime/logger.ts';
import { greet } from '../support/hostile-world.ts';
import { credentials, mcpRequest, type RequestChanges, readAnswer } from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

const HEADER_MISMATCH = -32020;
const NO_NAME: RequestChanges = { headers: { 'mcp-name': undefined } };
const NEITHER: RequestChanges = { headers: { 'mcp-name': undefined, 'mcp-method': undefined } };

let logged: { level: string; message: string; fields: unknown }[];
const log = (level: string) => (message: string, fields?: unknown) => void logged.push({ level, message, fields });
const logger: Logger = { debug() {}, info: log('info'), warn: log('warn'), error: log('error') };

let held: HeldServer;
beforeEach(() => {
  logged = [];
});
afterEach(() => held.server.drain());

/** A task of `greet`, by a client that sends everything. */
const created = () => held.peer.createTask('greet', { name: 'Ada' });
/** What the log has of headers; tasks have lines of their own. */
const told = () => logged.filter(({ message }) => message.includes('leaves out'));

describe('a lenient endpoint', () => {
  beforeEach(() => {
    held = holdServer([greet], { headers: 'lenient', logger });
  });

  test.each(['tasks/get', 'tasks/update', 'tasks/cancel'])('serves %s without Mcp-Name [MOD-1]', async (method) => {
    const taskId = await created();
    const params = { taskId, ...(method === 'tasks/update' ? { inputResponses: {} } : {}) };

    const { status, message } = await held.peer.ask(method, params, NO_NAME);

    expect([status, message?.error]).toEqual([200, undefined]);
  });

  test('serves a call without Mcp-Name, and without Mcp-Method [MOD-1]', async () => {
    expect(await held.peer.createTask('greet', { name: 'Ada' }, NO_NAME)).toEqual(expect.any(String));
    expect(await held.peer.createTask('greet', { name: 'Ada' }, NEITHER)).toEqual(expect.any(String));
    expect((await held.peer.ask('tools/list', {}, NEITHER)).status).toBe(200);
  });

  test('serves a name that no header can carry as it is [MOD-1]', async () => {
    const { message } = await held.peer.call('größe \r\n', {}, NO_NAME);

    // Past the headers: there is no such tool.
    expect(message?.error).toMatchObject({ code: -32602, message: expect.stringContaining('größe') });
  });

  test('listens to tasks without Mcp-Method [MOD-3]', async () => {
    const taskId = await created();

    const stream = await held.peer.listen({ taskIds: [taskId] }, NEITHER);

    expect((await stream.message()).params).toMatchObject({ notifications: { taskIds: [taskId] } });
    expect((await stream.message()).params).toMatchObject({ taskId, status: 'working' });
    await stream.leave();
  });

  test.each([
    ['another task’s', 'tasks/get', { 'mcp-name': 'other' }],
    ['an empty', 'tasks/get', { 'mcp-name': '' }],
    ['one of a name that comes twice', 'tasks/get', { 'mcp-name': 'a, b' }],
    ['one in broken base64', 'tasks/get', { 'mcp-name': '=?base64?%%%?=' }],
    ['the right task’s with another method', 'tasks/get', { 'mcp-method': 'tasks/cancel' }],
    ['another name and no method', 'tasks/get', { 'mcp-name': 'other', 'mcp-method': undefined }],
    ['no name and another method', 'tasks/get', { 'mcp-name': undefined, 'mcp-method': 'tools/call' }],
  ])('refuses %s header all the same [SEC-3 MOD-1]', async (_which, method, headers) => {
    const taskId = await created();

    const { status, message } = await held.peer.ask(method, { taskId }, { headers });

    expect([status, message?.error?.code]).toEqual([400, HEADER_MISMATCH]);
  });

  test('warns once, and names the client and what it left out [MOD-1]', async () => {
    const taskId = await created();
    await held.peer.task(taskId, NO_NAME);
    await held.peer.task(taskId, NEITHER);

    expect(told()).toEqual([
      {
        level: 'warn',
        message: 'A client leaves out headers that the protocol wants; they are filled in from the body',
        fields: { headers: ['mcp-name'], client: 'test-client' },
      },
    ]);
  });

  test.each([{}, { 'mcp-protocol-version': '2025-11-25' }])(
    'has nothing to say of clients of 2025-11-25, which has no such headers %#',
    async (version) => {
      const clientInfo = { name: 'older', version: '1' };
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
      const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...version };
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params });

      const answer = await held.server.fetch(new Request('http://localhost/mcp', { method: 'POST', headers, body }));

      expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('2025-11-25')]);
      expect(told()).toEqual([]);
    },
  );

  test('does not let a client write long names into the log [SEC-4]', async () => {
    const clientInfo = { name: 'x'.repeat(5_000), version: '1' };
    await held.peer.task(await created(), { ...NO_NAME, meta: { 'io.modelcontextprotocol/clientInfo': clientInfo } });

    expect(JSON.stringify(told()).length).toBeLessThan(400);
  });

  test.each([
    ['no JSON', () => '{', 400, -32700],
    ['nothing', () => '', 400, -32700],
    ['no message', () => '[1]', 400, -32600],
    ['more than is taken', () => 'x'.repeat(7 * 1024 * 1024), 413, -32000],
  ])('answers a body that is %s as a strict one does [SEC-3]', async (_what, body, status, code) => {
    const answers = await Promise.all(
      [held, holdServer([greet])].map(async ({ peer }) => peer.ask('tasks/get', { taskId: 'x' }, { ...NO_NAME, body })),
    );

    for (const answer of answers) expect([answer.status, answer.message?.error?.code]).toEqual([status, code]);
    expect(answers[0]?.message?.id).toEqual(answers[1]?.message?.id);
  });

  test('takes a body that was parsed before [DX-3]', async () => {
    const taskId = await created();
    const request = mcpRequest('tasks/get', { taskId }, NEITHER);
    const parsedBody: unknown = JSON.parse(await request.text());

    const answer = await held.server.fetch(request, { authInfo: credentials('alice'), parsedBody });
    const { message } = await readAnswer(answer);

    expect(message?.result).toMatchObject({ taskId });
  });
});

describe('a strict endpoint, which is the default', () => {
  beforeEach(() => {
    held = holdServer([greet], { logger });
  });

  test.each([NO_NAME, NEITHER])('refuses what lacks a header, and says once how to serve it %#', async (changes) => {
    const taskId = await created();

    for (const _again of [1, 2]) {
      const { status, message } = await held.peer.ask('tasks/get', { taskId }, changes);
      expect([status, message?.error?.code]).toEqual([400, HEADER_MISMATCH]);
    }
    expect(told()).toEqual([
      { level: 'info', message: expect.stringContaining('--headers lenient'), fields: undefined },
    ]);
  });
});

test('a mode that does not exist is refused when the server is made', () => {
  held = holdServer([greet]);
  expect(() => holdServer([greet], { headers: 'loose' as 'lenient' })).toThrow(
    'headers must be strict or lenient, not loose',
  );
});
