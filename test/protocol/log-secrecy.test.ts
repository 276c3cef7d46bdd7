/**
 * What a log may not hold: arguments, results, answers, variables, step outcomes, tokens. Every path that the
 * protocol takes is gone through with a logger that keeps all it is given.
 */
import { inspect } from 'node:util';
import { beforeEach, expect, test } from '@jest/globals';
import * as z from 'zod';
import { BackendUnavailableError } from '../../src/backends/errors.ts';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { encodeCallbackToken } from '../../src/runtime/running/callback-token.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { createLineLogger } from '../../src/server/line-logger.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { credentials, IDEMPOTENCY_KEY, type McpPeer } from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
const SECRET = 'hush';
const secret = (what: string) => `${SECRET}-${what}`;
const form = {
  message: 'Tell me',
  requestedSchema: { type: 'object' as const, properties: { word: { type: 'string' as const } } },
};

const secretive = defineTaskTool({
  name: 'secretive',
  description: 'Handles secrets in every way there is.',
  inputSchema: z.object({ word: z.string(), end: z.enum(['well', 'badly', 'step']) }),
  admit: async () => ({ admitted: secret('admission') }),
  run: async ({ word, end }, task) => {
    await task.variables.merge({ word, _internal: secret('internal') });
    await task.step('note', async () => secret('step'));
    task.progress(secret('progress'));
    const token = task.waitForCallback('outside', async () => {});
    const answer = await task.elicit(form);
    await token;
    if (end === 'badly') throw new Error(secret('failure'));
    if (end === 'step') await task.step('fails', () => Promise.reject(new Error(secret('step failure'))));
    return text(`${secret('result')} ${JSON.stringify(answer)}`);
  },
});

const gatekeeper = defineTaskTool({
  name: 'gatekeeper',
  description: 'Trips over a secret before there is a task.',
  inputSchema: z.object({ word: z.string() }),
  admit: async ({ word }) => {
    throw Object.assign(new Error('tripped'), { word });
  },
  run: async () => text('never'),
});

const records: string[] = [];
const keep = (level: string) => (message: string, fields?: object) => {
  records.push(inspect([level, message, fields], { depth: null, showHidden: true }));
};
const logger = { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
const alice = credentials('alice', { iss: 'https://idp', sub: 'u1', raw: secret('claim') });

let held: HeldServer;
let peer: McpPeer;

beforeEach(() => {
  records.length = 0;
  held = holdServer([secretive, gatekeeper], { logger });
  peer = held.as({ ...alice, token: secret('token') });
});

/** But for what a tool threw, which somebody must be able to find. */
function expectNoSecret(thrown = secret('nothing')): void {
  expect(records.length).toBeGreaterThan(0);
  expect(records.map((record) => record.replaceAll(thrown, '')).filter((record) => record.includes(SECRET))).toEqual(
    [],
  );
}

const meta = {
  baggage: secret('baggage'),
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  [IDEMPOTENCY_KEY]: secret('key'),
};

test.each(['well', 'badly', 'step'])(
  'a task that ends %s leaves nothing secret in the log but what its tool throws [SEC-4]',
  async (end) => {
    const word = secret('argument');
    const headers = { authorization: `Bearer ${secret('token')}` };
    const taskId = await peer.createTask('secretive', { word, end }, { meta, headers });
    await held.runDue();
    const { inputRequests } = await peer.task(taskId);
    for (const answer of [{ action: secret('wrong') }, { action: 'accept', content: { word: secret('answer') } }]) {
      const inputResponses = Object.fromEntries(Object.keys(inputRequests as object).map((key) => [key, answer]));
      await peer.ask('tasks/update', { taskId, inputResponses }, { headers });
    }
    const ref = { owner: { issuer: 'https://idp', subject: 'subject u1' }, id: taskId as never };
    const { task } = await held.server.store.get(ref);
    for (const key of Object.keys(task.inputs)) {
      const token = encodeCallbackToken({ ref, key });
      await held.server.completeCallback(token, { value: secret('callback') });
    }
    while ((await peer.task(taskId))['status'] === 'working') {
      await held.runDue();
      await held.clock.advance(60_000);
    }

    const { result } = await peer.task(taskId);
    const ending = { well: 'hush-answer', badly: 'hush-failure', step: 'hush-step failure' }[end];
    expect(JSON.stringify(result)).toContain(ending);
    expect(records.join('\n')).toContain('Task ended');
    expectNoSecret(ending);
  },
);

test('requests that are refused leave nothing secret in the log [SEC-4]', async () => {
  const word = secret('argument');
  await peer.call('secretive', { word, end: 'well' }, { meta });

  await peer.call('secretive', { word: secret('other'), end: 'well' }, { meta });
  await peer.call('secretive', { word: 5, [secret('key')]: {} });
  await peer.call('secretive', { [secret('key')]: { constructor: secret('value') } });
  await peer.call('gatekeeper', { word });
  await peer.call('secretive', { word }, { declares: false, headers: { 'mcp-protocol-version': undefined } });
  await peer.call('secretive', { word }, { body: (json) => json.slice(0, -4) });
  await peer.call('secretive', { word }, { message: { jsonrpc: secret('version') } });
  await peer.call('secretive', { word }, { headers: { 'content-type': 'text/plain' } });
  await peer.ask('tasks/update', { taskId: '0'.repeat(44), inputResponses: { a: { action: secret('answer') } } });
  await held.as(undefined).call('secretive', { word }, { headers: { authorization: `Bearer ${secret('token')}` } });

  expectNoSecret();
});

test('an unexpected error is logged by name and message, never with what it carries [SEC-4]', async () => {
  const { message } = await peer.call('gatekeeper', { word: secret('argument') });

  expect(message?.error).toEqual({ code: -32603, message: 'Internal error' });
  expect(records.join('\n')).toMatch(/A request failed.*tools\/call.*tripped/s);
  expectNoSecret();
});

test('storage trouble leaves nothing secret in the log or the answer [SEC-4]', async () => {
  class Failing extends MemoryBackend {
    override putIfVersion(): Promise<number> {
      return Promise.reject(new BackendUnavailableError('down', { cause: new Error(secret('connection string')) }));
    }
  }
  const broken = holdServer([secretive], { logger, backend: new Failing() });

  const { message } = await broken.peer.call('secretive', { word: secret('argument'), end: 'well' });

  expect(message?.error).toEqual({
    code: -32000,
    message: 'Storage does not answer or refuses to write; try again in some seconds.',
    data: { reason: 'unavailable', retryAfterMs: 5_000 },
  });
  expect(records.filter((record) => record.includes(SECRET))).toEqual([]);
});

test('the lines of a terminal show ids and counts, and no more than they are given [SEC-4]', () => {
  const lines: string[] = [];
  const lineLogger = createLineLogger('debug', new ManualClock(), (line) => lines.push(line));

  lineLogger.info('Task created', { task: 'abc', tool: 'greet', count: 2 });

  expect(lines).toEqual(['2100-01-01T00:00:00.000Z info  Task created task="abc" tool="greet" count=2\n']);
});
