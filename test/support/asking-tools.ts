/** Tools that ask and tools that fail, for the tests of how either reaches clients of each kind. */
import * as z from 'zod';
import { ProtocolError } from '../../src/protocol/sdk.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';

export const NAME_FORM = {
  type: 'object' as const,
  properties: { name: { type: 'string' as const } },
  required: ['name'],
};

export const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
export const noArguments = z.object({});

export const asksName = defineTaskTool({
  name: 'asks_name',
  description: 'Asks for a name.',
  inputSchema: noArguments,
  run: async (_args, task) => {
    try {
      const { action, content } = await task.elicit({ message: 'Who?', requestedSchema: NAME_FORM });
      return text(`${action} ${String(content?.['name'])}`);
    } catch (error) {
      return text(`no answer: ${error instanceof Error ? error.message : ''}`);
    }
  },
});

export const asksTwice = defineTaskTool({
  name: 'asks_twice',
  description: 'Asks one thing after the other.',
  inputSchema: noArguments,
  run: async (_args, task) => {
    const first = await task.elicit({ message: 'First?', requestedSchema: NAME_FORM });
    const second = await task.elicit({ message: 'Second?', requestedSchema: NAME_FORM });
    return text(`${String(first.content?.['name'])} and ${String(second.content?.['name'])}`);
  },
});

export const toolError = defineTaskTool({
  name: 'tool_error',
  description: 'Fails as a tool does.',
  inputSchema: noArguments,
  run: async () => {
    throw new Error('The grinder is stuck.');
  },
});

export const protocolError = defineTaskTool({
  name: 'protocol_error',
  description: 'Fails as a request does.',
  inputSchema: noArguments,
  run: async () => {
    throw new ProtocolError(-32050, 'No more coffee.', { cups: 0 });
  },
});

export const structured = defineTaskTool({
  name: 'structured',
  description: 'Counts.',
  inputSchema: noArguments,
  outputSchema: z.object({ count: z.number() }),
  run: async () => ({ content: [], structuredContent: { count: 3 } }),
});
