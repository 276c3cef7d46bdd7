/**
 * One connection over stdio, seen from the client, in both eras: answers that are not for the SDK, whose name it is, and
 * how it ends. Subscriptions: `stdio-subscriptions.test.ts`.
 */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { STDIO_OWNER, type StdioWorld, settle, stdioWorld } from '../support/stdio-world.ts';

let world: StdioWorld;

beforeEach(() => {
  world = stdioWorld();
});

afterEach(() => world.closeAll());

describe('the wire', () => {
  test('hands answers to requests of tasks to whom they are for, and to nobody else [DX-4]', async () => {
    const taken: object[] = [];
    const onAnswer = async (message: object) => {
      taken.push(message);
      throw new Error('only told to the log');
    };
    const { peer, served } = world.connect({ era: '2025-11-25' }, { onAnswer });
    await peer.initialize();
    const wrong = jest.fn();
    Object.assign(served[0]?.server ?? {}, { onerror: wrong });
    const answers = [
      { id: 'mcp-durable-tasks:1', result: { action: 'decline' } },
      { id: 'mcp-durable-tasks:2', error: { code: -1, message: 'no' } },
    ];

    for (const answer of answers) peer.send(answer);
    await peer.result('ping');

    expect(taken).toEqual(answers.map((answer) => ({ jsonrpc: '2.0', ...answer })));
    expect(wrong).not.toHaveBeenCalled();

    peer.send({ id: 'somebody else:1', result: {} });
    await peer.result('ping');

    expect(taken).toHaveLength(2);
    expect(wrong).toHaveBeenCalledTimes(1);
  });

  test.each(['2026-07-28', '2025-11-25'] as const)(
    'overhears what the client of %s calls itself [DX-4]',
    async (era) => {
      const { peer, endpoint } = world.connect({ era, name: 'a host' });
      const before = endpoint.clientName;

      if (era === '2025-11-25') await peer.initialize();
      await peer.result('tools/list');

      expect([before, endpoint.clientName]).toEqual([undefined, 'a host']);
    },
  );

  test('serves a client that asks for the newest era first, and falls back to the one before [DX-4]', async () => {
    const { peer } = world.connect({ era: '2025-11-25', name: 'a host' });
    const modern = world.connect().peer;
    const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
    await peer.ask('server/discover', { _meta: meta });

    expect(await modern.result('server/discover')).toMatchObject({ supportedVersions: ['2026-07-28'] });
    expect(await peer.initialize()).toMatchObject({ protocolVersion: '2025-11-25' });
    expect((await peer.result('tools/list'))['tools']).toHaveLength(3);
  });

  test('knows when all that was asked is answered [DX-4]', async () => {
    const { peer, endpoint } = world.connect({ declares: false });
    await endpoint.answered();
    const call = peer.call('greet', { name: 'Ada' });
    await world.queue.filled();
    let answered = false;
    const all = endpoint.answered().then(() => {
      answered = true;
    });
    await settle();
    const before = answered;

    await world.runDue();
    await Promise.all([call, all]);

    expect(before).toBe(false);
  });

  test('does not wait for the answer to what the client has cancelled [DX-4]', async () => {
    const { peer, endpoint } = world.connect({ declares: false });
    peer.request(1, 'tools/call', { name: 'greet', arguments: { name: 'Ada' } });
    await world.queue.filled();
    const all = endpoint.answered();

    peer.send({ method: 'notifications/cancelled', params: { requestId: 1 } });

    await all;
    expect(peer.untaken).toEqual([]);
  });

  test('tells that the connection is over before the SDK aborts what is under way [DX-4]', async () => {
    const closed = jest.fn(() => void world.server.drain());
    const { peer, endpoint } = world.connect({ declares: false }, { onClosed: closed });
    void peer.call('greet', { name: 'Ada' });
    await world.queue.filled();

    peer.end();
    await endpoint.answered();
    await settle();

    expect(closed).toHaveBeenCalledTimes(1);
    const { tasks } = await world.server.store.list(STDIO_OWNER, { limit: 1 });
    // It would be cancelled, had its caller given it up.
    expect(tasks[0]?.status).toBe('working');
  });
});
