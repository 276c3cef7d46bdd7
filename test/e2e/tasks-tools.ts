/** Tools for `tasks-cli.test.ts`, served by a process of its own with `--tools`. */
import * as z from 'zod';
import { defineTaskTool, ProtocolError } from '../../src/index.ts';

const asks = defineTaskTool({
  name: 'asks',
  description: 'Does a step, then asks for a name.',
  inputSchema: z.object({}),
  async run(_args, task) {
    await task.step('before', async () => 'done');
    const { content } = await task.elicit({
      message: 'Who?',
      requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
    });
    return { content: [{ type: 'text', text: `Hello ${String(content?.['name'])}` }] };
  },
});

const fails = defineTaskTool({
  name: 'fails',
  description: 'Fails at once.',
  inputSchema: z.object({}),
  async run() {
    throw new ProtocolError(-32000, 'broken');
  },
});

export default [asks, fails];
