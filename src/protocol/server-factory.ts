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
  /** How long a tool without tasks waits for an answer within its call, in milliseconds. @default ten minutes */
  readonly answerWaitMs?: number | undefined;
}

/** For an answer that a person gives. */
const ANSWER_WAIT_MS = 600_000;

export function serverFactory(options: ServedAs) {
  const { name, version, instructions, extension, createServer, answerWaitMs = ANSWER_WAIT_MS } = options;
  const create =
    createServer ??
    (() =>
      // Tools are fixed when the server starts, so there is no change to tell of.
      new McpServer(
        { name, version },
        {
          capabilities: { tools: { listChanged: false } },
          inputRequired: { roundTimeoutMs: Math.min(answerWaitMs, ANSWER_WAIT_MS) },
          ...present({ instructions }),
        },
      ));
  return async (ctx: Parameters<McpServerFactory>[0]): Promise<McpServer> => {
    const server = await create(ctx);
    if (!(server instanceof McpServer)) throw new Error('createServer must return an McpServer.');
    extension.attach(server);
    return server;
  };
}
