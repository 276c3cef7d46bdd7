/** The fixtures that need the request itself (its progress token, log level, capabilities): registered on the SDK's server. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { type CallToolResult, inputRequired } from '../../src/index.ts';
import { ASK_NAME, askModel, requestsOf } from './questions.ts';

const PAUSE_MS = 50;

export function registerRequestTools(mcp: McpServer): void {
  mcp.registerTool('test_tool_with_progress', { description: 'Tells how far it is.' }, async (ctx) => {
    for (const progress of [0, 50, 100]) {
      if (progress > 0) await sleep(PAUSE_MS);
      await tellProgress(ctx, progress);
    }
    return text('Progress was told.');
  });

  for (const name of ['test_tool_with_logging', 'test_logging_tool']) {
    mcp.registerTool(name, { description: 'Logs while it runs.' }, async (ctx) => {
      await ctx.mcpReq.log('info', 'Tool execution started');
      await sleep(PAUSE_MS);
      await ctx.mcpReq.log('info', 'Tool processing data');
      await sleep(PAUSE_MS);
      await ctx.mcpReq.log('info', 'Tool execution completed');
      return text('Logged three messages.');
    });
  }

  const questions = { elicitation: ASK_NAME, sampling: askModel('greeting', 'Generate a greeting', 50) };
  const description = 'Asks only what the client has declared that it can be asked.';
  mcp.registerTool('test_input_required_result_capabilities', { description }, async (ctx) => {
    const declared = declaredBy(ctx);
    const askable = (['elicitation', 'sampling'] as const).filter((kind) => declared[kind] !== undefined);
    const open = askable
      .map((kind) => questions[kind])
      .filter((asked) => asked.read(ctx.mcpReq.inputResponses) === undefined);
    return open.length === 0 ? text('Nothing left to ask.') : inputRequired({ inputRequests: requestsOf(open) });
  });
}

function declaredBy(ctx: ServerContext): ClientCapabilities {
  const envelope: Readonly<Record<string, unknown>> = ctx.mcpReq.envelope ?? {};
  return envelope[CLIENT_CAPABILITIES_META_KEY] ?? {};
}

async function tellProgress(ctx: ServerContext, progress: number): Promise<void> {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return;
  await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
}

function text(value: string): CallToolResult {
  return { content: [{ type: 'text', text: value }] };
}
