/**
 * The server that the conformance suite is run against: its fixture tools through this package, and beside
 * them, on the SDK's own server, what the suite wants that is no tool or needs more of the request.
 */
import { McpServer, type McpServerFactory } from '@modelcontextprotocol/server';
import type { AnyTool } from '../../src/index.ts';
import { contentTools } from './content-tools.ts';
import { inputTools, stateCodec } from './input-tools.ts';
import { legacyTools, registerWatching } from './legacy-tools.ts';
import { registerPrompts } from './prompts.ts';
import { registerRequestTools } from './request-tools.ts';
import { registerResources } from './resources.ts';
import { taskTools } from './task-tools.ts';

export const FIXTURE_SERVER = { name: 'conformance-fixtures', version: '1.0.0' } as const;

export const fixtureTools: readonly AnyTool[] = [...taskTools, ...contentTools, ...inputTools, ...legacyTools];

export const createFixtureServer = ({ era }: Parameters<McpServerFactory>[0]): McpServer => {
  const mcp = new McpServer(FIXTURE_SERVER, {
    // The lists never change here, so nobody is promised to be told.
    capabilities: {
      tools: { listChanged: false },
      prompts: { listChanged: false },
      resources: { listChanged: false },
      logging: {},
    },
    requestState: { verify: (state, ctx) => stateCodec.verify(state, ctx) },
  });
  registerRequestTools(mcp);
  registerPrompts(mcp);
  registerResources(mcp);
  if (era === 'legacy') registerWatching(mcp);
  return mcp;
};
