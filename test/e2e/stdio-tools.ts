/**
 * Tools for `stdio.test.ts`, served over stdio by a process of its own. They tell the test what they did by appending
 * lines to the file that STDIO_LOG names, and one writes to where only messages belong.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import * as z from 'zod';
import { defineTaskTool } from '../../src/index.ts';

const LOG = process.env['STDIO_LOG'] ?? '';

console.log('a line of a module that is loaded');
// As a pool of connections does, it would keep the process for ever.
setInterval(() => {}, 60_000);

function note(line: string): void {
  appendFileSync(LOG, `${line} ${process.pid}\n`);
}

const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });

const greet = defineTaskTool({
  name: 'greet',
  description: 'Answers within the call, and is loud.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ name: z.string(), afterMs: z.int().default(0) }),
  run: async ({ name, afterMs }) => {
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    console.log('a line of a tool');
    console.error('a line that is where it belongs');
    process.stdout.write('not even a line of a tool');
    return text(`Hello, ${name}!`);
  },
});

const count = defineTaskTool({
  name: 'count',
  description: 'Some short steps.',
  inputSchema: z.object({ steps: z.int(), stepMs: z.int() }),
  pollIntervalMs: 20,
  run: async ({ steps, stepMs }, task) => {
    for (let step = 1; step <= steps; step += 1) {
      await task.step(`step ${step}`, async () => {
        await new Promise((resolve) => setTimeout(resolve, stepMs));
        note(`${task.id} step ${step}`);
      });
    }
    return text(`counted to ${steps}`);
  },
});

const ask = defineTaskTool({
  name: 'ask',
  description: 'Asks for a name.',
  inputSchema: z.object({}),
  pollIntervalMs: 20,
  run: async (_args, task) => {
    const { content } = await task.elicit({
      message: 'Your name?',
      requestedSchema: { type: 'object', properties: { name: { type: 'string' } } },
    });
    return text(`You are ${String(content?.['name'])}.`);
  },
});

const longWork = defineTaskTool({
  name: 'long_work',
  description: 'A step that lasts until its process is stopped; in the next process it is short.',
  inputSchema: z.object({}),
  pollIntervalMs: 20,
  run: async (_args, task) => {
    await task.step('first', async () => note('first ran'));
    await task.step('second', async ({ signal }) => {
      if (readFileSync(LOG, 'utf8').includes('second began')) return note('second went on');
      note('second began');
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          note(`signal fired: ${signal.reason.reason}`);
          reject(signal.reason);
        });
      });
    });
    return text('done');
  },
});

export default [greet, count, ask, longWork];
