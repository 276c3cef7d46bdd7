/** `@ai-sdk/mcp`: its tools are functions that hand on what the server answered. */
import { createMCPClient, ElicitationRequestSchema } from '@ai-sdk/mcp';
import { Experimental_StdioMCPTransport as StdioTransport } from '@ai-sdk/mcp/mcp-stdio';
import { answerForm, answerOf, drivePlain, target } from './driver.ts';

await drivePlain(async () => {
  const client = await createMCPClient({
    transport:
      'url' in target
        ? { type: 'http', url: target.url }
        : new StdioTransport({ command: target.command, args: [...target.args], stderr: 'ignore' }),
    capabilities: { elicitation: {} },
  });
  client.onElicitationRequest(ElicitationRequestSchema, ({ params }) => answerForm(params));
  const tools = await client.tools();
  return {
    call: async (name, args) => answerOf(await tools[name]?.execute(args, { messages: [], toolCallId: name })),
    close: () => client.close(),
  };
});
