/** `@mastra/mcp`: its tools give the structured content where there is some, and throw what is an error. */
import { MCPClient } from '@mastra/mcp';
import { answerForm, drivePlain, target, variant } from './driver.ts';

await drivePlain(async () => {
  const client = new MCPClient({
    servers: {
      tasks: {
        ...('url' in target
          ? { url: new URL(target.url) }
          : { command: target.command, args: [...target.args], stderr: 'ignore' as const }),
        protocolVersion: variant === 'modern' ? '2026-07-28' : 'legacy',
        capabilities: { elicitation: { form: {} } },
        inputRequests: ({ params }: { params: unknown }) => answerForm(params),
      },
    },
  });
  const tools = await client.listTools();
  return {
    call: async (name, args) => {
      const shown: unknown = await tools[`tasks_${name}`]?.execute?.(args, {});
      return { text: typeof shown === 'string' ? shown : JSON.stringify(shown), isError: false };
    },
    close: () => client.disconnect(),
  };
});
