/** The stream of `tasks/result` (2025-11-25): what it carries, and that it can be gone on with when it is cut. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { noArguments, text } from '../../support/asking-tools.ts';
import { greet } from '../../support/hostile-world.ts';
import { LegacyClient, type LegacyClientOptions, readerOf } from '../../support/legacy-client.ts';
import { credentials } from '../../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../../support/mcp-server.ts';

const RELATED = 'io.modelcontextprotocol/related-task';

const talks = defineTaskTool({
  name: 'talks',
  description: 'Says where it is.',
  inputSchema: noArguments,
  run: async (_args, task) => {
    task.progress('half way');
    await task.wait('a while', { seconds: 60 });
    return text('there');
  },
});

let held: HeldServer;

beforeEach(() => {
  held = holdServer([greet, talks]);
});

const connect = (options: LegacyClientOptions = {}) =>
  LegacyClient.connect(held.server.fetch, { authInfo: credentials('alice'), ...options });

describe('the stream of a result', () => {
  test('carries progress by the token of the call and by its own, and changes of status [LEG-3 MOD-9]', async () => {
    const client = await connect();
    const taskId = await client.createTask('talks', {}, {}, { _meta: { progressToken: 'of the call' } });
    const stream = await client.stream('tasks/result', { taskId, _meta: { progressToken: 'of the wait' } });
    await held.runDue();
    await held.clock.advance(60_000);
    await held.runDue();

    const messages = await stream.rest();

    const told = messages.flatMap(({ method, params }) => (method === 'notifications/progress' ? [params] : []));
    expect(told.map((params) => params?.['progressToken'])).toEqual(
      expect.arrayContaining(['of the call', 'of the wait']),
    );
    for (const token of ['of the call', 'of the wait']) {
      const numbers = told.flatMap((params) =>
        params?.['progressToken'] === token ? [Number(params['progress'])] : [],
      );
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    }
    expect(told).toContainEqual(expect.objectContaining({ message: 'half way', _meta: { [RELATED]: { taskId } } }));
    expect(messages.at(-1)?.result).toMatchObject(text('there'));
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('can be gone on with on another instance when it is cut [LEG-2 LEG-4]', async () => {
    const other = holdServer([greet], { backend: held.backend, clock: held.clock });
    const client = await connect();
    const taskId = await client.createTask('greet', { name: 'Ada' });
    const stream = await client.stream('tasks/result', { taskId });
    await stream.next();
    const asked = client.lastId;
    await held.server.drain();
    expect(await stream.next()).toBeUndefined();

    const again = await client.at(other.server.fetch).resume(String(stream.lastEventId));
    const { tasks } = await other.server.store.list({ issuer: 'unspecified', subject: 'client alice' }, { limit: 1 });
    if (tasks[0] !== undefined) await other.server.runTask(tasks[0]);

    expect(await readerOf(again).message()).toMatchObject({ id: asked, result: text('Hello, Ada!') });
  });

  test('is cut after as long as streams stay open, its client being told to come again [LEG-2]', async () => {
    held = holdServer([talks], { maxStreamSeconds: 30 });
    const client = await connect();
    const taskId = await client.createTask('talks');
    const stream = await client.stream('tasks/result', { taskId });
    expect(await stream.next()).toBe('keep-alive');

    await held.clock.advance(30_000);

    expect(await stream.rest()).toEqual([]);
    expect(held.clock.pendingTimers).toBe(0);
  });

  test.each(['no id', Buffer.from('{"id":1}').toString('base64url'), Buffer.from('[]').toString('base64url')])(
    'is not begun by the id of no event of ours: %s [LEG-2]',
    async (lastEventId) => {
      expect((await (await connect()).resume(lastEventId)).status).toBe(405);
    },
  );

  test('of another owner’s task is not gone on with either [I6]', async () => {
    const client = await connect();
    const taskId = await client.createTask('greet', { name: 'Ada' });
    const stream = await client.stream('tasks/result', { taskId });
    await stream.next();
    await stream.leave();

    const other = await connect({ authInfo: credentials('bob') });
    const answer = readerOf(await other.resume(String(stream.lastEventId)));

    expect((await answer.message()).error).toMatchObject({ code: -32602 });
  });
});
