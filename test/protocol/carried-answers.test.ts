/** What a client is told where a server's answers have a bound: by a result that is stored, and by one that never is. */
import { expect, test } from '@jest/globals';
import * as z from 'zod';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { holdServer } from '../support/mcp-server.ts';

const LIMIT = 100_000;
const inputSchema = z.object({ quotes: z.int() });
const quotes = (count: number) => ({ content: [{ type: 'text' as const, text: '"'.repeat(count) }] });
const stored = defineTaskTool({
  name: 'stored',
  description: 'Quotes.',
  inputSchema,
  run: async ({ quotes: count }) => quotes(count),
});
const direct = defineTaskTool({
  name: 'direct',
  description: 'Quotes, at once.',
  taskSupport: 'forbidden',
  inputSchema,
  run: async ({ quotes: count }) => quotes(count),
});

test('a task whose result no answer could carry is failed, and says so at each poll [LIFE-10 MOD-1]', async () => {
  const held = holdServer([stored], { maxAnswerBytes: LIMIT });
  const taskId = await held.peer.createTask('stored', { quotes: 30_000 });
  await held.runDue();

  expect(await held.peer.result('tasks/get', { taskId })).toMatchObject({
    status: 'failed',
    statusMessage: expect.stringContaining('The result takes'),
    error: { code: -32603, message: expect.stringMatching(/carry 83616\. Keep the data elsewhere/) },
  });
});

test('a tool that answers within the call gives a tool error instead [LIFE-10 MOD-1]', async () => {
  const held = holdServer([direct], { maxAnswerBytes: LIMIT });

  const { message } = await held.peer.call('direct', { quotes: 30_000 });
  const fits = await held.peer.call('direct', { quotes: 15_000 });

  expect(message?.result).toMatchObject({
    isError: true,
    content: [{ type: 'text', text: expect.stringContaining('Keep the data elsewhere') }],
  });
  expect(fits.message?.result).toMatchObject(quotes(15_000));
});

test('without a bound both give what they have [LIFE-10]', async () => {
  const held = holdServer([stored, direct]);
  const taskId = await held.peer.createTask('stored', { quotes: 500_000 });
  await held.runDue();

  expect(await held.peer.result('tasks/get', { taskId })).toMatchObject({ result: quotes(500_000) });
  expect((await held.peer.call('direct', { quotes: 500_000 })).message?.result).toMatchObject(quotes(500_000));
});

test('a bound that nothing would fit is refused [LIFE-10]', () => {
  expect(() => holdServer([stored], { maxAnswerBytes: 1000 })).toThrow(
    'maxAnswerBytes must be a whole number from 65536',
  );
});
