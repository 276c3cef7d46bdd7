/** How an MCP server with tasks is made, once for each HTTP request and once for each connection of stdio. */
import { McpServer, type McpServerFactory } from '@modelcontextprotocol/server';
import { present } from '../present.ts';
import type { TasksExtension } from './tasks-extension.ts';

export interface ServedAs {
  readonly name: string;
  readonly version: string;
  readonly instructions?: string | undefined;
  readonly extension: TasksExtension;
  /** Makes the server, for one that offers more than task tools. @default a bare one */
  readonly createServer?: McpServerFactory | undefined;
}

export function serverFactory({ name, version, instructions, extension, createServer }: ServedAs) {
  const create =
    createServer ??
    (() =>
      // Tools are fixed when the server starts, so there is no change to tell of.
      new McpServer(
        { name, version },
        { capabilities: { tools: { listChanged: false } }, ...present({ instructions }) },
      ));
  return async (ctx: Parameters<McpServerFactory>[0]): Promise<McpServer> => {
    const server = await create(ctx);
    if (!(server instanceof McpServer)) throw new Error('createServer must return an McpServer.');
    extension.attach(server);
    return server;
  };
}
