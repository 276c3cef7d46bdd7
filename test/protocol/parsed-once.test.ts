/** Arguments are parsed by the tool's schema once, in the call; what it made of them is what every run gets. */
import { expect, test } from '@jest/globals';
import * as z from 'zod';
import { present } from '../../src/present.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { IDEMPOTENCY_KEY } from '../support/mcp-requests.ts';
import { holdServer } from '../support/mcp-server.ts';

let made = 0;
const next = () => {
  made += 1;
  return `made ${made}`;
};
const text = (value: unknown) => ({ content: [{ type: 'text' as const, text: JSON.stringify(value) }] });

test('a default is made once, and what was accepted stays accepted, however often the task is replayed [EXEC-16]', async () => {
  let looked = 0;
  const tool = defineTaskTool({
    name: 'book',
    description: 'Books.',
    inputSchema: z.object({
      id: z.string().default(next),
      room: z.string().refine(() => {
        looked += 1;
        return looked <= 1;
      }, 'is taken'),
    }),
    async run({ id, room }, task) {
      const recorded = await task.step('note', async () => id);
      await task.wait('pause', { seconds: 1 });
      return text([recorded === id, room]);
    },
  });
  const held = holdServer([tool]);
  const taskId = await held.peer.createTask('book', { room: 'blue' });
  await held.runDue();
  await held.clock.advance(1_000);
  await held.runDue();

  expect(await held.peer.task(taskId)).toMatchObject({ result: text([true, 'blue']) });
  expect(looked).toBe(1);
});

test('a schema that makes what is no JSON is answered in the call, with the path, and makes no task [EXEC-16]', async () => {
  const tool = defineTaskTool({
    name: 'when',
    description: 'Takes a date.',
    inputSchema: z.object({ at: z.string().transform((at) => ({ start: new Date(at) })) }),
    run: async () => text('never'),
  });
  const held = holdServer([tool]);

  const { message } = await held.peer.call('when', { at: '2030-01-01' });

  expect(message?.result).toMatchObject({
    isError: true,
    content: [
      { text: expect.stringMatching(/The input schema of tool "when" makes an instance of Date at at\.start/) },
    ],
  });
  expect(held.queue.takeDue(held.clock.now())).toBeUndefined();
});

test('an idempotency key stands for what the caller gave, not for what the schema made of it [EXEC-16 LIFE-9]', async () => {
  const tool = defineTaskTool({
    name: 'idle',
    description: 'Idles.',
    inputSchema: z.object({ id: z.string().default(next) }),
    run: async () => text('done'),
  });
  const held = holdServer([tool]);
  const meta = { [IDEMPOTENCY_KEY]: 'once' };

  const first = await held.peer.createTask('idle', {}, { meta });
  const again = await held.peer.createTask('idle', {}, { meta });

  expect(again).toBe(first);
});

test('new calls get the highest version of a tool, which is the one that is listed [EXEC-17]', async () => {
  const version = (number: number | undefined) =>
    defineTaskTool({
      name: 'deploy',
      description: `Deploys, version ${number}.`,
      inputSchema: z.object({}),
      ...present({ version: number }),
      run: async () => text(number ?? 'none'),
    });
  const held = holdServer([version(undefined), version(2), version(1)]);

  const taskId = await held.peer.createTask('deploy', {});
  await held.runDue();

  expect(await held.peer.task(taskId)).toMatchObject({ result: text(2) });
  expect(await held.peer.result('tools/list', {})).toMatchObject({ tools: [{ description: 'Deploys, version 2.' }] });
});
