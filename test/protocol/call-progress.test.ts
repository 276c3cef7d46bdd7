/**
 * Progress of calls that are kept open, for clients that ask for it with a `progressToken`: what their streams carry, how
 * long they are waited for, and that nothing is left behind.
 */
import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { InMemoryTransport, McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { ProtocolError } from '../../src/protocol/sdk.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { greet } from '../support/hostile-world.ts';
import { EventReader, envelope, type JsonMap, type RequestChanges, type RpcMessage } from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
const empty = z.object({});
const MINUTE_MS = 60_000;

const twoParts = defineTaskTool({
  name: 'two_parts',
  description: 'Says where it is, and waits.',
  inputSchema: empty,
  run: async (_args, task) => {
    task.progress('1 of 2');
    await task.wait('first', { seconds: 3 });
    task.progress('2 of 2');
    await task.wait('second', { seconds: 3 });
    return text('both');
  },
});

const fails = defineTaskTool({
  name: 'fails',
  description: 'Fails after a while.',
  inputSchema: empty,
  run: async (_args, task) => {
    task.progress('begun');
    await task.wait('a little', { seconds: 1 });
    throw new ProtocolError(-32050, 'No more coffee.');
  },
});

let held: HeldServer;
let say: (message: string) => void;
let finish: () => void;

/** Says what the test wants it to, and goes on until the test lets it end. */
const talks = defineTaskTool({
  name: 'talks',
  description: 'Talks.',
  inputSchema: empty,
  run: async (_args, task) => {
    say = (message) => task.progress(message);
    await task.step(
      'talk',
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    return text('done');
  },
});

const tools = [greet, twoParts, fails, talks];

beforeEach(() => {
  held = holdServer(tools);
});

const asking = (progressToken: unknown = 'p1'): RequestChanges => ({ declares: false, meta: { progressToken } });

/** Calls; the answer comes with the first progress, or at the end. */
async function call(name: string, changes: RequestChanges = asking(), args: object = {}): Promise<Promise<Response>[]> {
  const answer = held.peer.open('tools/call', { name, arguments: args }, changes);
  await held.queue.filled();
  // In an array, so that nobody awaits it yet.
  return [answer];
}

/** Lets time pass, a second at a time, and runs what falls due. */
async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    await held.clock.advance(1_000);
    await held.runDue();
  }
}

async function readerOf(answer: Promise<Response> | undefined): Promise<EventReader> {
  const response = await answer;
  expect(response?.headers.get('content-type')).toBe('text/event-stream');
  if (!response?.body) throw new Error('No stream.');
  return new EventReader(response.body);
}

const progress = (number: number, message?: string, progressToken: string | number = 'p1') => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { progressToken, progress: number, ...(message === undefined ? {} : { message }) },
});
const resultOf = (message: RpcMessage | undefined): JsonMap | undefined => message?.result;
const HANDED_OVER = {
  content: [{ text: expect.stringContaining('goes on as task') }],
  structuredContent: { status: 'working' },
};

