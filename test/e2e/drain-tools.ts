/**
 * Tools for `serve-cli.test.ts`, served by a process of its own with `--tools`. They tell the test
 * what they did by appending lines to the file that DRAIN_LOG names.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import * as z from 'zod';
import { defineTaskTool } from '../../src/index.ts';

const LOG = process.env['DRAIN_LOG'] ?? '';

function note(line: string): void {
  appendFileSync(LOG, `${line}\n`);
}

const result = { content: [{ type: 'text' as const, text: 'done' }] };

const longWork = defineTaskTool({
  name: 'long_work',
  description: 'One finished step, then one that lasts until its process is stopped; in the next process it is short.',
  inputSchema: z.object({}),
  async run(_args, task) {
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
    return result;
  },
});

const deafWork = defineTaskTool({
  name: 'deaf_work',
  description: 'Never ends and does not listen to its signal.',
  inputSchema: z.object({}),
  async run(_args, task) {
    await task.step('for ever', () => {
      note('deaf began');
      return new Promise<never>(() => {});
    });
    return result;
  },
});

export default [longWork, deafWork];
