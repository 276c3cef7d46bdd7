/** What the drivers use of packages that only the clients' folder in the cache has. */
interface OfClient {
  connect(transport: object): Promise<void>;
  close(): Promise<void>;
  listTools(): Promise<unknown>;
  callTool(call: { name: string; arguments: object }): Promise<unknown>;
  setRequestHandler(schema: object, handler: (request: { params: unknown }) => Promise<unknown>): void;
}

interface ToStart {
  readonly command: string;
  readonly args: string[];
  readonly stderr: 'ignore';
  readonly env?: Record<string, string>;
}

declare module '@modelcontextprotocol/sdk/client/index.js' {
  interface TaskMessage {
    readonly type: 'taskCreated' | 'taskStatus';
    readonly task: { readonly taskId: string; readonly statusMessage?: string };
  }
  type Message =
    | TaskMessage
    | { readonly type: 'result'; readonly result: unknown }
    | { readonly type: 'error'; readonly error: Error };

  export interface Client extends OfClient {
    readonly experimental: {
      readonly tasks: {
        callToolStream(call: { name: string; arguments: object }, schema: object): AsyncGenerator<Message, void, void>;
        getTaskResult(taskId: string, schema: object): Promise<unknown>;
        cancelTask(taskId: string): Promise<unknown>;
      };
    };
  }
  export const Client: new (info: object, options: object) => Client;
}

declare module '@modelcontextprotocol/sdk/client/stdio.js' {
  export const StdioClientTransport: new (server: ToStart) => object;
}

declare module '@modelcontextprotocol/sdk/client/streamableHttp.js' {
  export const StreamableHTTPClientTransport: new (url: URL) => object;
}

declare module '@modelcontextprotocol/sdk/types.js' {
  export const CallToolResultSchema: object;
  export const ElicitRequestSchema: object;
}

declare module '@ai-sdk/mcp' {
  export const ElicitationRequestSchema: object;
  export function createMCPClient(config: object): Promise<{
    tools(): Promise<Readonly<Record<string, { execute(args: object, options: object): Promise<unknown> }>>>;
    onElicitationRequest(schema: object, handler: (request: { params: unknown }) => Promise<unknown>): void;
    close(): Promise<void>;
  }>;
}

declare module '@ai-sdk/mcp/mcp-stdio' {
  export const Experimental_StdioMCPTransport: new (server: ToStart) => object;
}

declare module '@langchain/mcp-adapters' {
  export const MultiServerMCPClient: new (
    config: object,
  ) => {
    getTools(): Promise<readonly { readonly name: string; invoke(args: object): Promise<unknown> }[]>;
    close(): Promise<void>;
  };
}

declare module '@mastra/mcp' {
  export const MCPClient: new (
    config: object,
  ) => {
    listTools(): Promise<Readonly<Record<string, { execute?(args: object, context: object): Promise<unknown> }>>>;
    disconnect(): Promise<void>;
  };
}
