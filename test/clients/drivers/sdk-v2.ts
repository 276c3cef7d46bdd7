/** `@modelcontextprotocol/client`, the official client of today, which knows no tasks; the variant is its era. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { answerForm, answerOf, drivePlain, target, variant } from './driver.ts';

await drivePlain(async () => {
  const client = new Client(
    { name: 'sdk-v2', version: '2.4.0' },
    {
      capabilities: { elicitation: { form: {} } },
      versionNegotiation: { mode: variant === 'modern' ? { pin: '2026-07-28' } : 'legacy' },
    },
  );
  client.setRequestHandler('elicitation/create', ({ params }) => answerForm(params));
  await client.connect(
    'url' in target
      ? new StreamableHTTPClientTransport(new URL(target.url))
      : new StdioClientTransport({ command: target.command, args: [...target.args], stderr: 'ignore' }),
  );
  return {
    call: async (name, args) => answerOf(await client.callTool({ name, arguments: { ...args } })),
    close: () => client.close(),
  };
});