describe('a plain call with a progressToken', () => {
  test.each([['p1'], [''], [7], [0]])(
    'gets progress and result on its own stream, by its token %j [MOD-9]',
    async (token) => {
      const [answer] = await call('two_parts', asking(token));
      await held.runDue();
      await pass(6);

      const messages = await (await readerOf(answer)).rest();

      expect(messages).toEqual([
        progress(1, '1 of 2', token),
        progress(2, '2 of 2', token),
        { jsonrpc: '2.0', id: 1, result: expect.objectContaining({ resultType: 'complete', ...text('both') }) },
      ]);
      expect(held.clock.pendingTimers).toBe(0);
    },
  );

  test('gets the newest message of each second, and none twice for other changes [MOD-9 EXEC-6]', async () => {
    const [answer] = await call('talks');
    const running = held.runDue();
    await held.clock.advance(0);

    say('one');
    say('two');
    await held.clock.advance(1_000);
    say('two');
    await held.clock.advance(1_000);
    say('three');
    await held.clock.advance(1_000);
    finish();
    await running;

    const messages = await (await readerOf(answer)).rest();
    expect(messages.slice(0, -1)).toEqual([progress(1, 'two'), progress(2, 'three')]);
    expect(resultOf(messages.at(-1))).toMatchObject(text('done'));
  });

  test('gets the error of a task that fails, after its progress [MOD-9]', async () => {
    const [answer] = await call('fails');
    await held.runDue();
    await pass(1);

    expect(await (await readerOf(answer)).rest()).toEqual([
      progress(1, 'begun'),
      { jsonrpc: '2.0', id: 1, error: { code: -32050, message: 'No more coffee.' } },
    ]);
  });

  test('gets a sign of life after ten seconds without news, with the newest message, if any [MOD-9]', async () => {
    const [answer] = await call('talks');
    const running = held.runDue();
    await held.clock.advance(10_000);
    say('on it');
    await held.clock.advance(9_000);
    const stream = await readerOf(answer);

    expect(await stream.message()).toEqual(progress(1));
    expect(await stream.message()).toEqual(progress(2, 'on it'));
    let next: RpcMessage | undefined;
    const reading = stream.message().then((message) => {
      next = message;
    });
    await held.clock.advance(1_999);
    expect(next).toBeUndefined();
    await held.clock.advance(1);
    await reading;
    expect(next).toEqual(progress(3, 'on it'));

    finish();
    await running;
    expect(resultOf(await stream.message())).toMatchObject(text('done'));
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('is kept open for four minutes, and then handed over on its stream [MOD-9]', async () => {
    const [answer] = await call('greet', asking(), { name: 'Ada' });
    let hasEnded = false;
    const messages = readerOf(answer)
      .then((stream) => stream.rest())
      .finally(() => {
        hasEnded = true;
      });

    await held.clock.advance(4 * MINUTE_MS - 1);
    expect(hasEnded).toBe(false);
    await held.clock.advance(1);

    const received = await messages;
    const numbers = received.slice(0, -1).map(({ params }) => params?.['progress']);
    expect(numbers).toEqual(Array.from({ length: 23 }, (_, at) => at + 1));
    expect(resultOf(received.at(-1))).toMatchObject(HANDED_OVER);
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('is answered as JSON where it ends before there is anything to tell [MOD-9 MOD-1]', async () => {
    const answer = held.peer.call('greet', { name: 'Ada' }, asking());
    await held.queue.filled();
    await held.runDue();

    expect((await answer).message?.result).toMatchObject(text('Hello, Ada!'));
    expect(held.clock.pendingTimers).toBe(0);
  });

  test.each([
    ['asks for no progress', { declares: false }, undefined],
    ['accepts no streams', { ...asking(), headers: { accept: 'application/json' } }, undefined],
    ['says nothing of what it accepts', { ...asking(), headers: { accept: undefined } }, undefined],
    ['sends a token that is very long', asking('t'.repeat(1_025)), undefined],
    ['is behind something that buffers', asking(), null],
  ])('is answered as JSON after 25 seconds where it %s [MOD-9 MOD-1]', async (_why, changes, progressCallWaitMs) => {
    held = holdServer(tools, { progressCallWaitMs });
    const answer = held.peer.call('talks', {}, changes);
    await held.queue.filled();
    const running = held.runDue();
    await held.clock.advance(0);
    say('on it');

    await held.clock.advance(25_000);

    expect((await answer).message?.result).toMatchObject(HANDED_OVER);
    finish();
    await running;
  });

  test('may accept streams among others, in any letters [MOD-9]', async () => {
    const [answer] = await call('talks', {
      ...asking(),
      headers: { accept: 'Application/JSON;q=0.5,Text/Event-Stream;q=1' },
    });

    await held.clock.advance(10_000);

    await (await readerOf(answer)).leave();
  });

  test.each([[null], [{}], [[]], [true], [1.5]])(
    'is refused where the token is %j, which is no text and no whole number [MOD-9 SEC-3]',
    async (token) => {
      const { message } = await held.peer.call('greet', { name: 'Ada' }, asking(token));

      expect(message?.error?.code).toBe(-32_600);
      expect((await held.stored()).size).toBe(0);
    },
  );

  test('whose client leaves cancels the task, and leaves nothing behind [MOD-9]', async () => {
    const cancelled = new Promise<string>((resolve) => {
      held.server.store.onChange(({ task }) => task.status === 'cancelled' && resolve(String(task.statusMessage)));
    });
    const [answer] = await call('greet', asking(), { name: 'Ada' });
    await held.clock.advance(10_000);

    await (await readerOf(answer)).leave();

    expect(await cancelled).toBe('The caller went away.');
    await held.clock.advance(0);
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('is handed over on its stream when the server closes [MOD-9]', async () => {
    const [answer] = await call('greet', asking(), { name: 'Ada' });
    await held.clock.advance(10_000);
    const stream = await readerOf(answer);

    await held.server.drain();

    const messages = await stream.rest();
    expect(resultOf(messages.at(-1))).toMatchObject(HANDED_OVER);
    expect(held.clock.pendingTimers).toBe(0);
  });

  test('of a client that knows tasks is answered with its task [MOD-9 MOD-1]', async () => {
    const { message } = await held.peer.call('greet', { name: 'Ada' }, { meta: { progressToken: 'p1' } });

    expect(message?.result).toMatchObject({ resultType: 'task' });
    expect(held.clock.pendingTimers).toBe(0);
  });
});

describe('progress of a task that another process runs', () => {
  test('is seen within a second [MOD-9]', async () => {
    const other = holdServer(tools, { backend: held.backend, clock: held.clock });
    const [answer] = await call('two_parts');
    const ref = held.queue.takeDue(held.clock.now());
    if (ref !== undefined) await other.server.runTask(ref);

    await held.clock.advance(1_000);

    const stream = await readerOf(answer);
    expect(await stream.message()).toEqual(progress(1, '1 of 2'));
    await stream.leave();
  });

  test('is looked for no more often than the end of a call without progress [MOD-9]', async () => {
    const looks = async (changes: RequestChanges) => {
      held = holdServer(tools);
      const reads = jest.spyOn(held.backend, 'get');
      const [answer] = await call('greet', changes, { name: 'Ada' });
      reads.mockClear();
      await held.clock.advance(24_000);
      const counted = reads.mock.calls.length;
      await held.server.drain();
      await (await answer)?.text();
      return counted;
    };

    const without = await looks({ declares: false });

    expect(without).toBeGreaterThan(20);
    expect(await looks(asking())).toBe(without);
  });
});

describe('how long a call with progress is kept open', () => {
  const endsAt = async (ms: number) => {
    const [answer] = await call('greet', asking(), { name: 'Ada' });
    let hasEnded = false;
    const body = answer
      ?.then((response) => response.text())
      .finally(() => {
        hasEnded = true;
      });
    await held.clock.advance(ms - 1);
    expect(hasEnded).toBe(false);
    await held.clock.advance(1);
    expect(await body).toContain('goes on as task');
  };

  test.each([
    ['is a setting', { progressCallWaitMs: MINUTE_MS }, MINUTE_MS],
    ['is no longer than streams may be', { maxStreamSeconds: 50 }, 50_000],
    ['is four minutes where streams have no bound', { maxStreamSeconds: null }, 4 * MINUTE_MS],
    ['is as long as without progress at least', { progressCallWaitMs: 1_000 }, 25_000],
    ['is as long as without progress where that is more', { plainCallWaitMs: 270_000 }, 270_000],
  ])('%s [MOD-9 AWS-9]', async (_what, options, ms) => {
    held = holdServer(tools, options);

    await endsAt(ms);
  });

  test.each([0, -1, 86_400_001, Number.NaN])('cannot be %j milliseconds [MOD-9]', (progressCallWaitMs) => {
    expect(() => holdServer(tools, { progressCallWaitMs })).toThrow(
      'progressCallWaitMs must be from 1 to 86400000, or null',
    );
  });
});

test('a transport other than HTTP carries progress, too [MOD-9]', async () => {
  held = holdServer(tools, { resolveOwner: () => ({ issuer: 'test', subject: 'alice' }) });
  const [client, server] = InMemoryTransport.createLinkedPair();
  const own = new McpServer({ name: 'own', version: '1.0.0' });
  held.server.extension.attach(own);
  await own.connect(server);
  await client.start();
  const received: unknown[] = [];
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- The SDK's transports have no such method.
  client.onmessage = (message) => received.push(message);

  const _meta = { ...envelope(false), progressToken: 'p1' };
  await client.send({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'two_parts', arguments: {}, _meta },
  });
  await held.queue.filled();
  await held.runDue();
  await held.clock.advance(0);

  expect(received).toEqual([progress(1, '1 of 2')]);
  await own.close();
});
