/** A server that is started again: what the one before it had in hand, or in its queue, goes on at once. */
import { expect, test } from '@jest/globals';
import * as z from 'zod';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { createTaskServer } from '../../../src/server/create-task-server.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { ManualClock, manualRandom } from '../../../src/testing/manual-clock.ts';
import { credentials, McpPeer } from '../../support/mcp-requests.ts';
import { Gate } from '../runtime/runtime-under-test.ts';

test('tasks that have waited in line for 16 minutes are in the line of the next server at once [EXEC-20 EXEC-23]', async () => {
  const clock = new ManualClock();
  const backend = new MemoryBackend({ clock });
  const gate = new Gate();
  const works = defineTaskTool({
    name: 'works',
    description: 'Works until it may end.',
    inputSchema: z.object({}),
    run: async (_args, task) => {
      await task.step('work', async ({ signal }) => {
        signal.addEventListener('abort', () => gate.open());
        await gate.pass();
      });
      return { content: [] };
    },
  });
  const serve = () =>
    createTaskServer({
      name: 's',
      version: '1',
      tools: [works],
      backend,
      clock,
      random: manualRandom(1),
      concurrency: 1,
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
  const before = serve();
  await before.start();
  const peer = new McpPeer(before.fetch, credentials('alice'));
  await peer.createTask('works', {});
  const inLine = await peer.createTask('works', {});
  for (let second = 0; second < 975; second += 5) await clock.advance(5_000);
  await before.drain();

  const after = serve();
  await after.start();
  const again = new McpPeer(after.fetch, credentials('alice'));

  // Far less than a look every five seconds, and than a poll that heals.
  for (let turn = 0; turn < 20; turn += 1) await clock.advance(100);
  expect((await again.task(inLine)).status).toBe('completed');
  await after.drain();
});
