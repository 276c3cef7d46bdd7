/**
 * What several clients, or calls, that come to the same task do to each other: by an idempotency key, by a listing, by the
 * tokens of their progress. And what large results cost whoever lists tasks.
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { asksName, noArguments, text } from '../../support/asking-tools.ts';
import { countingBackend } from '../../support/counting-backend.ts';
import { LegacyClient } from '../../support/legacy-client.ts';
import { credentials, IDEMPOTENCY_KEY } from '../../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../../support/mcp-server.ts';

const asksLate = defineTaskTool({
  name: 'asks_late',
  description: 'Works for half a minute before it asks.',
  inputSchema: noArguments,
  run: async (_args, task) => {
    await task.wait('work', { seconds: 30 });
    const { action } = await task.elicit({ message: 'Who?', requestedSchema: { type: 'object', properties: {} } });
    return text(action);
  },
});
const bigError = defineTaskTool({
  name: 'big_error',
  description: 'Has a large result that is an error.',
  inputSchema: noArguments,
  run: async () => ({ content: [{ type: 'text', text: `Broken: ${'x'.repeat(100_000)}` }], isError: true }),
});
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
const tools = [asksLate, asksName, bigError, talks];

let held: HeldServer;
const keyed = { _meta: { [IDEMPOTENCY_KEY]: 'once' } };
const connect = () => LegacyClient.connect(held.server.fetch, { authInfo: credentials('alice') });

beforeEach(() => {
  held = holdServer(tools);
});

/** A plain call that has been answered with where its task stands, five seconds before it asks. */
async function callThatIsOver(client: LegacyClient): Promise<void> {
  const first = client.call('asks_late', {}, keyed);
  await held.queue.filled();
  await held.runDue();
  await held.clock.advance(25_000);
  await first;
}

describe('a call that is repeated with its key', () => {
  test('waits for the task again, and can be asked what it asks then [MOD-6 LIFE-9 I13]', async () => {
    const client = await connect();
    await callThatIsOver(client);

    const again = await client.stream('tools/call', { name: 'asks_late', arguments: {}, ...keyed });
    await held.clock.advance(5_000);
    await held.runDue();

    expect((await again.message()).method).toBe('elicitation/create');
    await again.leave();
  });

  test('as a task holds it, so that its questions wait [MOD-6 LIFE-9 I13]', async () => {
    const client = await connect();
    await callThatIsOver(client);

    const taskId = await client.createTask('asks_late', {}, {}, keyed);
    await held.clock.advance(5_000);
    await held.runDue();

    expect(await client.task(taskId)).toMatchObject({ status: 'input_required' });
  });
});

test('tasks are listed and polled without their results, however large those are [LEG-2 I10]', async () => {
  const clock = new ManualClock();
  const backend = countingBackend(new MemoryBackend({ clock }));
  held = holdServer(tools, { backend, clock });
  const client = await connect();
  const taskId = await client.createTask('big_error');
  await held.runDue();

  backend.reset();
  const { tasks } = await client.result('tasks/list');
  expect(tasks).toMatchObject([{ status: 'failed', statusMessage: expect.stringMatching(/^Broken: x{100,191}…$/) }]);
  expect(backend.counts().get).toBeUndefined();
  expect(await client.task(taskId)).toMatchObject({ status: 'failed' });
  expect(backend.counts().get).toBe(1);
});

test('progress goes to the session that made the task, whose token it is, and grows from stream to stream [LEG-3]', async () => {
  const client = await connect();
  const taskId = await client.createTask('talks', {}, {}, { _meta: { progressToken: 7 } });
  const other = await connect();
  await held.runDue();
  const told: number[] = [];
  for (let stream = 0; stream < 2; stream += 1) {
    const reader = await client.stream('tasks/result', { taskId, _meta: { progressToken: 'own' } });
    await held.clock.advance(10_000);
    for (let next = await reader.message(); told.length < 2 * (stream + 1); next = await reader.message()) {
      if (next.params?.['progressToken'] === 'own') told.push(Number(next.params['progress']));
      if (told.length >= 2 * (stream + 1)) break;
    }
    await reader.leave();
    await held.clock.advance(1);
  }

  const seen = await other.messages('tasks/get', { taskId });
  expect(seen.filter(({ method }) => method === 'notifications/progress')).toEqual([]);
  const own = await client.messages('tasks/get', { taskId });
  expect(own.map(({ params }) => params?.['progressToken'])).toContain(7);
  expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
});
