/** `@langchain/mcp-adapters`: its tools give what a model is shown, and throw what is an error. */
import { MultiServerMCPClient } from '@langchain/mcp-adapters';
import { drivePlain, target } from './driver.ts';

await drivePlain(async () => {
  const client = new MultiServerMCPClient({
    mcpServers: {
      tasks:
        'url' in target
          ? { transport: 'http', url: target.url }
          : { transport: 'stdio', command: target.command, args: [...target.args], stderr: 'ignore' },
    },
  });
  const tools = await client.getTools();
  return {
    call: async (name, args) => {
      const shown: unknown = await tools.find((tool) => tool.name === name)?.invoke(args);
      return { text: typeof shown === 'string' ? shown : JSON.stringify(shown), isError: false };
    },
    close: () => client.close(),
  };
});
